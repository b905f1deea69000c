package bigdl_caffe.spark;

import bigdl_caffe.Model;
import bigdl_caffe.jvm.Answer;
import bigdl_caffe.jvm.Arguments;
import bigdl_caffe.jvm.Bundles;
import bigdl_caffe.jvm.Json;
import bigdl_caffe.jvm.ModelHandle;
import com.fasterxml.jackson.databind.JsonNode;
import java.io.File;
import java.util.LinkedHashMap;
import java.util.Map;
import org.apache.spark.ml.param.ParamMap;
import org.apache.spark.ml.util.Identifiable$;
import org.apache.spark.ml.util.MLReader;
import org.apache.spark.ml.util.MLWritable;
import org.apache.spark.ml.util.MLWriter;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.types.StructType;

/**
 * Trains a Caffe net on the rows of a DataFrame, on several workers at once: a stage of Spark ML.
 *
 * <p>The result is the same for any number of workers, but for rounding: {@link #batchSize} counts
 * the rows of all of them. {@link #fit} never changes the model.
 *
 * <pre>{@code
 * new CaffeEstimator(model).setFeaturesCol("image").setNumWorkers(4).setMaxEpochs(10).fit(rows)
 * }</pre>
 */
public final class CaffeEstimator extends CaffeEstimatorParams implements MLWritable {
    private static final long serialVersionUID = 1L;

    private final transient Model model;

    /** A stage whose net is what {@link #solver} names. */
    public CaffeEstimator() {
        this(null);
    }

    /**
     * A stage that trains a copy of this model.
     *
     * @param model in its TRAIN phase: {@code new LoadOptions().phase("TRAIN")} loads it so
     */
    public CaffeEstimator(Model model) {
        this(Identifiable$.MODULE$.randomUID("CaffeEstimator"), model);
    }

    /** A stage of this name in pipelines; its model may be null. */
    public CaffeEstimator(String uid, Model model) {
        super(uid);
        this.model = model;
    }

    /** Returns the model to begin with, or null where {@link #solver} names it. */
    public Model model() {
        return model;
    }

    /** Trains on these rows. */
    @Override
    public CaffeModel fit(Dataset<?> rows) {
        return fitted("fit", Stages.arguments(this, model).and("data", rows));
    }

    /**
     * Trains on what the net's own data layers name: LMDB, HDF5, ImageData and so on.
     *
     * <p>Their paths are those of the workers, who all have to reach them.
     */
    public CaffeModel fitOwnData() {
        return fitted("fit_own_data", Stages.arguments(this, model));
    }

    /** Returns the schema that the fitted model makes of this one; nothing runs. */
    @Override
    public StructType transformSchema(StructType schema) {
        return Stages.schema(Stages.arguments(this, model), schema);
    }

    @Override
    public CaffeEstimator copy(ParamMap extra) {
        return copyValues(new CaffeEstimator(uid(), model), extra);
    }

    @Override
    public MLWriter write() {
        return new StageWriter(Stages.arguments(this, model));
    }

    /** Returns a reader of what was saved by the JVM or by Python. */
    public static MLReader<CaffeEstimator> read() {
        return new StageReader<>(CaffeEstimator.class, CaffeEstimator::new);
    }

    /** Returns the stage that was saved as the folder {@code path}, by the JVM or by Python. */
    public static CaffeEstimator load(String path) {
        return read().load(path);
    }

    /** Returns what PySpark makes a stage in Python of. */
    public String forPython() {
        return Stages.forPython(this, model);
    }

    /** Trains; the model is kept in a file too, which outlives the Python process. */
    private CaffeModel fitted(String call, Arguments arguments) {
        BarrierTimer.makeDaemon();
        File bundle = Bundles.create();
        Answer answer = Bundles.fill(bundle, call, arguments);
        Model trained = new Model(ModelHandle.of(answer, bundle));
        JsonNode told = answer.json();
        CaffeModel made = new CaffeModel(
                told.get("uid").asText(), trained, history(told.get("history")));
        return Stages.set(made, told.get("params")).setParent(this);
    }

    private static Map<String, Map<String, double[]>> history(JsonNode told) {
        Map<String, Map<String, double[]>> history = new LinkedHashMap<>();
        told.fields().forEachRemaining(table -> {
            Map<String, double[]> columns = new LinkedHashMap<>();
            table.getValue().fields().forEachRemaining(column ->
                    columns.put(column.getKey(), Json.as(double[].class, column.getValue())));
            history.put(table.getKey(), columns);
        });
        return history;
    }
}
