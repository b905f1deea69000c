"""A small net, and a torch module that is the same."""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import Tensor, nn

CONV = "type: 'Convolution' convolution_param { num_output: 4 kernel_size: 2 }"
CHAIN = f"""
input: 'data' input_shape {{ dim: 1 dim: 3 dim: 5 dim: 5 }}
layer {{ name: 'conv' bottom: 'data' top: 'conv' {CONV} }}
layer {{ name: 'relu' type: 'ReLU' bottom: 'conv' top: 'conv' }}
layer {{ name: 'slope' type: 'PReLU' bottom: 'conv' top: 'slope' }}
layer {{ name: 'block/conv' bottom: 'slope' top: 'b' {CONV} }}
layer {{ name: 'ip' type: 'InnerProduct' bottom: 'b' top: 'out'
  inner_product_param {{ num_output: 2 bias_term: false }} }}
"""


class Chain(nn.Module):
    """The net of CHAIN."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 2)
        self.slope = nn.PReLU(4)
        self.block = nn.Sequential(OrderedDict(conv=nn.Conv2d(4, 4, 2)))
        self.ip = nn.Linear(36, 2, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        top: Tensor = self.ip(self.block(self.slope(self.conv(x).relu())).flatten(1))
        return top


LAYERS = ("conv", "slope", "block/conv", "ip")


def state(module: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in module.state_dict().items()}


def assert_unchanged(module: nn.Module, before: dict[str, Tensor]) -> None:
    for name, tensor in module.state_dict().items():
        assert torch.equal(tensor, before[name]), name
