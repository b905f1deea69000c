package bigdl_caffe.jvm;

import java.io.File;
import java.util.ArrayList;
import java.util.List;

/**
 * A model in the Python process, and the steps that made it.
 *
 * <p>Where the process is another one than the model was made in, the steps are done again, so
 * models come back from the files they are of.
 */
public final class ModelHandle implements AutoCloseable {
    private final List<Step> steps = new ArrayList<>();
    private final Place place = new Place();

    private ModelHandle(String call, Arguments arguments) {
        steps.add(new Step(call, arguments));
        arguments.models().forEach(whole -> whole.place.share());
        Released.watch(this, place);
    }

    /** Makes a model by a call that answers with {"model": id}. */
    public static ModelHandle of(String call, Arguments arguments) {
        ModelHandle made = new ModelHandle(call, arguments);
        Python.call(arguments.session(), made::in);
        return made;
    }

    /**
     * Keeps a model that a call has made.
     *
     * @param answer what the call answered: {"model": id}
     * @param call how to make it again
     * @param arguments of {@code call}
     */
    public static ModelHandle of(Answer answer, String call, Arguments arguments) {
        ModelHandle made = new ModelHandle(call, arguments);
        made.place.put(answer.service(), id(answer));
        return made;
    }

    /**
     * Keeps a model that a call has made, and written as a bundle, too, which goes with it.
     *
     * @param answer what the call answered: {"model": id}
     * @param bundle what {@link Bundles#create} returned
     */
    public static ModelHandle of(Answer answer, File bundle) {
        ModelHandle made = of(answer, "open_bundle", Arguments.of("path", bundle.getPath()));
        made.place.own(bundle);
        return made;
    }

    /** Calls Python with this model as "model". */
    public Answer ask(String call, Arguments arguments) {
        return Python.ask(call, arguments.and("model", this));
    }

    /** Calls Python with this model as "model", which changes it. */
    public synchronized void change(String call, Arguments arguments) {
        ask(call, arguments);
        steps.add(new Step(call, arguments));
    }

    /** Lets Python forget the model; using it afterwards is an error. */
    @Override
    public void close() {
        place.close();
    }

    /** Returns whether {@link #close} was called. */
    public boolean isClosed() {
        return place.isClosed();
    }

    /** Refuses to go on with a model that is closed. */
    void checkOpen() {
        place.checkOpen();
    }

    /** Returns the model's id in {@code service}, where it is made if it is not there. */
    synchronized int in(Service service) {
        if (!place.isIn(service)) {
            make(service);
        }
        return place.id();
    }

    private void make(Service service) {
        place.put(service, id(steps.get(0).take(service)));
        try {
            steps.subList(1, steps.size()).forEach(step -> step.take(service));
        } catch (RuntimeException error) {
            place.leave(); // it is not what it was
            throw error;
        }
    }

    private static int id(Answer answer) {
        return answer.json().get("model").asInt();
    }

    private static final class Step {
        private final String call;
        private final Arguments arguments;

        Step(String call, Arguments arguments) {
            this.call = call;
            this.arguments = arguments;
        }

        Answer take(Service service) {
            return service.ask(call, arguments);
        }
    }
}
