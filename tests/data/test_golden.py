"""Data layers against what real Caffe showed on each forward pass."""

from __future__ import annotations

from itertools import islice
from typing import Any

import numpy as np
import pytest

from bigdl_caffe.data import SOURCES, batches
from bigdl_caffe.format._pb import caffe_pb2 as pb
from bigdl_caffe.load import read_definition
from tests.compare import assert_close_to_caffe
from tests.data.nets import Array, Batch, golden_net, known_shapes, net
from tests.layers.golden import Case, cases

CASES = [c for c in cases() if c.name.split("/")[0] in SOURCES and not c.meta["error"]]
SAME_EACH_TIME = [case for case in CASES if not case.meta["random"]]


def given(case: Case) -> dict[str, Any]:
    file = case.folder / "memory_data.npz"
    if not file.exists():
        return {}
    with np.load(file) as arrays:
        return {"data": arrays["data"], "label": arrays["labels"]}


def test_there_are_cases() -> None:
    assert {case.name.split("/")[0] for case in CASES} == SOURCES.keys() - {
        "AnnotatedData",
        "WindowData",
    }


@pytest.mark.parametrize("case", [pytest.param(c, id=c.name) for c in SAME_EACH_TIME])
def test_every_forward_pass_shows_caffes_numbers(case: Case) -> None:
    for version in case.versions:
        net = golden_net(case.folder, version, case.meta["phase"])
        found = batches(net, root=case.folder, arrays=given(case))
        for k, batch in enumerate(islice(found, case.meta["steps"])):
            expected = case.tops(k)
            assert batch.keys() == expected.keys()
            for blob, numbers in expected.items():
                assert batch[blob].dtype == np.float32
                assert_close_to_caffe(batch[blob], numbers, what=f"{version} step {k} {blob}")


@pytest.mark.parametrize("case", [pytest.param(c, id=c.name) for c in CASES])
def test_shapes_are_told_by_the_data(case: Case) -> None:
    net = golden_net(case.folder, phase=case.meta["phase"])
    expected = {blob: array.shape for blob, array in case.tops(0).items()}
    assert known_shapes(net, case.folder) == expected


def golden(name: str) -> Case:
    (case,) = (case for case in CASES if case.name == name)
    return case


def passes(name: str, n: int, **changes: Any) -> list[Batch]:
    """Return ``n`` forward passes of a case's net, with ``changes`` to its one layer."""
    case = golden(name)
    definition = read_definition(str(case.folder / "net.prototxt"))
    for field, value in changes.items():
        getattr(definition.layer[0], field).CopyFrom(value)
    found = batches(net(definition, case.meta["phase"]), root=case.folder, seed=0)
    return list(islice(found, n))


def views(image: Array, size: int) -> set[bytes]:
    """Return every crop of ``image`` (all of it for 0), mirrored and not."""
    _, height, width = image.shape
    rows, columns = size or height, size or width
    places = np.ndindex(height - rows + 1, width - columns + 1)
    crops = [image[:, top : top + rows, left : left + columns] for top, left in places]
    return {np.ascontiguousarray(c).tobytes() for crop in crops for c in (crop, crop[..., ::-1])}


@pytest.mark.parametrize(
    ("name", "size", "scale", "kinds"),
    [
        ("Data/lmdb_mirror_train", 0, 1, 2),
        ("Data/lmdb_train", 6, 1, 48),
        ("ImageData/crop_mirror_train", 5, 0.5, 70),
    ],
)
def test_pictures_are_mirrored_and_cropped_at_random(
    name: str, size: int, scale: float, kinds: int
) -> None:
    plain = pb.TransformationParameter(scale=scale)
    (whole,) = passes(name, 1, transform_param=plain)
    found = passes(name, 1200)
    for item, image in enumerate(whole["data"]):
        allowed = views(image, size)
        assert len(allowed) == kinds
        assert golden(name).tops(0)["data"][item].tobytes() in allowed
        assert {np.ascontiguousarray(batch["data"][item]).tobytes() for batch in found} == allowed


@pytest.mark.parametrize("name", ["ImageData/shuffle", "HDF5Data/shuffle"])
def test_shuffled_rows_are_those_that_caffe_shuffled(name: str) -> None:
    seen = {
        label: row.tobytes()
        for batch in passes(name, 30)
        for label, row in zip(batch["label"], batch["data"], strict=True)
    }
    for k in range(golden(name).meta["steps"]):
        caffe = golden(name).tops(k)
        for label, row in zip(caffe["label"], caffe["data"], strict=True):
            assert seen[label] == row.tobytes()


@pytest.mark.parametrize("name", [c.name for c in CASES if c.name.startswith("DummyData/rand")])
def test_fillers_draw_from_caffes_distribution(name: str) -> None:
    caffe = golden(name).tops(0)["y"].ravel()
    first, second = passes(name, 2)
    ours = first["y"].ravel()
    assert not np.array_equal(ours, second["y"].ravel())
    spread = caffe.std()
    assert abs(ours.mean() - caffe.mean()) < 0.2 * spread
    assert ours.std() == pytest.approx(spread, rel=0.1)
    np.testing.assert_allclose(
        np.quantile(ours, [0.05, 0.5, 0.95]), np.quantile(caffe, [0.05, 0.5, 0.95]), atol=spread / 4
    )
