package bigdl_caffe.jvm;

import bigdl_caffe.CaffeException;
import java.util.Properties;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import org.apache.spark.sql.SparkSession;

/** One call on its way to Python and back. What Python uses of it is public. */
public final class Request {
    private final Service service;
    private final String call;
    private final String json;
    private final Arguments arguments;
    private final SparkSession session;
    private final Properties properties;
    private final String tag = "bigdl-caffe-" + UUID.randomUUID();
    private final CompletableFuture<Answer> answer = new CompletableFuture<>();
    private boolean begun;

    Request(Service service, String call, Arguments arguments) {
        this.service = service;
        this.call = call;
        this.json = Json.write(arguments.in(service));
        this.arguments = arguments;
        this.session = arguments.session();
        this.properties = session == null ? null : session.sparkContext().getLocalProperties();
    }

    /** Returns the name of the function to call. */
    public String call() {
        return call;
    }

    /** Returns its plain arguments, its models, and the names of its objects. */
    public String json() {
        return json;
    }

    /** Returns its argument {@code name}, which is an object of the JVM. */
    public Object object(String name) {
        return arguments.object(name);
    }

    /** Returns the session to work in, or null where there is none. */
    public SparkSession session() {
        return session;
    }

    /** Gives the present thread the caller's session, job group, pool and description. */
    public void begin() {
        start();
        if (session != null) {
            SparkSession.setActiveSession(session);
            session.sparkContext().setLocalProperties((Properties) properties.clone());
            session.sparkContext().addJobTag(tag);
        }
    }

    private synchronized void start() {
        if (answer.isDone()) {
            throw new IllegalStateException("'" + call + "' is another process's now");
        }
        begun = true;
    }

    /** Ends the call with an answer. */
    public void succeed(String told, Object object) {
        answer.complete(new Answer(service, Json.read(told), object));
    }

    /** Ends the call with an error. */
    public void fail(String told, Throwable cause) {
        answer.completeExceptionally(new CaffeException(Json.read(told), cause));
    }

    /** Ends the call, which will not be answered any more, and its Spark jobs. */
    synchronized void lose(String why) {
        cancelJobs();
        answer.completeExceptionally(begun
                ? new PythonException(why + ", before it had answered '" + call
                        + "': call again, which starts another", null)
                : new NeverBegun(why));
    }

    private void cancelJobs() {
        if (session != null && !session.sparkContext().isStopped()) {
            session.sparkContext().cancelJobsWithTag(tag);
        }
    }

    Answer await() {
        try {
            return answer.get();
        } catch (InterruptedException interrupted) {
            Thread.currentThread().interrupt();
            cancelJobs();
            answer.thenAccept(Answer::drop);
            throw new PythonException(
                    "the thread was interrupted while Python was at '" + call
                            + "', whose Spark jobs are cancelled",
                    interrupted);
        } catch (ExecutionException failed) {
            CaffeException error = (CaffeException) failed.getCause();
            error.fillInStackTrace(); // where the call was made, not where its answer came in
            throw error;
        }
    }
}
