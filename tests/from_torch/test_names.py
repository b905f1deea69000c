"""What layers, blobs, inputs and outputs are called, and what they share."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from bigdl_caffe import Model
from tests.from_torch.compare import traced


def layers(model: Model) -> list[str]:
    return [layer.name for layer in model.net.definition.layer]


class Branch(nn.Module):
    """Operations of its own between submodules."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.relu = nn.Conv2d(2, 2, 1), nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        return self.relu(self.relu(self.conv(x)) + x)


def test_layers_are_called_after_submodules_and_operations() -> None:
    model = traced(nn.Sequential(Branch(), nn.Flatten()), torch.randn(2, 2, 3, 3))
    assert layers(model) == ["input", "0.conv", "0.relu", "0.add", "0.relu_1", "1"]
    assert model.outputs == ("1",)


class Clashes(nn.Module):
    """A submodule called like an operation, and one like an input."""

    def __init__(self) -> None:
        super().__init__()
        self.add, self.relu_1, self.x = nn.Linear(3, 3), nn.Linear(3, 3), nn.Linear(3, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.x(self.relu_1(torch.relu(torch.relu(self.add(x + 1)))))


def test_no_layer_takes_a_submodules_name() -> None:
    model = traced(Clashes(), torch.randn(2, 3))
    assert layers(model) == ["x_1", "add_1", "add", "relu", "relu_2", "relu_1", "x"]
    assert list(model.inputs) == ["x"]


class Takes(nn.Module):
    """Arguments by position, by name, in a list, and one that is not used."""

    def forward(
        self, left: Tensor, pair: list[Tensor], scale: int = 1, *, unused: Tensor
    ) -> Tensor:
        return left + pair[0] * scale - pair[1]


def test_inputs_are_called_after_parameters() -> None:
    x = torch.randn(2, 3)
    example = {"left": x, "pair": [x, x], "scale": 3, "unused": x}
    model = Model.from_torch(Takes(), example)
    assert list(model.inputs) == ["left", "pair_0", "pair_1"]
    feed = {name: torch.randn(2, 3) for name in model.inputs}
    (top,) = model.run({name: value.numpy() for name, value in feed.items()}).values()
    wanted = feed["left"] + 3 * feed["pair_0"] - feed["pair_1"]
    torch.testing.assert_close(torch.from_numpy(top), wanted)


class Gives(nn.Module):
    """A dict of a tensor, of several, and of one that does not depend on the input."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("anchors", torch.ones(4))

    def forward(self, x: Tensor) -> dict[str, object]:
        y = x.abs()
        return {"y": y, "halves": list(y.chunk(2, 1)), "anchors": self.anchors}


def test_outputs_are_called_after_keys() -> None:
    model = Model.from_torch(Gives(), torch.randn(2, 4))
    assert model.outputs == ("anchors", "halves_0", "halves_1", "y")
    tops = model.run({"x": -torch.ones(2, 4).numpy()})
    assert {name: top.shape for name, top in tops.items()} == {
        "anchors": (4,),
        "halves_0": (2, 2),
        "halves_1": (2, 2),
        "y": (2, 4),
    }


class Shares(nn.Module):
    """A submodule that is called twice, and a weight that two have."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.lstm = nn.Embedding(7, 3), nn.LSTM(3, 3)
        self.out = nn.Linear(3, 7, bias=False)
        self.out.weight = self.embed.weight

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.lstm(self.lstm(self.embed(tokens))[0])[0]
        return self.out(x)


def test_what_is_shared_stays_one_blob() -> None:
    model = traced(Shares(), torch.arange(6).reshape(3, 2))
    named = {
        layer.name: [param.name for param in layer.param] for layer in model.net.definition.layer
    }
    assert named["embed"] == named["out"] == ["embed.weight"]
    assert named["lstm"] == named["lstm_1"]
    assert named["lstm"][0] == "lstm.weight_ih_l0"
    assert model.params["embed"][0].data_ptr() == model.params["out"][0].data_ptr()


def test_what_is_not_learned_is_frozen() -> None:
    module = nn.Sequential(nn.Conv2d(2, 2, 1), nn.BatchNorm2d(2), nn.Upsample(scale_factor=2))
    module[0].bias.requires_grad_(False)
    model = traced(module, torch.randn(2, 2, 3, 3))
    rates = {
        layer.name: [param.lr_mult for param in layer.param]
        for layer in model.net.definition.layer
        if layer.param
    }
    assert rates == {"0": [1, 0], "1": [0, 0, 0], "2": [0]}
