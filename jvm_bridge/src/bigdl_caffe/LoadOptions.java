package bigdl_caffe;

import bigdl_caffe.jvm.Arguments;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * How a net is loaded, where that is not as by default. Each method returns the same object.
 *
 * <pre>{@code
 * new LoadOptions().phase("TRAIN").inputShape("data", 1, 3, 300, 300)
 * }</pre>
 */
public final class LoadOptions {
    private final Map<String, Object> given = new LinkedHashMap<>();
    private final Map<String, int[]> shapes = new LinkedHashMap<>();

    /** Sets which include and exclude rules hold, and how layers behave: TEST or TRAIN. */
    public LoadOptions phase(String phase) {
        return put("phase", phase);
    }

    /** Sets the stages for {@code stage} and {@code not_stage} rules. */
    public LoadOptions stages(String... stages) {
        return put("stages", stages);
    }

    /** Sets the level for {@code min_level} and {@code max_level} rules. */
    public LoadOptions level(int level) {
        return put("level", level);
    }

    /** Sets the blobs to stop at: only what they need is built. */
    public LoadOptions outputs(String... blobs) {
        return put("outputs", blobs);
    }

    /** Sets the shape of an input blob, where the definition leaves it open or says another. */
    public LoadOptions inputShape(String blob, int... shape) {
        shapes.put(blob, shape);
        return put("input_shapes", shapes);
    }

    /** Sets whether a layer that no file has weights for is an error, as it is by default. */
    public LoadOptions strict(boolean strict) {
        return put("strict", strict);
    }

    /** Names Python modules to import first, which register layer types of your own. */
    public LoadOptions imports(String... modules) {
        return put("imports", modules);
    }

    private LoadOptions put(String name, Object value) {
        given.put(name, value);
        return this;
    }

    /** Returns the arguments of loading these files. */
    Arguments arguments(String prototxt, String caffemodel) {
        if (prototxt == null) {
            throw new CaffeException("the prototxt is null: give the net's definition", null);
        }
        Arguments arguments = Arguments.of("prototxt", prototxt).and("caffemodel", caffemodel);
        given.forEach(arguments::and);
        return arguments;
    }
}
