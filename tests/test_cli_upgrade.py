"""``bigdl-caffe upgrade`` against what Caffe's own tools write."""

from __future__ import annotations

from pathlib import Path

import pytest

from bigdl_caffe.cli import main
from bigdl_caffe.format._pb import caffe_pb2 as pb
from bigdl_caffe.format.caffemodel import Caffemodel
from tests.nets import DIGITS
from tests.paths import GOLDEN, SHARED, needs_models

PARSE = GOLDEN / "parse"
OURS = {"input_only", "v0_wrong_param"}
"""Nets with an input that no shape is given for: Caffe drops it, we keep it."""
UPGRADED = {path.name.removesuffix(".out.prototxt") for path in PARSE.glob("*.out.prototxt")}

V1 = """
layers { name: "ip" type: INNER_PRODUCT bottom: "x" top: "y" blobs_lr: 1 blobs_lr: 2
  inner_product_param { num_output: 2 } }
"""


def upgrade(source: Path, target: Path) -> int:
    return main(["upgrade", str(source), str(target)])


@pytest.mark.parametrize("case", sorted(UPGRADED - OURS))
def test_a_nets_text_is_caffes(case: str, tmp_path: Path) -> None:
    assert upgrade(PARSE / f"{case}.prototxt", tmp_path / "new.prototxt") == 0
    assert (tmp_path / "new.prototxt").read_bytes() == (PARSE / f"{case}.out.prototxt").read_bytes()


def test_upgrading_twice_changes_nothing(tmp_path: Path) -> None:
    one, two = tmp_path / "1", tmp_path / "2"
    assert upgrade(PARSE / "v0_full.prototxt", one) == upgrade(one, two) == 0
    assert one.read_bytes() == two.read_bytes()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("solver_type: NESTEROV", 'type: "Nesterov"'),
        ("solver_type: 2", 'type: "AdaGrad"'),
        ("solver_type: RMSPROP", 'type: "RMSProp"'),
        ("solver_type: ADADELTA", 'type: "AdaDelta"'),
        ("solver_type: ADAM", 'type: "Adam"'),
        ("solver_type: SGD", 'type: "SGD"'),
        ('type: "Adam"', 'type: "Adam"'),
        ("", ""),
    ],
)
def test_a_solver(old: str, new: str, tmp_path: Path) -> None:
    (tmp_path / "old").write_text(f'net: "net.prototxt" base_lr: 0.01 {old}')
    assert upgrade(tmp_path / "old", tmp_path / "new") == 0
    expected = f'base_lr: 0.01\nnet: "net.prototxt"\n{new}'.rstrip() + "\n"
    assert sorted((tmp_path / "new").read_text().splitlines()) == sorted(expected.splitlines())


def blobs() -> list[pb.BlobProto]:
    """Return blobs that no one way of writing them anew would keep."""
    return [
        pb.BlobProto(num=1, channels=1, height=2, width=3, double_data=[0.1] * 6, diff=[1] * 6),
        pb.BlobProto(shape=pb.BlobShape(dim=[2]), raw_data_type=pb.FLOAT16, raw_data=b"\1\2\3\4"),
    ]


@pytest.mark.parametrize("form", ["V0", "V1", "V2"])
def test_blobs_are_copied_byte_by_byte(form: str, tmp_path: Path) -> None:
    net = pb.NetParameter(name="net", input=["x"], input_dim=[1, 3, 1, 1])
    if form == "V0":
        net.layers.add(bottom=["x"], top=["p"]).layer.MergeFrom(
            pb.V0LayerParameter(name="p", type="padding", pad=1)
        )
        net.layers.add(bottom=["p"], top=["y"]).layer.MergeFrom(
            pb.V0LayerParameter(name="input", type="conv", num_output=2, blobs=blobs())
        )
    elif form == "V1":
        kind = pb.V1LayerParameter.INNER_PRODUCT
        net.layers.add(name="input", type=kind, bottom=["x"], top=["y"], blobs=blobs())
    else:
        net.layer.add(name="input", type="InnerProduct", bottom=["x"], top=["y"], blobs=blobs())
    (tmp_path / "old").write_bytes(net.SerializeToString())
    assert upgrade(tmp_path / "old", tmp_path / "new") == 0
    now = pb.NetParameter.FromString((tmp_path / "new").read_bytes())
    assert now.layer[0].type == "Input"
    assert not now.layers
    assert [b.SerializeToString() for b in now.layer[1].blobs] == [
        b.SerializeToString() for b in blobs()
    ]


@needs_models
@pytest.mark.parametrize(
    "name", ["old_v0_lenet", "old_v1_cifar10_full", "hyperlpr_finemapping_v2", "lenet_compress"]
)
def test_real_models_are_the_same_afterwards(name: str, tmp_path: Path) -> None:
    folder, target = SHARED / "models" / name, tmp_path / "net"
    assert upgrade(folder / "deploy.prototxt", target.with_suffix(".prototxt")) == 0
    assert upgrade(folder / "weights.caffemodel", target.with_suffix(".caffemodel")) == 0
    old = [str(folder / "deploy.prototxt"), str(folder / "weights.caffemodel")]
    new = [f"{target}.prototxt", f"{target}.caffemodel"]
    shape = ["--input-shape", "data=2,1,28,28"] if name == "lenet_compress" else []
    assert main(["diff", *old, *new, "--tolerance", "0", *shape]) == 0
    with Caffemodel(new[1]) as now, Caffemodel(old[1]) as before:
        kept = {layer.name: layer.blobs for layer in before.layers if layer.blobs}
        for layer in now.layers:
            assert [b.shape for b in layer.blobs] == [b.shape for b in kept.get(layer.name, ())]


def test_what_is_there_stays(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = tmp_path / "net.prototxt"
    place.write_text(V1)
    assert upgrade(place, place) == 1
    assert "give --overwrite" in capsys.readouterr().err
    assert place.read_text() == V1
    assert main(["upgrade", str(place), str(place), "--overwrite"]) == 0
    assert 'type: "InnerProduct"' in place.read_text()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"solver_type: SGD type: 'Adam'", "keep one of them"),
        (b"layer {", "1:8"),
        (b"net: 'a' base_lr: {", "1:"),
        (b"layers { name: 'x' } layer { name: 'y' }", "write them all in one form"),
        (b"layers { layer { type: 'nope' } }", "V0 had no layer type"),
        (b"\x89HDF\r\n\x1a\n" + bytes(20), "an HDF5 file"),
        (b"\x0a\x03net\xff\xff\xff", "damaged"),
        (b"PK\x03\x04", "a zip archive"),
        (b"\0" * 10, "there is no field number 0"),
    ],
)
def test_what_is_no_model(
    content: bytes, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "old").write_bytes(content)
    assert upgrade(tmp_path / "old", tmp_path / "new") == 1
    err = capsys.readouterr().err
    assert err.startswith("bigdl-caffe: ")
    assert said in err
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("kept", [0.3, 0.9, 0.9999])
def test_a_caffemodel_cut_short(kept: float, tmp_path: Path) -> None:
    whole = (DIGITS / "lenet.caffemodel").read_bytes()
    (tmp_path / "old").write_bytes(whole[: int(len(whole) * kept)])
    (tmp_path / "new").write_bytes(b"as it was")
    assert main(["upgrade", f"{tmp_path}/old", f"{tmp_path}/new", "--overwrite"]) == 1
    assert (tmp_path / "new").read_bytes() == b"as it was"
    assert len(list(tmp_path.iterdir())) == 2
