"""Changes to a net's definition that training makes: layers that stay, and metrics to test by."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase

from torch import Tensor, nn

from bigdl_caffe.errors import CaffeError
from bigdl_caffe.format._pb import caffe_pb2 as pb
from bigdl_caffe.graph.phase import State, filter_layers
from bigdl_caffe.model import Model

METRICS = "loss, accuracy, top5 (or any other number)"
_JUDGED = ("SoftmaxWithLoss", "MultinomialLogisticLoss", "InfogainLoss", "HingeLoss")
_LOSS = "loss"


def frozen(
    definition: pb.NetParameter, model: Model, patterns: Sequence[str] = ()
) -> pb.NetParameter:
    """Return ``definition`` with lr_mult 0 for the layers that ``patterns`` name.

    And for what ``model.freeze`` holds back: who builds the net anew knows nothing of that.

    Parameters
    ----------
    definition : NetParameter
    model : Model
        A net of it, which tells how many blobs a layer has.
    patterns : sequence of str
        Names of layers, or patterns of them: "conv*", "block[12]/*".

    Raises
    ------
    CaffeError
        A pattern fits no layer that has weights.
    """
    blobs = _blobs(model)
    unused = [p for p in patterns if not any(fnmatchcase(name, p) for name in blobs)]
    if unused:
        raise CaffeError(
            f"freeze has {', '.join(unused)}, which no layer with weights is called: there are "
            f"{', '.join(blobs)}"
        )
    changed = pb.NetParameter()
    changed.CopyFrom(definition)
    for layer in changed.layer:
        named = any(fnmatchcase(layer.name, pattern) for pattern in patterns)
        for index, blob in enumerate(blobs.get(layer.name, ())):
            if named or (isinstance(blob, nn.Parameter) and not blob.requires_grad):
                while len(layer.param) <= index:
                    layer.param.add()
                layer.param[index].lr_mult = 0
    return changed


def with_metrics(definition: pb.NetParameter, metrics: Sequence[str]) -> pb.NetParameter:
    """Return ``definition`` with an Accuracy layer in the TEST phase for each of ``metrics``.

    One that the net has already, by the blob's name, stays as it is.

    Parameters
    ----------
    definition : NetParameter
    metrics : sequence of str
        "loss", for which nothing is needed; "accuracy"; "top5" and the like.

    Raises
    ------
    CaffeError
        A metric is none of these, or the net has no loss that scores classes.
    """
    tops = {metric: _top_k(metric) for metric in metrics if metric != _LOSS}
    test, _ = filter_layers(definition.layer, State("TEST"))
    made = {top for layer in test for top in layer.top}
    wanted = {metric: k for metric, k in tops.items() if metric not in made}
    changed = pb.NetParameter()
    changed.CopyFrom(definition)
    if not wanted:
        return changed
    judged = [layer for layer in test if layer.type in _JUDGED]
    if not judged:
        raise CaffeError(
            f"metrics has {', '.join(wanted)}, and the net has none of {', '.join(_JUDGED)} in its "
            "TEST phase, whose scores could be judged: put an Accuracy layer into the net"
        )
    for metric, k in wanted.items():
        layer = changed.layer.add(name=metric, type="Accuracy", top=[metric])
        layer.bottom.extend(judged[-1].bottom[:2])
        layer.accuracy_param.top_k = k
        layer.include.add(phase=pb.TEST)
    return changed


def _top_k(metric: str) -> int:
    found = re.fullmatch(r"accuracy|top([1-9]\d*)", metric)
    if found is None:
        raise CaffeError(f"metrics has '{metric}': give some of {METRICS}")
    return int(found[1] or 1)


def _blobs(model: Model) -> Mapping[str, Sequence[Tensor]]:
    found: dict[str, list[Tensor]] = {}
    for slot, blob in model.tensors():
        found.setdefault(model.net.layers[slot.layer].name, []).append(blob)
    return found
