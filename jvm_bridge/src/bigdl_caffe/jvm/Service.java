package bigdl_caffe.jvm;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.Optional;
import java.util.Queue;
import java.util.Set;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Consumer;

/**
 * Where one Python process takes its work from. What Python uses of it is public.
 *
 * <p>It ends once, with the process or the application, and every call that is not answered then
 * fails.
 */
public final class Service {
    private static final int START_SECONDS = 120;

    private final BlockingQueue<Optional<Request>> waiting = new LinkedBlockingQueue<>();
    private final Set<Request> open = ConcurrentHashMap.newKeySet();
    private final Queue<Integer> forgotten = new ConcurrentLinkedQueue<>();
    private final CompletableFuture<String> hello = new CompletableFuture<>();
    private final CompletableFuture<String> ended = new CompletableFuture<>();
    private final Consumer<JsonNode> check;
    private volatile boolean begun;

    /**
     * Where a process will take its work from.
     *
     * @param check refuses, by a PythonException, versions that do not go with the JVM's
     */
    Service(Consumer<JsonNode> check) {
        this.check = check;
    }

    /** Is told by a process that it is there, and of which versions. */
    public void hello(String versions) {
        hello.complete(versions);
    }

    /** Waits for a request and returns it, or null when there will be none any more. */
    public Request next() throws InterruptedException {
        begun = true;
        return waiting.take().orElse(null);
    }

    /** Returns the id of a model that nobody needs any more, or -1 if there is none. */
    public int nextForgotten() {
        Integer id = forgotten.poll();
        return id == null ? -1 : id;
    }

    /** Waits until the process is there, and of versions that go with the JVM's. */
    void awaitHello() {
        try {
            check.accept(Json.read(hello.get(START_SECONDS, TimeUnit.SECONDS)));
        } catch (ExecutionException ended) {
            throw new PythonException(ended.getCause().getMessage(), null);
        } catch (TimeoutException slow) {
            String why = "the Python process has not answered for " + START_SECONDS + " s";
            end(why);
            throw new PythonException(why, slow);
        } catch (PythonException refused) {
            end(refused.getMessage());
            throw refused;
        } catch (InterruptedException interrupted) {
            Thread.currentThread().interrupt();
            throw new PythonException("interrupted while Python started", interrupted);
        }
    }

    /** Returns what completes, with the reason, when the service ends. */
    CompletableFuture<String> ended() {
        return ended;
    }

    /** Returns whether the process has come as far as to take its work. */
    boolean hasBegun() {
        return begun;
    }

    boolean isAlive() {
        return !ended.isDone();
    }

    void forget(int model) {
        forgotten.add(model);
    }

    Answer ask(String call, Arguments arguments) {
        Released.forgetCollected();
        Request request = new Request(this, call, arguments);
        open.add(request);
        try {
            waiting.add(Optional.of(request));
            failIfEnded(request); // it may have ended before the request was in the queue
            return request.await();
        } finally {
            open.remove(request);
        }
    }

    void end(String why) {
        if (ended.complete(why)) {
            hello.completeExceptionally(new PythonException(why, null));
            waiting.add(Optional.empty());
            open.forEach(this::failIfEnded);
        }
    }

    private void failIfEnded(Request request) {
        if (!isAlive()) {
            request.lose(ended.join());
        }
    }
}
