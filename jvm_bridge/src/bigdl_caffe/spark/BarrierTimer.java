package bigdl_caffe.spark;

import java.lang.reflect.Field;
import java.util.Timer;
import org.apache.spark.BarrierTaskContext$;

/**
 * The timer of barrier tasks, which is no daemon in Spark 3.5 (SPARK-46895): after a training on a
 * local master the JVM would never end.
 */
final class BarrierTimer {
    private static final String NAME = "bigdl-caffe-barrier-timer";

    private static boolean checked;

    private BarrierTimer() {}

    /** Puts a daemon in its place, once. */
    static synchronized void makeDaemon() {
        if (checked) {
            return;
        }
        checked = true;
        for (Field field : BarrierTaskContext$.class.getDeclaredFields()) {
            if (field.getType() == Timer.class) { // it is of another type since Spark 4
                replace(field);
            }
        }
    }

    private static void replace(Field field) {
        try {
            field.setAccessible(true);
            Timer old = (Timer) field.get(BarrierTaskContext$.MODULE$);
            field.set(BarrierTaskContext$.MODULE$, new Timer(NAME, true));
            old.cancel();
        } catch (IllegalAccessException error) {
            throw new IllegalStateException("Spark's timer of barrier tasks is out of reach", error);
        }
    }
}
