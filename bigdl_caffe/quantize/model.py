"""A model of int8 weights: it scores, ships and is written as any; it does not learn."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
import torch
from torch import Tensor, nn

from bigdl_caffe.bundle import Bundle, bundle
from bigdl_caffe.engine.int8 import in_floats
from bigdl_caffe.engine.passes import optimised
from bigdl_caffe.engine.program import ProgramNet, program
from bigdl_caffe.errors import CaffeError, CaffeFormatError
from bigdl_caffe.model import Model
from bigdl_caffe.nn.convolution import Convolution
from bigdl_caffe.nn.dense import InnerProduct
from bigdl_caffe.nn.net import CaffeNet
from bigdl_caffe.weights.install import build_module
from bigdl_caffe.weights.match import LoadReport
from bigdl_caffe.weights.scheme import SCALES, Scheme, int8_keys
from bigdl_caffe.weights.slots import Slot
from bigdl_caffe.weights.table import WeightTable

if TYPE_CHECKING:
    from bigdl_caffe.quantize.report import Report

Array = np.ndarray[Any, Any]


class QuantizedModel(Model):
    """What `Model.quantize` returns, and `Model.open_bundle` of its file.

    Its numbers are those of whole numbers: `run` computes them in floats, on any machine; the
    engine "torch" by the processor's int8 instructions, where it has them.

    Attributes
    ----------
    scheme : Scheme
        Which values are rounded, and to what.
    report : Report or None
        What rounding costs; None when it was opened from a file.
    """

    scheme: Scheme
    report: Report | None = None

    @staticmethod
    def of(like: Model, table: WeightTable, scheme: Scheme) -> QuantizedModel:
        """Return the net of ``like`` with the weights of ``table``."""
        parts = like._assembled, like.slots, table, like.options, like.converters
        made = QuantizedModel(*parts, LoadReport(), like.source)
        made.scheme = scheme
        made._nets = {}
        return made

    _nets: dict[tuple[str, ...], ProgramNet]

    @cached_property
    def module(self) -> CaffeNet:
        """The net's modules; `run` and the engines compute with them, each in its way."""
        module = build_module(self._assembled, self.slots, self._table)
        modules, blobs = module.layer_modules(), self._table.blobs
        for slot in self.slots:
            if blobs[slot.key].dtype == np.int8:
                self._take_scales(modules[slot.layer], slot, blobs[slot.key + SCALES])
        return module

    def _take_scales(self, module: object, slot: Slot, scales: Array) -> None:
        if not isinstance(module, (Convolution, InnerProduct)) or slot.spec.attr != "weight":
            raise CaffeFormatError(
                f"blob '{slot.key}' is int8, which {self.net.layers[slot.layer]} cannot be: "
                "the file is damaged; write it again with Model.write_bundle",
                self.source,
            )
        # A parameter tells where, and in what, the net computes, if no layer has a bias.
        numbers = nn.Parameter(torch.from_numpy(scales), requires_grad=False)
        module.register_parameter("scales", numbers)

    def run(
        self, feed: Mapping[str, Array], fetch: Sequence[str] | None = None
    ) -> dict[str, Array]:
        """Run a forward pass in floats, each value rounded as the scheme says; see `Model.run`."""
        wanted = self.check_fetch(fetch)
        if wanted not in self._nets:
            joined = optimised(program(self.module, wanted))
            self._nets[wanted] = ProgramNet(in_floats(joined, self.scheme))
        return self.through(self._nets[wanted], feed, wanted)

    def bundle(self) -> Bundle:
        """Return what the model is, of version 2 of the Arrow layout; as `Model.bundle`."""
        if self._bundle is None:
            definition = self.net.definition
            self._bundle = bundle(self._table, definition, self.options, self.scheme)
        return self._bundle

    def noted(self, name: str, text: str) -> QuantizedModel:
        """Return the model with a text in its bundle; as `Model.noted`."""
        noted = QuantizedModel.of(self, self._table, self.scheme)
        noted.report, noted._bundle = self.report, self.bundle().noted(name, text)
        return noted

    def move(self, device: torch.device, dtype: torch.dtype) -> None:
        """Compute on ``device`` from now on, in floats that hold the whole numbers' products.

        Raises
        ------
        CaffeError
            For another ``dtype`` than float32: others hold no such sums.
        """
        if dtype != torch.float32:
            self._refuse(f"{dtype} cannot hold the sums of its products; leave dtype out")
        self.module.to(device)

    def dequantize(self) -> Model:
        """Return the float model of the same weights, as they are after rounding.

        Its activations are not rounded. BatchNorm and the like were folded into the layers
        before them.
        """
        blobs = self._table.blobs
        whole = int8_keys(self._table)
        floats = {
            key: _floats(blob, blobs[key + SCALES]) if key in whole else blob.copy()
            for key, blob in blobs.items()
            if not key.endswith(SCALES)
        }
        parts = self._assembled, self.slots, WeightTable(floats), self.options, self.converters
        return Model(*parts, LoadReport(), self.source)

    # -- what whole numbers cannot do ------------------------------------------------

    def tensors(self) -> Iterator[tuple[Slot, Tensor]]:
        """Raise `CaffeError`."""
        self._refuse("its weights are no float tensors")

    def to_torch(self) -> CaffeNet:
        """Raise `CaffeError`."""
        self._refuse("it is no float torch module, and cannot be trained")

    def get_weights(self) -> NoReturn:
        """Raise `CaffeError`."""
        self._refuse("its weights are no float arrays")

    def save_caffe(self, *args: Any, **how: Any) -> NoReturn:
        """Raise `CaffeError`."""
        self._refuse("Caffe's files hold floats; write_bundle writes int8")

    def to_safetensors(self, *args: Any, **how: Any) -> NoReturn:
        """Raise `CaffeError`."""
        self._refuse("such a file has the keys of a float model; write_bundle writes int8")

    def to_onnx(self, *args: Any, **how: Any) -> NoReturn:
        """Raise `CaffeError`."""
        self._refuse("ONNX files are written of float models")

    def new_graph(self, outputs: Any) -> NoReturn:
        """Raise `CaffeError`."""
        self._refuse("cut the float model before quantize(), or fetch the blobs by predict(fetch=)")

    def quantize(self, *args: Any, **how: Any) -> NoReturn:
        """Raise `CaffeError`."""
        self._refuse("quantize the float model that it was made of")

    def _refuse(self, why: str) -> NoReturn:
        raise CaffeError(
            f"this model is int8: {why}. dequantize() returns the float model of its weights"
        )


def _floats(blob: Array, scales: Array) -> Array:
    return (blob * scales.reshape(-1, *[1] * (blob.ndim - 1))).astype(np.float32)
