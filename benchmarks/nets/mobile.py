"""MobileNet v1, and an SSD300 on top of it."""

from __future__ import annotations

from dataclasses import replace

from benchmarks.nets.draft import Draft, Top

BODY = (  # stride of the depthwise convolution, channels of the one behind it
    *((1, 64), (2, 128), (1, 128), (2, 256), (1, 256), (2, 512)),
    *((1, 512),) * 5,
    *((2, 1024), (1, 1024)),
)
EXTRA = ((256, 512), (128, 256), (128, 256), (64, 128))
CLASSES = 21
SIZES = (60, 105, 150, 195, 240, 285, 300)
"""Pixels of the priors of each map: from 0.2 of the picture to 0.95, in equal steps."""
VARIANCES = " ".join(f"variance: {v}" for v in (0.1, 0.1, 0.2, 0.2))
DETECTIONS = f"""detection_output_param {{ num_classes: {CLASSES} share_location: true
  background_label_id: 0 nms_param {{ nms_threshold: 0.45 top_k: 100 }} code_type: CENTER_SIZE
  keep_top_k: 100 confidence_threshold: 0.01 }} """
BACKGROUND = 5.0
"""How much more likely, in logits, nothing is than anything: few boxes are found, as they are
by trained nets."""


def mobilenet(side: int = 224) -> Draft:
    """Return MobileNet v1 of Howard et al. (2017), of full width."""
    net = Draft("MobileNet")
    *_, top = _body(net, side)
    top = net.conv("fc7", net.global_pool("pool6", top), 1000, 1)
    net.softmax(top)
    return net


def _body(net: Draft, side: int) -> list[Top]:
    """Append the convolutions; return the top of each pair."""
    top = net.conv("conv0", net.data(side), 32, 3, stride=2, pad=1, bias=False)
    tops = [net.relu(net.norm(top))]
    for number, (stride, channels) in enumerate(BODY, 1):
        tops.append(_separable(net, f"conv{number}", tops[-1], channels, stride))
    return tops


def _separable(net: Draft, name: str, bottom: Top, channels: int, stride: int) -> Top:
    own, how = bottom.channels, {"stride": stride, "pad": 1, "group": bottom.channels}
    top = net.relu(net.norm(net.conv(f"{name}/dw", bottom, own, 3, bias=False, **how)))
    return net.relu(net.norm(net.conv(f"{name}/sep", top, channels, 1, bias=False)))


def ssd() -> Draft:
    """Return an SSD of Liu et al. (2016) for pictures of 300×300, with MobileNet's body.

    Six maps of 19 to 1 places a side have 1,917 priors.
    """
    net = Draft("MobileNetSSD")
    tops = _body(net, 300)
    maps = [tops[11], tops[13]]
    for number, (squeeze, channels) in enumerate(EXTRA, 14):
        top = net.relu(net.norm(net.conv(f"conv{number}_1", maps[-1], squeeze, 1, bias=False)))
        top = net.conv(f"conv{number}_2", top, channels, 3, stride=2, pad=1, bias=False)
        maps.append(net.relu(net.norm(top)))
    heads = [_head(net, bottom, i) for i, bottom in enumerate(maps)]
    locations, scores, priors = (list(blobs) for blobs in zip(*heads, strict=True))
    axis = "concat_param { axis: 1 } "
    net.add("loc", "Concat", locations, axis)
    net.add("conf", "Concat", scores, axis)
    net.add("priors", "Concat", priors, "concat_param { axis: 2 } ")
    shape = f"reshape_param {{ shape {{ dim: 0 dim: -1 dim: {CLASSES} }} }} "
    net.add("conf/rows", "Reshape", ["conf"], shape)
    net.add("conf/softmax", "Softmax", ["conf/rows"], "softmax_param { axis: 2 } ")
    net.add("conf/flat", "Flatten", ["conf/softmax"], "flatten_param { axis: 1 } ")
    net.add("detections", "DetectionOutput", ["loc", "conf/flat", "priors"], DETECTIONS)
    return net


def _head(net: Draft, bottom: Top, i: int) -> tuple[str, str, str]:
    """Append what is read off one map: places, scores and priors."""
    least, most, each = SIZES[i], SIZES[i + 1], 6 if i else 3
    places = net.conv(f"{bottom.name}/loc", bottom, 4 * each, 1, variance=0.25)
    scores = net.conv(f"{bottom.name}/conf", bottom, CLASSES * each, 1, variance=1.0)
    weight, bias = net.layers[-1].blobs
    bias = replace(bias, lift=BACKGROUND, every=CLASSES)
    net.layers[-1] = replace(net.layers[-1], blobs=(weight, bias))
    tops = []
    for top in (places, scores):
        order = "".join(f"order: {axis} " for axis in (0, 2, 3, 1))
        moved = net.add(f"{top.name}/moved", "Permute", [top.name], f"permute_param {{ {order}}} ")
        flat = "flatten_param { axis: 1 } "
        tops.append(net.add(f"{top.name}/flat", "Flatten", [moved], flat))
    shapes = f"max_size: {most} aspect_ratio: 2 aspect_ratio: 3" if i else "aspect_ratio: 2"
    options = f"min_size: {least} {shapes} flip: true clip: false {VARIANCES}"
    prior = f"{bottom.name}/prior"
    net.add(prior, "PriorBox", [bottom.name, "data"], f"prior_box_param {{ {options} }} ")
    return tops[0], tops[1], prior
