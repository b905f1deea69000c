package bigdl_caffe;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
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

    /** Returns the bytes of all {@code tensors}, little-endian, one after the other. */
    static byte[] bytes(Iterable<Tensor> tensors) {
        int count = 0;
        for (Tensor tensor : tensors) {
            count = Math.addExact(count, tensor.data.length);
        }
        ByteBuffer buffer = ByteBuffer.allocate(Math.multiplyExact(count, Float.BYTES))
                .order(ByteOrder.LITTLE_ENDIAN);
        tensors.forEach(tensor -> tensor.data(buffer));
        return buffer.array();
    }

    private void data(ByteBuffer buffer) {
        buffer.asFloatBuffer().put(data);
        buffer.position(buffer.position() + data.length * Float.BYTES);
    }

    /** Returns the next tensor in {@code bytes}, of a shape that JSON tells. */
    static Tensor read(ByteBuffer bytes, JsonNode shape) {
        int[] dims = new int[shape.size()];
        Arrays.setAll(dims, i -> shape.get(i).asInt());
        float[] data = new float[Arrays.stream(dims).reduce(1, (a, b) -> a * b)];
        bytes.order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer().get(data);
        bytes.position(bytes.position() + data.length * Float.BYTES);
        return new Tensor(data, dims);
    }
}
