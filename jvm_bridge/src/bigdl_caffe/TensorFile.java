package bigdl_caffe;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.DataInputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * A file of numbers, little-endian and one tensor after the other, by which tensors go to Python
 * and others come back: py4j would send them as text, which takes a hundred times as long.
 */
final class TensorFile implements AutoCloseable {
    private static final int CHUNK = 1 << 16;

    private final ByteBuffer chunk =
            ByteBuffer.allocate(CHUNK * Float.BYTES).order(ByteOrder.LITTLE_ENDIAN);
    private final Path path;

    /** Makes a file of {@code tensors}, in the JVM's folder for such files. */
    TensorFile(Iterable<Tensor> tensors) throws IOException {
        path = Files.createTempFile("bigdl-caffe-", ".f32");
        try (OutputStream out = Files.newOutputStream(path)) {
            for (Tensor tensor : tensors) {
                write(tensor.data(), out);
            }
        } catch (IOException error) {
            close();
            throw error;
        }
    }

    String path() {
        return path.toString();
    }

    /** Reads what Python wrote, whose names and shapes it told. */
    Map<String, Tensor> read(JsonNode told) throws IOException {
        Map<String, Tensor> tensors = new LinkedHashMap<>();
        try (DataInputStream in = new DataInputStream(Files.newInputStream(path))) {
            for (Map.Entry<String, int[]> each : BaseModel.shapes(told).entrySet()) {
                tensors.put(each.getKey(), read(each.getValue(), in));
            }
        }
        return tensors;
    }

    @Override
    public void close() throws IOException {
        Files.deleteIfExists(path);
    }

    private void write(float[] data, OutputStream out) throws IOException {
        for (int done = 0; done < data.length; done += CHUNK) {
            int count = Math.min(CHUNK, data.length - done);
            chunk.asFloatBuffer().put(data, done, count);
            out.write(chunk.array(), 0, count * Float.BYTES);
        }
    }

    private Tensor read(int[] shape, DataInputStream in) throws IOException {
        float[] data = new float[Arrays.stream(shape).reduce(1, Math::multiplyExact)];
        for (int done = 0; done < data.length; done += CHUNK) {
            int count = Math.min(CHUNK, data.length - done);
            in.readFully(chunk.array(), 0, count * Float.BYTES);
            chunk.asFloatBuffer().get(data, done, count);
        }
        return new Tensor(data, shape);
    }
}
