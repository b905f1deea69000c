package bigdl_caffe.jvm;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.json.JsonReadFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.json.JsonMapper;

/** Plain data on their way between the languages. */
public final class Json {
    private static final ObjectMapper MAPPER = JsonMapper.builder()
            .enable(JsonReadFeature.ALLOW_NON_NUMERIC_NUMBERS) // as Python writes nan
            .build();

    private Json() {}

    /** Returns {@code value}, of strings, numbers, booleans, maps, lists and arrays, as JSON. */
    public static String write(Object value) {
        try {
            return MAPPER.writeValueAsString(value);
        } catch (JsonProcessingException error) {
            throw new IllegalArgumentException("no JSON can hold " + value, error);
        }
    }

    /** Returns {@code value} as it is now, whatever becomes of its maps, lists and arrays. */
    static JsonNode tree(Object value) {
        return MAPPER.valueToTree(value);
    }

    /** Returns what {@code text} holds. */
    public static JsonNode read(String text) {
        try {
            return MAPPER.readTree(text);
        } catch (JsonProcessingException error) {
            throw new IllegalArgumentException("this is not JSON: " + text, error);
        }
    }

    /** Returns {@code node} as an object of {@code type}. */
    public static <T> T as(Class<T> type, JsonNode node) {
        return MAPPER.convertValue(node, type);
    }
}
