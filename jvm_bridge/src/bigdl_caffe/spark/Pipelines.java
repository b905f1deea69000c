package bigdl_caffe.spark;

import bigdl_caffe.CaffeException;
import bigdl_caffe.jvm.Json;
import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import org.apache.hadoop.fs.Path;
import org.apache.spark.ml.Pipeline;
import org.apache.spark.ml.PipelineModel;
import org.apache.spark.ml.PipelineStage;
import org.apache.spark.ml.Transformer;
import org.apache.spark.ml.util.MLReader;
import org.apache.spark.sql.SparkSession;

/**
 * Reads pipelines that Python saved, too.
 *
 * <p>Python saves a pipeline that has one of our stages in Spark's format, but under the name of
 * its own class, which Spark's {@code PipelineModel.load} refuses.
 */
public final class Pipelines {
    private static final String PYTHON = "pyspark.ml.pipeline.";

    private Pipelines() {}

    /** Returns the fitted pipeline that the JVM or Python saved as the folder {@code path}. */
    public static PipelineModel load(String path) {
        return (PipelineModel) checked(path, PipelineModel.class, "loadUnfitted");
    }

    /** Returns the pipeline, not fitted, that the JVM or Python saved as {@code path}. */
    public static Pipeline loadUnfitted(String path) {
        return (Pipeline) checked(path, Pipeline.class, "load");
    }

    private static PipelineStage checked(String path, Class<?> wanted, String other) {
        PipelineStage found = stage(path);
        if (!wanted.isInstance(found)) {
            throw new CaffeException(
                    path + " holds a " + found.getClass().getSimpleName() + ": read it by its own "
                            + "load, or a pipeline by Pipelines." + other,
                    null);
        }
        return found;
    }

    private static PipelineStage stage(String path) {
        JsonNode metadata = metadata(path);
        String name = metadata.get("class").asText();
        if (name.equals(PYTHON + "PipelineModel")) {
            List<Transformer> stages = new ArrayList<>();
            stages(path, metadata).forEach(stage -> stages.add((Transformer) stage));
            return new PipelineModel(metadata.get("uid").asText(), stages);
        }
        if (name.equals(PYTHON + "Pipeline")) {
            PipelineStage[] stages = stages(path, metadata).toArray(new PipelineStage[0]);
            return new Pipeline(metadata.get("uid").asText()).setStages(stages);
        }
        return (PipelineStage) reader(name, path).load(path);
    }

    /** Reads the stages of a pipeline, which are in folders 0_uid, 1_uid and so on. */
    private static List<PipelineStage> stages(String path, JsonNode metadata) {
        JsonNode uids = metadata.get("paramMap").get("stageUids");
        String folder = "%0" + String.valueOf(uids.size()).length() + "d_%s";
        List<PipelineStage> stages = new ArrayList<>();
        for (int i = 0; i < uids.size(); i++) {
            stages.add(stage(path + "/stages/" + String.format(folder, i, uids.get(i).asText())));
        }
        return stages;
    }

    private static MLReader<?> reader(String name, String path) {
        try {
            ClassLoader loader = Thread.currentThread().getContextClassLoader();
            Class<?> stage = Class.forName(name, true, loader);
            return (MLReader<?>) stage.getMethod("read").invoke(null);
        } catch (ReflectiveOperationException error) {
            throw new CaffeException(
                    "the stage at " + path + " is a " + name + ", which the JVM does not have: "
                            + "load the pipeline in Python, or put the class on the classpath",
                    error);
        }
    }

    private static JsonNode metadata(String path) {
        SparkSession spark = SparkSession.active();
        Path folder = new Path(path, "metadata");
        try {
            if (folder.getFileSystem(spark.sparkContext().hadoopConfiguration()).exists(folder)) {
                return Json.read(spark.read().text(folder.toString()).first().getString(0));
            }
        } catch (IOException error) {
            throw new CaffeException("cannot look for " + folder + ": " + error, error);
        }
        throw new CaffeException(
                "no pipeline is saved at " + path + ": " + folder + " is missing", null);
    }
}
