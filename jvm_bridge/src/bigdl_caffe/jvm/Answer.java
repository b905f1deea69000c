package bigdl_caffe.jvm;

import com.fasterxml.jackson.databind.JsonNode;

/** What Python returned of a call. */
public final class Answer {
    private final Service service;
    private final JsonNode json;
    private final Object object;

    Answer(Service service, JsonNode json, Object object) {
        this.service = service;
        this.json = json;
        this.object = object;
    }

    /** Returns its plain data. */
    public JsonNode json() {
        return json;
    }

    /** Returns its object of the JVM, such as a Dataset. */
    public Object object() {
        return object;
    }

    /** Lets Python forget a model that it made for nobody. */
    void drop() {
        if (json.has("model")) {
            service.forget(json.get("model").asInt());
        }
    }

    /** Returns the process that answered. */
    Service service() {
        return service;
    }
}
