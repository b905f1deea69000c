"""The JVM's stages of Spark ML: their Params, scoring, and training."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from py4j.protocol import Py4JJavaError
from pyspark.errors import IllegalArgumentException
from pyspark.ml.wrapper import JavaWrapper
from pyspark.sql import DataFrame, SparkSession

from bigdl_caffe import Model
from bigdl_caffe.image import Recipe
from bigdl_caffe.jvm import serve
from bigdl_caffe.spark import CaffeEstimator, CaffeModel
from bigdl_caffe.spark.params import Option, OptionParams
from tests.nets import DIGITS, TWO_IN, net
from tests.paths import REPO
from tests.spark.training import rows, trainable

SOLVER = 'base_lr: 0.5 lr_policy: "fixed" max_iter: 3 net: "blobs.prototxt"'
STAGES = [CaffeModel, CaffeEstimator]
HOW: dict[str, Any] = {"learningRate": 0.1, "momentum": 0.9, "seed": 1, "maxIter": 30}


def test_the_params_are_those_of_pythons_tables() -> None:
    """`python jvm_bridge/params.py` puts them in step again."""
    for path, text in runpy.run_path(str(REPO / "jvm_bridge" / "params.py"))["sources"]().items():
        assert path.read_text(encoding="utf-8") == text, path.name


def java(jvm: Any, value: Any) -> Any:
    """Return ``value`` as a setter takes it: a list for varargs as an array."""
    kinds = {str: jvm.java.lang.String, int: jvm.int}
    if isinstance(value, list):
        return JavaWrapper._new_java_array(value, kinds[type(value[0])])
    return value


def with_params(jvm: Any, stage: Any, **params: Any) -> Any:
    """Set Params of a stage of the JVM."""
    for name, value in params.items():
        getattr(stage, f"set{name[0].upper()}{name[1:]}")(java(jvm, value))
    return stage


def in_jvm(jvm: Any, model: Model, folder: Path) -> Any:
    """Return the JVM's model of the same net and weights."""
    model.write_bundle(folder / "model.arrow")
    return jvm.bigdl_caffe.Module.openBundle(str(folder / "model.arrow"))


def example(option: Option, solver: Path) -> Any:
    """Return a value that the Param can have, and has not by default."""
    if option.known:
        return next(value for value in option.known if value != option.default)
    return {
        "toString": "something",
        "toInt": 7,
        "toFloat": 1e-5,
        "toBoolean": False,
        "toListString": ["a", "b"],
        "toListInt": [3, 5],
        "to_columns": {"a": "x", "b": "y"},
        "to_recipe": Recipe(3, crop=(2, 2)).to_json(),
        "to_binary": {"a": "uint8"},
        "_to_solver": str(solver),
        "_to_texts": ["one", "two"],
        "_to_fraction": 0.25,
    }[option.convert.__name__]


@pytest.mark.spark
@pytest.mark.parametrize("cls", STAGES)
def test_every_param_reaches_python(cls: type[OptionParams], jvm: Any, tmp_path: Path) -> None:
    solver = tmp_path / "solver.prototxt"
    solver.write_text(SOLVER)
    given = {option.name: example(option, solver) for option in cls.OPTIONS}
    files = (str(DIGITS / "lenet.prototxt"), str(DIGITS / "lenet.caffemodel"))
    model = jvm.bigdl_caffe.Module.loadCaffeModel(*files)
    stage = with_params(jvm, getattr(jvm.bigdl_caffe.spark, cls.__name__)(model), **given)
    taken = cls._from_java(stage)
    assert taken.uid == stage.uid()
    assert taken.saved_params() == cls(**given).saved_params()
    told = {param.name(): param.doc() for param in stage.params()}
    assert told == {option.name: option.doc for option in cls.OPTIONS}
    fresh = getattr(jvm.bigdl_caffe.spark, cls.__name__)(model)
    defaults = {p.name(): fresh.getDefault(p).get() for p in fresh.params() if fresh.hasDefault(p)}
    wanted = {o.name: o.default for o in cls.OPTIONS if o.default is not None}
    assert {n: list(v) if n == "metrics" else v for n, v in defaults.items()} == wanted


@pytest.mark.spark
def test_it_scores_as_python_does(jvm: Any, spark: SparkSession, tmp_path: Path) -> None:
    model = net(tmp_path, TWO_IN)
    numbers = np.random.default_rng(0).random((9, 2, 3)).tolist()
    frame = spark.createDataFrame(numbers, "x array<double>, y array<double>")
    how: dict[str, Any] = {
        "feedDict": {"a": "x", "b": "y"},
        "fetchDict": {"twice": "twice", "sum": "sum"},
        "outputType": "vector",
        "batchSize": 4,
    }
    stage = with_params(jvm, jvm.bigdl_caffe.spark.CaffeModel(in_jvm(jvm, model, tmp_path)), **how)
    expected = CaffeModel(model, **how).transform(frame)
    scored = DataFrame(stage.transform(frame._jdf), spark)
    assert scored.schema == expected.schema
    assert scored.collect() == expected.collect()
    assert stage.transformSchema(frame._jdf.schema()).json() == scored._jdf.schema().json()
    stage.setFetchDict(java(jvm, ["neg", "n"])).setFeedDict(java(jvm, ["b", "y", "a", "x"]))
    names = stage.transformSchema(frame._jdf.schema()).fieldNames()
    assert list(names) == ["x", "y", "n", "error"]


@pytest.mark.spark
def test_what_cannot_work_is_refused_in_pythons_words(
    jvm: Any, spark: SparkSession, tmp_path: Path
) -> None:
    stage = jvm.bigdl_caffe.spark.CaffeModel(in_jvm(jvm, net(tmp_path, TWO_IN), tmp_path))
    with pytest.raises(IllegalArgumentException, match="batchSize is 0: give at least 1"):
        stage.setBatchSize(0)
    with pytest.raises(IllegalArgumentException, match="onError is 'x': give one of column, drop,"):
        stage.setOnError("x")
    with pytest.raises(IllegalArgumentException, match="'b' has no column: give blob, column,"):
        stage.setFeedDict(java(jvm, ["a", "x", "b"]))
    with pytest.raises(Py4JJavaError, match="CaffeException: there is no column 'x' for"):
        stage.setFeedDict({"a": "x"}).transform(spark.range(1)._jdf)
    with pytest.raises(Py4JJavaError, match=r"CaffeException: .*give model=, or solver="):
        jvm.bigdl_caffe.spark.CaffeEstimator().fit(spark.range(1)._jdf)


def die(jvm: Any) -> None:
    """Let the JVM believe that the Python process which serves it is dead."""
    loader = jvm.java.lang.Thread.currentThread().getContextClassLoader()
    current = loader.loadClass("bigdl_caffe.jvm.Python").getDeclaredField("current")
    current.setAccessible(True)
    service = current.get(None)
    text = loader.loadClass("java.lang.String")
    kinds = JavaWrapper._new_java_array([text], jvm.java.lang.Class)
    end = service.getClass().getDeclaredMethod("end", kinds)
    end.setAccessible(True)
    end.invoke(service, JavaWrapper._new_java_array(["it died"], jvm.java.lang.Object))


@pytest.mark.spark
@pytest.mark.slow
def test_it_trains_as_python_does(
    jvm: Any, spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, data = trainable(tmp_path), rows(spark)
    how = {**HOW, "validationCol": "held", "predictionCol": "prediction"}
    estimator = jvm.bigdl_caffe.spark.CaffeEstimator(in_jvm(jvm, model, tmp_path))
    fitted = with_params(jvm, estimator, **how).fit(data._jdf)
    expected = CaffeEstimator(model, **how).fit(data)
    assert expected.history is not None
    columns = expected.history.columns()
    assert fitted.history().keys() == columns.keys()
    losses = fitted.history()["train"]["loss"]
    assert list(losses) == columns["train"]["loss"]
    assert fitted.model().contentHash() == expected.need_model().content_hash
    assert fitted.parent().uid() == estimator.uid()
    scored = DataFrame(fitted.transform(data._jdf), spark)
    assert scored.collect() == expected.transform(data).collect()
    opened: list[Any] = []
    open_bundle = Model.open_bundle
    monkeypatch.setattr(Model, "open_bundle", lambda path: opened.append(path) or open_bundle(path))
    die(jvm)
    serve(spark)  # in its place, which the model comes to from a file
    assert DataFrame(fitted.transform(data._jdf), spark).collect() == scored.collect()
    (bundle,) = opened
    assert Path(bundle).exists()
    fitted.model().close()
    assert not Path(bundle).parent.exists()
    assert estimator.transformSchema(data._jdf.schema()).json() == scored._jdf.schema().json()
