package bigdl_caffe;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;

/**
 * What went wrong, in the words of the Python side: what was found, where, and what to do.
 *
 * <p>An error that stands for several problems lists them all.
 */
public class CaffeException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    /** The kind of an error of the Python process itself: missing, wrong, or dead. */
    public static final String PYTHON = "PythonError";

    private final String kind;
    private final List<String> problems;
    private final List<String> layers;
    private final String file;
    private final int line;
    private final int column;
    private final long offset;
    private final String trace;

    /**
     * An error of the Python process itself.
     *
     * @param message what happened and what to do
     * @param cause what told of it, or null
     */
    public CaffeException(String message, Throwable cause) {
        super(message, cause);
        kind = PYTHON;
        problems = Collections.singletonList(message);
        layers = Collections.emptyList();
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
        problems = texts(told.get("problems"));
        layers = texts(told.get("layers"));
        file = told.get("file").asText(null);
        line = told.get("line").asInt();
        column = told.get("column").asInt();
        offset = told.get("offset").asLong();
        trace = told.get("trace").asText();
    }

    /** Returns the Python class: ParseError, ShapeError, and so on, or {@link #PYTHON}. */
    public String kind() {
        return kind;
    }

    /** Returns every problem, in the order they were found. */
    public List<String> problems() {
        return problems;
    }

    /** Returns the names of the layers that the problems are about. */
    public List<String> layers() {
        return layers;
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

    private static List<String> texts(JsonNode list) {
        List<String> texts = new ArrayList<>();
        list.forEach(each -> texts.add(each.asText()));
        return Collections.unmodifiableList(texts);
    }
}
