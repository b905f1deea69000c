"""Torch modules over the table's memory."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from bigdl_caffe.errors import UnsupportedLayerError
from bigdl_caffe.graph.ir import Net
from bigdl_caffe.layers.assemble import Assembled
from bigdl_caffe.layers.contract import module_of
from bigdl_caffe.layers.registry import Layer, Role
from bigdl_caffe.nn.gradient import GradientEnd
from bigdl_caffe.nn.net import CaffeNet
from bigdl_caffe.weights.slots import Slot
from bigdl_caffe.weights.table import WeightTable


def build_module(assembled: Assembled, slots: Sequence[Slot], table: WeightTable) -> CaffeNet:
    """Return the net as a torch module in evaluation mode for TEST, else in training mode.

    Its parameters are the table's memory: nothing is copied, and training changes the
    table.
    """
    net = assembled.net
    modules = [_module(layer, net) for layer in assembled.layers]
    owners: dict[str, Tensor] = {}
    for slot in slots:
        module = modules[slot.layer]
        if module is not None:
            _install(module, slot, _tensor(slot, table, owners, net.definition.force_backward))
    return CaffeNet(net, modules).train(net.phase == "TRAIN")


class _Refusal(nn.Module):
    """Stands for a layer that is known but not computed: what needs it says so."""

    def __init__(self, why: str) -> None:
        super().__init__()
        self.why = why

    def forward(self, *bottoms: Tensor) -> Tensor:
        """Raise `UnsupportedLayerError`."""
        raise UnsupportedLayerError(self.why)


def _module(layer: Layer, net: Net) -> nn.Module | None:
    """Return the layer's module; None for an input that only the caller can fill."""
    if layer.role is Role.INPUT and type(layer).module is Layer.module:
        return None
    try:
        module = module_of(layer, [net.shapes[value] for value in layer.spec.reads])
    except UnsupportedLayerError as error:
        return _Refusal(f"{layer.spec}: {error}")
    blocked = layer.no_gradient_to()
    if blocked:
        module.register_forward_hook(GradientEnd(frozenset(blocked), str(layer.spec)))
    return module


def _tensor(slot: Slot, table: WeightTable, owners: dict[str, Tensor], forced: bool) -> Tensor:
    """Return the tensor of ``slot``: the owner's own, or a view of it in a shape of its own."""
    if slot.key not in owners:
        blob = torch.from_numpy(table.blobs[slot.key])
        learned = slot.lr_mult != 0 or forced
        learns = slot.spec.trainable and blob.is_floating_point()  # int8 has no gradient
        owners[slot.key] = nn.Parameter(blob, learned) if learns else blob
    owner = owners[slot.key]
    return owner if owner.shape == slot.spec.shape else owner.view(slot.spec.shape)


def _install(module: nn.Module, slot: Slot, tensor: Tensor) -> None:
    attr = slot.spec.attr
    # As any module says which of its tensors a layer's blobs are: see weights/torch_layouts.py.
    vars(module)["caffe_blobs"] = (*vars(module).get("caffe_blobs", ()), attr)
    if isinstance(tensor, nn.Parameter):
        module.register_parameter(attr, tensor)
    elif slot.spec.trainable and tensor.is_floating_point():
        # A PERMISSIVE share: its gradient, if there is one, flows to the owner's parameter.
        module._parameters.pop(attr, None)
        setattr(module, attr, tensor)
    else:
        module._parameters.pop(attr, None)
        module.register_buffer(attr, tensor)
