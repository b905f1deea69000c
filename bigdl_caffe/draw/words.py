"""What a box of a picture says of a layer: its options in a few signs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from bigdl_caffe.draw.kinds import type_name
from bigdl_caffe.format._pb import caffe_pb2 as pb
from bigdl_caffe.graph.ir import LayerDef


def told(layer: LayerDef) -> str:
    """Return a layer's type and what sets its size, as "Convolution 7×7 /2, 64"."""
    options = _OPTIONS.get(layer.type)
    more = options(layer.param) if options else ""
    name = type_name(layer)
    return f"{name} {more}".rstrip(" ,") if more else name


def _convolution(param: pb.LayerParameter) -> str:
    options = param.convolution_param
    kernel = _sides(options.kernel_h, options.kernel_w, options.kernel_size)
    stride = _sides(options.stride_h, options.stride_w, options.stride)
    parts = [kernel + _strided(stride), str(options.num_output)]
    if any(step > 1 for step in options.dilation):
        parts.append(f"dilation {'×'.join(map(str, options.dilation))}")
    if options.group > 1:
        parts.append(
            "depthwise" if options.group == options.num_output else f"{options.group} groups"
        )
    return ", ".join(parts)


def _pooling(param: pb.LayerParameter) -> str:
    options = param.pooling_param
    how = pb.PoolingParameter.PoolMethod.Name(options.pool)
    if options.global_pooling:
        return f"{how}, global"
    kernel = _sides(options.kernel_h, options.kernel_w, [options.kernel_size])
    stride = _sides(options.stride_h, options.stride_w, [options.stride])
    return f"{how} {kernel}{_strided(stride)}"


def _sides(height: int, width: int, both: Sequence[int]) -> str:
    """Return "3×3" of sides, or of what stands for both; "" where neither is said."""
    if height or width:
        return f"{height}×{width}"
    sizes = [size for size in both if size]
    return "×".join(map(str, sizes * 2 if len(sizes) == 1 else sizes))


def _strided(stride: str) -> str:
    sides = set(stride.split("×")) - {""}
    return "" if sides <= {"1"} else f" /{sides.pop() if len(sides) == 1 else stride}"


_OPTIONS: Mapping[str, Callable[[pb.LayerParameter], str]] = {
    **dict.fromkeys(
        ("Convolution", "Deconvolution", "DepthwiseConvolution", "ConvolutionDepthwise"),
        _convolution,
    ),
    "Pooling": _pooling,
    "InnerProduct": lambda p: f"{p.inner_product_param.num_output}",
    "Embed": lambda p: f"{p.embed_param.input_dim} to {p.embed_param.num_output}",
    "LSTM": lambda p: f"{p.recurrent_param.num_output}",
    "RNN": lambda p: f"{p.recurrent_param.num_output}",
    "Eltwise": lambda p: pb.EltwiseParameter.EltwiseOp.Name(p.eltwise_param.operation),
    "LRN": lambda p: f"{p.lrn_param.local_size}",
    "Dropout": lambda p: f"{p.dropout_param.dropout_ratio:g}",
}
