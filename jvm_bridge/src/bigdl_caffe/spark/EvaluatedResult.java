package bigdl_caffe.spark;

import com.fasterxml.jackson.databind.JsonNode;

/** What a metric says of a model; the names are those of BigDL's. */
public final class EvaluatedResult {
    private final double result;
    private final long totalNum;
    private final String method;
    private final long failed;

    private EvaluatedResult(JsonNode told) {
        result = told.get("result").asDouble();
        totalNum = told.get("total_num").asLong();
        method = told.get("method").asText();
        failed = told.get("failed").asLong();
    }

    /** Returns the results that Python tells of, by its own names. */
    public static EvaluatedResult[] all(JsonNode told) {
        EvaluatedResult[] results = new EvaluatedResult[told.size()];
        for (int i = 0; i < results.length; i++) {
            results[i] = new EvaluatedResult(told.get(i));
        }
        return results;
    }

    /** Returns the mean over all rows that were scored; NaN if there is none. */
    public double result() {
        return result;
    }

    /** Returns how many those are. */
    public long totalNum() {
        return totalNum;
    }

    /** Returns the name of the metric. */
    public String method() {
        return method;
    }

    /** Returns how many rows could not be scored, and are not in {@link #result()}. */
    public long failed() {
        return failed;
    }

    @Override
    public String toString() {
        return method + ": " + result + " of " + totalNum + " rows"
                + (failed == 0 ? "" : ", and " + failed + " could not be scored");
    }
}
