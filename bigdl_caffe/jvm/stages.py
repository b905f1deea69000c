"""What the JVM's stages of Spark ML ask for."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias, cast

from pyspark.sql import SparkSession
from pyspark.sql.types import StructType

from bigdl_caffe.jvm.call import Answer, Call
from bigdl_caffe.spark.estimator import CaffeEstimator
from bigdl_caffe.spark.transformer import CaffeModel
from bigdl_caffe.train.show.history import History

Stage: TypeAlias = CaffeModel | CaffeEstimator

_CLASSES: dict[str, type[Stage]] = {cls.__name__: cls for cls in (CaffeModel, CaffeEstimator)}


def _made(call: Call) -> Stage:
    """Return the equal of the stage that calls."""
    given = call.arguments
    stage = _CLASSES[given["stage"]](given.get("model"), **given["params"])
    stage._resetUid(given["uid"])
    return stage


def _transform(call: Call) -> Answer:
    return Answer(frame=_made(call).transform(call.arguments["data"]))


def _transform_schema(call: Call) -> Answer:
    schema = StructType.fromJson(json.loads(call.arguments["schema"]))
    return Answer(_made(call).transformSchema(schema).jsonValue())


def _fit(call: Call) -> Answer:
    return _kept(_estimator(call).fit(call.arguments["data"]), call)


def _fit_own_data(call: Call) -> Answer:
    return _kept(_estimator(call).fit_own_data(), call)


def _estimator(call: Call) -> CaffeEstimator:
    return cast(CaffeEstimator, _made(call))


def _kept(fitted: CaffeModel, call: Call) -> Answer:
    """Keep what was trained in a file, too, from which it comes back if this process ends."""
    model, history = fitted.need_model(), cast(History, fitted.history)
    model.write_bundle(call.arguments["bundle"])
    return Answer({**_told(fitted), "history": history.columns()}, model=model)


def _save(call: Call) -> Answer:
    _made(call).write().session(_session(call)).save(call.arguments["path"])
    return Answer()


def _load(call: Call) -> Answer:
    cls = _CLASSES[call.arguments["stage"]]
    stage = cls.read().session(_session(call)).load(call.arguments["path"])
    return Answer(_told(stage), model=stage.model)


def _session(call: Call) -> SparkSession:
    return cast(SparkSession, call.spark)


def _told(stage: Stage) -> dict[str, Any]:
    return {"uid": stage.uid, "params": stage.saved_params()}


CALLS: Mapping[str, Callable[[Call], Answer]] = {
    "transform": _transform,
    "transform_schema": _transform_schema,
    "fit": _fit,
    "fit_own_data": _fit_own_data,
    "save_stage": _save,
    "load_stage": _load,
}
"""By the name that the JVM calls them."""
