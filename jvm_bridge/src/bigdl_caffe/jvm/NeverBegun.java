package bigdl_caffe.jvm;

import bigdl_caffe.CaffeException;

/** A call that no process has begun with before it ended: it can be made again. */
final class NeverBegun extends CaffeException {
    private static final long serialVersionUID = 1L;

    NeverBegun(String message) {
        super(message, null);
    }
}
