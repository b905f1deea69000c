"""BigDL's Optimizer on an RDD of samples: what it does on arrays."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pyspark.sql import SparkSession

from bigdl_caffe import CaffeError, Model
from bigdl_caffe.optimizer import SGD, EveryEpoch, MaxEpoch, Optimizer, Sample
from bigdl_caffe.train.events import Iterated, Tested
from tests.conftest import ON_CONNECT
from tests.nets import net
from tests.optimizer.test_local import CLASSIFIER, DROPOUT, Heard, X, Y

pytestmark = [
    pytest.mark.spark,
    pytest.mark.skipif(ON_CONNECT, reason="ranks are tasks of a classic session"),
]


def model(folder: Path) -> Model:
    torch.manual_seed(0)
    return net(folder, CLASSIFIER.replace(DROPOUT, ""))


def trained(model: Model, data: Any, held: Any, **how: Any) -> Heard:
    """Train two epochs; return what was heard of it."""
    heard = Heard()
    optimizer = Optimizer.create(
        model, data, torch.nn.CrossEntropyLoss(), MaxEpoch(2), 20, SGD(0.2, momentum=0.5), **how
    )
    optimizer.set_validation(20, *held, EveryEpoch()).set_train_summary(heard).optimize()
    return heard


@pytest.mark.slow
def test_ranks_train_as_one_process(spark: SparkSession, tmp_path: Path) -> None:
    samples = [Sample.from_ndarray(x, y) for x, y in zip(X, Y, strict=True)]
    rdd = spark.sparkContext.parallelize(samples, 3)
    one, two = model(tmp_path), model(tmp_path)
    locally = trained(one, (X, Y), (X, Y))
    on_spark = trained(two, rdd, (rdd,), num_workers=2)
    for kind, name in ((Iterated, "loss"), (Tested, "outputs")):
        values = [[getattr(e, name) for e in heard.of(kind)] for heard in (locally, on_spark)]
        assert len(values[0]) == len(values[1])
        if kind is Iterated:
            np.testing.assert_allclose(*values, rtol=1e-4)
    for a, b in zip(one.get_weights(), two.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-4 * abs(a).max())
    (last,) = on_spark.of(Tested)[-1].outputs
    assert last.values[0] == pytest.approx((two.predict_class(X) == Y).mean(), abs=1e-6)


def test_other_rdds_are_refused(spark: SparkSession, tmp_path: Path) -> None:
    rdd = spark.sparkContext.parallelize([1, 2], 1)
    with pytest.raises(CaffeError, match=r"first row is int: see Sample\.from_ndarray"):
        Optimizer(model(tmp_path), rdd, "SoftmaxWithLoss", MaxEpoch(1), 2).optimize()
    with pytest.raises(CaffeError, match="training_set is of list"):
        Optimizer.create(model(tmp_path), [X, Y], "SoftmaxWithLoss")  # type: ignore[arg-type]  # what is tested
