"""A Scala program and Python get the same bits from the same files.

SameBits.scala does in one JVM all that jobs.json tells it, and writes down what comes of it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from bigdl_caffe import CaffeError, Model
from bigdl_caffe.jvm import jar_path
from tests.jvm import programs
from tests.layers.golden import Case
from tests.layers.test_golden import CASES
from tests.nets import DIGITS, digits
from tests.paths import SHARED, needs_models
from tests.spark.cluster.launch import Spark

pytestmark = [pytest.mark.spark, pytest.mark.slow]

NEED_MORE = {"InfogainLoss", "Python"}  # a file in the working directory, a class
REAL = [
    "hyperlpr_mininet_ssd",
    "mtcnn_det3",
    "open_nsfw_resnet50_1by2",
    "squeezenet_v1.0_dc",
    "yufacedetect_v1",
]
SMALL = SHARED / "golden" / "nets" / "small"
ROWS = 70
Arrays = Mapping[str, np.ndarray[Any, Any]]


@dataclass(frozen=True)
class Run:
    """What a net is to do."""

    prototxt: Path
    caffemodel: Path | None
    feed: Arrays
    fetch: list[str] = field(default_factory=list)  # the outputs, if it is empty
    how: Mapping[str, Any] = field(default_factory=dict)
    forward: bool = False  # whether to run it as BigDL does
    saved: list[Path] = field(default_factory=list)  # where it is kept and loaded from first

    def job(self) -> dict[str, Any]:
        """Return what Scala is told."""
        return {**vars(self), "feed": {blob: array.shape for blob, array in self.feed.items()}}

    def load(self) -> Model:
        return Model.load_caffe_model(self.prototxt, self.caffemodel, **self.how)

    def in_python(self) -> Arrays | str:
        """Return the blobs that Python makes, or its words why it makes none."""
        try:
            return self.load().run(self.feed, self.fetch or None)
        except CaffeError as error:
            return str(error)


def golden(case: Case) -> Run:
    """Return the last step of a golden case, whose shapes are often others than declared."""
    weights = case.folder / "weights.caffemodel"
    files = (case.folder / "net.prototxt", weights if weights.exists() else None)
    names = ("phase", "stages", "level", "outputs")
    how = {name: case.meta[name] for name in names if case.meta.get(name)}
    if case.meta["error"]:
        return Run(*files, {}, how=how)
    model, step = Run(*files, {}, how=how).load(), case.meta["steps"] - 1
    fed = {blob: a for blob, a in case.step(step, "in").items() if blob in model.inputs}
    return Run(*files, fed, [b for b in case.tops(step) if b in model.blob_shapes], how)


def golden_runs() -> dict[str, Run]:
    """Return a run for each golden case that the files alone decide."""
    return {
        f"{case.group}/{case.name}": golden(case)
        for case in CASES
        if case.meta["layer"] not in NEED_MORE and not case.meta.get("random")
    }


def narrow(folder: Path) -> Run:
    """Return a run of a well-known net with few channels, which makes every blob."""
    run = Run(folder / "net.prototxt", folder / "weights.caffemodel", {})
    model, random = run.load(), np.random.default_rng(0)
    feed = {b: random.standard_normal(s, np.float32) for b, s in model.inputs.items()}
    return Run(run.prototxt, run.caffemodel, feed, list(model.blob_shapes))


def real(name: str, saved: Path) -> dict[str, Run]:
    """Return the runs of a trained model: forward, and each blob after it was saved."""
    folder = SHARED / "models" / name
    files = (folder / "deploy.prototxt", folder / "weights.caffemodel")
    with np.load(folder / "caffe_io.npz") as io:
        feed = {key[3:]: array for key, array in io.items() if key.startswith("in/")}
    blobs = list(Run(*files, feed).load().blob_shapes)
    places = [saved / f"{name}.{end}" for end in ("prototxt", "caffemodel")]
    saving = Run(*files, feed, blobs, saved=places)
    return {name: Run(*files, feed, forward=True), f"{name}, saved": saving}


def runs(folder: Path) -> dict[str, Run]:
    """Return everything that the one JVM does, by name."""
    found = golden_runs()
    if SMALL.is_dir():
        found |= {net.name: narrow(net) for net in sorted(SMALL.iterdir()) if net.is_dir()}
    if (SHARED / "models").is_dir():
        for name in REAL:
            found |= real(name, folder)
    return found


def write_jobs(folder: Path, wanted: Mapping[str, Run]) -> None:
    """Write what the program reads: the jobs, what is fed to them, and rows to score."""
    rows = {"prototxt": DIGITS / "lenet.prototxt", "caffemodel": DIGITS / "lenet.caffemodel"}
    jobs = {"runs": [run.job() for run in wanted.values()], "rows": rows}
    (folder / "jobs.json").write_text(json.dumps(jobs, default=str))
    with (folder / "fed.f32").open("wb") as file:
        for run in wanted.values():
            for array in run.feed.values():
                file.write(np.ascontiguousarray(array, "<f4"))
    table = pa.table({"id": range(ROWS), "data": list(images().reshape(ROWS, -1))})
    pq.write_table(table, folder / "rows.parquet")


def images() -> np.ndarray[Any, Any]:
    (shape,) = digits().inputs.values()
    return np.random.default_rng(0).random((ROWS, *shape[1:]), np.float32)


def read_back(folder: Path) -> Iterator[Arrays | str]:
    """Yield what the program wrote of each run."""
    numbers, start = np.fromfile(folder / "made.f32", "<f4"), 0
    for told in json.loads((folder / "made.json").read_text()):
        if isinstance(told, str):
            yield told
            continue
        blobs = {}
        for blob, shape in told.items():
            end = start + int(np.prod(shape))
            blobs[blob], start = numbers[start:end].reshape(shape), end
        yield blobs
    assert start == len(numbers)


@dataclass(frozen=True)
class Made:
    """What was to do, and what the program wrote of it."""

    folder: Path
    wanted: dict[str, Run]
    found: dict[str, Arrays | str]

    def check(self, name: str) -> None:
        ours, theirs = self.wanted[name].in_python(), self.found[name]
        if isinstance(ours, str) or isinstance(theirs, str):
            assert theirs == ours, name
            return
        assert list(theirs) == list(ours), name
        for blob, array in ours.items():
            assert theirs[blob].shape == array.shape, (name, blob)
            assert theirs[blob].tobytes() == array.tobytes(), (name, blob)


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    """Compute as the program's Python does: how a sum is split over threads shows in its bits."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def made(_one_thread: None, tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = tmp_path_factory.mktemp("same-bits")
    spark, wanted = Spark.make(folder), runs(folder)
    write_jobs(folder, wanted)
    (classes := folder / "classes").mkdir()
    programs.scala(spark, classes, Path(__file__).with_name("SameBits.scala"))
    options = ["--class", "SameBits", "--jars", jar_path()]
    done = spark.submit("local[1]", programs.jar(classes), folder, options=options)
    assert done.status == 0, done.err[-6000:]
    return Made(folder, wanted, dict(zip(wanted, read_back(folder), strict=True)))


def test_golden_nets(made: Made) -> None:
    names = [name for name in made.wanted if "/" in name]
    for name in names:
        made.check(name)
    refused = [name for name in names if isinstance(made.found[name], str)]
    assert len(names) > 380
    assert len(refused) < 30


@pytest.mark.skipif(not SMALL.is_dir(), reason="third-party nets are in ../shared/golden")
def test_well_known_nets(made: Made) -> None:
    for folder in SMALL.iterdir():
        made.check(folder.name)


@needs_models
@pytest.mark.parametrize("name", REAL)
def test_real_models(made: Made, name: str, tmp_path: Path) -> None:
    made.check(name)
    made.check(f"{name}, saved")
    run = made.wanted[f"{name}, saved"]
    ours = [tmp_path / path.name for path in run.saved]
    run.load().save_caffe(*ours)
    assert [path.read_bytes() for path in ours] == [p.read_bytes() for p in run.saved]


def test_rows(made: Made) -> None:
    model, rows = digits(), images()
    scored = pq.read_table(made.folder / "scored.parquet").sort_by("id")
    (blob,) = model.outputs
    theirs = np.array(scored[blob].to_pylist(), np.float32)
    assert theirs.tobytes() == model.predict(rows).tobytes()
    classes = pq.read_table(made.folder / "classes.parquet").sort_by("id")
    assert classes["prediction"].to_pylist() == model.predict_class(rows, 5).tolist()
