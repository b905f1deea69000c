"""int8 nets that the JVM asks for."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from py4j.protocol import Py4JJavaError
from pyspark.ml.wrapper import JavaWrapper
from pyspark.sql import DataFrame, SparkSession

from bigdl_caffe import Model
from tests.jvm.bare import told
from tests.nets import DIGITS

FILES = (str(DIGITS / "lenet.prototxt"), str(DIGITS / "lenet.caffemodel"))


@pytest.fixture
def model(jvm: Any) -> Any:
    return jvm.bigdl_caffe.Module.loadCaffeModel(*FILES)


@pytest.fixture
def rows(spark: SparkSession) -> DataFrame:
    numbers = np.random.default_rng(0).random((12, 1, 64)).tolist()
    return spark.createDataFrame(numbers, "data array<double>").coalesce(1)


def names(jvm: Any, *layers: str) -> Any:
    return JavaWrapper._new_java_array(list(layers), jvm.java.lang.String)


def test_it_is_calibrated_as_in_python(model: Any, rows: DataFrame, jvm: Any) -> None:
    given = rows._jdf, "minmax", 8, names(jvm, "ip2")
    int8 = model.quantize(*given)
    expected = Model.load_caffe_model(*FILES).quantize(rows, method="minmax", rows=8, keep=["ip2"])
    assert int8.contentHash() == expected.content_hash
    assert int8.quantizationReport() == str(expected.report)
    scored = DataFrame(int8.predict(rows._jdf), rows.sparkSession)
    assert scored.collect() == expected.predict(rows).collect()


def test_its_defaults_are_pythons(model: Any, rows: DataFrame) -> None:
    expected = Model.load_caffe_model(*FILES)
    assert model.quantize(rows._jdf).contentHash() == expected.quantize(rows).content_hash
    assert model.quantize().contentHash() == expected.quantize().content_hash
    assert model.quantizationReport() is None


def test_a_wrong_method_is_told(model: Any, rows: DataFrame, jvm: Any) -> None:
    with pytest.raises(Py4JJavaError) as caught:
        model.quantize(rows._jdf, "median", 8, names(jvm))
    assert "'median'" in told(caught.value)["getMessage"]
