"""Matrix products, and the table of rows that is one."""

from __future__ import annotations

from typing import Any

from bigdl_caffe.errors import UnsupportedLayerError
from bigdl_caffe.from_torch.builder import Builder
from bigdl_caffe.from_torch.ops.table import op
from bigdl_caffe.from_torch.values import Top, Weight, fixed


@op("linear.default")
def linear(net: Builder, x: Top, weight: Top | Weight, bias: Top | Weight | None) -> Top:
    """InnerProduct over the last axis."""
    return _product(net, x, fixed(weight, "weight"), bias, transposed=False)


@op("matmul.default", "mm.default")
def matmul(net: Builder, a: Top | Weight, b: Top | Weight) -> Top:
    """InnerProduct over the last axis, where ``b`` is a weight (inputs, outputs)."""
    if isinstance(a, Weight) or isinstance(b, Top) or len(b.shape) != 2:
        raise UnsupportedLayerError(
            "Caffe multiplies by a matrix only where that is a learned blob on the right"
        )
    return _product(net, a, b, None, transposed=True)


@op("addmm.default")
def addmm(
    net: Builder, bias: Top | Weight, a: Top, b: Top | Weight, beta: float, alpha: float
) -> Top:
    """InnerProduct with a bias."""
    if (beta, alpha) != (1, 1) or len(bias.shape) != 1:
        raise UnsupportedLayerError("only bias + a @ b is an InnerProduct")
    return _product(net, a, fixed(b, "matrix"), bias, transposed=True)


def _product(
    net: Builder, x: Top, weight: Weight, bias: Top | Weight | None, transposed: bool
) -> Top:
    blobs = [weight] + ([] if bias is None else [fixed(bias, "bias")])
    param: dict[str, Any] = {"num_output": weight.shape[1 if transposed else 0]}
    param |= {} if bias is not None else {"bias_term": False}
    param |= {"transpose": True} if transposed else {}
    axis = len(x.shape) - 1
    param |= {} if axis == 1 else {"axis": axis}
    return net.layer("InnerProduct", [x], blobs, inner_product_param=param)


@op("embedding.default")
def embedding(net: Builder, weight: Top | Weight, index: Top | Weight, *_: object) -> Top:
    """Embed: a row for each number."""
    table = fixed(weight, "table")
    rows, columns = table.shape
    param = {"num_output": columns, "input_dim": rows, "bias_term": False}
    return net.layer("Embed", [net.top(index)], [table], embed_param=param)
