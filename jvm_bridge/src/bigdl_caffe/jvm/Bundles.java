package bigdl_caffe.jvm;

import bigdl_caffe.CaffeException;
import java.io.File;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;

/** Models' files in the JVM's temporary folder, which outlive the Python process. */
public final class Bundles {
    private Bundles() {}

    /** Returns a place for a file, in a folder of its own, which nobody else may read. */
    public static File create() {
        try {
            File folder = Files.createTempDirectory("bigdl-caffe-").toFile();
            File bundle = new File(folder, "model.arrow");
            folder.deleteOnExit();
            bundle.deleteOnExit(); // before its folder
            return bundle;
        } catch (IOException error) {
            throw new UncheckedIOException("the JVM's temporary folder takes no model", error);
        }
    }

    /** Calls Python for a model that it writes as {@code bundle}, too; if it fails, both are gone. */
    public static Answer fill(File bundle, String call, Arguments arguments) {
        try {
            return Python.ask(call, arguments.and("bundle", bundle.getPath()));
        } catch (CaffeException error) {
            delete(bundle);
            throw error;
        }
    }

    /** Deletes what {@link #create} made. Who has mapped the file keeps what is in it. */
    public static void delete(File bundle) {
        bundle.delete();
        bundle.getParentFile().delete();
    }
}
