package bigdl_caffe.jvm;

import java.io.IOException;
import java.net.InetAddress;
import java.util.Map;
import java.util.UUID;
import org.apache.spark.sql.SparkSession;
import py4j.ClientServer;

/**
 * A Python process that this JVM started.
 *
 * <p>It ends when its standard input does, so it never outlives the JVM, however that ends.
 */
final class Child {
    private final Interpreter interpreter;
    private final Service service;
    private final String secret = UUID.randomUUID().toString();
    private ClientServer gateway;
    private Process process;
    private LastWords words;

    private Child(Interpreter interpreter) {
        this.interpreter = interpreter;
        service = new Service(interpreter::check);
    }

    /** Begins to start a process and returns its service. */
    static Service start(SparkSession session) {
        Child child = new Child(Interpreter.of(session));
        Thread run = new Thread(child::run, "bigdl-caffe-python");
        run.setDaemon(true); // py4j's threads are what the thread is that makes them
        run.start();
        return child.service;
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
