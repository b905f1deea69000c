package bigdl_caffe.jvm;

import bigdl_caffe.CaffeException;

/** The Python process itself is missing, wrong or dead. */
class PythonException extends CaffeException {
    private static final long serialVersionUID = 1L;

    PythonException(String message, Throwable cause) {
        super("PythonError", message, cause);
    }
}
