"""Random nets: layers of many types, one behind another, side by side, in place, and joined."""

from __future__ import annotations

from hypothesis import strategies as st

FILLED = 'weight_filler { type: "gaussian" std: 0.3 } bias_filler { type: "gaussian" std: 1 }'
AROUND_1 = 'filler { type: "gaussian" mean: 1 std: 0.3 }'
SAME_SIZE = ("kernel_size: 1", "kernel_size: 3 pad: 1", "kernel_size: 3 pad: 2 dilation: 2")
BIAS = ("bias_term: true", "bias_term: false")

IN_PLACE: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("AbsVal", "BNLL", "ELU", "ReLU", "Sigmoid", "TanH", "BatchNorm"), ("",)),
    "Bias": (f"bias_param {{ {AROUND_1} }}",),
    "Dropout": ("dropout_param { dropout_ratio: 0.25 }",),
    "PReLU": ("", "prelu_param { channel_shared: true }"),
    "Power": ("power_param { scale: -0.5 shift: 2 }",),
    "Scale": tuple(f"scale_param {{ {bias} {AROUND_1} }}" for bias in BIAS),
}
"""Types that may write over their bottom → what options they may have."""

KEEPING: dict[str, tuple[str, ...]] = {
    **IN_PLACE,
    "LRN": ("lrn_param { local_size: 3 }", "lrn_param { norm_region: WITHIN_CHANNEL }"),
    "MVN": ("", "mvn_param { normalize_variance: false }"),
    "Pooling": (
        "pooling_param { kernel_size: 3 pad: 1 }",
        "pooling_param { pool: AVE kernel_size: 1 }",
    ),
    "Softmax": ("", "softmax_param { axis: 2 }"),
}
"""Types whose top has the bottom's shape."""

WIDENING = ("Convolution", "Deconvolution")
JOINING = ("Concat", "Eltwise")


@st.composite
def nets(draw: st.DrawFn) -> str:
    """Return the prototxt of a net whose one input is "x"; all blobs are as high and wide."""
    channels = {"x": draw(st.integers(1, 3))}
    layers = [f'input: "x" input_shape {{ dim: 2 dim: {channels["x"]} dim: 5 dim: 4 }}']
    for i in range(draw(st.integers(1, 8))):
        kind = draw(st.sampled_from([*KEEPING, *WIDENING, *JOINING]))
        layers.append(draw(layer(i, kind, channels)))
    if draw(st.booleans()):
        ends = f'name: "end" type: "InnerProduct" bottom: "{draw(blob(channels))}" top: "end"'
        options = f"num_output: 3 {draw(st.sampled_from(BIAS))} {FILLED}"
        layers.append(f"layer {{ {ends} inner_product_param {{ {options} }} }}")
    return "\n".join(layers)


def blob(channels: dict[str, int]) -> st.SearchStrategy[str]:
    return st.sampled_from(list(channels))


@st.composite
def layer(draw: st.DrawFn, i: int, kind: str, channels: dict[str, int]) -> str:
    """Return a layer's text; ``channels`` of all blobs so far gain those of its top."""
    bottoms = [draw(blob(channels))]
    top = bottoms[0] if kind in IN_PLACE and draw(st.booleans()) else f"b{i}"
    width, options = channels[bottoms[0]], ""
    if kind in WIDENING:
        window, bias = draw(st.sampled_from(SAME_SIZE)), draw(st.sampled_from(BIAS))
        width = draw(st.integers(1, 4))
        options = f"convolution_param {{ num_output: {width} {window} {bias} {FILLED} }}"
    elif kind == "Concat":
        bottoms.append(draw(blob(channels)))
        width += channels[bottoms[1]]
    elif kind == "Eltwise":
        bottoms.append(draw(st.sampled_from([b for b, n in channels.items() if n == width])))
    else:
        options = draw(st.sampled_from(KEEPING[kind]))
    channels[top] = width
    reads = " ".join(f'bottom: "{b}"' for b in bottoms)
    return f'layer {{ name: "l{i}" type: "{kind}" {reads} top: "{top}" {options} }}'
