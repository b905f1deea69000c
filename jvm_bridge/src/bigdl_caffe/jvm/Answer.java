package bigdl_caffe.jvm;

import com.fasterxml.jackson.databind.JsonNode;

/** What Python returned of a call. */
public final class Answer {
    private final Service service;
    private final JsonNode json;
    private final byte[] bytes;
    private final Object object;

    Answer(Service service, JsonNode json, byte[] bytes, Object object) {
        this.service = service;
        this.json = json;
        this.bytes = bytes;
        this.object = object;
    }

    /** Returns its plain data. */
    public JsonNode json() {
        return json;
    }

    /** Returns the numbers of its tensors, little-endian float32, one after the other. */
    public byte[] bytes() {
        return bytes;
    }

    /** Returns its object of the JVM, such as a Dataset. */
    public Object object() {
        return object;
    }

    /** Returns the process that answered. */
    Service service() {
        return service;
    }
}
