// Written by jvm_bridge/params.py from the tables in bigdl_caffe/spark: change those.
package bigdl_caffe.spark;

import java.util.Map;
import org.apache.spark.ml.Model;
import org.apache.spark.ml.param.*;

/** The Params of {@link CaffeModel}; {@code explainParams()} prints them. */
public abstract class CaffeModelParams extends Model<CaffeModel> {
    private static final long serialVersionUID = 1L;

    private final String uid;
    private final Param<String> inputCol;
    private final JsonParam<Map<String, String>> feedDict;
    private final Param<String> outputCol;
    private final JsonParam<Map<String, String>> fetchDict;
    private final Param<String> outputType;
    private final Param<String> predictionCol;
    private final IntParam topK;
    private final Param<String> topCol;
    private final StringArrayParam labels;
    private final Param<String> classesOf;
    private final IntParam batchSize;
    private final Param<String> recipe;
    private final JsonParam<Object> binary;
    private final Param<String> onError;
    private final Param<String> errorCol;
    private final Param<String> engine;
    private final Param<String> dtype;

    CaffeModelParams(String uid) {
        this.uid = uid;
        inputCol = new Param<>(
                this, "inputCol",
                "column of the input, for a net of one input; by default the one column "
                        + "that can be it. It holds encoded images, Spark's image struct, arrays "
                        + "or vectors");
        feedDict = new JsonParam<>(
                this, "feedDict",
                "input blob -> column, for a net of several inputs");
        outputCol = new Param<>(
                this, "outputCol",
                "column for the net's output, if it has one; by default the output's "
                        + "own name");
        fetchDict = new JsonParam<>(
                this, "fetchDict",
                "blob -> column to append, of inner blobs too; by default the net's "
                        + "outputs under their own names, and none for {}");
        outputType = new Param<>(
                this, "outputType",
                "what a row of a blob becomes: array of floats in row-major order (a "
                        + "float where it is one number), vector of Spark ML, binary (the bytes "
                        + "of little-endian float32), or struct of shape and data",
                Checks.known("outputType",
                        "array", "vector", "binary", "struct"));
        setDefault(outputType, "array");
        predictionCol = new Param<>(
                this, "predictionCol",
                "column to append for the 0-based class of the largest number, a double "
                        + "as Spark ML's evaluators take it; none by default");
        topK = new IntParam(
                this, "topK",
                "how many best classes to append, as an array of struct of class, score "
                        + "and, if there are labels, label, the best first; 0 for none",
                Checks.least("topK", 0));
        setDefault(topK, 0);
        topCol = new Param<>(
                this, "topCol",
                "column for the best classes");
        setDefault(topCol, "top");
        labels = new StringArrayParam(
                this, "labels",
                "names of the classes, in their order");
        classesOf = new Param<>(
                this, "classesOf",
                "blob that predictionCol and topK judge; by default the first that is "
                        + "fetched");
        batchSize = new IntParam(
                this, "batchSize",
                "rows that the net runs at a time; fewer where their numbers would take "
                        + "too much memory",
                Checks.least("batchSize", 1));
        setDefault(batchSize, 32);
        recipe = new Param<>(
                this, "recipe",
                "how images become the input, a bigdl_caffe.image.Recipe or its JSON; "
                        + "by default as the net's definition says");
        binary = new JsonParam<>(
                this, "binary",
                "what binary columns hold: image files, or a type of number, as "
                        + "float32; for all, or input blob -> one of them; auto is images where "
                        + "the input is one, else float32");
        setDefault(binary, "auto");
        onError = new Param<>(
                this, "onError",
                "what becomes of a row that cannot be scored: column keeps it, with "
                        + "nulls and the reason in errorCol; drop leaves it out; fail stops the "
                        + "job and names the row",
                Checks.known("onError",
                        "column", "drop", "fail"));
        setDefault(onError, "column");
        errorCol = new Param<>(
                this, "errorCol",
                "column for why a row could not be scored, null where it could");
        setDefault(errorCol, "error");
        engine = new Param<>(
                this, "engine",
                "what computes; torch: fused layers, torch's own kernels; compiled: the "
                        + "joined net as machine code, made once a host; onnxruntime: ONNX "
                        + "Runtime (extra 'onnxruntime'); openvino: OpenVINO (extra 'openvino'); "
                        + "auto: the quickest of those that are here, timed once a host; exact: "
                        + "Caffe's order of operations, row by row",
                Checks.known("engine",
                        "torch", "compiled", "onnxruntime", "openvino", "auto", "exact"));
        setDefault(engine, "torch");
        dtype = new Param<>(
                this, "dtype",
                "what the net computes in: float32, float64, float16, bfloat16; what it "
                        + "returns is float32",
                Checks.known("dtype",
                        "float32", "float64", "float16", "bfloat16"));
        setDefault(dtype, "float32");
    }

    @Override
    public String uid() {
        return uid;
    }

    private <T> CaffeModel put(Param<T> param, T value) {
        set(param, value);
        return (CaffeModel) this;
    }

    /**
     * The Param inputCol: column of the input, for a net of one input; by default the one column
     * that can be it. It holds encoded images, Spark's image struct, arrays or vectors.
     */
    public Param<String> inputCol() {
        return inputCol;
    }

    /** Returns {@link #inputCol()}. */
    public String getInputCol() {
        return getOrDefault(inputCol);
    }

    /** Sets {@link #inputCol()}. */
    public CaffeModel setInputCol(String value) {
        return put(inputCol, value);
    }

    /**
     * The Param feedDict: input blob -&gt; column, for a net of several inputs.
     */
    public JsonParam<Map<String, String>> feedDict() {
        return feedDict;
    }

    /** Returns {@link #feedDict()}. */
    public Map<String, String> getFeedDict() {
        return getOrDefault(feedDict);
    }

    /** Sets {@link #feedDict()}. */
    public CaffeModel setFeedDict(Map<String, String> value) {
        return put(feedDict, value);
    }

    /** Sets {@link #feedDict()}. */
    public CaffeModel setFeedDict(String... value) {
        return put(feedDict, JsonParam.pairs(value));
    }

    /**
     * The Param outputCol: column for the net's output, if it has one; by default the output's own
     * name.
     */
    public Param<String> outputCol() {
        return outputCol;
    }

    /** Returns {@link #outputCol()}. */
    public String getOutputCol() {
        return getOrDefault(outputCol);
    }

    /** Sets {@link #outputCol()}. */
    public CaffeModel setOutputCol(String value) {
        return put(outputCol, value);
    }

    /**
     * The Param fetchDict: blob -&gt; column to append, of inner blobs too; by default the net's
     * outputs under their own names, and none for {}.
     */
    public JsonParam<Map<String, String>> fetchDict() {
        return fetchDict;
    }

    /** Returns {@link #fetchDict()}. */
    public Map<String, String> getFetchDict() {
        return getOrDefault(fetchDict);
    }

    /** Sets {@link #fetchDict()}. */
    public CaffeModel setFetchDict(Map<String, String> value) {
        return put(fetchDict, value);
    }

    /** Sets {@link #fetchDict()}. */
    public CaffeModel setFetchDict(String... value) {
        return put(fetchDict, JsonParam.pairs(value));
    }

    /**
     * The Param outputType: what a row of a blob becomes: array of floats in row-major order (a
     * float where it is one number), vector of Spark ML, binary (the bytes of little-endian
     * float32), or struct of shape and data.
     */
    public Param<String> outputType() {
        return outputType;
    }

    /** Returns {@link #outputType()}. */
    public String getOutputType() {
        return getOrDefault(outputType);
    }

    /** Sets {@link #outputType()}. */
    public CaffeModel setOutputType(String value) {
        return put(outputType, value);
    }

    /**
     * The Param predictionCol: column to append for the 0-based class of the largest number, a
     * double as Spark ML's evaluators take it; none by default.
     */
    public Param<String> predictionCol() {
        return predictionCol;
    }

    /** Returns {@link #predictionCol()}. */
    public String getPredictionCol() {
        return getOrDefault(predictionCol);
    }

    /** Sets {@link #predictionCol()}. */
    public CaffeModel setPredictionCol(String value) {
        return put(predictionCol, value);
    }

    /**
     * The Param topK: how many best classes to append, as an array of struct of class, score and,
     * if there are labels, label, the best first; 0 for none.
     */
    public IntParam topK() {
        return topK;
    }

    /** Returns {@link #topK()}. */
    public int getTopK() {
        return (int) getOrDefault(topK);
    }

    /** Sets {@link #topK()}. */
    public CaffeModel setTopK(int value) {
        return put(topK, value);
    }

    /**
     * The Param topCol: column for the best classes.
     */
    public Param<String> topCol() {
        return topCol;
    }

    /** Returns {@link #topCol()}. */
    public String getTopCol() {
        return getOrDefault(topCol);
    }

    /** Sets {@link #topCol()}. */
    public CaffeModel setTopCol(String value) {
        return put(topCol, value);
    }

    /**
     * The Param labels: names of the classes, in their order.
     */
    public StringArrayParam labels() {
        return labels;
    }

    /** Returns {@link #labels()}. */
    public String[] getLabels() {
        return getOrDefault(labels);
    }

    /** Sets {@link #labels()}. */
    public CaffeModel setLabels(String... value) {
        return put(labels, value);
    }

    /**
     * The Param classesOf: blob that predictionCol and topK judge; by default the first that is
     * fetched.
     */
    public Param<String> classesOf() {
        return classesOf;
    }

    /** Returns {@link #classesOf()}. */
    public String getClassesOf() {
        return getOrDefault(classesOf);
    }

    /** Sets {@link #classesOf()}. */
    public CaffeModel setClassesOf(String value) {
        return put(classesOf, value);
    }

    /**
     * The Param batchSize: rows that the net runs at a time; fewer where their numbers would take
     * too much memory.
     */
    public IntParam batchSize() {
        return batchSize;
    }

    /** Returns {@link #batchSize()}. */
    public int getBatchSize() {
        return (int) getOrDefault(batchSize);
    }

    /** Sets {@link #batchSize()}. */
    public CaffeModel setBatchSize(int value) {
        return put(batchSize, value);
    }

    /**
     * The Param recipe: how images become the input, a bigdl_caffe.image.Recipe or its JSON; by
     * default as the net's definition says.
     */
    public Param<String> recipe() {
        return recipe;
    }

    /** Returns {@link #recipe()}. */
    public String getRecipe() {
        return getOrDefault(recipe);
    }

    /** Sets {@link #recipe()}. */
    public CaffeModel setRecipe(String value) {
        return put(recipe, value);
    }

    /**
     * The Param binary: what binary columns hold: image files, or a type of number, as float32; for
     * all, or input blob -&gt; one of them; auto is images where the input is one, else float32.
     */
    public JsonParam<Object> binary() {
        return binary;
    }

    /** Returns {@link #binary()}. */
    public Object getBinary() {
        return getOrDefault(binary);
    }

    /** Sets {@link #binary()}. */
    public CaffeModel setBinary(String value) {
        return put(binary, value);
    }

    /** Sets {@link #binary()}. */
    public CaffeModel setBinary(Map<String, String> value) {
        return put(binary, value);
    }

    /**
     * The Param onError: what becomes of a row that cannot be scored: column keeps it, with nulls
     * and the reason in errorCol; drop leaves it out; fail stops the job and names the row.
     */
    public Param<String> onError() {
        return onError;
    }

    /** Returns {@link #onError()}. */
    public String getOnError() {
        return getOrDefault(onError);
    }

    /** Sets {@link #onError()}. */
    public CaffeModel setOnError(String value) {
        return put(onError, value);
    }

    /**
     * The Param errorCol: column for why a row could not be scored, null where it could.
     */
    public Param<String> errorCol() {
        return errorCol;
    }

    /** Returns {@link #errorCol()}. */
    public String getErrorCol() {
        return getOrDefault(errorCol);
    }

    /** Sets {@link #errorCol()}. */
    public CaffeModel setErrorCol(String value) {
        return put(errorCol, value);
    }

    /**
     * The Param engine: what computes; torch: fused layers, torch's own kernels; compiled: the
     * joined net as machine code, made once a host; onnxruntime: ONNX Runtime (extra
     * 'onnxruntime'); openvino: OpenVINO (extra 'openvino'); auto: the quickest of those that are
     * here, timed once a host; exact: Caffe's order of operations, row by row.
     */
    public Param<String> engine() {
        return engine;
    }

    /** Returns {@link #engine()}. */
    public String getEngine() {
        return getOrDefault(engine);
    }

    /** Sets {@link #engine()}. */
    public CaffeModel setEngine(String value) {
        return put(engine, value);
    }

    /**
     * The Param dtype: what the net computes in: float32, float64, float16, bfloat16; what it
     * returns is float32.
     */
    public Param<String> dtype() {
        return dtype;
    }

    /** Returns {@link #dtype()}. */
    public String getDtype() {
        return getOrDefault(dtype);
    }

    /** Sets {@link #dtype()}. */
    public CaffeModel setDtype(String value) {
        return put(dtype, value);
    }
}
