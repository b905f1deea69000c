package bigdl_caffe.jvm;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.File;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.apache.spark.SparkConf;
import org.apache.spark.api.python.PythonUtils;
import org.apache.spark.sql.SparkSession;

/** Which Python works for the driver, and what to say when it does not. */
final class Interpreter {
    private static final String REMEDY =
            "set PYSPARK_PYTHON, or spark.pyspark.python, to a Python with bigdl-caffe "
                    + Jar.version();
    private static final int SIGNALLED = 128;

    private final String driver;
    private final String workers;
    private final String files;

    private Interpreter(String driver, String workers, String files) {
        this.driver = driver;
        this.workers = workers;
        this.files = files;
    }

    /** Chooses as spark-submit does for a Python program, whose order this is. */
    static Interpreter of(SparkSession session) {
        SparkConf conf = session == null ? new SparkConf() : session.sparkContext().getConf();
        String driver = conf.get("spark.pyspark.driver.python", null);
        String all = conf.get("spark.pyspark.python", null);
        String env = System.getenv("PYSPARK_PYTHON");
        String chosen = first(driver, all, plain(System.getenv("PYSPARK_DRIVER_PYTHON")), env);
        String python = chosen == null ? "python3" : chosen;
        return new Interpreter(
                python, Objects.toString(first(all, env), python), conf.get("spark.submit.pyFiles", ""));
    }

    List<String> command() {
        return Arrays.asList(driver, "-m", "bigdl_caffe.jvm");
    }

    /** Lets the process find Spark's own Python code, the files of the job, and its workers. */
    void prepare(Map<String, String> environment) {
        String own = environment.getOrDefault("PYTHONPATH", "");
        environment.put("PYTHONPATH", Stream.of(files.replace(",", File.pathSeparator),
                        PythonUtils.sparkPythonPath(), own)
                .filter(path -> !path.isEmpty())
                .collect(Collectors.joining(File.pathSeparator)));
        environment.put("PYSPARK_PYTHON", workers);
        environment.put("PYTHONUNBUFFERED", "1");
        environment.keySet().removeAll(Arrays.asList("SPARK_REMOTE", "SPARK_API_MODE"));
    }

    /** Says why the process could not be started. */
    String missing(Exception error) {
        return "Python could not be started (" + error.getMessage() + "): " + REMEDY;
    }

    /** Says how the process ended. */
    String ended(int code, String lastLine, boolean hadBegun) {
        String how = code > SIGNALLED ? "was killed by signal " + (code - SIGNALLED)
                : "ended with exit code " + code;
        String words = lastLine.isEmpty() ? "" : " (its last words: " + lastLine + ")";
        return this + " " + how + words + (hadBegun ? "" : " before it could work: " + REMEDY);
    }

    /** Refuses a process of other versions than the JVM's. */
    void check(JsonNode versions) {
        check("bigdl_caffe", versions.get("bigdl_caffe").asText(), Jar.version(),
                "use the jar that `bigdl-caffe jar` prints there");
        check("pyspark", release(versions.get("pyspark").asText()), release(Jar.sparkVersion()),
                "set SPARK_HOME to the Spark that runs, or install that pyspark there");
    }

    private void check(String what, String there, String here, String remedy) {
        if (!there.equals(here)) {
            throw new PythonException(this + " has " + what + " " + there + " and the JVM " + here
                    + ": " + remedy + ", or " + REMEDY, null);
        }
    }

    /** Returns the numbers, without what a vendor adds in one way here and another there. */
    private static String release(String version) {
        return version.replaceFirst("^(\\d+\\.\\d+\\.\\d+).*", "$1");
    }

    @Override
    public String toString() {
        return "the Python process (" + driver + ")";
    }

    private static String first(String... candidates) {
        return Stream.of(candidates)
                .filter(each -> each != null && !each.isEmpty())
                .findFirst()
                .orElse(null);
    }

    /** Returns {@code python}, unless it is a notebook's or a shell's own program. */
    private static String plain(String python) {
        return python != null && new File(python).getName().startsWith("python") ? python : null;
    }
}
