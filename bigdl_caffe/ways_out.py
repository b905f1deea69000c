"""How a model leaves for other programs."""

from __future__ import annotations

from bigdl_caffe.format.paths import PathLike
from bigdl_caffe.runner import Runner


class WaysOut(Runner):
    """Methods of `bigdl_caffe.Model` that write it as other programs read it."""

    def to_safetensors(self, path: PathLike) -> None:
        """Write the weights as a safetensors file: whole or not at all.

        Its keys are those of ``to_torch().state_dict()``, as "conv1.weight", and
        ``safetensors.torch.load_model(module, path)`` reads it back into such a module.

        Parameters
        ----------
        path : path or URI
            Replaced if it is there.

        Raises
        ------
        CaffeError
            For a folder that is missing, or that may not be written.
        """
        from bigdl_caffe.export.safetensors import write_safetensors  # above this module

        write_safetensors(self._module, path)

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

        write_onnx(self._module, path, opset, dynamic_batch and self.row_wise())
