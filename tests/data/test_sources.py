"""What holds for all data layers of a net together."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from bigdl_caffe import Model
from bigdl_caffe.data import SOURCES, batches, shapes
from bigdl_caffe.data.source import Place
from bigdl_caffe.data.transform import KNOWN
from bigdl_caffe.errors import CaffeError, UnsupportedLayerError
from bigdl_caffe.format._pb import caffe_pb2 as pb
from bigdl_caffe.format.prototxt import parse
from bigdl_caffe.format.schema import is_repeated
from bigdl_caffe.graph.ir import LayerDef
from bigdl_caffe.layers.registry import Role, registry
from tests.data import nets
from tests.data.databases import picture, write_pictures
from tests.data.nets import layer, read

TWO_PHASES = """
layer { name: "train" type: "Data" top: "data" top: "label" include { phase: TRAIN }
        data_param { source: "train" backend: LMDB batch_size: 2 }
        transform_param { crop_size: 4 } }
layer { name: "test" type: "Data" top: "data" top: "label" include { phase: TEST }
        data_param { source: "test" backend: LMDB batch_size: 3 } }
layer { name: "more" type: "DummyData" top: "more"
        dummy_data_param { shape { dim: 2 } data_filler { type: "uniform" } } }
layer { name: "relu" type: "ReLU" bottom: "data" top: "relu" }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "relu" bottom: "label" top: "loss" }
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for i, name in enumerate(("train", "test")):
        write_pictures(tmp_path / name, "LMDB", [picture(i + k, 3, 6, 7) for k in range(5)])
    (tmp_path / "net.prototxt").write_text(TWO_PHASES)
    return tmp_path


def test_a_net_gets_the_data_of_its_phase(folder: Path) -> None:
    definition = parse(TWO_PHASES, pb.NetParameter)
    train = next(batches(nets.net(definition, "TRAIN"), root=folder))
    assert {blob: a.shape for blob, a in train.items()} == {
        "data": (2, 3, 4, 4),
        "label": (2,),
        "more": (2,),
    }
    test = next(batches(nets.net(definition, "TEST"), root=folder))
    np.testing.assert_array_equal(test["data"][0], picture(1, 3, 6, 7))


def test_batches_feed_a_loaded_model(folder: Path) -> None:
    told = shapes(
        layer("Data", "data_param { source: 'test' backend: LMDB batch_size: 3 }"), root=folder
    )
    model = Model.load_caffe_model(
        folder / "net.prototxt", None, input_shapes={"data": told["data"]}
    )
    for batch in islice(batches(model.net, root=folder), 2):
        found = model.run({blob: batch[blob] for blob in model.inputs}, ["relu"])
        np.testing.assert_array_equal(found["relu"], batch["data"])


def test_a_seed_is_for_the_whole_net_and_each_layer_has_its_own_numbers(folder: Path) -> None:
    text = (
        TWO_PHASES
        + """
    layer { name: "other" type: "DummyData" top: "other"
            dummy_data_param { shape { dim: 2 } data_filler { type: "uniform" } } }
    """
    )
    net = nets.net(parse(text, pb.NetParameter), "TRAIN")
    first, again, other = (next(batches(net, seed=s, root=folder)) for s in (1, 1, 2))
    for blob in first:
        np.testing.assert_array_equal(first[blob], again[blob])
    assert not np.array_equal(first["more"], other["more"])
    assert not np.array_equal(first["more"], first["other"])


def test_a_layers_own_phase_counts(folder: Path) -> None:
    text = """
    phase: %s transform_param { crop_size: 2 }
    data_param { source: 'test' backend: LMDB batch_size: 5 }
    """
    for own, crops in (("TEST", 1), ("TRAIN", 20)):
        found = islice(read("Data", text % own, phase="TEST", root=folder, seed=0), 20)
        assert len({batch["data"].tobytes() for batch in found}) == crops


def test_two_layers_may_read_one_database(folder: Path) -> None:
    options = "data_param { source: 'test' backend: LMDB batch_size: %d }"
    text = "".join(
        f"layer {{ name: '{top}' type: 'Data' top: '{top}' {options % n} }}"
        for top, n in (("a", 1), ("b", 2))
    )
    found = list(islice(batches(nets.net(parse(text, pb.NetParameter)), root=folder), 2))
    np.testing.assert_array_equal(found[1]["a"], found[0]["b"][1:])


def test_nets_without_data_layers_are_fed_otherwise() -> None:
    text = "layer { name: 'in' type: 'Input' top: 'x' input_param { shape { dim: 1 } } }"
    with pytest.raises(CaffeError, match="no data layers: feed its inputs"):
        batches(nets.net(parse(text, pb.NetParameter)))


@pytest.mark.parametrize(
    "kind", sorted(t for t, cls in registry().items() if cls.role is Role.INPUT)
)
def test_every_type_of_input_is_read_or_says_how_it_is_fed(kind: str) -> None:
    if kind in SOURCES or kind == "Input":
        return
    module, _, name = kind.rpartition(".")
    python = f"python_param {{ module: '{module}' layer: '{name}' }}" if module else ""
    with pytest.raises(UnsupportedLayerError, match=r"not read here.*feed data, label by Model"):
        read("Python" if module else kind, python)


OTHERS = [
    (kind, name, field.name)
    for kind, source in SOURCES.items()
    for name, known in {**source.options, "transform_param": KNOWN}.items()
    for field in pb.LayerParameter.DESCRIPTOR.fields_by_name[name].message_type.fields
    if field.name not in known.split()
    and field.message_type is None
    and (name != "transform_param" or kind == "Data")
]


@pytest.mark.parametrize(("kind", "name", "field"), OTHERS)
def test_every_other_option_is_refused_by_name(kind: str, name: str, field: str) -> None:
    param = pb.LayerParameter(type=kind, top=["data", "label"])
    message = getattr(param, name)
    of = message.DESCRIPTOR.fields_by_name[field]
    other = {of.CPPTYPE_STRING: "x", of.CPPTYPE_BOOL: not of.default_value}
    values = [other.get(of.cpp_type, k) for k in (77, 1, 2)]
    if is_repeated(of):
        getattr(message, field).append(values[1])
    else:
        allowed = values[of.cpp_type == of.CPPTYPE_ENUM :]
        setattr(message, field, next(v for v in allowed if v != of.default_value))
    spec = LayerDef("l", kind, (), ("data", "label"), param)
    with pytest.raises(UnsupportedLayerError, match=rf"{name} has {field}, which a fork"):
        shapes(spec)


@pytest.mark.parametrize(
    ("kind", "tops"),
    [("Data", 3), ("AnnotatedData", 3), ("ImageData", 1), ("WindowData", 1), ("MemoryData", 3)],
)
def test_as_many_tops_as_in_caffe(kind: str, tops: int) -> None:
    with pytest.raises(CaffeError, match=rf"top blobs and has {tops}"):
        read(kind, "", tops=tops)


def test_shapes_need_the_data(folder: Path) -> None:
    with pytest.raises(CaffeError, match=r"layer 'l' \(Data\): there is no database"):
        shapes(layer("Data", "data_param { source: 'none' batch_size: 1 }"), root=folder)


@pytest.mark.parametrize(
    ("root", "name", "path"),
    [
        (None, "a/b", "a/b"),
        ("/x", "a/b", "/x/a/b"),
        (Path("/x"), "/y/b", "/y/b"),
        ("hdfs://host/x", "b", "hdfs://host/x/b"),
        ("/x", "hdfs://host/b", "hdfs://host/b"),
    ],
)
def test_names_are_relative_to_the_root(root: str | Path | None, name: str, path: str) -> None:
    assert Place(root).path(name) == path
