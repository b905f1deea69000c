package bigdl_caffe;

import bigdl_caffe.jvm.Answer;
import bigdl_caffe.jvm.Arguments;
import bigdl_caffe.jvm.Bundles;
import bigdl_caffe.jvm.Json;
import bigdl_caffe.jvm.ModelHandle;
import bigdl_caffe.spark.EvaluatedResult;
import com.fasterxml.jackson.databind.JsonNode;
import java.io.File;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;

/**
 * What a Caffe net with its weights can do; see {@link Model}.
 *
 * @param <M> the model's own class
 */
public abstract class BaseModel<M extends BaseModel<M>> implements AutoCloseable {
    private final ModelHandle handle;
    private JsonNode description;

    BaseModel(ModelHandle handle) {
        this.handle = handle;
    }

    abstract M make(ModelHandle model);

    abstract M self();

    /** Returns the model as calls to Python take it. */
    public ModelHandle handle() {
        return handle;
    }

    // -- looking at it

    /** Returns the net's name. */
    public String name() {
        return description().get("name").asText();
    }

    /** Returns the input blobs and their declared shapes. */
    public Map<String, int[]> inputs() {
        return shapes("inputs");
    }

    /** Returns the output blobs, sorted as pycaffe's. */
    public String[] outputs() {
        return Json.as(String[].class, description().get("outputs"));
    }

    /** Returns the shape of every blob at the declared input shapes. */
    public Map<String, int[]> blobShapes() {
        return shapes("blob_shapes");
    }

    /** Returns a table of the layers with shapes, parameters and multiply-accumulates. */
    public String summary() {
        return ask("summary").json().asText();
    }

    /** Returns the SHA-256 of the definition, the options and every weight as they are now. */
    public String contentHash() {
        return ask("content_hash").json().asText();
    }

    @Override
    public String toString() {
        return handle.isClosed() ? "Model(closed)" : description().get("repr").asText();
    }

    // -- scoring rows of a DataFrame

    /** Scores each row, 32 at a time; see {@link #predict(Dataset, int, String...)}. */
    public Dataset<Row> predict(Dataset<?> rows) {
        return rows("predict", Arguments.of(), rows);
    }

    /** Scores each row; see {@link #predict(Dataset, int, String...)}. */
    public Dataset<Row> predict(Dataset<?> rows, int batchSize) {
        return rows("predict", Arguments.of("batch_size", batchSize), rows);
    }

    /**
     * Scores each row. Nothing runs before an action.
     *
     * <p>{@link bigdl_caffe.spark.CaffeModel} does the same with every option there is.
     *
     * @param rows what holds the net's input: encoded images, Spark's image struct, arrays or
     *     vectors
     * @param batchSize how many rows a forward pass takes at once
     * @param fetch the blobs to append, the net's outputs if there are none
     * @return the rows, in their order, with a column for each blob and one for what went wrong
     */
    public Dataset<Row> predict(Dataset<?> rows, int batchSize, String... fetch) {
        Arguments how = Arguments.of("batch_size", batchSize);
        return rows("predict", how.and("fetch", fetch.length == 0 ? null : fetch), rows);
    }

    /** The same as {@link #predict(Dataset)}. */
    public Dataset<Row> transform(Dataset<?> rows) {
        return predict(rows);
    }

    /** Appends each row's 0-based class as the column "prediction", 32 rows at a time. */
    public Dataset<Row> predictClass(Dataset<?> rows) {
        return rows("predict_class", Arguments.of(), rows);
    }

    /** Appends each row's 0-based class as the column "prediction". */
    public Dataset<Row> predictClass(Dataset<?> rows, int batchSize) {
        return rows("predict_class", Arguments.of("batch_size", batchSize), rows);
    }

    /**
     * Appends each row's 0-based class as the column "prediction".
     *
     * @param fetch the blob of scores, for a net with several outputs
     */
    public Dataset<Row> predictClass(Dataset<?> rows, int batchSize, String fetch) {
        Arguments how = Arguments.of("batch_size", batchSize).and("fetch", fetch);
        return rows("predict_class", how, rows);
    }

    /** Returns the model, which computes in the TEST phase unless it was loaded otherwise. */
    public M evaluate() {
        ask("evaluate");
        return self();
    }

    /** Evaluates the model by "top1", with the labels in the column "label". */
    public EvaluatedResult[] evaluate(Dataset<?> rows) {
        return evaluate(rows, "label", "top1");
    }

    /**
     * Evaluates the model on labelled rows.
     *
     * @param rows as {@link #predict(Dataset)} takes them
     * @param labelCol the column of labels: 0-based classes, or as many numbers as the output has
     * @param metrics top1, top5, loss or mae; top1 if there are none
     * @return a result for each metric
     */
    public EvaluatedResult[] evaluate(Dataset<?> rows, String labelCol, String... metrics) {
        Arguments how = Arguments.of("label_col", labelCol)
                .and("metrics", metrics.length == 0 ? null : metrics);
        return EvaluatedResult.all(handle.ask("evaluate", how.and("data", rows)).json());
    }

    // -- running it in the driver

    /**
     * Runs a forward pass of a net with one input and one output.
     *
     * @param data the numbers of a batch, in row-major order
     * @param shape its dimensions, such as N, C, H, W
     */
    public Tensor forward(float[] data, int... shape) {
        return forward(new Tensor(data, shape));
    }

    /** Runs a forward pass of a net with one input and one output. */
    public Tensor forward(Tensor input) {
        Tensor[] outputs = forward(new Tensor[] {input});
        if (outputs.length != 1) {
            throw new CaffeException("the net has the outputs " + String.join(", ", outputs())
                    + ": call forward(new Tensor[] {...}) or run(...), which return them all", null);
        }
        return outputs[0];
    }

    /** Runs a forward pass: a tensor for each of {@link #inputs}, one of each {@link #outputs}. */
    public Tensor[] forward(Tensor[] inputs) {
        List<String> names = new ArrayList<>(inputs().keySet());
        if (names.size() != inputs.length) {
            throw new CaffeException("there are " + inputs.length + " tensors for the inputs "
                    + String.join(", ", names) + ": give one for each", null);
        }
        Map<String, Tensor> feed = new LinkedHashMap<>();
        for (int i = 0; i < inputs.length; i++) {
            feed.put(names.get(i), inputs[i]);
        }
        return run(feed).values().toArray(new Tensor[0]);
    }

    /**
     * Runs a forward pass.
     *
     * @param feed the input blobs that {@code fetch} needs
     * @param fetch the blobs to return, inner ones too; the net's outputs if there are none
     */
    public Map<String, Tensor> run(Map<String, Tensor> feed, String... fetch) {
        Map<String, int[]> shapes = new LinkedHashMap<>();
        feed.forEach((blob, tensor) -> shapes.put(blob, tensor.shape()));
        Arguments how = Arguments.of("shapes", shapes);
        how.and("fetch", fetch.length == 0 ? null : fetch);
        try (TensorFile file = new TensorFile(feed.values())) {
            return file.read(handle.ask("run", how.and("numbers", file.path())).json());
        } catch (IOException error) {
            throw new CaffeException("the tensors cannot go through a file (" + error + "): make "
                    + "room in " + System.getProperty("java.io.tmpdir")
                    + ", or set java.io.tmpdir to another folder", error);
        }
    }

    // -- changing it

    /** Lets training leave the weights of these layers as they are, of all layers if none. */
    public M freeze(String... layers) {
        return change("freeze", layers);
    }

    /** Lets training change the weights of these layers again, of all layers if none. */
    public M unfreeze(String... layers) {
        return change("unfreeze", layers);
    }

    /** Freezes these layers and all that they read from. */
    public M freezeUpTo(String... layers) {
        return change("freeze_up_to", layers);
    }

    /** Returns the model that ends at these blobs, or layers, with the same weights. */
    public M newGraph(String... outputs) {
        Arguments how = Arguments.of("outputs", outputs).and("model", handle);
        return make(ModelHandle.of("new_graph", how));
    }

    // -- int8

    /** Returns the model with int8 weights; its activations stay floats. */
    public M quantize() {
        return quantized(Arguments.of());
    }

    /** Returns the model with int8 weights and activations; see the other {@code quantize}. */
    public M quantize(Dataset<?> calibration) {
        return quantize(calibration, "mse", 512);
    }

    /**
     * Returns the model with int8 weights and activations. This one stays as it is.
     *
     * @param calibration rows as they will be scored, in the one column that can be the input
     * @param method how ranges come of what was seen: mse, minmax or percentile
     * @param rows the most rows that are looked at, from the first on
     * @param keep layers that stay in floats
     */
    public M quantize(Dataset<?> calibration, String method, int rows, String... keep) {
        Arguments how = Arguments.of("method", method).and("rows", rows).and("keep", keep);
        return quantized(how.and("calibration", calibration));
    }

    /** Returns what int8 costs; null unless it is from {@code quantize}, in this Python process. */
    public String quantizationReport() {
        JsonNode told = ask("quantization_report").json();
        return told.isNull() ? null : told.asText();
    }

    // -- keeping it, and letting go of it

    /** Writes the model as one Arrow file, which opens without reading it. */
    public M writeBundle(String path) {
        handle.ask("write_bundle", Arguments.of("target", path));
        return self();
    }

    /** Frees what Spark holds of the model; using the model again sends it again. */
    public M release() {
        ask("release");
        return self();
    }

    /** Lets Python forget the model. One that is never closed is forgotten when collected. */
    @Override
    public void close() {
        handle.close();
    }

    private Answer ask(String call) {
        return handle.ask(call, Arguments.of());
    }

    @SuppressWarnings("unchecked") // what Python answers these calls with
    private Dataset<Row> rows(String call, Arguments how, Dataset<?> data) {
        return (Dataset<Row>) handle.ask(call, how.and("data", data)).object();
    }

    private M quantized(Arguments how) {
        File bundle = Bundles.create();
        return make(ModelHandle.of(Bundles.fill(bundle, "quantize", how.and("model", handle)), bundle));
    }

    private M change(String call, String... layers) {
        handle.change(call, Arguments.of("names", layers.length == 0 ? null : layers));
        return self();
    }

    private synchronized JsonNode description() {
        if (description == null) {
            description = ask("describe").json();
        }
        return description;
    }

    private Map<String, int[]> shapes(String what) {
        return Collections.unmodifiableMap(shapes(description().get(what)));
    }

    static Map<String, int[]> shapes(JsonNode told) {
        Map<String, int[]> shapes = new LinkedHashMap<>();
        told.fields().forEachRemaining(
                each -> shapes.put(each.getKey(), Json.as(int[].class, each.getValue())));
        return shapes;
    }
}
