package bigdl_caffe.jvm;

import bigdl_caffe.CaffeException;
import java.io.File;

/** Where a model is: its id in a Python process. */
final class Place {
    private Service service;
    private int id;
    private boolean closed;
    private File bundle;
    private boolean shared;

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

    synchronized boolean isClosed() {
        return closed;
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

    /** Is told that another model is made of this one, and comes back by way of it. */
    synchronized void share() {
        shared = true;
    }

    synchronized void close() {
        closed = true;
        leave();
        if (!shared) {
            deleteBundle();
        }
    }

    /** Ends what nobody refers to any more, not even a model that is made of it. */
    synchronized void collected() {
        close();
        deleteBundle();
    }

    private void deleteBundle() {
        if (bundle != null) {
            Bundles.delete(bundle);
        }
    }
}
