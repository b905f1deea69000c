"""Each rank gets its rows, and no others, whatever the partitions were."""

from __future__ import annotations

from typing import Any

import pytest
from py4j.protocol import Py4JError
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from bigdl_caffe.errors import CaffeError
from bigdl_caffe.spark.placing import placed
from tests.conftest import ON_CONNECT

pytestmark = [
    pytest.mark.spark,
    pytest.mark.skipif(ON_CONNECT, reason="ranks are tasks of a classic session"),
]


def columns() -> list[Column]:
    return [F.col("id").alias("c0"), (F.col("id") * 2).alias("c1")]


def numbers(spark: SparkSession) -> DataFrame:
    """Return rows in five partitions of unequal sizes, one of them empty."""
    return spark.range(0, 100, 1, 5).where("id % 7 != 3 and (id < 40 or id >= 60)")


def persisted(spark: SparkSession) -> set[int]:
    """Return what the session keeps, of other tests too."""
    return set(spark.sparkContext._jsc.getPersistentRDDs())


def held(df: DataFrame) -> list[Any]:
    return df.select("*", F.spark_partition_id().alias("rank")).collect()


@pytest.mark.parametrize(("ranks", "batch", "cached"), [(4, 10, False), (3, 7, True)])
def test_each_rank_has_its_rows(spark: SparkSession, ranks: int, batch: int, cached: bool) -> None:
    before = persisted(spark)
    df = numbers(spark)
    df = df.cache() if cached else df
    ids = [row.id for row in df.collect()]
    parts = [[i for i in ids if i % 5], [i for i in ids if not i % 5]]
    with placed(df, columns(), ranks, batch, F.col("id") % 5 == 0, not cached) as rows:
        found = held(rows.df)
    assert [rows.train, rows.test] == [len(part) for part in parts]
    assert sorted(row.c0 for row in found) == sorted(ids)
    for row in found:
        assert row.c1 == row.c0 * 2
        part, first = (0, 0) if row.c0 % 5 else (1, rows.train)
        assert parts[part][row["index"] - first] == row.c0
        assert row["rank"] == (row["index"] - first) % batch % ranks
    df.unpersist()
    assert persisted(spark) == before


def test_fewer_rows_than_ranks(spark: SparkSession) -> None:
    before = persisted(spark)
    with (
        pytest.raises(CaffeError, match="1 rows to train on for 2 workers"),
        placed(spark.range(1), columns(), 2, 2),
    ):
        pass
    assert persisted(spark) == before


def test_what_ended_a_training_is_told_though_spark_is_gone(
    spark: SparkSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(df: DataFrame) -> DataFrame:
        unpersist(df)
        raise Py4JError("the JVM has ended")

    df = numbers(spark)
    unpersist = type(df).unpersist
    monkeypatch.setattr(type(df), "unpersist", gone)
    with pytest.raises(CaffeError, match="no memory"), placed(df, columns(), 2, 4):
        raise CaffeError("no memory")
