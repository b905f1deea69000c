"""Torch modules as Caffe nets."""

from __future__ import annotations

from torch import nn

from bigdl_caffe.from_torch.capture import Inputs, capture
from bigdl_caffe.from_torch.finish import finish
from bigdl_caffe.from_torch.trace import trace
from bigdl_caffe.layers.assemble import Options
from bigdl_caffe.load import build
from bigdl_caffe.model import Model

__all__ = ["from_torch"]


def from_torch(module: nn.Module, example_inputs: Inputs) -> Model:
    """Return the Caffe net that computes what ``module`` does in evaluation mode.

    Any module that `torch.export` can follow: its operations become Caffe's layers, with the
    shapes that they have for the example. Layers are called after the submodules that they
    come from (``layer1.0.conv1``), so that the weights go back into the module by name; inputs
    after ``forward``'s parameters; outputs after the keys of the dict that it returns, if it
    does. What a shared submodule computes shares its blobs (``param { name }``).

    A few operations are several layers, whose names begin with the first one's: BatchNorm and
    its Scale; pooling that rounds its size down where Caffe rounds up, which is every window
    and a strided copy; an LSTM and its cont, made of the input's shape. Layers are BVLC
    Caffe's, but for Permute (SSD's) and Interp (DeepLab's).

    Other batch sizes go through the net, and other image sizes where no operation names one.
    What the module cuts at a place from the end (``out[-1]`` of an LSTM's steps) is cut where
    that place is in the example: trace anew for other lengths.

    Parameters
    ----------
    module : nn.Module
        It is put into evaluation mode while it is traced, and is not changed.
    example_inputs : Tensor, sequence or mapping
        What ``forward`` takes: its only argument, all by position, or all by name. A batch of
        two or more keeps apart what belongs to the batch and what has size 1.

    Returns
    -------
    Model
        Its weights are copies.

    Raises
    ------
    UnsupportedLayerError
        With every operation that Caffe has no layer for, and where the module calls it.
    CaffeError
        Where torch.export cannot follow the module, as where the data decide what it does.
    """
    captured = capture(module, example_inputs)
    builder, outputs = trace(captured)
    name = type(module).__name__
    definition = finish(builder, name, outputs)
    return build(definition, builder.source(name), Options(), {}, origin="")
