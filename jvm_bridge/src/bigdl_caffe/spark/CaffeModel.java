package bigdl_caffe.spark;

import bigdl_caffe.CaffeException;
import bigdl_caffe.Model;
import bigdl_caffe.jvm.Arguments;
import bigdl_caffe.jvm.Python;
import java.util.Collections;
import java.util.Map;
import org.apache.spark.ml.param.ParamMap;
import org.apache.spark.ml.util.Identifiable$;
import org.apache.spark.ml.util.MLReader;
import org.apache.spark.ml.util.MLWritable;
import org.apache.spark.ml.util.MLWriter;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.types.StructType;

/**
 * Appends to each row what a Caffe net makes of it: a stage of Spark ML.
 *
 * <p>Rows, their order and their other columns are kept, and nothing runs before an action. The
 * rows may be a stream. A row that cannot be scored is kept, with nulls and the reason in
 * {@link #errorCol}, unless {@link #onError} says otherwise.
 *
 * <pre>{@code
 * new CaffeModel(model).setInputCol("image").setOutputCol("prob").transform(rows)
 * }</pre>
 */
public final class CaffeModel extends CaffeModelParams implements MLWritable {
    private static final long serialVersionUID = 1L;

    private final transient Model model;
    private final transient Map<String, Map<String, double[]>> history;

    /**
     * A stage with this model, which its copies share.
     *
     * @param model as {@code Module.loadCaffeModel} returns it
     */
    public CaffeModel(Model model) {
        this(Identifiable$.MODULE$.randomUID("CaffeModel"), model);
    }

    /** A stage of this name in pipelines. */
    public CaffeModel(String uid, Model model) {
        this(uid, model, Collections.emptyMap());
    }

    CaffeModel(String uid, Model model, Map<String, Map<String, double[]>> history) {
        super(uid);
        if (model == null) {
            throw new CaffeException(
                    "the model is null: give one, as Module.loadCaffeModel returns it", null);
        }
        this.model = model;
        this.history = history;
    }

    /** Returns the model. */
    public Model model() {
        return model;
    }

    /**
     * Returns what was measured while a {@link CaffeEstimator} trained the model, which is not
     * saved: "train", "test" and, of further test nets, "test 1" and so on, and of each its
     * columns, such as "iteration" and "loss".
     */
    public Map<String, Map<String, double[]>> history() {
        return history;
    }

    /** Appends the net's columns, as the Params say. Nothing runs before an action. */
    @Override
    @SuppressWarnings("unchecked") // what Python answers this call with
    public Dataset<Row> transform(Dataset<?> rows) {
        Arguments call = Stages.arguments(this, model).and("data", rows);
        return (Dataset<Row>) Python.ask("transform", call).object();
    }

    /** Returns the schema that {@link #transform} makes of this one; nothing runs. */
    @Override
    public StructType transformSchema(StructType schema) {
        return Stages.schema(Stages.arguments(this, model), schema);
    }

    @Override
    public CaffeModel copy(ParamMap extra) {
        return copyValues(new CaffeModel(uid(), model, history), extra).setParent(parent());
    }

    @Override
    public MLWriter write() {
        return new StageWriter(Stages.arguments(this, model));
    }

    /** Returns a reader of what was saved by the JVM or by Python. */
    public static MLReader<CaffeModel> read() {
        return new StageReader<>(CaffeModel.class, CaffeModel::new);
    }

    /** Returns the stage that was saved as the folder {@code path}, by the JVM or by Python. */
    public static CaffeModel load(String path) {
        return read().load(path);
    }

    /** Returns what PySpark makes a stage in Python of. */
    public String forPython() {
        return Stages.forPython(this, model);
    }
}
