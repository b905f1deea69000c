package bigdl_caffe.jvm;

import java.util.function.Function;
import org.apache.spark.SparkContext;
import org.apache.spark.scheduler.SparkListener;
import org.apache.spark.scheduler.SparkListenerApplicationEnd;
import org.apache.spark.sql.SparkSession;

/** The one Python process that serves this JVM. */
public final class Python {
    private static final String OVER = "the Spark application has ended";

    private static Service current;
    private static String host;
    private static SparkContext watched;

    private Python() {}

    /**
     * Calls a function of Python, in a process that is started at the first call.
     *
     * @param call its name in {@code bigdl_caffe/jvm/calls.py}
     * @throws bigdl_caffe.CaffeException for whatever goes wrong there
     */
    public static Answer ask(String call, Arguments arguments) {
        return call(arguments.session(), service -> service.ask(call, arguments));
    }

    /**
     * Does something with the process that works now; with the next, if that one is dead.
     *
     * @param session with whose application the process ends, or null
     */
    static <T> T call(SparkSession session, Function<Service, T> work) {
        try {
            return work.apply(service(session));
        } catch (NeverBegun dead) {
            return work.apply(service(session));
        }
    }

    /**
     * Lets the Python program that runs this JVM do the work, from now on.
     *
     * @param program what tells it from another, which it may come after
     * @return what it takes its work from, or null if it does it already
     */
    public static synchronized Service host(String program) {
        if (isAlive() && program.equals(host)) {
            return null;
        }
        if (isAlive()) {
            current.end("another Python program does the work now");
        }
        current = new Service(versions -> { }); // which Python has looked at
        current.hello("{}");
        host = program;
        endWith(Sessions.present());
        return current;
    }

    /** Returns the version of this jar, which Python's package has to have too. */
    public static String version() {
        return Jar.version();
    }

    /** Returns the process that works now, which is started if there is none. */
    private static Service service(SparkSession session) {
        Service service = begun(session);
        service.awaitHello();
        return service;
    }

    private static synchronized Service begun(SparkSession session) {
        if (!isAlive()) {
            current = Child.start(session);
            host = null;
        }
        endWith(session);
        return current;
    }

    private static boolean isAlive() {
        return current != null && current.isAlive();
    }

    private static void endWith(SparkSession session) {
        if (session == null || session.sparkContext() == watched) {
            return;
        }
        watched = session.sparkContext();
        watched.addSparkListener(new SparkListener() {
            @Override
            public void onApplicationEnd(SparkListenerApplicationEnd end) {
                applicationEnded();
            }
        });
    }

    private static synchronized void applicationEnded() {
        watched = null;
        if (current != null) {
            current.end(OVER);
        }
    }
}
