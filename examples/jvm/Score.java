import static org.apache.spark.sql.functions.col;
import static org.apache.spark.sql.functions.substring_index;

import bigdl_caffe.Model;
import bigdl_caffe.Module;
import org.apache.spark.sql.Column;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;

/** Scores the pictures of a folder, writes Parquet, and counts the answers that are right. */
public final class Score {
    private Score() {}

    /** Takes PROTOTXT CAFFEMODEL IMAGES LABELS OUTPUT. */
    public static void main(String[] args) {
        if (args.length != 5) {
            throw new IllegalArgumentException("give PROTOTXT CAFFEMODEL IMAGES LABELS OUTPUT");
        }
        SparkSession spark = SparkSession.builder().appName("score").getOrCreate();
        try (Model model = Module.loadCaffeModel(args[0], args[1])) {
            Dataset<Row> pictures = spark.read().format("binaryFile").load(args[2])
                    .select(name("path"), col("content"));
            model.predictClass(pictures, 64).drop("content")
                    .write().mode("overwrite").parquet(args[4]);
        }
        Dataset<Row> scored = spark.read().parquet(args[4]);
        Dataset<Row> truth = spark.read().option("sep", " ").schema("file string, label int")
                .csv(args[3]).select(name("file"), col("label"));
        long right = scored.join(truth, "name").where("prediction = label").count();
        long failed = scored.where("error IS NOT NULL").count();
        System.out.printf("%d of %d are right, %d could not be scored%n",
                right, scored.count(), failed);
        spark.stop();
    }

    private static Column name(String path) {
        return substring_index(col(path), "/", -1).as("name");
    }
}
