"""Pictures of nets: what stands in them, and that every public net has one."""

from __future__ import annotations

import base64
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
from PIL import Image

from bigdl_caffe import CaffeError
from bigdl_caffe.draw.as_svg import as_svg
from bigdl_caffe.draw.diagram import Box, Diagram, Edge, Group, diagram
from bigdl_caffe.draw.picture import picture
from bigdl_caffe.draw.repeats import grouped
from bigdl_caffe.format._pb import caffe_pb2 as pb
from bigdl_caffe.format.prototxt import parse
from bigdl_caffe.graph.ir import Net
from bigdl_caffe.layers.assemble import Options
from bigdl_caffe.layers.outline import outline
from bigdl_caffe.layers.registry import registry
from bigdl_caffe.load import read_definition
from tests.nets import digits
from tests.paths import SHARED

CONV = "convolution_param { num_output: 8 kernel_size: 3 pad: 1 }"


def net_of(text: str, **options: object) -> Net:
    told = outline(parse(text, pb.NetParameter), Options(**options), registry())
    return told.net


def resnet(blocks: int) -> str:
    """Return a net of equal residual blocks."""
    out = ['name: "many" layer { name: "data" type: "Input" top: "sum0"']
    out.append("input_param { shape { dim: 1 dim: 8 dim: 6 dim: 6 } } }")
    for i in range(blocks):
        out.append(
            f'layer {{ name: "c{i}" type: "Convolution" bottom: "sum{i}" top: "c{i}" {CONV} }}'
            f'layer {{ name: "r{i}" type: "ReLU" bottom: "c{i}" top: "c{i}" }}'
            f'layer {{ name: "sum{i + 1}" type: "Eltwise" bottom: "sum{i}" bottom: "c{i}"'
            f' top: "sum{i + 1}" }}'
        )
    return "\n".join(out)


def words(svg: str) -> list[str]:
    root = ElementTree.fromstring(svg)
    return [e.text or "" for e in root.iter("{http://www.w3.org/2000/svg}text")]


def test_boxes_hold_what_works_in_place() -> None:
    boxes = diagram(digits().net)
    held = [[layer.name for layer in box.layers] for box in boxes.nodes if isinstance(box, Box)]
    assert ["conv1", "relu1"] in held
    assert boxes.edges[0] == Edge(0, 1, "data")


def test_a_value_that_others_read_before_it_is_overwritten_keeps_its_box() -> None:
    net = net_of(
        'layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 1 dim: 8 } } }'
        'layer { name: "a" type: "Power" bottom: "x" top: "a" }'
        'layer { name: "b" type: "Power" bottom: "a" top: "b" }'
        'layer { name: "in_place" type: "ReLU" bottom: "a" top: "a" }'
    )
    assert len(diagram(net).nodes) == 4


def test_blocks_that_repeat_are_drawn_once() -> None:
    net = net_of(resnet(36))
    folded = grouped(diagram(net), net.shapes)
    _, group = folded.nodes
    assert isinstance(group, Group)
    assert group.count == 36
    assert group.names[:2] == ("sum1", "sum2")
    assert folded.edges == (Edge(0, 1, "sum0"),)
    assert group.inner.edges == (Edge(-1, 0, "sum0"), Edge(-1, 1, "sum0"), Edge(0, 1, "c0"))
    assert "× 36   sum1 to sum36" in words(as_svg(picture(net)))
    whole = words(as_svg(picture(net, repeats=False)))
    assert {"c0", "c35"} <= set(whole)


def test_blocks_of_other_options_or_shapes_are_not_the_same() -> None:
    text = resnet(4).replace('name: "c2" type: "Convolution"', 'name: "c2" type: "Deconvolution"')
    net = net_of(text)
    groups = [n for n in grouped(diagram(net), net.shapes).nodes if isinstance(n, Group)]
    assert [group.count for group in groups] == [2]


def test_the_picture_says_names_options_and_shapes() -> None:
    shown = words(as_svg(picture(digits().net, "some parameters")))
    wanted = {"LeNetDigits", "conv1", "Convolution 3×3, 20", "ReLU", "Pooling MAX 2×2 /2"}
    assert wanted | {"InnerProduct 64", "64×20×8×8", "64×10", "activation"} <= set(shown)
    assert "11 layers, phase TEST, some parameters" in shown


def places(svg: str) -> list[tuple[float, float, float, float]]:
    """Return left, top, right and bottom of the boxes, by how they are filled."""
    found = []
    for rect in ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}rect"):
        if rect.get("rx") == "4":
            x, y, w, h = (float(rect.get(name, "")) for name in ("x", "y", "width", "height"))
            found.append((x, y, x + w, y + h))
    return found


def test_no_box_lies_over_another() -> None:
    boxes = places(as_svg(picture(net_of(resnet(3)), repeats=False)))
    assert len(boxes) == 7
    for i, (l1, t1, r1, b1) in enumerate(boxes):
        for l2, t2, r2, b2 in boxes[:i]:
            assert r1 <= l2 or r2 <= l1 or b1 <= t2 or b2 <= t1


def test_what_goes_straight_on_stands_straight_below() -> None:
    boxes = places(as_svg(picture(net_of(resnet(3)), repeats=False)))
    sums = sorted(boxes, key=lambda box: box[1])[::2]  # the input, and each block's end
    assert len({round((left + right) / 2, 0) for left, _, right, _ in sums}) == 1


def test_a_net_that_cannot_be_run_is_drawn_with_what_is_known() -> None:
    text = resnet(1) + 'layer { name: "odd" type: "Strange" bottom: "sum1" top: "odd" }'
    told = outline(parse(text, pb.NetParameter), Options(), registry())
    assert "no layer type 'Strange' is registered" in told.problems[0]
    shown = words(as_svg(picture(told.net)))
    assert {"odd", "Strange", "other", "1×8×6×6"} <= set(shown)


def test_files(tmp_path: Path) -> None:
    model = digits()
    for name in ("net.svg", "net.png", "net.dot"):
        model.draw(tmp_path / name)
    ElementTree.parse(tmp_path / "net.svg")
    with Image.open(tmp_path / "net.png") as image:
        colours = image.convert("RGB").getcolors(1 << 20) or []
        assert image.height > image.width
        assert {(0xD6, 0xE4, 0xF5), (0xF9, 0xDF, 0xD3)} <= {colour for _, colour in colours}
    dot = (tmp_path / "net.dot").read_text()
    assert 'label="conv1\\nConvolution 3×3, 20\\nReLU"' in dot
    assert 'n0 -> n1 [label="64×1×8×8"];' in dot
    with pytest.raises(CaffeError, match=r"ends in .svg, .png, .dot"):
        model.draw(tmp_path / "net.jpg")
    assert len(list(tmp_path.iterdir())) == 3


def test_a_notebook_shows_the_picture_and_the_table() -> None:
    shown = digits()._repr_html_()
    coded = re.search('src="data:image/svg[+]xml;base64,([^"]+)"', shown)
    assert coded
    assert "Convolution 3×3, 20" in words(base64.b64decode(coded[1]).decode())
    assert re.search(r"<pre>LeNetDigits.*737,280.*</pre>", shown, re.DOTALL)


def test_nothing_is_drawn_of_nothing() -> None:
    assert grouped(Diagram((), ()), {}) == Diagram((), ())


PUBLIC = SHARED / "prototxts"
DEEP = "deploy_faster_voc_resnet152-v2-merge.prototxt"


@pytest.mark.skipif(not PUBLIC.exists(), reason="no ../shared/prototxts beside this clone")
def test_every_public_net_has_a_picture() -> None:
    types, drawn = registry(), 0
    for path in sorted(PUBLIC.rglob("*.prototxt")):
        try:
            definition = read_definition(str(path), types)
        except CaffeError:
            continue  # no text that Caffe reads, or a solver
        try:
            told = outline(definition, Options(), types)
        except CaffeError:
            continue  # without layers in the phase
        ElementTree.fromstring(as_svg(picture(told.net)))
        drawn += 1
    assert drawn > 500


@pytest.mark.skipif(not PUBLIC.exists(), reason="no ../shared/prototxts beside this clone")
def test_resnet_152_is_one_page() -> None:
    (path,) = PUBLIC.rglob(DEEP)
    told = outline(read_definition(str(path)), Options(), registry())
    drawn = picture(told.net)
    shown = words(as_svg(drawn))
    assert any(text.startswith("× 34 ") for text in shown)
    assert drawn.height < 6000
