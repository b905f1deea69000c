package bigdl_caffe.jvm;

import org.apache.spark.sql.SparkSession;
import scala.Option;

/** The session of the present thread. */
final class Sessions {
    private Sessions() {}

    /** Returns the active session, else the default one, else null; never a stopped one. */
    static SparkSession present() {
        Option<SparkSession> active = SparkSession.getActiveSession();
        Option<SparkSession> found = active.isDefined() ? active : SparkSession.getDefaultSession();
        boolean lives = found.isDefined() && !found.get().sparkContext().isStopped();
        return lives ? found.get() : null;
    }
}
