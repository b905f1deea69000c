package bigdl_caffe.jvm;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.util.Properties;

/** Of which versions this jar and the Spark around it are. */
final class Jar {
    private static final Properties SAID = read();

    private Jar() {}

    static String version() {
        return SAID.getProperty("version");
    }

    static String sparkVersion() {
        return org.apache.spark.package$.MODULE$.SPARK_VERSION();
    }

    private static Properties read() {
        Properties said = new Properties();
        try (InputStream stream = Jar.class.getResourceAsStream("/bigdl_caffe/jar.properties")) {
            said.load(stream);
        } catch (IOException error) {
            throw new UncheckedIOException(error);
        }
        return said;
    }
}
