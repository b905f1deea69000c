"""How a model leaves for other programs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from bigdl_caffe.draw import draw, html
from bigdl_caffe.format.paths import PathLike
from bigdl_caffe.graph.summary import Cost, summarise, totals
from bigdl_caffe.runner import Runner
from bigdl_caffe.weights.match import LoadReport

if TYPE_CHECKING:
    from typing_extensions import Self


class WaysOut(Runner):
    """Methods of `bigdl_caffe.Model` that write it as other programs read it."""

    load_report: LoadReport

    def costs(self) -> Sequence[Cost]:
        """Return what each layer of ``net.layers`` holds and does."""
        raise NotImplementedError

    def save_caffe(
        self,
        prototxt_path: PathLike,
        model_path: PathLike,
        use_v2: bool = True,
        overwrite: bool = False,
        fold: bool = False,
        deploy: bool = False,
    ) -> Self:
        """Write the net and its weights as Caffe's two files. The call BigDL has under this name.

        What came from Caffe is saved as it came, with the weights as they are now: the text
        is the whole definition, upgraded, with its data layers, losses, phase rules, and fields
        that the schema does not know. Layers that are not part of the model in its phase are
        in the text, and have no weights.

        At any moment, a reader of local files finds both old ones, or both new ones, also after
        this process was killed; what holds on other file systems, `format.together` says.

        Parameters
        ----------
        prototxt_path : path or URI
            The net's definition.
        model_path : path or URI
            The weights: HDF5 if it ends in ".h5", as Caffe has it, else binary.
        use_v2 : bool
            Whether to write today's form, V2. V1 is what Caffe had until 2015.
        overwrite : bool
            Whether files that are there may be replaced.
        fold : bool
            Whether to fold BatchNorm, Scale and Bias into the Convolution, Deconvolution or
            InnerProduct before them, for scoring: the same outputs but for rounding, and V1
            can hold it.
        deploy : bool
            Whether to write what the model computes alone, as deploy.prototxt files have it:
            inputs with shapes in place of data layers, no losses, no other phase. So other
            programs read what was trained by a train_val.prototxt.

        Returns
        -------
        Model
            Itself.

        Raises
        ------
        FileExistsError
            For files that are there, without ``overwrite``. Nothing is touched.
        UnsupportedLayerError
            With every layer and option that V1 has no words for, before anything is written.
        CaffeError
            For folders that are missing or may not be written, a binary file of 2 GiB or more,
            names that HDF5 cannot hold; ``deploy`` of a model in the TRAIN phase.
        """
        from bigdl_caffe.graph.deploy import deploy as alone
        from bigdl_caffe.save import contents, save, warn_of_lost

        net = replace(self.net, definition=alone(self.net)) if deploy else self.net
        warn_of_lost(net, self.load_report.unused)
        saved = contents(net, self.slots, self.weights(), fold)
        save(saved, prototxt_path, model_path, use_v2, overwrite)
        return self

    def draw(self, path: PathLike, *, repeats: bool = True) -> None:
        """Write a picture of the net: whole or not at all.

        Boxes are layers, with those that work in place behind them; arrows have the shapes of
        what goes along them. Where a mouse rests on a box of an SVG, its definition is shown.

        Parameters
        ----------
        path : path or URI
            Ends in .svg, .png (with the extra "image") or .dot (for Graphviz).
        repeats : bool
            Whether a block that is repeated is drawn once, in a frame that says how often. DOT
            has all blocks.

        Raises
        ------
        CaffeError
            For another ending; for a PNG, without Pillow.
        """
        draw(self.net, path, totals(self.costs()), repeats)

    def _repr_html_(self) -> str:
        """Return what a notebook shows of the model: its picture, and its table."""
        costs = self.costs()
        return html(self.net, totals(costs), summarise(self.net, costs))

    def to_safetensors(self, path: PathLike) -> None:
        """Write the weights as a safetensors file: whole or not at all.

        Needs the extra "safetensors". Its keys are those of ``to_torch().state_dict()``, as
        "conv1.weight"; ``safetensors.torch.load_model(module, path)`` reads it back.

        Parameters
        ----------
        path : path or URI
            Replaced if it is there.

        Raises
        ------
        CaffeError
            Without the package; for a folder that is missing, or that may not be written.
        """
        from bigdl_caffe.export.safetensors import write_safetensors  # above this module

        write_safetensors(self.module, path)

    def to_onnx(
        self, path: PathLike, *, opset: int | None = None, dynamic_batch: bool = True
    ) -> None:
        """Write the net as an ONNX file: whole or not at all. Needs the extra "onnx".

        Inputs and outputs are the net's, under their blobs' names; an input that is an output
        too, because a layer works in place, is called "blob~0". Weights are called as in
        ``to_torch().state_dict()``. The file computes what `run` does after `reset`, which
        this does too: ONNX has no state from one run to the next.

        Parameters
        ----------
        path : path or URI
            Replaced if it is there.
        opset : int, optional
            Version of ONNX's operators; by default the one that torch's exporter is made for.
        dynamic_batch : bool
            Whether the inputs may have any number of rows, which they may only where no row
            depends on another (`row_wise`). All other sizes are the declared ones.

        Raises
        ------
        UnsupportedLayerError
            For layers that ONNX cannot express: all of them, with the reasons.
        CaffeError
            Without the packages, for an ``opset`` that the exporter does not have, and for
            more than the 2 GiB that an ONNX file holds.
        """
        from bigdl_caffe.export.onnx import write_onnx  # onnx only when it is used

        write_onnx(self.module, path, opset, dynamic_batch and self.row_wise())
