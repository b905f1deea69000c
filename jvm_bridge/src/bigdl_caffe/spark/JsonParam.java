package bigdl_caffe.spark;

import bigdl_caffe.jvm.Json;
import java.util.LinkedHashMap;
import java.util.Map;
import org.apache.spark.ml.param.Param;
import org.apache.spark.ml.param.Params;

/**
 * A Param whose value is saved as the JSON that it is: a string, or a mapping of strings.
 *
 * @param <T> String, or Map of String to String
 */
public final class JsonParam<T> extends Param<T> {
    private static final long serialVersionUID = 1L;

    JsonParam(Params parent, String name, String doc) {
        super(parent, name, doc);
    }

    @Override
    public String jsonEncode(T value) {
        return Json.write(value);
    }

    @Override
    @SuppressWarnings("unchecked") // no class says which of its two types a T is
    public T jsonDecode(String json) {
        return (T) Json.as(Object.class, Json.read(json));
    }

    /** Returns the mapping of what is given as key, value, key, value, and so on. */
    static Map<String, String> pairs(String... keysAndValues) {
        if (keysAndValues.length % 2 != 0) {
            throw new IllegalArgumentException(
                    "'" + keysAndValues[keysAndValues.length - 1]
                            + "' has no column: give blob, column, blob, column, and so on");
        }
        Map<String, String> pairs = new LinkedHashMap<>();
        for (int i = 0; i < keysAndValues.length; i += 2) {
            pairs.put(keysAndValues[i], keysAndValues[i + 1]);
        }
        return pairs;
    }
}
