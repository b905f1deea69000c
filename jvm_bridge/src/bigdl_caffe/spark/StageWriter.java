package bigdl_caffe.spark;

import bigdl_caffe.jvm.Arguments;
import bigdl_caffe.jvm.Python;
import org.apache.spark.ml.util.MLWriter;

/** Writes a stage as Python does. */
final class StageWriter extends MLWriter {
    private final Arguments stage;

    StageWriter(Arguments stage) {
        this.stage = stage;
    }

    @Override
    public void saveImpl(String path) {
        Python.ask("save_stage", stage.and("path", path));
    }
}
