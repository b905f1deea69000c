"""Options and shapes that a layer refuses, what it says then, and the rarer ones it takes."""

from __future__ import annotations

import pytest
import torch

from bigdl_caffe.errors import CaffeError, ShapeError, UnsupportedLayerError
from tests.compare import assert_close_to_caffe
from tests.layers.build import filled, layer, random

IMAGE = (2, 4, 6, 6)

REFUSED = [
    ("Convolution", "convolution_param { kernel_size: 3 }", IMAGE, "num_output"),
    ("Convolution", "convolution_param { num_output: 2 }", IMAGE, "kernel_size has 0 values"),
    ("Convolution", "convolution_param { num_output: 2 kernel_size: 0 }", IMAGE, "cannot|can be 0"),
    (
        "Convolution",
        "convolution_param { num_output: 2 kernel_size: 3 kernel_h: 3 kernel_w: 3 }",
        IMAGE,
        "one of the two forms",
    ),
    ("Convolution", "convolution_param { num_output: 2 kernel_size: 9 }", IMAGE, "smaller than"),
    (
        "Convolution",
        "convolution_param { num_output: 3 kernel_size: 1 group: 2 }",
        IMAGE,
        "group 2",
    ),
    (
        "Convolution",
        "convolution_param { num_output: 2 kernel_size: [1, 1, 1] }",
        IMAGE,
        "3 values for 2 spatial axes",
    ),
    (
        "Convolution",
        "convolution_param { num_output: 2 kernel_size: 1 axis: 4 }",
        IMAGE,
        "axis 4 is out of range",
    ),
    ("Convolution", "convolution_param { num_output: 2 kernel_size: 1 relu: true }", IMAGE, "relu"),
    (
        "Convolution",
        "convolution_param { num_output: 2 kernel_size: 1 }",
        (1, 2, 3, 3, 3, 3),
        "at most 3",
    ),
    (
        "ConvolutionDepthwise",
        "convolution_param { num_output: 8 kernel_size: 1 }",
        IMAGE,
        "keeps their number",
    ),
    ("InnerProduct", "", IMAGE, "num_output"),
    ("Pooling", "pooling_param { }", IMAGE, "kernel_size"),
    ("Pooling", "pooling_param { kernel_size: 2 pad: 2 }", IMAGE, "pad .* smaller"),
    ("Pooling", "pooling_param { kernel_h: 2 }", IMAGE, "both kernel_h and kernel_w"),
    ("Pooling", "pooling_param { kernel_size: 2 global_pooling: true }", IMAGE, "no kernel"),
    ("Pooling", "pooling_param { global_pooling: true pad: 1 }", IMAGE, "pad 0 and stride 1"),
    ("Pooling", "pooling_param { kernel_size: 9 }", IMAGE, "smaller than the kernel"),
    ("Pooling", "pooling_param { kernel_size: 2 }", (2, 4), "takes 4 axes"),
    (
        "Pooling",
        "pooling_param { kernel_size: 2 pool: STOCHASTIC pad: 1 }",
        IMAGE,
        "takes no padding",
    ),
    ("Pooling", "pooling_param { kernel_size: 2 avg_include_pad: false }", IMAGE, "of a fork"),
    ("Pooling", "pooling_param { kernel_size: 2 stride: 4294967295 }", IMAGE, "beyond 2147483647"),
    (
        "Pooling",
        "pooling_param { kernel_size: 200001 pad: 200000 stride: 200000 }",
        IMAGE,
        "more than 2147483647 elements",
    ),
    (
        "Convolution",
        "convolution_param { num_output: 2 kernel_size: 3 stride: 4294967295 }",
        IMAGE,
        "stride .* beyond 2147483647",
    ),
    (
        "Convolution",
        "convolution_param { num_output: 2 kernel_size: 1 stride_h: 1 stride_w: 4294967295 }",
        IMAGE,
        "stride .* beyond 2147483647",
    ),
    (
        "Pooling",
        "pooling_param { kernel_size: 2 axis: 2 }",
        IMAGE,
        "axis: 2 is an option of a fork",
    ),
    ("SPP", "", IMAGE, "pyramid_height"),
    ("SPP", "spp_param { pyramid_height: 4 }", IMAGE, "level 3 .* smaller pyramid_height"),
    ("SPP", "spp_param { pyramid_height: 2 pool: STOCHASTIC }", (2, 4, 5, 5), "level 1"),
    ("SPP", "spp_param { pyramid_height: 1 }", (2, 4), "takes 4 axes"),
    ("LRN", "lrn_param { local_size: 4294967295 }", IMAGE, "beyond 2147483647"),
    ("MVN", "", (1, 2, 3, 4, 5), "at most 4 axes"),
    ("BatchNorm", "batch_norm_param { eps: -1 }", IMAGE, "eps"),
    ("LRN", "lrn_param { local_size: 4 }", IMAGE, "odd number"),
    ("LRN", "", (2, 4), "takes 4 axes"),
    ("BatchNorm", "batch_norm_param { scale_bias: true }", IMAGE, "of a fork"),
    ("BatchNorm", "batch_norm_param { scale_filler { value: 2 } }", IMAGE, "Scale layer"),
    ("Scale", "scale_param { axis: 2 num_axes: 3 }", IMAGE, "does not fit"),
    ("Dropout", "dropout_param { dropout_ratio: 1 }", IMAGE, "not in"),
    ("Exp", "exp_param { base: 0 }", IMAGE, "not positive"),
    ("Exp", "exp_param { base: inf }", IMAGE, "not positive and finite"),
    ("Log", "log_param { base: nan }", IMAGE, "not positive"),
    ("Log", "log_param { base: 1 }", IMAGE, "no logarithm"),
    ("Softmax", "softmax_param { axis: 4 }", IMAGE, "out of range"),
    ("Reshape", "reshape_param { shape { dim: -1 dim: -1 } }", IMAGE, "at most one -1"),
    ("Reshape", "reshape_param { shape { dim: 0 } axis: 4 }", IMAGE, "lacks"),
    ("Reshape", "reshape_param { axis: 1 num_axes: 4 }", IMAGE, "do not fit"),
    ("Reshape", "reshape_param { shape { dim: 7 dim: -1 } }", IMAGE, "does not reshape"),
    ("Flatten", "flatten_param { axis: 2 end_axis: 1 }", IMAGE, "comes before"),
    ("Permute", "permute_param { order: 4 }", IMAGE, "does not order"),
    ("Slice", "slice_param { slice_point: 2 }", IMAGE, "slice_point for 1 tops"),
    ("Slice", "slice_param { axis: 1 slice_dim: 1 }", IMAGE, "keep axis only"),
    ("Concat", "concat_param { axis: 1 concat_dim: 1 }", IMAGE, "keep axis only"),
    ("Concat", "concat_param { per_fla_fuse: true }", IMAGE, "of a fork"),
    ("ReLU", "relu_param { fuse: true }", IMAGE, "of a fork"),
    ("Im2col", "convolution_param { kernel_size: 3 axis: 3 }", IMAGE, "bottom's last"),
    ("Im2col", "convolution_param { }", IMAGE, "kernel_size has 0 values"),
    ("ArgMax", "argmax_param { top_k: 0 }", IMAGE, "top_k is 0"),
    ("ArgMax", "argmax_param { top_k: 5 axis: 1 }", IMAGE, "more than the 4"),
    ("ArgMax", "argmax_param { top_k: 145 }", IMAGE, "more than the 144"),
    ("ArgMax", "", (), "at least one"),
    ("Reduction", "reduction_param { axis: 4 }", IMAGE, "out of range"),
    ("Tile", "tile_param { axis: 1 }", IMAGE, "tiles is 0"),
    ("Tile", "tile_param { axis: 4 tiles: 2 }", IMAGE, "out of range"),
    ("Embed", "embed_param { num_output: 2 }", IMAGE, "input_dim 0"),
]


@pytest.mark.parametrize(("kind", "options", "bottom", "words"), REFUSED)
def test_refusals_say_what_is_wrong(
    kind: str, options: str, bottom: tuple[int, ...], words: str
) -> None:
    with pytest.raises(CaffeError, match=words):
        layer(kind, options).top_shapes([bottom])


def test_slices_that_do_not_come_out_even() -> None:
    with pytest.raises(ShapeError, match="does not give 3 tops"):
        layer("Slice", tops=3).top_shapes([IMAGE])


@pytest.mark.parametrize("option", ["update_global_stats: true", "stats_batch_size: 8"])
def test_how_forks_gather_statistics_matters_in_training_only(option: str) -> None:
    layer("BatchNorm", f"batch_norm_param {{ {option} }}")
    with pytest.raises(UnsupportedLayerError, match="of a fork"):
        layer("BatchNorm", f"batch_norm_param {{ {option} }}", phase="TRAIN")


def test_maximum_in_place_is_refused() -> None:
    with pytest.raises(UnsupportedLayerError, match="name of its own"):
        layer("Eltwise", "bottom: 't0' bottom: 'x' eltwise_param { operation: MAX }", bottoms=0)


@pytest.mark.parametrize(
    ("line", "size"),
    [
        ("ceil_mode: false", 2),
        ("ceil_mode: False", 2),
        ("ceil_mode: f", 2),
        ("ceil_mode: 0", 2),
        ("ceil_mode: true", 3),
        ("", 3),
    ],
)
def test_ceil_mode_of_forks_is_round_mode(line: str, size: int) -> None:
    pooling = layer("Pooling", f"pooling_param {{ kernel_size: 3 stride: 2 {line} }}")
    assert pooling.top_shapes([(1, 1, 6, 6)]) == [(1, 1, size, size)]


def test_round_mode_wins_over_ceil_mode() -> None:
    both = "pooling_param { kernel_size: 3 stride: 2 ceil_mode: true round_mode: FLOOR }"
    assert layer("Pooling", both).top_shapes([(1, 1, 6, 6)]) == [(1, 1, 2, 2)]


@pytest.mark.parametrize("kind", ["ConvolutionDepthwise", "DepthwiseConvolution"])
def test_depthwise_is_convolution_with_a_group_a_channel(kind: str) -> None:
    options = "convolution_param { num_output: 4 kernel_size: 3 pad: 1 group: 4 }"
    blobs, x = [random(4, 1, 3, 3), random(4)], random(*IMAGE)
    ours, grouped = (filled(layer(k, options), [IMAGE], blobs)(x) for k in (kind, "Convolution"))
    assert_close_to_caffe(ours.detach(), grouped.detach())


def test_exp_beyond_the_largest_number_is_infinite_as_in_caffe() -> None:
    x = random(*IMAGE)
    assert (layer("Exp", "exp_param { shift: 1000 }").module([IMAGE])(x) == float("inf")).all()


@pytest.mark.parametrize(
    ("power", "scale", "shift", "value"),
    [(1, 0, 3, 3.0), (0.5, 0, 0, 0.0), (-1, 0, 0, float("inf")), (0, 1, 0, 1.0)],
)
def test_power_that_needs_no_bottom_reads_none(
    power: float, scale: float, shift: float, value: float
) -> None:
    x = torch.tensor([0.0, 2.0, float("inf"), float("nan")], requires_grad=True)
    options = f"power_param {{ power: {power} scale: {scale} shift: {shift} }}"
    top = layer("Power", options).module([(4,)])(x)
    top.sum().backward()
    assert top.tolist() == [value] * 4
    assert x.grad is not None
    assert x.grad.tolist() == [0.0] * 4


def test_lrn_wider_than_the_channels_takes_all_of_them() -> None:
    x = random(*IMAGE)
    wide = layer("LRN", "lrn_param { local_size: 1000000001 alpha: 1e9 }").module([IMAGE])(x)
    all_channels = layer("LRN", "lrn_param { local_size: 7 alpha: 7 }").module([IMAGE])(x)
    assert_close_to_caffe(wide, all_channels)


def test_relu6_cuts_off_at_6() -> None:
    x = random(*IMAGE) * 10
    assert_close_to_caffe(layer("ReLU6").module([IMAGE])(x), x.clamp(0, 6))
    leaky = layer("ReLU6", "relu6_param { negative_slope: 0.1 }").module([IMAGE])
    assert_close_to_caffe(leaky(x), (x.clamp(min=0) + 0.1 * x.clamp(max=0)).clamp(max=6))
    other = layer("ReLU6", "relu_param { negative_slope: 0.1 }").module([IMAGE])
    assert_close_to_caffe(other(x), leaky(x))


@pytest.mark.parametrize("slope", [0, 0.25])
def test_relu6_passes_no_gradient_from_6_on(slope: float) -> None:
    x = torch.tensor([-1.0, 0, 3, 6, 7], requires_grad=True)
    layer("ReLU6", f"relu6_param {{ negative_slope: {slope} }}").module([(5,)])(x).sum().backward()
    assert x.grad.tolist() == [slope, slope, 1, 0, 0]


def test_dropout_that_scales_in_test() -> None:
    options = "dropout_param { dropout_ratio: 0.4 scale_train: false }"
    x = random(*IMAGE)
    assert_close_to_caffe(layer("Dropout", options).module([IMAGE])(x), x * 0.6)


MACS = [
    ("Convolution", "convolution_param { num_output: 8 kernel_size: 3 group: 2 }", 2 * 16 * 8 * 18),
    ("Deconvolution", "convolution_param { num_output: 8 kernel_size: 2 stride: 2 }", 288 * 8 * 4),
    ("InnerProduct", "inner_product_param { num_output: 10 }", 2 * 144 * 10),
    ("ReLU", "", 0),
]


@pytest.mark.parametrize(("kind", "options", "macs"), MACS)
def test_multiply_accumulates(kind: str, options: str, macs: int) -> None:
    one = layer(kind, options)
    assert one.macs([IMAGE], one.top_shapes([IMAGE])) == macs
