package bigdl_caffe.spark;

import java.util.Arrays;
import scala.Function1;

/** What values of a Param can be, in Python's words. */
final class Checks {
    private Checks() {}

    static Function1<String, Object> known(String name, String... values) {
        return value -> {
            if (!Arrays.asList(values).contains(value)) {
                throw new IllegalArgumentException(
                        name + " is '" + value + "': give one of " + String.join(", ", values));
            }
            return true;
        };
    }

    static Function1<Object, Object> least(String name, int least) {
        return value -> {
            if (((Number) value).doubleValue() < least) {
                throw new IllegalArgumentException(
                        name + " is " + value + ": give at least " + least);
            }
            return true;
        };
    }
}
