package bigdl_caffe.jvm;

/** A call that no process has begun with before it ended: it can be made again. */
final class NeverBegun extends PythonException {
    private static final long serialVersionUID = 1L;

    NeverBegun(String message) {
        super(message, null);
    }
}
