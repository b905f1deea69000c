"""The Params of `CaffeEstimator`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from pyspark.ml.param import TypeConverters

from bigdl_caffe.errors import CaffeError
from bigdl_caffe.format._pb import caffe_pb2 as pb
from bigdl_caffe.format.prototxt import format_message, parse
from bigdl_caffe.spark.params import Option, to_binary, to_columns, to_recipe
from bigdl_caffe.train.definition import SolverDef, read_solver, solver_def
from bigdl_caffe.train.solver_values import POLICIES, TYPES
from bigdl_caffe.train.stopping import LOSS

_text, _int, _float = TypeConverters.toString, TypeConverters.toInt, TypeConverters.toFloat


def _to_solver(value: Any) -> SolverDef:
    """Return a solver: itself, of a path, or of what `saved_solver` returned."""
    if isinstance(value, SolverDef):
        return value
    if isinstance(value, (str, os.PathLike)):
        return read_solver(value)
    if isinstance(value, Mapping) and {"text", "origin"} == value.keys():
        return solver_def(parse(value["text"], pb.SolverParameter), value["origin"])
    raise TypeError(f"Could not convert {type(value)} to a solver: give a path, or a SolverDef")


def saved_solver(solver: SolverDef) -> dict[str, str]:
    """Return a solver as JSON can hold it."""
    return {"text": format_message(solver.message), "origin": solver.origin}


def _to_texts(value: Any) -> list[str]:
    given = [value] if isinstance(value, (str, os.PathLike)) else value
    texts: list[str] = TypeConverters.toListString([os.fspath(each) for each in given])
    return texts


def _to_fraction(value: Any) -> float:
    fraction = float(_float(value))
    if not 0 < fraction < 1:
        raise CaffeError(f"validationFraction is {fraction:g}: give more than 0 and less than 1")
    return fraction


OF_SOLVER = (
    Option(
        "solver",
        "solver.prototxt: a path or URI, or a SolverDef. It names the net, unless "
        "model= gives one; the Params below go before what it says",
        _to_solver,
    ),
    Option("optimizer", "the solver's type", word="type", known=TYPES),
    Option("learningRate", "base_lr; 0.01 by default", _float, word="base_lr"),
    Option("lrPolicy", "how the rate changes; fixed by default", known=POLICIES),
    Option("gamma", "of lrPolicy", _float),
    Option("stepSize", "of lrPolicy, in iterations", _int, word="stepsize"),
    Option(
        "stepValues",
        "of lrPolicy multistep, in iterations",
        TypeConverters.toListInt,
        word="stepvalue",
    ),
    Option("power", "of lrPolicy", _float),
    Option("momentum", "of the last update; of Adam beta1", _float),
    Option("momentum2", "beta2 of Adam", _float),
    Option("rmsDecay", "of RMSProp", _float),
    Option("delta", "what AdaGrad, RMSProp, AdaDelta and Adam add to what they divide by", _float),
    Option("weightDecay", "of the weights, times a blob's decay_mult", _float),
    Option("regularizationType", "what weightDecay means", known=("L2", "L1")),
    Option("clipGradients", "largest norm of all gradients together", _float),
    Option("iterSize", "passes whose gradients make one update", _int, least=1),
    Option("maxIter", "updates", _int, least=0),
    Option(
        "seed",
        "of all that is random; another one each time by default",
        _int,
        word="random_seed",
        least=0,
    ),
    Option(
        "evaluateEvery",
        "iterations between tests, which need validationCol or "
        "validationFraction; an epoch by default",
        _int,
        word="test_interval",
        least=1,
    ),
    Option(
        "checkpointEvery",
        "iterations between snapshots in checkpointDir; an epoch by default",
        _int,
        word="snapshot",
        least=1,
    ),
)
"""Those whose `Option.word` is a field of Caffe's SolverParameter."""

OF_DATA = (
    Option(
        "featuresCol",
        "column of the net's input: encoded images, Spark's image struct, "
        "arrays or vectors; features by default",
    ),
    Option(
        "labelCol",
        "column of the input that only losses and metrics read, as 0-based "
        "classes; label by default",
    ),
    Option("feedDict", "input blob -> column, in place of these two", to_columns, word="feed"),
    Option(
        "recipe",
        "how images become the input, a bigdl_caffe.image.Recipe or its JSON; by "
        "default as the net's definition says",
        to_recipe,
    ),
    Option("binary", "what binary columns hold: see CaffeModel", to_binary),
    Option(
        "onError",
        "what becomes of a row that cannot be read: fail stops and names it, drop leaves it out",
        known=("fail", "drop"),
        default="fail",
    ),
    Option("validationCol", "boolean column, true for rows to test with and not to train on"),
    Option(
        "validationFraction",
        "share of the rows, drawn at random, to test with and not to train on",
        _to_fraction,
    ),
    Option(
        "batchSize",
        "rows of all workers in one pass; the net's own batch by default",
        _int,
        least=1,
    ),
    Option(
        "shuffle",
        "whether rows are in another order each epoch",
        TypeConverters.toBoolean,
        default=True,
    ),
    Option(
        "maxEpochs",
        "times to go through the rows, in place of maxIter; 1 without both",
        _int,
        least=1,
    ),
)

OF_TRAINING = (
    Option(
        "initialWeights",
        "caffemodel, or several, to begin with; layers that they lack begin with their fillers",
        _to_texts,
    ),
    Option("freeze", "layers that keep their weights: names, or patterns as conv*", _to_texts),
    Option(
        "metrics", "what to test by: loss, accuracy, top5 and the like", _to_texts, default=[LOSS]
    ),
    Option(
        "patience",
        "tests without a better one after which training stops; by default it does not",
        _int,
        least=1,
    ),
    Option("minDelta", "by how much a test has to be better", _float, default=0.0),
    Option("monitor", "which metric patience goes by", default=LOSS),
    Option("checkpointDir", "folder for snapshots, path or URI that all workers reach"),
    Option("resumeFrom", "state to go on from, or latest for the last one in checkpointDir"),
    Option(
        "numWorkers",
        "tasks that train together, each with its part of a batch",
        _int,
        default=1,
        least=1,
    ),
    Option(
        "batchNorm",
        "whether BatchNorm goes by each worker's rows, or by all rows of a pass",
        known=("local", "synchronised"),
        default="local",
    ),
    Option(
        "maxRetries",
        "how often to go on after a worker died: from the last snapshot, or from the beginning",
        _int,
        default=0,
        least=0,
    ),
    Option("timeout", "seconds that a worker may keep the others waiting", _float, default=300.0),
    Option("predictionCol", "column of the fitted model's for the 0-based class; none by default"),
)
