package bigdl_caffe;

import java.util.Arrays;

/** Numbers and their shape, in row-major order: what a blob holds. */
public final class Tensor {
    private final float[] data;
    private final int[] shape;

    /**
     * Makes a tensor, which takes the arrays as they are.
     *
     * @param data the numbers, in row-major order
     * @param shape its dimensions, such as {N, C, H, W}
     * @throws CaffeException if there are more or fewer numbers than the shape has
     */
    public Tensor(float[] data, int... shape) {
        long count = Arrays.stream(shape).asLongStream().reduce(1, Math::multiplyExact);
        if (count != data.length) {
            throw new CaffeException("there are " + data.length + " numbers for a tensor of shape "
                    + Arrays.toString(shape) + ", which has " + count, null);
        }
        this.data = data;
        this.shape = shape;
    }

    /** Returns the numbers, not a copy. */
    public float[] data() {
        return data;
    }

    /** Returns the dimensions, not a copy. */
    public int[] shape() {
        return shape;
    }

    @Override
    public String toString() {
        return "Tensor" + Arrays.toString(shape);
    }
}
