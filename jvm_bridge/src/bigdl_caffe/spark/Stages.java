package bigdl_caffe.spark;

import bigdl_caffe.Model;
import bigdl_caffe.jvm.Arguments;
import bigdl_caffe.jvm.Bundles;
import bigdl_caffe.jvm.Json;
import bigdl_caffe.jvm.Python;
import com.fasterxml.jackson.databind.JsonNode;
import java.util.LinkedHashMap;
import java.util.Map;
import org.apache.spark.ml.param.Param;
import org.apache.spark.ml.param.Params;
import org.apache.spark.sql.types.DataType;
import org.apache.spark.sql.types.StructType;

/** What both stages have to tell Python, and to take from it. */
final class Stages {
    private Stages() {}

    /** Returns the arguments by which Python makes a stage's equal. */
    static Arguments arguments(Params stage, Model model) {
        Arguments arguments = Arguments.of("stage", stage.getClass().getSimpleName())
                .and("uid", stage.uid())
                .and("params", given(stage));
        return model == null ? arguments : arguments.and("model", model.handle());
    }

    /** Sets the Params that Python tells of. */
    static <S extends Params> S set(S stage, JsonNode params) {
        params.fields().forEachRemaining(each -> {
            Param<Object> param = stage.getParam(each.getKey());
            stage.set(param, param.jsonDecode(each.getValue().toString()));
        });
        return stage;
    }

    static StructType schema(Arguments stage, StructType schema) {
        JsonNode answer = Python.ask("transform_schema", stage.and("schema", schema.json())).json();
        return (StructType) DataType.fromJson(answer.toString());
    }

    /** Returns what Python's {@code _from_java} makes a stage's equal of. */
    static String forPython(Params stage, Model model) {
        Map<String, Object> told = new LinkedHashMap<>();
        told.put("params", given(stage));
        if (model != null) {
            String bundle = Bundles.create().getPath();
            model.writeBundle(bundle);
            told.put("bundle", bundle);
        }
        return Json.write(told);
    }

    private static Map<String, Object> given(Params stage) {
        Map<String, Object> given = new LinkedHashMap<>();
        for (Param<?> param : stage.params()) {
            if (stage.isSet(param)) {
                given.put(param.name(), stage.getOrDefault(param));
            }
        }
        return given;
    }
}
