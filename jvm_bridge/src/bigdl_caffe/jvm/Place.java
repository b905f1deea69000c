package bigdl_caffe.jvm;

import bigdl_caffe.CaffeException;
import java.io.File;

/** Where a model is: its id in a Python process. */
final class Place {
    private Service service;
    private int id;
    private boolean closed;
    private File bundle;

    synchronized void put(Service where, int number) {
        service = where;
        id = number;
    }

    synchronized boolean isIn(Service where) {
        return service == where;
    }

    synchronized int id() {
        return id;
    }

    synchronized void checkOpen() {
        if (closed) {
            throw new CaffeException("the model is closed: load it again", null);
        }
    }

    synchronized void leave() {
        if (service != null) {
            service.forget(id);
        }
        service = null;
    }

    synchronized void own(File file) {
        bundle = file;
    }

    synchronized void close() {
        closed = true;
        leave();
        if (bundle != null) {
            Bundles.delete(bundle);
        }
    }
}
