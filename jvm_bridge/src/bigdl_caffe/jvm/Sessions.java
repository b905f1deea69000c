package bigdl_caffe.jvm;

import org.apache.spark.sql.SparkSession;
import scala.Option;

/** The session of the present thread. */
final class Sessions {
    private Sessions() {}

    /**
     * Returns the active session, else the default one, else null; none that is stopped, which
     * a thread may still have as its active one.
     */
    static SparkSession present() {
        SparkSession active = living(SparkSession.getActiveSession());
        return active != null ? active : living(SparkSession.getDefaultSession());
    }

    private static SparkSession living(Option<SparkSession> found) {
        boolean lives = found.isDefined() && !found.get().sparkContext().isStopped();
        return lives ? found.get() : null;
    }
}
