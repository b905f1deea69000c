package bigdl_caffe;

import bigdl_caffe.jvm.Json;
import com.fasterxml.jackson.databind.JsonNode;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;

/**
 * What went wrong, in the words of the Python side: what was found, where, and what to do.
 *
 * <p>An error that stands for several problems lists them all.
 */
public class CaffeException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    private final String kind;
    private final String[] problems;
    private final String[] layers;
    private final String file;
    private final int line;
    private final int column;
    private final long offset;
    private final String trace;

    /**
     * An error that the JVM finds by itself.
     *
     * @param message what was found, where, and what to do
     * @param cause what told of it, or null
     */
    public CaffeException(String message, Throwable cause) {
        this("CaffeError", message, cause);
    }

    /** An error of this kind that the JVM finds by itself. */
    protected CaffeException(String kind, String message, Throwable cause) {
        super(message, cause);
        this.kind = kind;
        problems = new String[] {message};
        layers = new String[0];
        file = null;
        line = 0;
        column = 0;
        offset = -1;
        trace = "";
    }

    /**
     * An error that Python raised.
     *
     * @param told what {@code bigdl_caffe/jvm/problems.py} says of it
     * @param cause the exception of the JVM that made Python raise it, or null
     */
    public CaffeException(JsonNode told, Throwable cause) {
        super(told.get("message").asText(), cause);
        kind = told.get("kind").asText();
        problems = Json.as(String[].class, told.get("problems"));
        layers = Json.as(String[].class, told.get("layers"));
        file = told.get("file").asText(null);
        line = told.get("line").asInt();
        column = told.get("column").asInt();
        offset = told.get("offset").asLong();
        trace = told.get("trace").asText();
    }

    /**
     * Returns Python's name of its class: ParseError, ShapeError and so on; PythonError where the
     * Python process itself is missing, wrong or dead.
     */
    public String kind() {
        return kind;
    }

    /** Returns every problem, in the order they were found. */
    public List<String> problems() {
        return Collections.unmodifiableList(Arrays.asList(problems));
    }

    /** Returns the names of the layers that the problems are about. */
    public List<String> layers() {
        return Collections.unmodifiableList(Arrays.asList(layers));
    }

    /** Returns the file that could not be read, or null. */
    public String file() {
        return file;
    }

    /** Returns the 1-based line in {@link #file}, or 0. */
    public int line() {
        return line;
    }

    /** Returns the 1-based column in {@link #line}, or 0. */
    public int column() {
        return column;
    }

    /** Returns the 0-based byte in {@link #file}, or -1. */
    public long offset() {
        return offset;
    }

    /** Returns Python's traceback, or "". */
    public String pythonTraceback() {
        return trace;
    }
}
