"""BN and Normalize, the normalisations of Caffe's forks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from torch import nn

from bigdl_caffe.errors import ShapeError, UnsupportedLayerError
from bigdl_caffe.format._pb import caffe_pb2 as pb
from bigdl_caffe.graph.ir import LayerDef, Shape
from bigdl_caffe.layers.fork_options import Messages
from bigdl_caffe.layers.options import constant
from bigdl_caffe.layers.registry import BlobSpec, Layer, between, count, register
from bigdl_caffe.nn import fork_normalization as modules
from bigdl_caffe.nn import ssd as unit

OWN: Mapping[str, frozenset[str]] = {
    "caffe-segnet": frozenset({"bn_mode"}),
    "PSPNet": frozenset({"slope_filler", "bias_filler", "momentum", "eps", "frozen"}),
    "caffe-windows": frozenset({"var_eps", "decay", "moving_average"}),
}
"""Fields of bn_param that only one fork has."""

WINDOWS = {"var_eps": 1e-10, "decay": 0.95, "moving_average": True}


@dataclass(frozen=True)
class Rule:
    """How a fork normalises.

    Attributes
    ----------
    scale, shift : FillerParameter
        What the first two blobs start from.
    eps : float
        Added to the variance.
    stored : bool
        By the stored statistics; otherwise by the batch's.
    keep : float or None
        How much of the stored statistics a forward pass in TRAIN keeps; None: none are stored.
    frozen : bool
        Whether scale and shift are constants, and the stored variances start from 1.
    """

    scale: pb.FillerParameter
    shift: pb.FillerParameter
    eps: float
    stored: bool = False
    keep: float | None = None
    frozen: bool = False


@register("BN")
class BN(Layer):
    """Batch normalisation with a scale and a shift, of three forks (bn_layer.cpp of each).

    The fields of bn_param tell them apart. With slope_filler, bias_filler, momentum, eps or
    frozen it is PSPNet's (of yjxiong/caffe): blobs slope, bias, mean and variance; it
    normalises by the stored ones in TEST and with ``frozen``. With var_eps, decay or
    moving_average it is caffe-windows', with the same blobs. Otherwise it is SegNet's and
    ENet's: blobs scale and shift only; ``bn_mode: LEARN`` normalises by the batch in each
    phase, INFERENCE not at all. Where no field tells, more than two ``param`` entries do:
    they stand for blobs that SegNet's lacks.

    caffe-windows' rule is that of January 2016 on a GPU: before, ``decay`` was the share of the
    new statistics. Its later one, with PSPNet's fields, stores 1 over the deviation in place of
    the variance, and is not told apart. The forks' gradients in TEST take the stored statistics
    for the batch's; here they are constants.
    """

    meanings = (
        "`slope_filler`, `bias_filler`, `momentum`, `eps` or `frozen`: PSPNet's, with stored "
        "statistics. `var_eps`, `decay` or `moving_average`: caffe-windows'. Neither: "
        "caffe-segnet's, by the batch. Where no field of `bn_param` tells, more than two `param` "
        "entries make it PSPNet's, or with `scale_filler` caffe-windows'."
    )
    tops = between(1, 3)
    fork = "alexgkendall/caffe-segnet, hszhao/PSPNet and happynear/caffe-windows"
    fork_options: ClassVar[Messages] = {"bn_param": WINDOWS}
    without_golden = (
        "no case can exist where those forks were not run; it is held against loops written "
        "after their sources, in tests/layers/test_fork_normalization.py"
    )

    def __init__(self, spec: LayerDef, phase: str = "TEST") -> None:
        super().__init__(spec, phase)
        self.param = spec.param.bn_param
        self.given = self.fork_values["bn_param"]
        self.source = self._source()
        rules = {"caffe-segnet": self._segnet, "PSPNet": self._pspnet}
        self.rule = rules.get(self.source, self._windows)()
        self.affine = self.param.bn_mode == pb.BNParameter.INFERENCE
        if len(spec.tops) > 1 and (self.source != "caffe-segnet" or self.affine):
            raise ShapeError(
                "only SegNet's BN in LEARN mode makes more tops than one (mean and variance): "
                "remove them"
            )
        if not self.rule.eps >= 0:
            raise ShapeError(f"eps {self.rule.eps} is negative: give a small positive number")

    def _source(self) -> str:
        """Return the fork whose BN this is."""
        fields = {field.name for field, _ in self.param.ListFields()}
        fields.update(self.spec.unknown.get("bn_param", {}))
        forks = [name for name, own in OWN.items() if fields & own]
        if "PSPNet" in forks and fields & {"scale_filler", "shift_filler"}:
            forks.append("caffe-segnet")
        if len(forks) > 1:
            raise ShapeError(
                f"bn_param has {sorted(fields)}, of different forks ({', '.join(forks)}): keep "
                f"those of one"
            )
        if forks or len(self.spec.param.param) <= 2:
            return forks[0] if forks else "caffe-segnet"
        return "caffe-windows" if "scale_filler" in fields else "PSPNet"

    def _segnet(self) -> Rule:
        return Rule(self.param.scale_filler, self.param.shift_filler, 1e-9)

    def _pspnet(self) -> Rule:
        p = self.param
        stored = p.frozen or self.phase == "TEST"
        return Rule(p.slope_filler, p.bias_filler, p.eps, stored, p.momentum, p.frozen)

    def _windows(self) -> Rule:
        p, given = self.param, self.given
        stored = given["moving_average"] and self.phase == "TEST"
        return Rule(p.scale_filler, p.shift_filler, given["var_eps"], stored, given["decay"])

    def top_shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        """Return the bottom's shape, then (1, channels, 1, 1) for mean and variance."""
        shape = bottoms[0]
        if not 2 <= len(shape) <= 4 or (self.source != "PSPNet" and len(shape) != 4):
            raise ShapeError(
                f"the bottom is {shape}; BN of {self.source} takes "
                f"{'2 to 4' if self.source == 'PSPNet' else '4'} axes (num, channels, ...): "
                f"reshape it"
            )
        return [shape, *[(1, shape[1], 1, 1)] * (len(self.spec.tops) - 1)]

    def blob_specs(self, bottoms: Sequence[Shape]) -> list[BlobSpec]:
        """Return scale and shift, and where they are stored mean and variance."""
        rule, shape = self.rule, (1, bottoms[0][1], 1, 1)
        learned = [
            BlobSpec("weight", shape, rule.scale, not rule.frozen),
            BlobSpec("bias", shape, rule.shift, not rule.frozen),
        ]
        if rule.keep is None:
            return learned
        variance = constant(1 if rule.frozen else 0)
        return [
            *learned,
            BlobSpec("mean", shape, trainable=False),
            BlobSpec("variance", shape, variance, trainable=False),
        ]

    def module(self, bottoms: Sequence[Shape]) -> nn.Module:
        """Return the torch module."""
        rule = self.rule
        if self.affine:
            return modules.Affine()
        if rule.stored:
            return modules.StoredBN(rule.eps, rule.frozen)
        keep = rule.keep if self.phase == "TRAIN" else None
        return modules.BatchBN(rule.eps, keep, len(self.spec.tops))

    def mixes_rows(self, bottoms: Sequence[Shape]) -> bool:
        """Return whether it normalises by the batch."""
        return not self.affine and not self.rule.stored

    def macs(self, bottoms: Sequence[Shape], tops: Sequence[Shape]) -> int:
        """Return one multiplication an element."""
        return count(bottoms[0])


@register("Normalize")
class Normalize(Layer):
    """Division by the L2 norm of each place, or of each image, and a learned scale.

    From normalize_layer.cpp of SSD. Blob: the scale, one number with ``channel_shared``, else
    one a channel. A ``normalize_param`` makes it the type of the same name of
    happynear/caffe-windows: division by the L2 or L1 norm of each place, without a scale; a
    second top holds the norms, and has a gradient with ``bp_norm``.
    """

    meanings = (
        "With `normalize_param`: caffe-windows', without a scale. Otherwise SSD's, by `norm_param`."
    )
    fork = "weiliu89/caffe (ssd branch); happynear/caffe-windows (normalize_param)"
    tops = between(1, 2)
    options = ("norm_param",)
    fork_options: ClassVar[Messages] = {
        "norm_param": {},
        "normalize_param": {"normalize_type": "L2", "bp_norm": False, "fix_gradient": False},
    }

    def __init__(self, spec: LayerDef, phase: str = "TEST") -> None:
        super().__init__(spec, phase)
        self.param, self.scaled = spec.param.norm_param, "normalize_param" not in spec.unknown
        self.unit = self.fork_values["normalize_param"]
        if self.unit["fix_gradient"] or self.unit["normalize_type"] not in unit.NORMS:
            raise UnsupportedLayerError(
                f"normalize_param {self.unit}: normalize_type has to be L1 or L2, and fix_gradient "
                f"false"
            )
        if self.scaled and len(spec.tops) > 1:
            raise ShapeError("a second top needs normalize_param: remove it")

    def top_shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        """Return the bottom's shape, and that of one channel for the norms."""
        x = bottoms[0]
        if not 2 <= len(x) <= 4:
            raise ShapeError(f"the bottom is {x}; Normalize takes 2 to 4 axes: reshape it")
        if self.scaled:
            return [x]
        full = (*x, 1, 1)[:4]  # as Caffe's num, channels, height and width
        return [full, (full[0], 1, *full[2:])][: len(self.spec.tops)]

    def blob_specs(self, bottoms: Sequence[Shape]) -> list[BlobSpec]:
        """Return the scale, filled with 1 by default."""
        p = self.param
        filler = p.scale_filler if p.HasField("scale_filler") else constant(1)
        shape = () if p.channel_shared else (bottoms[0][1],)
        return [BlobSpec("weight", shape, filler)] * self.scaled

    def module(self, bottoms: Sequence[Shape]) -> nn.Module:
        """Return the torch module."""
        if self.scaled:
            return unit.Normalize(self.param.across_spatial, self.param.eps)
        kind, gradient = self.unit["normalize_type"], self.unit["bp_norm"]
        return unit.Unit(kind, gradient, norms=len(self.spec.tops) > 1)

    def macs(self, bottoms: Sequence[Shape], tops: Sequence[Shape]) -> int:
        """Return one multiplication an element for the squares, and one for the scale."""
        return 2 * count(bottoms[0])
