"""Writing a caffemodel, and reading it with ours, protobuf and OpenCV."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bigdl_caffe.errors import CaffeError, CaffeFormatError
from bigdl_caffe.format._pb import caffe_pb2 as pb
from bigdl_caffe.format.caffemodel import Caffemodel, read_structure
from bigdl_caffe.format.caffemodel_writer import write_caffemodel
from bigdl_caffe.format.prototxt import format_message, parse
from bigdl_caffe.format.source import open_weights
from tests.format.wiredata import length, v2_layer
from tests.paths import SHARED, needs_models

NET = parse(
    """
    name: "n" input: "data" input_dim: 1 input_dim: 2 input_dim: 4 input_dim: 4
    layer { name: "c" type: "Convolution" bottom: "data" top: "c" strange: 1
            convolution_param { num_output: 3 kernel_size: 3 } }
    layer { name: "r" type: "ReLU" bottom: "c" top: "c" }
    """,
    pb.NetParameter,
)
rng = np.random.default_rng(0)
BLOBS = [[rng.standard_normal((3, 2, 3, 3)).astype(np.float32), np.float32([1, np.nan, -0.0])], []]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "n.caffemodel"
    write_caffemodel(path, NET, BLOBS)
    return path


def test_protobuf_reads_what_is_written(path: Path) -> None:
    net = pb.NetParameter.FromString(path.read_bytes())
    stored = [np.array(b.data, np.float32).reshape(b.shape.dim) for b in net.layer[0].blobs]
    assert [s.tobytes() for s in stored] == [b.tobytes() for b in BLOBS[0]]
    assert [s.shape for s in stored] == [(3, 2, 3, 3), (3,)]
    assert not net.layer[0].unknown_field


def test_we_read_what_is_written(path: Path) -> None:
    with open_weights(path) as source:
        assert [(x.name, x.type) for x in source.layers] == [("c", "Convolution"), ("r", "ReLU")]
        for blob, written in zip(source.layers[0].blobs, BLOBS[0], strict=True):
            out = np.empty(blob.count, np.float32)
            blob.copy_to(out)
            assert out.tobytes() == written.tobytes()
            assert blob.fits(written.shape)


def test_opencv_reads_what_is_written(path: Path, tmp_path: Path) -> None:
    cv2 = pytest.importorskip("cv2")
    plain = pb.NetParameter()
    plain.CopyFrom(NET)
    del plain.layer[0].unknown_field[:]
    text = tmp_path / "n.prototxt"
    text.write_text(format_message(plain))
    net = cv2.dnn.readNetFromCaffe(str(text), str(path))
    assert net.getParam("c", 0).tobytes() == BLOBS[0][0].tobytes()


def test_definition_comes_without_blobs(path: Path) -> None:
    net = read_structure(path)
    assert list(net.input_dim) == [1, 2, 4, 4]
    assert net.layer[0].convolution_param.num_output == 3
    assert not net.layer[0].blobs


def test_definition_decodes_names(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(length(1, b"\xef") + length(100, length(3, b"\xc3\xaf")))
    net = read_structure(tmp_path / "x")
    assert (net.name, net.layer[0].bottom[0]) == ("ï", "ï")


@needs_models
@pytest.mark.parametrize("name", ["old_v0_lenet", "old_v1_cifar10_full", "lenet_compress"])
def test_definition_of_old_and_fork_models(name: str) -> None:
    net = read_structure(SHARED / "models" / name / "weights.caffemodel")
    assert not any(x.blobs or x.layer.blobs for x in net.layers)
    assert not any(x.blobs for x in net.layer)
    assert len(net.layer) + len(net.layers) > 7


def test_arrays_of_any_layout_are_written(tmp_path: Path) -> None:
    array = np.arange(24, dtype=np.float64).reshape(2, 3, 4).transpose(2, 0, 1)
    net = pb.NetParameter(layer=[pb.LayerParameter(name="l")])
    write_caffemodel(tmp_path / "x", net, [[array, np.zeros((0, 3), np.float32), np.ones(())]])
    blobs = pb.NetParameter.FromString((tmp_path / "x").read_bytes()).layer[0].blobs
    assert list(blobs[0].data) == array.ravel().tolist()
    assert [list(b.shape.dim) for b in blobs] == [[4, 2, 3], [0, 3], []]


def test_failing_to_write_leaves_what_was_there(path: Path) -> None:
    before = path.read_bytes()
    with pytest.raises(AttributeError):
        write_caffemodel(path, NET, [[None], []])  # type: ignore[list-item]  # that is the point
    assert path.read_bytes() == before
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_there_are_blobs_for_each_layer(path: Path) -> None:
    with pytest.raises(CaffeError, match="blobs of 1 layers, and the net has 2"):
        write_caffemodel(path, NET, BLOBS[:1])


def test_layers_of_one_name_keep_their_own_blobs(tmp_path: Path) -> None:
    net = pb.NetParameter(layer=[pb.LayerParameter(name="l"), pb.LayerParameter(name="l")])
    write_caffemodel(tmp_path / "x", net, [[np.zeros(2, np.float32)], [np.ones(3, np.float32)]])
    with open_weights(tmp_path / "x") as source:
        assert [layer.blobs[0].shape for layer in source.layers] == [(2,), (3,)]


def test_v1_terms_have_the_shapes_of_their_time(path: Path) -> None:
    old = pb.NetParameter(layers=[pb.V1LayerParameter(name="ip", type="INNER_PRODUCT")])
    arrays = [np.ones((2, 3), np.float32), np.ones((), np.float32), np.ones((1, 1, 2, 1, 2), "f4")]
    write_caffemodel(path, old, [arrays])
    (layer,) = pb.NetParameter.FromString(path.read_bytes()).layers
    kept = [(b.num, b.channels, b.height, b.width) for b in layer.blobs[:2]]
    assert (layer.name, kept) == ("ip", [(1, 1, 2, 3), (1, 1, 1, 1)])
    assert list(layer.blobs[2].shape.dim) == [1, 1, 2, 1, 2]
    with open_weights(path) as source:
        assert [blob.fits(a.shape) for blob, a in zip(source.layers[0].blobs, arrays, strict=True)]


def test_half_v1_terms_are_refused(path: Path) -> None:
    half = pb.NetParameter(layers=[pb.V1LayerParameter()], layer=[pb.LayerParameter()])
    with pytest.raises(CaffeError, match="half in V1"):
        write_caffemodel(path, half, [[]])


def test_what_caffe_could_not_read_is_refused(tmp_path: Path) -> None:
    large = np.broadcast_to(np.float32(0), (1 << 28,))
    net = pb.NetParameter(layer=[pb.LayerParameter(), pb.LayerParameter()])
    with pytest.raises(CaffeError, match=r"less than 2 GiB; write HDF5"):
        write_caffemodel(tmp_path / "x", net, [[large], [large]])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("data", [b"", length(1, b"only a name\0")])
def test_files_without_layers_are_refused(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(data)
    with pytest.raises(CaffeFormatError, match=r"empty|no layers"):
        open_weights(tmp_path / "x")


def test_a_file_that_shrinks_is_told(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(v2_layer("l", length(5, bytes(4000))))
    with Caffemodel(path) as model:
        path.write_bytes(b"")
        with pytest.raises(CaffeFormatError, match="shrank"):
            model.layers[0].blobs[0].copy_to(np.empty(1000, np.float32))
