package bigdl_caffe.jvm;

import bigdl_caffe.CaffeException;
import java.util.Collection;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.Map;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.SparkSession;

/** The arguments of a call, by Python's names. */
public final class Arguments {
    private final Map<String, Object> plain = new LinkedHashMap<>();
    private final Map<String, ModelHandle> models = new LinkedHashMap<>();
    private final Map<String, Object> objects = new HashMap<>();
    private SparkSession session;

    /** Returns no arguments yet. */
    public static Arguments of() {
        return new Arguments();
    }

    /** Returns one argument. */
    public static Arguments of(String name, Object value) {
        return new Arguments().and(name, value);
    }

    /**
     * Adds an argument, which JSON can hold; null leaves it to Python's default.
     *
     * @return this
     */
    public Arguments and(String name, Object value) {
        if (value != null) {
            plain.put(name, Json.tree(value)); // as it is now: a model may need it once more
        }
        return this;
    }

    /** Adds a model, which may be closed later: others that it is part of come back with it. */
    public Arguments and(String name, ModelHandle model) {
        model.checkOpen();
        models.put(name, model);
        return this;
    }

    /** Adds a DataFrame, in whose session the call then works. */
    public Arguments and(String name, Dataset<?> rows) {
        if (rows == null) {
            throw new CaffeException("the rows are null: give a DataFrame", null);
        }
        objects.put(name, rows.toDF());
        session = rows.sparkSession();
        return this;
    }

    Object object(String name) {
        return objects.get(name);
    }

    Collection<ModelHandle> models() {
        return models.values();
    }

    /** Returns the session of its DataFrames, else the present one, else null. */
    SparkSession session() {
        return session != null ? session : Sessions.present();
    }

    /**
     * Returns its plain data, models as {@code service} knows them, and names of objects, which
     * Python takes one by one: py4j asks the JVM a hundred times to walk through a map.
     */
    Map<String, Object> in(Service service) {
        Map<String, Object> all = new LinkedHashMap<>(plain);
        Map<String, Integer> ids = new LinkedHashMap<>();
        models.forEach((name, model) -> ids.put(name, model.in(service)));
        Map<String, Object> told = new LinkedHashMap<>();
        told.put("arguments", all);
        told.put("models", ids);
        told.put("objects", objects.keySet());
        return told;
    }
}
