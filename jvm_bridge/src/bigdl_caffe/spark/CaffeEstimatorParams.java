// Written by jvm_bridge/params.py from the tables in bigdl_caffe/spark: change those.
package bigdl_caffe.spark;

import java.util.Map;
import org.apache.spark.ml.Estimator;
import org.apache.spark.ml.param.*;

/** The Params of {@link CaffeEstimator}; {@code explainParams()} prints them. */
public abstract class CaffeEstimatorParams extends Estimator<CaffeModel> {
    private static final long serialVersionUID = 1L;

    private final String uid;
    private final JsonParam<Object> solver;
    private final Param<String> optimizer;
    private final DoubleParam learningRate;
    private final Param<String> lrPolicy;
    private final DoubleParam gamma;
    private final IntParam stepSize;
    private final IntArrayParam stepValues;
    private final DoubleParam power;
    private final DoubleParam momentum;
    private final DoubleParam momentum2;
    private final DoubleParam rmsDecay;
    private final DoubleParam delta;
    private final DoubleParam weightDecay;
    private final Param<String> regularizationType;
    private final DoubleParam clipGradients;
    private final IntParam iterSize;
    private final IntParam maxIter;
    private final IntParam seed;
    private final IntParam evaluateEvery;
    private final IntParam checkpointEvery;
    private final Param<String> featuresCol;
    private final Param<String> labelCol;
    private final JsonParam<Map<String, String>> feedDict;
    private final Param<String> recipe;
    private final JsonParam<Object> binary;
    private final Param<String> onError;
    private final Param<String> validationCol;
    private final DoubleParam validationFraction;
    private final IntParam batchSize;
    private final BooleanParam shuffle;
    private final IntParam maxEpochs;
    private final StringArrayParam initialWeights;
    private final StringArrayParam freeze;
    private final StringArrayParam metrics;
    private final IntParam patience;
    private final DoubleParam minDelta;
    private final Param<String> monitor;
    private final Param<String> checkpointDir;
    private final Param<String> resumeFrom;
    private final IntParam numWorkers;
    private final Param<String> batchNorm;
    private final IntParam maxRetries;
    private final DoubleParam timeout;
    private final Param<String> predictionCol;

    CaffeEstimatorParams(String uid) {
        this.uid = uid;
        solver = new JsonParam<>(
                this, "solver",
                "solver.prototxt: a path or URI, or a SolverDef. It names the net, "
                        + "unless model= gives one; the Params below go before what it says");
        optimizer = new Param<>(
                this, "optimizer",
                "the solver's type",
                Checks.known("optimizer",
                        "SGD", "Nesterov", "AdaGrad", "RMSProp", "AdaDelta", "Adam"));
        learningRate = new DoubleParam(
                this, "learningRate",
                "base_lr; 0.01 by default");
        lrPolicy = new Param<>(
                this, "lrPolicy",
                "how the rate changes; fixed by default",
                Checks.known("lrPolicy",
                        "fixed", "step", "exp", "inv", "multistep", "poly", "sigmoid"));
        gamma = new DoubleParam(
                this, "gamma",
                "of lrPolicy");
        stepSize = new IntParam(
                this, "stepSize",
                "of lrPolicy, in iterations");
        stepValues = new IntArrayParam(
                this, "stepValues",
                "of lrPolicy multistep, in iterations");
        power = new DoubleParam(
                this, "power",
                "of lrPolicy");
        momentum = new DoubleParam(
                this, "momentum",
                "of the last update; of Adam beta1");
        momentum2 = new DoubleParam(
                this, "momentum2",
                "beta2 of Adam");
        rmsDecay = new DoubleParam(
                this, "rmsDecay",
                "of RMSProp");
        delta = new DoubleParam(
                this, "delta",
                "what AdaGrad, RMSProp, AdaDelta and Adam add to what they divide by");
        weightDecay = new DoubleParam(
                this, "weightDecay",
                "of the weights, times a blob's decay_mult");
        regularizationType = new Param<>(
                this, "regularizationType",
                "what weightDecay means",
                Checks.known("regularizationType",
                        "L2", "L1"));
        clipGradients = new DoubleParam(
                this, "clipGradients",
                "largest norm of all gradients together");
        iterSize = new IntParam(
                this, "iterSize",
                "passes whose gradients make one update",
                Checks.least("iterSize", 1));
        maxIter = new IntParam(
                this, "maxIter",
                "updates",
                Checks.least("maxIter", 0));
        seed = new IntParam(
                this, "seed",
                "of all that is random; another one each time by default",
                Checks.least("seed", 0));
        evaluateEvery = new IntParam(
                this, "evaluateEvery",
                "iterations between tests, which need validationCol or "
                        + "validationFraction; an epoch by default",
                Checks.least("evaluateEvery", 1));
        checkpointEvery = new IntParam(
                this, "checkpointEvery",
                "iterations between snapshots in checkpointDir; an epoch by default",
                Checks.least("checkpointEvery", 1));
        featuresCol = new Param<>(
                this, "featuresCol",
                "column of the net's input: encoded images, Spark's image struct, "
                        + "arrays or vectors; features by default");
        labelCol = new Param<>(
                this, "labelCol",
                "column of the input that only losses and metrics read, as 0-based "
                        + "classes; label by default");
        feedDict = new JsonParam<>(
                this, "feedDict",
                "input blob -> column, in place of these two");
        recipe = new Param<>(
                this, "recipe",
                "how images become the input, a bigdl_caffe.image.Recipe or its JSON; "
                        + "by default as the net's definition says");
        binary = new JsonParam<>(
                this, "binary",
                "what binary columns hold: see CaffeModel");
        onError = new Param<>(
                this, "onError",
                "what becomes of a row that cannot be read: fail stops and names it, "
                        + "drop leaves it out",
                Checks.known("onError",
                        "fail", "drop"));
        setDefault(onError, "fail");
        validationCol = new Param<>(
                this, "validationCol",
                "boolean column, true for rows to test with and not to train on");
        validationFraction = new DoubleParam(
                this, "validationFraction",
                "share of the rows, drawn at random, to test with and not to train on");
        batchSize = new IntParam(
                this, "batchSize",
                "rows of all workers in one pass; the net's own batch by default",
                Checks.least("batchSize", 1));
        shuffle = new BooleanParam(
                this, "shuffle",
                "whether rows are in another order each epoch");
        setDefault(shuffle, true);
        maxEpochs = new IntParam(
                this, "maxEpochs",
                "times to go through the rows, in place of maxIter; 1 without both",
                Checks.least("maxEpochs", 1));
        initialWeights = new StringArrayParam(
                this, "initialWeights",
                "caffemodel, or several, to begin with; layers that they lack begin "
                        + "with their fillers");
        freeze = new StringArrayParam(
                this, "freeze",
                "layers that keep their weights: names, or patterns as conv*");
        metrics = new StringArrayParam(
                this, "metrics",
                "what to test by: loss, accuracy, top5 and the like");
        setDefault(metrics, new String[] {"loss"});
        patience = new IntParam(
                this, "patience",
                "tests without a better one after which training stops; by default it "
                        + "does not",
                Checks.least("patience", 1));
        minDelta = new DoubleParam(
                this, "minDelta",
                "by how much a test has to be better");
        setDefault(minDelta, 0.0);
        monitor = new Param<>(
                this, "monitor",
                "which metric patience goes by");
        setDefault(monitor, "loss");
        checkpointDir = new Param<>(
                this, "checkpointDir",
                "folder for snapshots, path or URI that all workers reach");
        resumeFrom = new Param<>(
                this, "resumeFrom",
                "state to go on from, or latest for the last one in checkpointDir");
        numWorkers = new IntParam(
                this, "numWorkers",
                "tasks that train together, each with its part of a batch",
                Checks.least("numWorkers", 1));
        setDefault(numWorkers, 1);
        batchNorm = new Param<>(
                this, "batchNorm",
                "whether BatchNorm goes by each worker's rows, or by all rows of a pass",
                Checks.known("batchNorm",
                        "local", "synchronised"));
        setDefault(batchNorm, "local");
        maxRetries = new IntParam(
                this, "maxRetries",
                "how often to go on after a worker died: from the last snapshot, or "
                        + "from the beginning",
                Checks.least("maxRetries", 0));
        setDefault(maxRetries, 0);
        timeout = new DoubleParam(
                this, "timeout",
                "seconds that a worker may keep the others waiting");
        setDefault(timeout, 300.0);
        predictionCol = new Param<>(
                this, "predictionCol",
                "column of the fitted model's for the 0-based class; none by default");
    }

    @Override
    public String uid() {
        return uid;
    }

    private <T> CaffeEstimator put(Param<T> param, T value) {
        set(param, value);
        return (CaffeEstimator) this;
    }

    /**
     * The Param solver: solver.prototxt: a path or URI, or a SolverDef. It names the net, unless
     * model= gives one; the Params below go before what it says.
     */
    public JsonParam<Object> solver() {
        return solver;
    }

    /** Returns {@link #solver()}. */
    public Object getSolver() {
        return getOrDefault(solver);
    }

    /** Sets {@link #solver()}. */
    public CaffeEstimator setSolver(String value) {
        return put(solver, value);
    }

    /**
     * The Param optimizer: the solver's type.
     */
    public Param<String> optimizer() {
        return optimizer;
    }

    /** Returns {@link #optimizer()}. */
    public String getOptimizer() {
        return getOrDefault(optimizer);
    }

    /** Sets {@link #optimizer()}. */
    public CaffeEstimator setOptimizer(String value) {
        return put(optimizer, value);
    }

    /**
     * The Param learningRate: base_lr; 0.01 by default.
     */
    public DoubleParam learningRate() {
        return learningRate;
    }

    /** Returns {@link #learningRate()}. */
    public double getLearningRate() {
        return (double) getOrDefault(learningRate);
    }

    /** Sets {@link #learningRate()}. */
    public CaffeEstimator setLearningRate(double value) {
        return put(learningRate, value);
    }

    /**
     * The Param lrPolicy: how the rate changes; fixed by default.
     */
    public Param<String> lrPolicy() {
        return lrPolicy;
    }

    /** Returns {@link #lrPolicy()}. */
    public String getLrPolicy() {
        return getOrDefault(lrPolicy);
    }

    /** Sets {@link #lrPolicy()}. */
    public CaffeEstimator setLrPolicy(String value) {
        return put(lrPolicy, value);
    }

    /**
     * The Param gamma: of lrPolicy.
     */
    public DoubleParam gamma() {
        return gamma;
    }

    /** Returns {@link #gamma()}. */
    public double getGamma() {
        return (double) getOrDefault(gamma);
    }

    /** Sets {@link #gamma()}. */
    public CaffeEstimator setGamma(double value) {
        return put(gamma, value);
    }

    /**
     * The Param stepSize: of lrPolicy, in iterations.
     */
    public IntParam stepSize() {
        return stepSize;
    }

    /** Returns {@link #stepSize()}. */
    public int getStepSize() {
        return (int) getOrDefault(stepSize);
    }

    /** Sets {@link #stepSize()}. */
    public CaffeEstimator setStepSize(int value) {
        return put(stepSize, value);
    }

    /**
     * The Param stepValues: of lrPolicy multistep, in iterations.
     */
    public IntArrayParam stepValues() {
        return stepValues;
    }

    /** Returns {@link #stepValues()}. */
    public int[] getStepValues() {
        return getOrDefault(stepValues);
    }

    /** Sets {@link #stepValues()}. */
    public CaffeEstimator setStepValues(int... value) {
        return put(stepValues, value);
    }

    /**
     * The Param power: of lrPolicy.
     */
    public DoubleParam power() {
        return power;
    }

    /** Returns {@link #power()}. */
    public double getPower() {
        return (double) getOrDefault(power);
    }

    /** Sets {@link #power()}. */
    public CaffeEstimator setPower(double value) {
        return put(power, value);
    }

    /**
     * The Param momentum: of the last update; of Adam beta1.
     */
    public DoubleParam momentum() {
        return momentum;
    }

    /** Returns {@link #momentum()}. */
    public double getMomentum() {
        return (double) getOrDefault(momentum);
    }

    /** Sets {@link #momentum()}. */
    public CaffeEstimator setMomentum(double value) {
        return put(momentum, value);
    }

    /**
     * The Param momentum2: beta2 of Adam.
     */
    public DoubleParam momentum2() {
        return momentum2;
    }

    /** Returns {@link #momentum2()}. */
    public double getMomentum2() {
        return (double) getOrDefault(momentum2);
    }

    /** Sets {@link #momentum2()}. */
    public CaffeEstimator setMomentum2(double value) {
        return put(momentum2, value);
    }

    /**
     * The Param rmsDecay: of RMSProp.
     */
    public DoubleParam rmsDecay() {
        return rmsDecay;
    }

    /** Returns {@link #rmsDecay()}. */
    public double getRmsDecay() {
        return (double) getOrDefault(rmsDecay);
    }

    /** Sets {@link #rmsDecay()}. */
    public CaffeEstimator setRmsDecay(double value) {
        return put(rmsDecay, value);
    }

    /**
     * The Param delta: what AdaGrad, RMSProp, AdaDelta and Adam add to what they divide by.
     */
    public DoubleParam delta() {
        return delta;
    }

    /** Returns {@link #delta()}. */
    public double getDelta() {
        return (double) getOrDefault(delta);
    }

    /** Sets {@link #delta()}. */
    public CaffeEstimator setDelta(double value) {
        return put(delta, value);
    }

    /**
     * The Param weightDecay: of the weights, times a blob's decay_mult.
     */
    public DoubleParam weightDecay() {
        return weightDecay;
    }

    /** Returns {@link #weightDecay()}. */
    public double getWeightDecay() {
        return (double) getOrDefault(weightDecay);
    }

    /** Sets {@link #weightDecay()}. */
    public CaffeEstimator setWeightDecay(double value) {
        return put(weightDecay, value);
    }

    /**
     * The Param regularizationType: what weightDecay means.
     */
    public Param<String> regularizationType() {
        return regularizationType;
    }

    /** Returns {@link #regularizationType()}. */
    public String getRegularizationType() {
        return getOrDefault(regularizationType);
    }

    /** Sets {@link #regularizationType()}. */
    public CaffeEstimator setRegularizationType(String value) {
        return put(regularizationType, value);
    }

    /**
     * The Param clipGradients: largest norm of all gradients together.
     */
    public DoubleParam clipGradients() {
        return clipGradients;
    }

    /** Returns {@link #clipGradients()}. */
    public double getClipGradients() {
        return (double) getOrDefault(clipGradients);
    }

    /** Sets {@link #clipGradients()}. */
    public CaffeEstimator setClipGradients(double value) {
        return put(clipGradients, value);
    }

    /**
     * The Param iterSize: passes whose gradients make one update.
     */
    public IntParam iterSize() {
        return iterSize;
    }

    /** Returns {@link #iterSize()}. */
    public int getIterSize() {
        return (int) getOrDefault(iterSize);
    }

    /** Sets {@link #iterSize()}. */
    public CaffeEstimator setIterSize(int value) {
        return put(iterSize, value);
    }

    /**
     * The Param maxIter: updates.
     */
    public IntParam maxIter() {
        return maxIter;
    }

    /** Returns {@link #maxIter()}. */
    public int getMaxIter() {
        return (int) getOrDefault(maxIter);
    }

    /** Sets {@link #maxIter()}. */
    public CaffeEstimator setMaxIter(int value) {
        return put(maxIter, value);
    }

    /**
     * The Param seed: of all that is random; another one each time by default.
     */
    public IntParam seed() {
        return seed;
    }

    /** Returns {@link #seed()}. */
    public int getSeed() {
        return (int) getOrDefault(seed);
    }

    /** Sets {@link #seed()}. */
    public CaffeEstimator setSeed(int value) {
        return put(seed, value);
    }

    /**
     * The Param evaluateEvery: iterations between tests, which need validationCol or
     * validationFraction; an epoch by default.
     */
    public IntParam evaluateEvery() {
        return evaluateEvery;
    }

    /** Returns {@link #evaluateEvery()}. */
    public int getEvaluateEvery() {
        return (int) getOrDefault(evaluateEvery);
    }

    /** Sets {@link #evaluateEvery()}. */
    public CaffeEstimator setEvaluateEvery(int value) {
        return put(evaluateEvery, value);
    }

    /**
     * The Param checkpointEvery: iterations between snapshots in checkpointDir; an epoch by
     * default.
     */
    public IntParam checkpointEvery() {
        return checkpointEvery;
    }

    /** Returns {@link #checkpointEvery()}. */
    public int getCheckpointEvery() {
        return (int) getOrDefault(checkpointEvery);
    }

    /** Sets {@link #checkpointEvery()}. */
    public CaffeEstimator setCheckpointEvery(int value) {
        return put(checkpointEvery, value);
    }

    /**
     * The Param featuresCol: column of the net's input: encoded images, Spark's image struct,
     * arrays or vectors; features by default.
     */
    public Param<String> featuresCol() {
        return featuresCol;
    }

    /** Returns {@link #featuresCol()}. */
    public String getFeaturesCol() {
        return getOrDefault(featuresCol);
    }

    /** Sets {@link #featuresCol()}. */
    public CaffeEstimator setFeaturesCol(String value) {
        return put(featuresCol, value);
    }

    /**
     * The Param labelCol: column of the input that only losses and metrics read, as 0-based
     * classes; label by default.
     */
    public Param<String> labelCol() {
        return labelCol;
    }

    /** Returns {@link #labelCol()}. */
    public String getLabelCol() {
        return getOrDefault(labelCol);
    }

    /** Sets {@link #labelCol()}. */
    public CaffeEstimator setLabelCol(String value) {
        return put(labelCol, value);
    }

    /**
     * The Param feedDict: input blob -&gt; column, in place of these two.
     */
    public JsonParam<Map<String, String>> feedDict() {
        return feedDict;
    }

    /** Returns {@link #feedDict()}. */
    public Map<String, String> getFeedDict() {
        return getOrDefault(feedDict);
    }

    /** Sets {@link #feedDict()}. */
    public CaffeEstimator setFeedDict(Map<String, String> value) {
        return put(feedDict, value);
    }

    /** Sets {@link #feedDict()}. */
    public CaffeEstimator setFeedDict(String... value) {
        return put(feedDict, JsonParam.pairs(value));
    }

    /**
     * The Param recipe: how images become the input, a bigdl_caffe.image.Recipe or its JSON; by
     * default as the net's definition says.
     */
    public Param<String> recipe() {
        return recipe;
    }

    /** Returns {@link #recipe()}. */
    public String getRecipe() {
        return getOrDefault(recipe);
    }

    /** Sets {@link #recipe()}. */
    public CaffeEstimator setRecipe(String value) {
        return put(recipe, value);
    }

    /**
     * The Param binary: what binary columns hold: see CaffeModel.
     */
    public JsonParam<Object> binary() {
        return binary;
    }

    /** Returns {@link #binary()}. */
    public Object getBinary() {
        return getOrDefault(binary);
    }

    /** Sets {@link #binary()}. */
    public CaffeEstimator setBinary(String value) {
        return put(binary, value);
    }

    /** Sets {@link #binary()}. */
    public CaffeEstimator setBinary(Map<String, String> value) {
        return put(binary, value);
    }

    /**
     * The Param onError: what becomes of a row that cannot be read: fail stops and names it, drop
     * leaves it out.
     */
    public Param<String> onError() {
        return onError;
    }

    /** Returns {@link #onError()}. */
    public String getOnError() {
        return getOrDefault(onError);
    }

    /** Sets {@link #onError()}. */
    public CaffeEstimator setOnError(String value) {
        return put(onError, value);
    }

    /**
     * The Param validationCol: boolean column, true for rows to test with and not to train on.
     */
    public Param<String> validationCol() {
        return validationCol;
    }

    /** Returns {@link #validationCol()}. */
    public String getValidationCol() {
        return getOrDefault(validationCol);
    }

    /** Sets {@link #validationCol()}. */
    public CaffeEstimator setValidationCol(String value) {
        return put(validationCol, value);
    }

    /**
     * The Param validationFraction: share of the rows, drawn at random, to test with and not to
     * train on.
     */
    public DoubleParam validationFraction() {
        return validationFraction;
    }

    /** Returns {@link #validationFraction()}. */
    public double getValidationFraction() {
        return (double) getOrDefault(validationFraction);
    }

    /** Sets {@link #validationFraction()}. */
    public CaffeEstimator setValidationFraction(double value) {
        return put(validationFraction, value);
    }

    /**
     * The Param batchSize: rows of all workers in one pass; the net's own batch by default.
     */
    public IntParam batchSize() {
        return batchSize;
    }

    /** Returns {@link #batchSize()}. */
    public int getBatchSize() {
        return (int) getOrDefault(batchSize);
    }

    /** Sets {@link #batchSize()}. */
    public CaffeEstimator setBatchSize(int value) {
        return put(batchSize, value);
    }

    /**
     * The Param shuffle: whether rows are in another order each epoch.
     */
    public BooleanParam shuffle() {
        return shuffle;
    }

    /** Returns {@link #shuffle()}. */
    public boolean getShuffle() {
        return (boolean) getOrDefault(shuffle);
    }

    /** Sets {@link #shuffle()}. */
    public CaffeEstimator setShuffle(boolean value) {
        return put(shuffle, value);
    }

    /**
     * The Param maxEpochs: times to go through the rows, in place of maxIter; 1 without both.
     */
    public IntParam maxEpochs() {
        return maxEpochs;
    }

    /** Returns {@link #maxEpochs()}. */
    public int getMaxEpochs() {
        return (int) getOrDefault(maxEpochs);
    }

    /** Sets {@link #maxEpochs()}. */
    public CaffeEstimator setMaxEpochs(int value) {
        return put(maxEpochs, value);
    }

    /**
     * The Param initialWeights: caffemodel, or several, to begin with; layers that they lack begin
     * with their fillers.
     */
    public StringArrayParam initialWeights() {
        return initialWeights;
    }

    /** Returns {@link #initialWeights()}. */
    public String[] getInitialWeights() {
        return getOrDefault(initialWeights);
    }

    /** Sets {@link #initialWeights()}. */
    public CaffeEstimator setInitialWeights(String... value) {
        return put(initialWeights, value);
    }

    /**
     * The Param freeze: layers that keep their weights: names, or patterns as conv*.
     */
    public StringArrayParam freeze() {
        return freeze;
    }

    /** Returns {@link #freeze()}. */
    public String[] getFreeze() {
        return getOrDefault(freeze);
    }

    /** Sets {@link #freeze()}. */
    public CaffeEstimator setFreeze(String... value) {
        return put(freeze, value);
    }

    /**
     * The Param metrics: what to test by: loss, accuracy, top5 and the like.
     */
    public StringArrayParam metrics() {
        return metrics;
    }

    /** Returns {@link #metrics()}. */
    public String[] getMetrics() {
        return getOrDefault(metrics);
    }

    /** Sets {@link #metrics()}. */
    public CaffeEstimator setMetrics(String... value) {
        return put(metrics, value);
    }

    /**
     * The Param patience: tests without a better one after which training stops; by default it does
     * not.
     */
    public IntParam patience() {
        return patience;
    }

    /** Returns {@link #patience()}. */
    public int getPatience() {
        return (int) getOrDefault(patience);
    }

    /** Sets {@link #patience()}. */
    public CaffeEstimator setPatience(int value) {
        return put(patience, value);
    }

    /**
     * The Param minDelta: by how much a test has to be better.
     */
    public DoubleParam minDelta() {
        return minDelta;
    }

    /** Returns {@link #minDelta()}. */
    public double getMinDelta() {
        return (double) getOrDefault(minDelta);
    }

    /** Sets {@link #minDelta()}. */
    public CaffeEstimator setMinDelta(double value) {
        return put(minDelta, value);
    }

    /**
     * The Param monitor: which metric patience goes by.
     */
    public Param<String> monitor() {
        return monitor;
    }

    /** Returns {@link #monitor()}. */
    public String getMonitor() {
        return getOrDefault(monitor);
    }

    /** Sets {@link #monitor()}. */
    public CaffeEstimator setMonitor(String value) {
        return put(monitor, value);
    }

    /**
     * The Param checkpointDir: folder for snapshots, path or URI that all workers reach.
     */
    public Param<String> checkpointDir() {
        return checkpointDir;
    }

    /** Returns {@link #checkpointDir()}. */
    public String getCheckpointDir() {
        return getOrDefault(checkpointDir);
    }

    /** Sets {@link #checkpointDir()}. */
    public CaffeEstimator setCheckpointDir(String value) {
        return put(checkpointDir, value);
    }

    /**
     * The Param resumeFrom: state to go on from, or latest for the last one in checkpointDir.
     */
    public Param<String> resumeFrom() {
        return resumeFrom;
    }

    /** Returns {@link #resumeFrom()}. */
    public String getResumeFrom() {
        return getOrDefault(resumeFrom);
    }

    /** Sets {@link #resumeFrom()}. */
    public CaffeEstimator setResumeFrom(String value) {
        return put(resumeFrom, value);
    }

    /**
     * The Param numWorkers: tasks that train together, each with its part of a batch.
     */
    public IntParam numWorkers() {
        return numWorkers;
    }

    /** Returns {@link #numWorkers()}. */
    public int getNumWorkers() {
        return (int) getOrDefault(numWorkers);
    }

    /** Sets {@link #numWorkers()}. */
    public CaffeEstimator setNumWorkers(int value) {
        return put(numWorkers, value);
    }

    /**
     * The Param batchNorm: whether BatchNorm goes by each worker's rows, or by all rows of a pass.
     */
    public Param<String> batchNorm() {
        return batchNorm;
    }

    /** Returns {@link #batchNorm()}. */
    public String getBatchNorm() {
        return getOrDefault(batchNorm);
    }

    /** Sets {@link #batchNorm()}. */
    public CaffeEstimator setBatchNorm(String value) {
        return put(batchNorm, value);
    }

    /**
     * The Param maxRetries: how often to go on after a worker died: from the last snapshot, or from
     * the beginning.
     */
    public IntParam maxRetries() {
        return maxRetries;
    }

    /** Returns {@link #maxRetries()}. */
    public int getMaxRetries() {
        return (int) getOrDefault(maxRetries);
    }

    /** Sets {@link #maxRetries()}. */
    public CaffeEstimator setMaxRetries(int value) {
        return put(maxRetries, value);
    }

    /**
     * The Param timeout: seconds that a worker may keep the others waiting.
     */
    public DoubleParam timeout() {
        return timeout;
    }

    /** Returns {@link #timeout()}. */
    public double getTimeout() {
        return (double) getOrDefault(timeout);
    }

    /** Sets {@link #timeout()}. */
    public CaffeEstimator setTimeout(double value) {
        return put(timeout, value);
    }

    /**
     * The Param predictionCol: column of the fitted model's for the 0-based class; none by default.
     */
    public Param<String> predictionCol() {
        return predictionCol;
    }

    /** Returns {@link #predictionCol()}. */
    public String getPredictionCol() {
        return getOrDefault(predictionCol);
    }

    /** Sets {@link #predictionCol()}. */
    public CaffeEstimator setPredictionCol(String value) {
        return put(predictionCol, value);
    }
}
