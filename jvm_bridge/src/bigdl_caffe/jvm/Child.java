package bigdl_caffe.jvm;

import bigdl_caffe.CaffeException;
import java.io.IOException;
import java.net.InetAddress;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.apache.spark.sql.SparkSession;
import py4j.ClientServer;

/**
 * A Python process that this JVM started.
 *
 * <p>It ends when its standard input does, so it never outlives the JVM, however that ends.
 */
final class Child {
    private static final int START_SECONDS = 120;

    private final Service service = new Service();
    private final Interpreter interpreter;
    private final String secret = UUID.randomUUID().toString();
    private ClientServer gateway;
    private Process process;
    private LastWords words;

    private Child(Interpreter interpreter) {
        this.interpreter = interpreter;
    }

    /** Starts a process and returns its service, once it is there. */
    static Service start(SparkSession session) {
        Child child = new Child(Interpreter.of(session));
        Thread run = new Thread(child::run, "bigdl-caffe-python");
        run.setDaemon(true); // py4j's threads are what the thread is that makes them
        run.start();
        try {
            return child.awaitHello();
        } catch (RuntimeException error) {
            child.service.end("the Python process could not be used");
            throw error;
        }
    }

    private Service awaitHello() {
        try {
            String versions = service.hello().get(START_SECONDS, TimeUnit.SECONDS);
            interpreter.check(Json.read(versions));
            return service;
        } catch (ExecutionException failed) {
            throw (CaffeException) failed.getCause();
        } catch (TimeoutException slow) {
            throw new PythonException(
                    interpreter + " has not answered for " + START_SECONDS + " s", slow);
        } catch (InterruptedException interrupted) {
            Thread.currentThread().interrupt();
            throw new PythonException("interrupted while Python started", interrupted);
        }
    }

    /** Runs the process to its end. */
    private void run() {
        try {
            launch();
            service.ended().thenRun(process::destroy);
            int code = process.waitFor();
            boolean hadBegun = service.hasBegun();
            service.end(interpreter.ended(code, words.lastLine(), hadBegun));
        } catch (IOException | RuntimeException error) {
            service.end(interpreter.missing(error));
        } catch (InterruptedException interrupted) {
            Thread.currentThread().interrupt();
            service.end("the JVM is ending");
        } finally {
            if (gateway != null) {
                gateway.shutdown();
            }
        }
    }

    private void launch() throws IOException {
        gateway = new ClientServer.ClientServerBuilder(service)
                .authToken(secret)
                .javaPort(0)
                .javaAddress(InetAddress.getLoopbackAddress())
                .build();
        gateway.startServer();
        ProcessBuilder builder = new ProcessBuilder(interpreter.command());
        Map<String, String> environment = builder.environment();
        interpreter.prepare(environment);
        environment.put("PYSPARK_GATEWAY_PORT", String.valueOf(gateway.getJavaServer().getListeningPort()));
        environment.put("PYSPARK_GATEWAY_SECRET", secret);
        environment.put("PYSPARK_PIN_THREAD", "true"); // a thread of Python's is one of the JVM's
        builder.redirectOutput(ProcessBuilder.Redirect.INHERIT);
        process = builder.start();
        words = LastWords.of(process.getErrorStream());
    }
}
