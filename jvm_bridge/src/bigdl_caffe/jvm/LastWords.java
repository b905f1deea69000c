package bigdl_caffe.jvm;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/** Passes on what a process writes to its standard error, and keeps the end of it. */
final class LastWords {
    private static final int KEPT = 4096;
    private static final int MILLISECONDS = 1000;

    private final InputStream stream;
    private final Thread reader = new Thread(this::copy, "bigdl-caffe-stderr");
    private byte[] kept = new byte[0];

    private LastWords(InputStream stream) {
        this.stream = stream;
    }

    static LastWords of(InputStream stream) {
        LastWords words = new LastWords(stream);
        words.reader.setDaemon(true);
        words.reader.start();
        return words;
    }

    /** Returns the last line that it wrote, or "". */
    String lastLine() throws InterruptedException {
        reader.join(MILLISECONDS); // the process may have ended before all of it was read
        String[] lines = text().trim().split("\n");
        return lines[lines.length - 1].trim();
    }

    private synchronized String text() {
        return new String(kept, StandardCharsets.UTF_8);
    }

    private void copy() {
        byte[] chunk = new byte[KEPT];
        try {
            for (int n = stream.read(chunk); n >= 0; n = stream.read(chunk)) {
                System.err.write(chunk, 0, n);
                System.err.flush();
                keep(chunk, n);
            }
        } catch (IOException closed) {
            keep(new byte[0], 0); // the process is gone, and all that it wrote has been read
        }
    }

    private synchronized void keep(byte[] chunk, int n) {
        byte[] all = Arrays.copyOf(kept, kept.length + n);
        System.arraycopy(chunk, 0, all, kept.length, n);
        kept = Arrays.copyOfRange(all, Math.max(0, all.length - KEPT), all.length);
    }
}
