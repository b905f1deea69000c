"""A net as one torch module: named blobs in, named blobs out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from bigdl_caffe.errors import CaffeError
from bigdl_caffe.graph.ir import Net
from bigdl_caffe.graph.names import unique_names
from bigdl_caffe.graph.slice import ancestors, check_blobs, values_read


@dataclass(frozen=True)
class Step:
    """Run submodule ``name`` on ``reads``; name its tops ``writes``; then forget ``frees``.

    No gradient goes back to the ``cut`` ones of ``reads``.
    """

    name: str
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    frees: tuple[str, ...]
    cut: frozenset[int]

    def run(self, module: Callable[..., object], values: dict[str, Tensor]) -> None:
        """Put the tops into ``values``, and take out what is not needed any more."""
        if not self.reads and all(value in values for value in self.writes):
            return  # a layer that makes up its data, and the caller fed some instead
        bottoms = [values[value] for value in self.reads]
        for i in self.cut:
            bottoms[i] = bottoms[i].detach()
        made = module(*bottoms)
        tops = (made,) if isinstance(made, Tensor) else made
        if not isinstance(tops, (tuple, list)) or len(tops) != len(self.writes):
            raise CaffeError(
                f"{module} gives {type(made).__name__} for {', '.join(self.writes)}: it "
                "has to give a tensor, or a tuple of one a blob"
            )
        for value, top in zip(self.writes, tops, strict=True):
            values.setdefault(value, top)
        for value in self.frees:
            del values[value]


@dataclass(frozen=True)
class Plan:
    """What it takes to compute some blobs: input blobs with their values, and steps."""

    feeds: Mapping[str, str]
    steps: tuple[Step, ...]


class CaffeNet(nn.Module):
    """Runs a net's layers in Caffe's order.

    Submodules are called as the layers are, but for what torch forbids: "." becomes
    "_"; a second layer of a name, or one of a name torch needs, gets "~1".

    Parameters
    ----------
    net : Net
        With values named.
    modules : sequence of (nn.Module or None)
        One for each layer; None for layers whose tops the caller feeds.

    Attributes
    ----------
    generated : frozenset of str
        Blobs that a layer makes from nothing, as DummyData does. Those that are inputs
        may be fed, and need not.
    """

    def __init__(self, net: Net, modules: Sequence[nn.Module | None]) -> None:
        super().__init__()
        self.net = net
        self._names = submodule_names(net)
        for name, module in zip(self._names, modules, strict=True):
            if module is not None:
                self.add_module(name, module)
        self.generated = frozenset(
            blob
            for layer, module in zip(net.layers, modules, strict=True)
            if module is not None and not layer.bottoms
            for blob in layer.tops
        )
        # The outputs' at once: torch.compile follows a plan, and not how it is made.
        self._plans = {net.outputs: self._plan(net.outputs)}

    def forward(
        self, feed: Mapping[str, Tensor], fetch: str | Sequence[str] | None = None
    ) -> dict[str, Tensor]:
        """Run what ``fetch`` needs.

        Parameters
        ----------
        feed : mapping of str to Tensor
            The net's input blobs, each in its own shape (N, ...).
        fetch : sequence of str, optional
            Blobs to return; the net's outputs by default.

        Returns
        -------
        dict of str to Tensor
            In the order of ``fetch``.

        Raises
        ------
        CaffeError
            When ``fetch`` names a blob that is not there, or needs one that is not fed.
        """
        wanted = self.net.outputs if fetch is None else blob_list(fetch)
        plan = self.plan(wanted)
        missing = [b for b in plan.feeds if b not in feed and b not in self.generated]
        if missing:
            raise CaffeError(
                *(f"input '{b}' is not fed; fed are: {', '.join(feed)}" for b in missing)
            )
        values = {value: feed[blob] for blob, value in plan.feeds.items() if blob in feed}
        for step in plan.steps:
            step.run(getattr(self, step.name), values)
        return {blob: values[blob] for blob in wanted}

    def loss(self, feed: Mapping[str, Tensor]) -> Tensor:
        """Run what the net's losses need and return their weighted sum, as Net::Forward does.

        Parameters
        ----------
        feed : mapping of str to Tensor
            As for `forward`; labels too.

        Returns
        -------
        Tensor
            Scalar: the sum of every top that has a ``loss_weight``, times that weight.
            ``backward()`` then leaves Caffe's gradients in the parameters.

        Raises
        ------
        CaffeError
            When the net has no losses: nets load with them in the TRAIN phase, or when
            ``outputs`` names their tops.
        """
        if not self.net.losses:
            raise CaffeError(
                "this net has no losses: load it with phase='TRAIN', or name their tops in "
                "outputs=[...]"
            )
        tops = self(feed, tuple(self.net.losses))
        return torch.stack([tops[v].sum() * w for v, w in self.net.losses.items()]).sum()

    def reset(self) -> None:
        """Let layers that carry a state from one forward pass to the next begin anew.

        As LSTM and RNN do in Caffe, where only ``cont`` = 0 cuts the state off.
        """
        for module in self.layer_modules():
            forget = getattr(type(module), "reset", None)
            if forget is not None:
                forget(module)

    def layer_modules(self) -> list[nn.Module | None]:
        """Return the module of each of the net's layers, None where it is fed."""
        return [self._modules.get(name) for name in self._names]

    def plan(self, wanted: tuple[str, ...]) -> Plan:
        """Return the steps to the blobs ``wanted``; made once.

        Raises
        ------
        CaffeError
            When there is no such blob.
        """
        plan = self._plans.get(wanted)
        if plan is None:
            plan = self._plans[wanted] = self._plan(wanted)
        return plan

    def _plan(self, wanted: tuple[str, ...]) -> Plan:
        """Return the steps to ``wanted``, each value freed behind its last reader."""
        # Every value is written once, so its writes tell a layer from all others.
        writes = (layer.writes for layer in self.net.layers)
        names = dict(zip(writes, self._names, strict=True))
        check_blobs(wanted, self.net.shapes)
        layers = ancestors(self.net.layers, wanted)
        read = values_read(layers, wanted)
        feeds = {blob: value for blob, value in self.net.fed.items() if value in read}
        kept = set(wanted)
        steps = []
        for layer in reversed(layers):
            name = names[layer.writes]
            if name not in self._modules:
                continue
            frees = tuple({v for v in (*layer.reads, *layer.writes) if v not in kept})
            kept.update(frees)
            cut = frozenset(i for i, on in enumerate(layer.param.propagate_down) if not on)
            steps.append(Step(name, layer.reads, layer.writes, frees, cut))
        return Plan(feeds, tuple(reversed(steps)))


def blob_list(names: str | Iterable[str]) -> tuple[str, ...]:
    """Return blob names as a tuple; one name alone counts as a list of one."""
    return (names,) if isinstance(names, str) else tuple(names)


def submodule_names(net: Net) -> list[str]:
    """Return a valid, unique submodule name for each layer of ``net``."""
    return unique_names(
        ((layer.name or layer.type).replace(".", "_") for layer in net.layers), RESERVED
    )


RESERVED = (
    frozenset(dir(CaffeNet))
    | frozenset(dir(nn.Module()))
    | {"net", "generated", "_names", "_plans"}
)
"""Names that torch or `CaffeNet` use for themselves, and a layer may have all the same."""
