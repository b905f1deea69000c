"""Which layers a net has in a phase, at a level, with stages: Caffe's Net::FilterNet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bigdl_caffe.errors import NetError
from bigdl_caffe.format._pb import caffe_pb2 as pb


@dataclass(frozen=True)
class State:
    """What include and exclude rules are held against: Caffe's NetState.

    Attributes
    ----------
    phase : str
        "TRAIN" or "TEST".
    level : int
    stages : tuple of str
    """

    phase: str = "TEST"
    level: int = 0
    stages: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.phase not in ("TRAIN", "TEST"):
            raise NetError(f"phase is '{self.phase}': it must be 'TRAIN' or 'TEST'")


def filter_layers(
    layers: Sequence[pb.LayerParameter], state: State
) -> tuple[list[pb.LayerParameter], dict[str, str]]:
    """Return the layers that ``state`` includes, and which of the others makes each blob.

    Raises
    ------
    NetError
        For layers with both include and exclude rules, naming each.
    """
    both = [layer.name for layer in layers if layer.include and layer.exclude]
    if both:
        raise NetError(
            *(
                f"layer '{name}' has include and exclude rules: give either kind, not both"
                for name in both
            )
        )
    kept = [layer for layer in layers if _included(layer, state)]
    left_out = [layer for layer in layers if not _included(layer, state)]
    return kept, {top: layer.name for layer in left_out for top in layer.top}


def _included(layer: pb.LayerParameter, state: State) -> bool:
    if layer.include:
        return any(_meets(rule, state) for rule in layer.include)
    return not any(_meets(rule, state) for rule in layer.exclude)


def _meets(rule: pb.NetStateRule, state: State) -> bool:
    return (
        (not rule.HasField("phase") or rule.phase == pb.Phase.Value(state.phase))
        and (not rule.HasField("min_level") or state.level >= rule.min_level)
        and (not rule.HasField("max_level") or state.level <= rule.max_level)
        and all(stage in state.stages for stage in rule.stage)
        and not any(stage in state.stages for stage in rule.not_stage)
    )
