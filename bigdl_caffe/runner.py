"""A built net that runs: arrays in, arrays out. `bigdl_caffe.Model` is one with its files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bigdl_caffe import feeding
from bigdl_caffe.errors import CaffeError, ShapeError
from bigdl_caffe.graph.ir import LayerDef, Net, Shape
from bigdl_caffe.graph.shapes import infer
from bigdl_caffe.graph.slice import ancestors, check_blobs
from bigdl_caffe.layers.assemble import Assembled
from bigdl_caffe.layers.registry import Layer
from bigdl_caffe.nn.net import CaffeNet, blob_list
from bigdl_caffe.transfer import to_device, to_host
from bigdl_caffe.weights.install import build_module
from bigdl_caffe.weights.slots import Slot
from bigdl_caffe.weights.table import WeightTable

Array = np.ndarray[Any, Any]
Feed = Mapping[str, Array]
Blobs = Sequence[str]


class Runner:
    """What a net computes.

    Parameters
    ----------
    assembled : Assembled
        The net and its layers.
    slots : sequence of Slot
        Its learnable blobs.
    table : WeightTable
        Their numbers.

    Attributes
    ----------
    exposed : bool
        Whether `to_torch` has handed out the module, so that the weights may change.
    opened : dict
        What engines made of the net, by what they were opened for: it goes with the net.
    """

    def __init__(self, assembled: Assembled, slots: Sequence[Slot], table: WeightTable) -> None:
        self._assembled = assembled
        self.slots = slots
        self._table = table
        self.exposed = False
        self.opened: dict[object, Any] = {}
        self._inferred: dict[object, Mapping[str, Shape]] = {}

    @property
    def net(self) -> Net:
        """The immutable net."""
        return self._assembled.net

    @property
    def inputs(self) -> Mapping[str, Shape]:
        """Input blobs and their declared shapes (N, ...)."""
        return MappingProxyType(dict(self.net.inputs))

    @property
    def outputs(self) -> tuple[str, ...]:
        """Output blobs, sorted as pycaffe's ``net.outputs``."""
        return self.net.outputs

    @property
    def blob_shapes(self) -> Mapping[str, Shape]:
        """Shape of every blob at the declared input shapes."""
        made = (blob for layer in self.net.layers for blob in layer.tops)
        return MappingProxyType({b: self.net.shapes[b] for b in made if b in self.net.shapes})

    def to_torch(self) -> CaffeNet:
        """Return the net as a torch module: dict of blob → tensor in, the same out.

        The module is the model's own, made when first asked for: its parameters are the
        model's weights. Moved to another device, it computes there for `run` too.
        """
        self.exposed = True
        return self.module

    def weights(self) -> WeightTable:
        """Return the weights as they are now, without a copy where they are where they were."""
        if not self.exposed:
            return self._table
        now: dict[str, Array] = {}
        for slot, tensor in self.tensors():
            now.setdefault(slot.key, tensor.detach().float().cpu().contiguous().numpy())
        return WeightTable(now)

    def tensors(self) -> Iterator[tuple[Slot, Tensor]]:
        """Yield every learnable blob of the module with its slot."""
        modules = self.module.layer_modules()
        for slot in self.slots:
            yield slot, getattr(modules[slot.layer], slot.spec.attr)

    @cached_property
    def module(self) -> CaffeNet:
        """The module, for those who compute with it and change nothing; see `to_torch`."""
        return build_module(self._assembled, self.slots, self._table)

    def run(
        self, feed: Mapping[str, Array], fetch: Sequence[str] | None = None
    ) -> dict[str, Array]:
        """Run a forward pass.

        Parameters
        ----------
        feed : mapping of str to ndarray
            The input blobs that ``fetch`` needs. Any float or integer type; computed in
            float32. Batch and spatial sizes may differ from the declared ones.
        fetch : sequence of str, optional
            Blobs to return, inner ones too: only what they need is run. By default the
            net's outputs. A blob written in place has the value it ends with.

        Returns
        -------
        dict of str to ndarray
            float32, in Caffe's shapes.

        Raises
        ------
        ShapeError
            When a feed's shape does not go through the net.
        CaffeError
            For unknown blobs, or inputs that ``fetch`` needs and ``feed`` lacks.
        """
        wanted = self.check_fetch(fetch)
        return self.through(lambda tensors: self.module(tensors, wanted), feed, wanted)

    def through(
        self, compute: Callable[[dict[str, Tensor]], dict[str, Tensor]], feed: Feed, fetch: Blobs
    ) -> dict[str, Array]:
        """Run a forward pass by ``compute``; what goes in and comes out is as `run` has it.

        Parameters
        ----------
        compute : callable
            Tensors of the inputs to tensors of ``fetch``, in inference mode.
        feed : mapping of str to ndarray
            As for `run`.
        fetch : tuple of str
            Blobs that are there.
        """
        module = self.module  # made outside of inference mode: it may be trained later
        arrays = feeding.check_feed(feed, self.net, fetch, module.generated)
        self.shapes_at({blob: array.shape for blob, array in arrays.items()}, fetch)
        like = next(module.parameters(), torch.empty(0))
        tensors = to_device(arrays, like)
        with torch.inference_mode():
            made = to_host(compute(tensors))
        return {blob: feeding.own(top, arrays) for blob, top in made.items()}

    def data(
        self,
        *,
        seed: int | None = None,
        root: str | Path | None = None,
        arrays: Mapping[str, Array] | None = None,
    ) -> Iterator[dict[str, Array]]:
        """Return what the net's own data layers feed it, without end: ``run`` takes each.

        Data (LMDB, LevelDB), HDF5Data, ImageData, WindowData, MemoryData and DummyData are
        read as Caffe reads them, transform_param and all.

        Parameters
        ----------
        seed : int, optional
            Of all that is random: shuffling, crops, mirroring.
        root : path or URI, optional
            Folder that the files named in the net are relative to; the working directory
            by default, as in Caffe.
        arrays : mapping of str to ndarray, optional
            What a MemoryData layer shows: top → all its rows.

        Returns
        -------
        iterator of dict of str to ndarray
            Input blob → float32 array, a dict for each forward pass.

        Raises
        ------
        CaffeError
            For nets without data layers, and data that are missing or damaged.
        """
        from bigdl_caffe.data import batches  # its readers only when they are used

        passes = batches(self.net, seed=seed, root=root, arrays=arrays)
        return ({b: a for b, a in feed.items() if b in self.net.inputs} for feed in passes)

    def reset(self) -> None:
        """Let recurrent layers forget what earlier runs left in them.

        `run` carries the state of LSTM and RNN layers on, as Caffe's forward pass does.
        """
        self.module.reset()

    def check_fetch(self, fetch: Sequence[str] | None) -> tuple[str, ...]:
        """Return the blobs to fetch, the outputs for None; raise `CaffeError` for unknown ones.

        Values are known too: ``conv1~0`` is what the blob held before it was changed in place.
        """
        wanted = self.outputs if fetch is None else blob_list(fetch)
        if unknown := [name for name in wanted if name not in self.net.shapes]:
            check_blobs(unknown, self.blob_shapes)
        return wanted

    def needed(self, fetch: Sequence[str] | None = None) -> list[str]:
        """Return the input blobs that must be fed for ``fetch``, the net's outputs by default."""
        wanted = feeding.needed_inputs(self.net, self.check_fetch(fetch))
        return [blob for blob in wanted if blob not in self.module.generated]

    def shapes_at(
        self, inputs: Mapping[str, Shape], fetch: Sequence[str] | None = None
    ) -> Mapping[str, Shape]:
        """Return the shapes of values when input blobs have other shapes than declared.

        Parameters
        ----------
        inputs : mapping of str to Shape
            Those that differ; the others keep their declared shapes.
        fetch : sequence of str, optional
            Blobs whose way is inferred and checked; the net's outputs by default.

        Raises
        ------
        ShapeError
            When a layer on the way cannot take them, or would need weights of another shape.
        """
        if all(self.net.inputs[blob] == shape for blob, shape in inputs.items()):
            return self.net.shapes
        wanted = self.check_fetch(fetch)
        key = (tuple(sorted(inputs.items())), wanted)
        if key not in self._inferred:
            specs, rules = zip(*self.layers_for(wanted), strict=True)
            shapes = infer(specs, rules, {**self.net.inputs, **inputs})
            self._check_weights(wanted, shapes)
            self._inferred[key] = MappingProxyType(shapes)
        return self._inferred[key]

    def _check_weights(self, wanted: Sequence[str], shapes: Mapping[str, Shape]) -> None:
        problems = []
        built: dict[tuple[str, ...], list[Shape]] = {}
        for slot in self.slots:
            writes = self.net.layers[slot.layer].writes
            built.setdefault(writes, []).append(slot.spec.shape)
        for spec, layer in self.layers_for(wanted):
            have = built.get(spec.writes, [])
            need = [b.shape for b in layer.blob_specs([shapes[v] for v in spec.reads])]
            if need != have:
                problems.append(
                    f"{spec}: its weights have shapes {have}, inputs of this size need {need}: "
                    "feed the size the weights were trained for"
                )
        if problems:
            raise ShapeError(*problems)

    def row_wise(self, fetch: Sequence[str] | None = None) -> bool:
        """Return whether each row of ``fetch`` comes from the same row of the inputs.

        A net with a fixed batch in a Reshape, with one list of detections for the whole
        batch, or with a softmax over the batch mixes rows: they must be run one at a time.
        """
        wanted = self.check_fetch(fetch)
        try:
            two, three = (self.shapes_at(self.with_batch(n), wanted) for n in (2, 3))
        except CaffeError:
            return False
        layers = self.layers_for(wanted)
        mixing = any(rule.mixes_rows([two[v] for v in spec.reads]) for spec, rule in layers)
        values = {v for spec, _ in layers for v in spec.writes if v in two}
        return not mixing and all(
            (two[v] == three[v] and v not in wanted)
            or (two[v][:1], three[v][:1], two[v][1:]) == ((2,), (3,), three[v][1:])
            for v in values
        )

    def is_dynamic(self, fetch: Sequence[str] | None = None) -> bool:
        """Return whether the size of a row of ``fetch`` depends on what the row holds."""
        return any(layer.dynamic for _, layer in self.layers_for(self.check_fetch(fetch)))

    def with_batch(self, n: int) -> dict[str, Shape]:
        """Return the declared shapes of the inputs with ``n`` rows."""
        return {blob: (n, *shape[1:]) for blob, shape in self.net.inputs.items()}

    def layers_for(self, wanted: Sequence[str]) -> list[tuple[LayerDef, Layer]]:
        """Return the layers that ``wanted`` needs."""
        needed = {layer.writes for layer in ancestors(self.net.layers, wanted)}
        pairs = zip(self.net.layers, self._assembled.layers, strict=True)
        return [(spec, layer) for spec, layer in pairs if spec.writes in needed]
