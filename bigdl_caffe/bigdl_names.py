"""What BigDL's models can do, under the names it has there."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import nn

from bigdl_caffe.bigdl_scoring import BigDLScoring
from bigdl_caffe.errors import CaffeError, WeightMismatchError
from bigdl_caffe.graph.ir import Net
from bigdl_caffe.graph.slice import ancestors, check_blobs
from bigdl_caffe.layers.assemble import Options, assemble
from bigdl_caffe.layers.registry import Layer, registry
from bigdl_caffe.nn.net import blob_list
from bigdl_caffe.nodes import Node, from_nodes
from bigdl_caffe.weights.match import LoadReport
from bigdl_caffe.weights.slots import Slot, plan_slots
from bigdl_caffe.weights.table import WeightTable

if TYPE_CHECKING:
    from bigdl_caffe.model import Model
    from bigdl_caffe.quantize.model import QuantizedModel

M = TypeVar("M", bound="BigDLNames")
T = TypeVar("T")


class BigDLNames(BigDLScoring):
    """Methods of `bigdl_caffe.Model` that BigDL's Model and Layer have."""

    converters: dict[str, type[Layer]]
    source: str
    options: Options

    @staticmethod
    def from_nodes(
        inputs: Node | Sequence[Node], outputs: Node | Sequence[Node], **how: Any
    ) -> Model:
        """Return the model of a graph of nodes; see `bigdl_caffe.nodes.from_nodes`."""
        return from_nodes(inputs, outputs, **how)

    @staticmethod
    def load_caffe(
        model: T,
        prototxt: str | Path,
        caffemodel: str | Path | Sequence[str | Path],
        match_all: bool = True,
        allow_reshape: bool = False,
        *,
        phase: str = "TEST",
        stages: Sequence[str] = (),
        level: int = 0,
    ) -> T:
        """Load a Caffe net's weights into ``model``, by layer name, and return it.

        Parameters
        ----------
        model : Model, nn.Module, or mapping of str to nn.Module
            A module's submodules have the names of layers, with "." for "/"; a mapping
            gives the names itself. `bigdl_caffe.weights.into_modules` tells the rules.
        prototxt : str or Path
            Definition of the net that the weights are of: what its layers are, and which
            Scale follows which BatchNorm.
        caffemodel : str or Path, or a sequence of them
            The weights. Of several files, a later one's layers replace an earlier one's.
        match_all : bool
            Whether every module with parameters has to find its weights. Otherwise those
            without a layer of their name keep their values.
        allow_reshape : bool
            Whether a blob of another shape but as many elements is taken, in the order
            its numbers lie in. Caffe's old 4-D shape of the same blob always is.
        phase, stages, level
            Which of the net's layers there are; as of `Model.load_caffe_model`.

        Returns
        -------
        Model, nn.Module or mapping
            ``model``, whose ``load_report`` says what was copied, kept, unused and reshaped
            (a mapping's report is only logged).

        Raises
        ------
        WeightMismatchError
            With everything that does not fit; the model is then as it was.
        """
        from bigdl_caffe.load import load_into  # it makes Models, so it imports this module

        options = Options(phase, blob_list(stages), level)
        return load_into(model, str(prototxt), caffemodel, options, match_all, allow_reshape)

    def get_weights(self) -> list[NDArray[np.float32]]:
        """Return a copy of every blob, layer by layer in Caffe's order, a shared one once.

        Other than BigDL's, this holds stored statistics, BatchNorm's sums, as well.
        """
        return [blob.copy() for blob in self.weights().blobs.values()]

    def set_weights(self, weights: Sequence[ArrayLike]) -> None:
        """Write what `get_weights` returned, or other numbers of the same shapes.

        Raises
        ------
        WeightMismatchError
            For all arrays whose shape differs, or another number of them; the model is then
            as it was.
        """
        own = {slot.key: (slot, blob) for slot, blob in self.tensors() if not slot.shared}
        new = [torch.as_tensor(blob) for blob in weights]
        if len(new) != len(own):
            raise WeightMismatchError(
                f"{len(new)} arrays are given for {len(own)} blobs: give one each, in the order "
                f"of get_weights()"
            )
        pairs = list(zip(own.values(), new, strict=True))
        wrong = [
            f"layer '{self.net.layers[slot.layer].name}', blob {slot.index} ({slot.spec.attr}) has "
            f"shape {tuple(old.shape)}, the array given {tuple(blob.shape)}"
            for (slot, old), blob in pairs
            if old.shape != blob.shape
        ]
        if wrong:
            raise WeightMismatchError(*wrong)
        self.exposed = True  # so that nobody takes the model for what it was
        with torch.no_grad():
            for (_, old), blob in pairs:
                old.copy_(blob)

    def quantize(self, calibration: Any = None, **how: Any) -> QuantizedModel:
        """Return the model with int8 weights and activations; BigDL has a call of this name.

        Convolutions and matrix products are multiplied in whole numbers, and what is sent to
        Spark's executors has a quarter of the size. docs/int8.md tells what it costs.

        Parameters
        ----------
        calibration : ndarray, dict of str to ndarray, iterable of such dicts, or DataFrame
            Rows as they will be scored: which numbers each value takes is seen on them. By
            default the weights alone become int8, and activations stay floats.
        **how
            ``method``, ``keep``, ``labels``, ``rows``, ``batch_size``, and for a DataFrame what
            `Model.predict` takes; see `bigdl_caffe.quantize.quantized.quantized`.

        Returns
        -------
        QuantizedModel
            A new model; its ``report`` says how far it is from this one.
        """
        from bigdl_caffe.quantize.quantized import quantized  # it makes Models

        return quantized(cast("Model", self), calibration, **how)

    def freeze(self: M, names: str | Iterable[str] | None = None) -> M:
        """Give the blobs of the layers ``names`` no gradients, those of all layers by default.

        Returns
        -------
        Model
            This one.

        Raises
        ------
        CaffeError
            For all names that no layer has.
        """
        return self._learn(False, names)

    def unfreeze(self: M, names: str | Iterable[str] | None = None) -> M:
        """Give the blobs of the layers ``names`` gradients again; as `freeze`.

        Those that ``lr_mult: 0`` in the definition holds back get them as well.
        """
        return self._learn(True, names)

    def freeze_up_to(self: M, names: str | Iterable[str]) -> M:
        """`freeze` the layers ``names`` and all that they read from, directly or not."""
        last = {v for layer in self._layers(names) for v in self.net.layers[layer].writes}
        before = ancestors(self.net.layers, last)
        return self._learn(False, [layer.name for layer in before])

    def new_graph(self, outputs: str | Iterable[str]) -> Model:
        """Return the model that ends at ``outputs``, with the weights of this one.

        The weights are the same memory: who trains one model trains both.

        Parameters
        ----------
        outputs : str or sequence of str
            Blobs, as `run` takes them; where no blob has the name, a layer, for its tops.

        Raises
        ------
        CaffeError
            For all names of neither.
        """
        from bigdl_caffe.model import Model  # which derives from this class

        blobs = tuple(blob for name in blob_list(outputs) for blob in self._tops(name))
        check_blobs(blobs, self.blob_shapes)
        options = replace(self.options, outputs=tuple(dict.fromkeys(blobs)))
        part = assemble(self.net.definition, options, registry(self.converters))
        slots = plan_slots(part.net, part.layers)
        table = self._share(part.net, slots)
        model = Model(part, slots, table, options, self.converters, LoadReport(), self.source)
        self.exposed = model.exposed = True  # each may change what the other holds
        return model

    def _learn(self: M, learn: bool, names: str | Iterable[str] | None) -> M:
        chosen = range(len(self.net.layers)) if names is None else self._layers(names)
        slots = list(self.tensors())
        owners = {slot.key: blob for slot, blob in slots if isinstance(blob, nn.Parameter)}
        for slot, _ in slots:
            if slot.layer in chosen and slot.key in owners:
                owners[slot.key].requires_grad_(learn)
        return self

    def _layers(self, names: str | Iterable[str]) -> Collection[int]:
        """Return the positions of the layers called ``names``."""
        known = [layer.name for layer in self.net.layers]
        wanted = set(blob_list(names))
        if not wanted.issubset(known):
            raise CaffeError(
                *(
                    f"there is no layer '{name}' in this net; it has: {', '.join(known)}"
                    for name in sorted(wanted.difference(known))
                )
            )
        return [i for i, name in enumerate(known) if name in wanted]

    def _share(self, part: Net, slots: Sequence[Slot]) -> WeightTable:
        """Return the weights of ``part``, whose layers are some of this net's in their order."""
        keys = {(slot.layer, slot.index): slot.key for slot in self.slots}
        rest = iter(enumerate(self.net.layers))
        places = {
            at: next(i for i, layer in rest if layer.param == part.layers[at].param)
            for at in dict.fromkeys(slot.layer for slot in slots)
        }
        blobs = self.weights().blobs
        return WeightTable(
            {
                slot.key: blobs[keys[places[slot.layer], slot.index]].reshape(slot.spec.shape)
                for slot in slots
                if not slot.shared
            }
        )
