package bigdl_caffe.jvm;

import java.lang.ref.PhantomReference;
import java.lang.ref.Reference;
import java.lang.ref.ReferenceQueue;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

/** Notices models that were never closed and that the JVM has collected. */
final class Released extends PhantomReference<ModelHandle> {
    private static final ReferenceQueue<ModelHandle> COLLECTED = new ReferenceQueue<>();
    private static final Set<Reference<?>> WATCHED = ConcurrentHashMap.newKeySet();

    private final Place place;

    private Released(ModelHandle model, Place place) {
        super(model, COLLECTED);
        this.place = place;
    }

    static void watch(ModelHandle model, Place place) {
        WATCHED.add(new Released(model, place));
    }

    /** Closes the places of the models that were collected since the last call. */
    static void forgetCollected() {
        Reference<?> found;
        while ((found = COLLECTED.poll()) != null) {
            WATCHED.remove(found);
            ((Released) found).place.collected();
        }
    }
}
