"""What Spark adds to the work of scoring a JPEG: seconds a row beside the pure function.

    python -m benchmarks.scoring [--rows 8000]

Both sides decode the same JPEG files (a Parquet of them) and run the digits' LeNet over them,
by the same function, `score_batches`: once called directly on the Arrow batches in this
process, once by Spark on local[1], by one Python worker. Runs are interleaved; what is printed
are the medians, and their difference: what the rows' way to the worker and back costs.

Measured (2 cores, Spark 4.3, Python 3.11, medians of 5 runs of 8,000 rows, 20 kB JPEGs):
see benchmarks/README.md.
"""

from __future__ import annotations

import argparse
import io
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from PIL import Image
from pyspark.sql import SparkSession

from bigdl_caffe import Model
from bigdl_caffe.spark.batches import score_batches
from bigdl_caffe.spark.java import ensure_java
from bigdl_caffe.spark.plan import Scoring, plan
from bigdl_caffe.spark.scoring import score_as

DIGITS = Path(__file__).resolve().parent.parent / "examples" / "digits"
DIFFERENT = 64


def jpegs(side: int) -> list[bytes]:
    """Return files of noise over a gradient: of some 20 kB at 160 x 160 pixels."""
    random = np.random.default_rng(0)
    slope = np.linspace(0, 128, side)[:, None, None]
    files = []
    for _ in range(DIFFERENT):
        file = io.BytesIO()
        pixels = slope + random.integers(0, 128, (side, side, 3))
        Image.fromarray(pixels.astype(np.uint8)).save(file, "JPEG", quality=85)
        files.append(file.getvalue())
    return files


def write(path: Path, rows: int, side: int) -> int:
    """Write a Parquet of ``rows`` files; return their mean size in bytes."""
    files = jpegs(side)
    content = [files[i % DIFFERENT] for i in range(rows)]
    table = pa.table({"id": pa.array(range(rows), pa.int64()), "content": content})
    pq.write_table(table, path, row_group_size=rows)
    return sum(map(len, files)) // DIFFERENT


def seconds(work: Callable[[], object]) -> float:
    """Return how long ``work`` takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def session() -> SparkSession:
    """Return a session of one worker, with one partition a file."""
    ensure_java()
    os.environ["PYSPARK_PYTHON"] = sys.executable
    builder = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false")
    return builder.config("spark.sql.files.maxPartitionBytes", "8g").getOrCreate()


def ways(spark: SparkSession, path: Path) -> dict[str, Callable[[], object]]:
    """Return what is measured, by name."""
    model = Model.load_caffe_model(DIGITS / "lenet.prototxt", DIGITS / "lenet.caffemodel")
    df = spark.read.parquet(str(path))
    scoring = Scoring(batch_size=64)
    job = plan(model, df.schema, scoring).job
    table = pq.read_table(path)
    scored = score_as(model, df, scoring)
    return {
        "pure function": lambda: sum(
            1 for _ in score_batches(iter(table.to_batches(128)), job, model)
        ),
        "Spark": lambda: scored.write.format("noop").mode("overwrite").save(),
        "Spark, read only": lambda: df.write.format("noop").mode("overwrite").save(),
    }


def medians(works: dict[str, Callable[[], object]], runs: int) -> dict[str, float]:
    """Return each way's median seconds of ``runs``, in turns."""
    for work in works.values():
        work()  # the first opens the model and warms Java
    taken: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(runs):
        for name, work in works.items():
            taken[name].append(seconds(work))
    return {name: statistics.median(all_of_it) for name, all_of_it in taken.items()}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=8000)
    parser.add_argument("--side", type=int, default=160)
    parser.add_argument("--runs", type=int, default=5)
    args = parser.parse_args()
    torch.set_num_threads(1)
    spark = session()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "jpegs.parquet"
        size = write(path, args.rows, args.side)
        found = medians(ways(spark, path), args.runs)
    print(f"{args.rows} JPEGs of {size} bytes, load {os.getloadavg()[0]:.1f}")
    row = {name: 1000 * median / args.rows for name, median in found.items()}
    row["added by Spark"] = row["Spark"] - row["pure function"]
    for name, value in row.items():
        print(f"{name:18} {value:.3f} ms a row")
    spark.stop()


if __name__ == "__main__":
    main()
