"""Sums, products and powers, with numbers, weights and other tensors of fewer axes."""

from __future__ import annotations

from typing import Any

from bigdl_caffe.errors import UnsupportedLayerError
from bigdl_caffe.format._pb import caffe_pb2 as pb
from bigdl_caffe.from_torch.builder import Builder
from bigdl_caffe.from_torch.ops.activation import power
from bigdl_caffe.from_torch.ops.shaping import reshape
from bigdl_caffe.from_torch.ops.table import op
from bigdl_caffe.from_torch.values import Top, Weight, number
from bigdl_caffe.graph.ir import Shape

SUM, PROD, MAX = pb.EltwiseParameter.SUM, pb.EltwiseParameter.PROD, pb.EltwiseParameter.MAX
Operand = Top | Weight | float


@op("add.Tensor", "add.Scalar")
def add(net: Builder, a: Operand, b: Operand, alpha: float) -> Top:
    """Return ``a + alpha * b``."""
    return _sum(net, a, b, 1, alpha)


@op("sub.Tensor", "sub.Scalar")
def sub(net: Builder, a: Operand, b: Operand, alpha: float) -> Top:
    """Return ``a - alpha * b``."""
    return _sum(net, a, b, 1, -alpha)


@op("rsub.Tensor", "rsub.Scalar")
def rsub(net: Builder, a: Operand, b: Operand, alpha: float) -> Top:
    """Return ``b - alpha * a``."""
    return _sum(net, a, b, -alpha, 1)


def _sum(net: Builder, a: Operand, b: Operand, of_a: float, of_b: float) -> Top:
    """Return ``of_a * a + of_b * b``: Power, Eltwise, or Bias of a learned blob or of ``b``."""
    if not isinstance(a, Top):
        a, b, of_a, of_b = b, a, of_b, of_a
    assert isinstance(a, Top)  # what has no tops was folded
    alone = number(b)
    if alone is not None:
        return power(net, a, scale=of_a, shift=of_b * alone)
    if isinstance(b, Top) and a.shape == b.shape:
        param: dict[str, Any] = {} if of_a == of_b == 1 else {"coeff": [of_a, of_b]}
        return net.layer("Eltwise", [a, b], eltwise_param={"operation": SUM, **param})
    if isinstance(b, Top) and _holds(b.shape, a.shape):
        a, b, of_a, of_b = b, a, of_b, of_a
    a = a if of_a == 1 else power(net, a, scale=of_a, part="first")
    if isinstance(b, Weight):
        addend = b if of_b == 1 else b.of(b.tensor * of_b)
        return _along(net, "Bias", a, addend)
    assert isinstance(b, Top)
    return _along(net, "Bias", a, b if of_b == 1 else power(net, b, scale=of_b, part="second"))


@op("mul.Tensor", "mul.Scalar")
def mul(net: Builder, a: Operand, b: Operand) -> Top:
    """Return ``a * b``: Power, Eltwise, or Scale by a learned blob or by ``b``."""
    if not isinstance(a, Top):
        a, b = b, a
    assert isinstance(a, Top)  # what has no tops was folded
    alone = number(b)
    if alone is not None:
        return power(net, a, scale=alone)
    assert isinstance(b, Top | Weight)
    if isinstance(b, Top) and a.shape == b.shape:
        return net.layer("Eltwise", [a, b], eltwise_param={"operation": PROD})
    if isinstance(b, Top) and _holds(b.shape, a.shape):
        a, b = b, a
    return _along(net, "Scale", a, b)


@op("div.Tensor", "div.Scalar")
def div(net: Builder, a: Operand, b: Operand) -> Top:
    """Return ``a / b``."""
    alone = number(b)
    if alone is not None:
        return mul(net, a, 1 / alone)
    if isinstance(b, Weight):
        return mul(net, a, b.of(1 / b.tensor))
    assert isinstance(b, Top)
    return mul(net, a, power(net, b, power=-1, part="inverse"))


@op("div.Tensor_mode", "div.Scalar_mode")
def div_mode(net: Builder, a: Operand, b: Operand, mode: str | None) -> Top:
    """Return ``a / b``, where nothing is rounded."""
    if mode is not None:
        raise UnsupportedLayerError(f"it rounds ({mode}), and no Caffe layer does")
    return div(net, a, b)


@op("pow.Tensor_Scalar")
def pow_number(net: Builder, x: Top, exponent: float) -> Top:
    """Return ``x ** exponent``."""
    return power(net, x, power=exponent)


@op("pow.Scalar")
def exp_of(net: Builder, base: float, x: Top) -> Top:
    """Return ``base ** x``."""
    return net.layer("Exp", [x], exp_param={"base": base})


@op("maximum.default", "max.other")
def maximum(net: Builder, a: Operand, b: Operand) -> Top:
    """Return the larger of two tensors of one shape."""
    tops = [net.top(value) for value in (a, b) if isinstance(value, Top | Weight)]
    return net.layer("Eltwise", tops, eltwise_param={"operation": MAX})


def _holds(shape: Shape, small: Shape) -> bool:
    """Return whether ``small`` broadcasts to ``shape``, which stays as it is."""
    tail = shape[len(shape) - len(small) :]
    return len(small) <= len(shape) and all(s in (1, n) for s, n in zip(small, tail, strict=True))


def _along(net: Builder, kind: str, a: Top, b: Top | Weight) -> Top:
    """Return Scale or Bias of ``a`` with ``b``, which broadcasts to its shape."""
    if not _holds(a.shape, b.shape):
        raise UnsupportedLayerError(
            f"{a.shape} and {b.shape} both have to be repeated; Caffe's {kind} repeats one of them"
        )
    shape = (1,) * (len(a.shape) - len(b.shape)) + b.shape
    axes = [i for i, n in enumerate(shape) if n != 1]
    start, stop = (axes[0], axes[-1] + 1) if axes else (0, 0)
    if isinstance(b, Weight):
        return _by_weight(net, kind, a, b.reshape(*shape[start:stop]), start)
    if len(b.shape) == len(a.shape) and shape[:start] == a.shape[:start]:
        start = 0  # so that it holds for other batch sizes too
    if shape[start:stop] != a.shape[start:stop]:
        raise UnsupportedLayerError(
            f"{b.shape} is repeated between axes of its own to reach {a.shape}; Caffe's {kind} "
            f"takes axes in a row"
        )
    flat = reshape(net, b, shape[start:stop], part="flat")
    return net.layer(kind, [a, flat], **_option(kind, axis=(start, 1)))


def _by_weight(net: Builder, kind: str, a: Top, weight: Weight, start: int) -> Top:
    """Return Scale or Bias of ``a`` with a learned blob from axis ``start`` on."""
    shape = a.shape[start : start + len(weight.shape)]
    if weight.shape != shape:
        weight = weight.of(weight.tensor.expand(shape))
    option = _option(kind, axis=(start, 1), num_axes=(len(shape), 1))
    return net.layer(kind, [a], [weight], **option)


def _option(kind: str, **fields: tuple[int, int]) -> dict[str, Any]:
    """Return the parameter message of ``kind`` with the fields that are not their defaults."""
    given = {field: value for field, (value, default) in fields.items() if value != default}
    return {f"{kind.lower()}_param": given}
