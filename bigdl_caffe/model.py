"""`Model`: a Caffe net with its weights, as people use it."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import IO, TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from bigdl_caffe import feeding
from bigdl_caffe.bigdl_names import BigDLNames
from bigdl_caffe.bundle import NOTE, Bundle, bundle, check_blobs, read_description, read_scheme
from bigdl_caffe.graph.summary import Cost, summarise
from bigdl_caffe.layers.assemble import Assembled, Options, assemble
from bigdl_caffe.layers.registry import Layer, registry
from bigdl_caffe.nn.net import blob_list
from bigdl_caffe.ways_out import WaysOut
from bigdl_caffe.weights.costs import costs
from bigdl_caffe.weights.match import LoadReport
from bigdl_caffe.weights.scheme import Scheme, check_scheme
from bigdl_caffe.weights.slots import Slot, plan_slots
from bigdl_caffe.weights.table import WeightTable, open_table

if TYPE_CHECKING:
    from bigdl_caffe.image import Recipe


class Model(BigDLNames, WaysOut):
    """A Caffe net and its weights.

    Make one with `load_caffe_model` (from Caffe's files) or `open_bundle` (from one
    Arrow file); the constructor is for them.

    Attributes
    ----------
    load_report : LoadReport
        Which layers took weights from the file, which the file lacked, and what in
        the file no layer used.
    converters : dict of str to type
        The caller's own layer types, by Caffe type name.
    options : Options
        Which layers of the definition were asked for, with which input shapes.
    scheme : Scheme or None
        How an int8 net's numbers are rounded; None of a float net.
    """

    scheme: Scheme | None = None

    def __init__(
        self,
        assembled: Assembled,
        slots: Sequence[Slot],
        table: WeightTable,
        options: Options,
        converters: Mapping[str, type[Layer]],
        load_report: LoadReport,
        source: str = "",
    ) -> None:
        super().__init__(assembled, slots, table)
        self._bundle: Bundle | None = None
        self.options = options
        self.converters = dict(converters)
        self.load_report = load_report
        self.source = source

    def __getstate__(self) -> dict[str, Any]:
        """Leave out of copies, and of what is pickled, what is made again when it is needed."""
        return {**self.__dict__, "opened": {}, "_inferred": {}}

    # -- making one ------------------------------------------------------------------

    @staticmethod
    def load_caffe_model(
        prototxt: str | Path,
        caffemodel: str | Path | Sequence[str | Path] | None,
        *,
        phase: str = "TEST",
        stages: Sequence[str] = (),
        level: int = 0,
        outputs: Sequence[str] | None = None,
        input_shapes: Mapping[str, Sequence[int]] | None = None,
        converters: Mapping[str, type[Layer]] | None = None,
        strict: bool = True,
    ) -> Model:
        """Load a Caffe net and its weights. The call BigDL has under this name.

        Parameters
        ----------
        prototxt : str or Path
            The net's definition: path or URI; V0, V1 or V2.
        caffemodel : str or Path, a sequence of them, or None
            The weights: binary of any version, or HDF5; of several files, a later one's
            layers replace an earlier one's. None builds the net from its fillers.
        phase : {"TEST", "TRAIN"}
            Which include and exclude rules hold, and how BatchNorm, Dropout and the
            like behave. In TEST, losses and metrics fall away and data layers are inputs.
        stages : sequence of str
            Stages for ``stage`` and ``not_stage`` rules.
        level : int
            Level for ``min_level`` and ``max_level`` rules.
        outputs : sequence of str, optional
            Blobs to stop at: only what they need is built. By default the blobs that
            nothing consumes.
        input_shapes : mapping of str to shape, optional
            Shapes (N, C, H, W) of input blobs that the definition leaves open, or that
            you want otherwise.
        converters : mapping of str to Layer subclass, optional
            Your own layer types by Caffe type name; they may override built-ins.
        strict : bool
            Whether a layer that no file has weights for is an error. Otherwise it
            starts from its filler, and a warning says so.

        Raises
        ------
        ParseError
            For a prototxt that no Caffe accepts; with file, line and column.
        CaffeFormatError
            For damaged weight files; with the byte offset.
        UnsupportedLayerError, NetError, ShapeError, WeightMismatchError
            With every problem of that kind at once.
        """
        from bigdl_caffe.load import load  # load makes Models, so it imports this module

        options = Options(
            phase,
            blob_list(stages),
            level,
            None if outputs is None else blob_list(outputs),
            feeding.check_shapes(input_shapes or {}),
        )
        return load(str(prototxt), caffemodel, options, converters or {}, strict)

    @staticmethod
    def open_bundle(
        path: str | Path,
        offset: int = 0,
        converters: Mapping[str, type[Layer]] | None = None,
    ) -> Model:
        """Open a model that `write_bundle` wrote, by mapping it: no weight is read.

        Parameters
        ----------
        path : str or Path
            A local file; one at a URI is fetched first.
        offset : int
            Byte at which the Arrow file begins in it.
        converters : mapping of str to Layer subclass, optional
            As given to `load_caffe_model`; classes are not in the file.
        """
        table, metadata = open_table(path, offset)
        definition, options = read_description(metadata, str(path))
        assembled = assemble(definition, options, registry(converters))
        slots = plan_slots(assembled.net, assembled.layers)
        check_blobs(slots, table, str(path))
        scheme = read_scheme(metadata, str(path))
        check_scheme(table, scheme, assembled.net.shapes, str(path))
        model = Model(assembled, slots, table, options, converters or {}, LoadReport(), str(path))
        if scheme is not None:
            from bigdl_caffe.quantize.model import QuantizedModel  # it derives from this class

            model = QuantizedModel.of(model, table, scheme)
        model._bundle = Bundle(table, metadata)
        return model

    @staticmethod
    def from_torch(module: nn.Module, example_inputs: Any) -> Model:
        """Trace a torch module into a Caffe net; see `bigdl_caffe.from_torch.from_torch`."""
        from bigdl_caffe.from_torch import from_torch  # it makes Models, so it imports this module

        return from_torch(module, example_inputs)

    def write_bundle(self, target: str | Path | IO[bytes]) -> str:
        """Write the model as one Arrow file and return its content hash.

        Parameters
        ----------
        target : path, URI or binary file
            A path appears whole or not at all. The layout is in docs/arrow-layout.md.
        """
        now = self.bundle()
        now.write_bundle(target)
        return now.content_hash

    def bundle(self) -> Bundle:
        """Return what the model is now: its weights, definition, options and their hash.

        Hashing reads every weight. It is done once, unless someone holds the weights
        (`params`, `to_torch`) and may have changed them.
        """
        if self._bundle is None or self.exposed:
            self._bundle = bundle(self.weights(), self.net.definition, self.options)
        return self._bundle

    @property
    def content_hash(self) -> str:
        """SHA-256 (hex) of the definition, the options and every weight as they are now."""
        return self.bundle().content_hash

    def noted(self, name: str, text: str) -> Model:
        """Return the model as it is now with a text in its bundle, which travels with it."""
        parts = self._assembled, self.slots, self.weights(), self.options, self.converters
        model = Model(*parts, LoadReport(), self.source)
        model._bundle = self.bundle().noted(name, text)
        return model

    def note(self, name: str) -> str | None:
        """Return the text that `noted` put into the bundle, if the weights are still the same."""
        known = None if self.exposed else self._bundle
        return known.metadata.get(NOTE + name) if known else None

    def move(self, device: torch.device, dtype: torch.dtype) -> None:
        """Compute there, and in that type, from now on; the weights are changed for it."""
        self.to_torch().to(device, dtype)

    # -- looking at it ---------------------------------------------------------------

    @property
    def params(self) -> Mapping[str, list[Tensor]]:
        """Caffe's blobs of each layer, in Caffe's order: pycaffe's ``net.params``.

        The tensors are the model's own: writing to them changes the model.
        """
        self.exposed = True
        out: dict[str, list[Tensor]] = {}
        for slot, tensor in self.tensors():
            out.setdefault(self.net.layers[slot.layer].name, []).append(tensor)
        return MappingProxyType(out)

    def summary(self) -> str:
        """Return a table of the layers with shapes, parameters and multiply-accumulates."""
        return summarise(self.net, self.costs())

    def costs(self) -> list[Cost]:
        """Return what each layer of ``net.layers`` holds and does."""
        return costs(self._assembled, self.slots)

    def __repr__(self) -> str:
        feeds = ", ".join(f"{blob} {shape}" for blob, shape in self.inputs.items())
        return f"Model('{self.net.name}': {feeds} -> {', '.join(self.outputs)})"

    def recipe(self, blob: str | None = None, **steps: Any) -> Recipe:
        """Return how pixels become the net's input, beginning with the prototxt's own words.

        Parameters
        ----------
        blob : str, optional
            The input, for a net that takes several pictures.
        **steps
            What to do otherwise: ``resize``, ``mean``, ``scale``, ``channel_order``,
            ``orient``, ``max_pixels``; see `bigdl_caffe.image.recipe_for`.
        """
        from bigdl_caffe.image import recipe_for  # Pillow only when it is used

        blob, shape = feeding.image_input(self.net, blob)
        base = os.path.dirname(self.source) or "."  # of a URI too, which pathlib would maim
        return recipe_for(feeding.transform_param(self.net, blob), shape, base, **steps)
