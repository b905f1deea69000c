package bigdl_caffe.spark;

import bigdl_caffe.Model;
import bigdl_caffe.jvm.Answer;
import bigdl_caffe.jvm.Arguments;
import bigdl_caffe.jvm.ModelHandle;
import bigdl_caffe.jvm.Python;
import java.util.function.BiFunction;
import org.apache.spark.ml.param.Params;
import org.apache.spark.ml.util.MLReader;

/** Reads a stage that was saved by the JVM or by Python. */
final class StageReader<S extends Params> extends MLReader<S> {
    private static final String CALL = "load_stage";

    private final Class<S> stage;
    private final BiFunction<String, Model, S> make;

    StageReader(Class<S> stage, BiFunction<String, Model, S> make) {
        this.stage = stage;
        this.make = make;
    }

    @Override
    public S load(String path) {
        Arguments saved = Arguments.of("stage", stage.getSimpleName()).and("path", path);
        Answer answer = Python.ask(CALL, saved);
        Model model = new Model(ModelHandle.of(answer, CALL, saved));
        S made = make.apply(answer.json().get("uid").asText(), model);
        return Stages.set(made, answer.json().get("params"));
    }
}
