"""From nodes to a model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

from bigdl_caffe.errors import CaffeError
from bigdl_caffe.format._pb import caffe_pb2 as pb
from bigdl_caffe.format.arrays import ArrayWeights
from bigdl_caffe.layers.assemble import Options
from bigdl_caffe.layers.registry import Layer, registry
from bigdl_caffe.nodes.graph import Call, Input, Node

if TYPE_CHECKING:
    from bigdl_caffe.model import Model


def from_nodes(
    inputs: Node | Sequence[Node],
    outputs: Node | Sequence[Node],
    *,
    name: str = "",
    phase: str = "TEST",
    converters: Mapping[str, type[Layer]] | None = None,
) -> Model:
    """Return the model from ``inputs`` to ``outputs``, as BigDL's ``Model(inputs, outputs)``.

    Layers keep the weights they were given; the others begin with their fillers.

    Parameters
    ----------
    inputs : Node or sequence of Node
        Every `Input` that the outputs need, in the order in which arrays will be fed.
    outputs : Node or sequence of Node
        In the order in which arrays will be given back.
    name : str
        The net's name.
    phase : {"TEST", "TRAIN"}
        How BatchNorm, Dropout and the like behave.
    converters : mapping of str to Layer subclass, optional
        As of `bigdl_caffe.Model.load_caffe_model`.

    Raises
    ------
    CaffeError
        For inputs that are missing, too many or no `Input`, and names given twice.
    NetError, ShapeError, WeightMismatchError
        For layers that do not fit, as when the net is loaded from a file.
    """
    from bigdl_caffe.load import build  # load makes Models, and Model has this function

    first, last = _nodes(inputs, "inputs"), _nodes(outputs, "outputs")
    calls = _in_order(first, last)
    names = _names(calls)
    net = pb.NetParameter(name=name or None, layer=[_message(call, names) for call in calls])
    tops = tuple(dict.fromkeys(_blob(node, names) for node in last))
    weights = {names[c]: c.layer.weights for c in calls if c.layer.weights is not None}
    source = ArrayWeights(weights, "the weights given") if weights else None
    own = {**_own_types(calls), **(converters or {})}
    return build(net, source, Options(phase, outputs=tops), own, strict=False)


def _nodes(given: Node | Sequence[Node], what: str) -> list[Node]:
    nodes = [given] if isinstance(given, Node) else list(given)
    for node in nodes:
        if not isinstance(node, Node):
            raise CaffeError(f"{what} has {node!r}: give nodes, which layers called with nodes are")
    if not nodes:
        raise CaffeError(f"{what} is empty: give a node at least")
    return nodes


def _in_order(inputs: Sequence[Node], outputs: Sequence[Node]) -> list[Call]:
    """Return what the outputs need, the inputs first and each layer behind those it reads."""
    found: dict[Call, Node] = {}
    stack = [(node, False) for node in reversed(outputs)]
    while stack:  # and not a recursion: nets are deeper than Python's stack
        node, read = stack.pop()
        if read:
            found.setdefault(node.call, node)
        elif node.call not in found:
            stack.append((node, True))
            stack += [(bottom, False) for bottom in reversed(node.call.bottoms)]
    _check_inputs(inputs, found)
    fed = [node.call for node in inputs]
    return [*fed, *(call for call in found if call not in fed)]


def _check_inputs(inputs: Sequence[Node], found: Mapping[Call, Node]) -> None:
    given = [node.call for node in inputs]
    problems = [
        f"inputs has {node}: make it an Input(name, shape=...), and apply the layer to that"
        for node in inputs
        if not isinstance(node, Input)
    ]
    problems += [
        f"the outputs do not need {call} of inputs: leave it out"
        for call in dict.fromkeys(given)
        if call not in found
    ]
    problems += [
        f"the outputs need {call}, which inputs lacks: give it too"
        for call, node in found.items()
        if isinstance(node, Input) and call not in given
    ]
    problems += [f"inputs has {call} twice" for call, n in Counter(given).items() if n > 1]
    if problems:
        raise CaffeError(*problems)


def _names(calls: Sequence[Call]) -> dict[Call, str]:
    """Return each layer's own name, or its type and the first number that is free."""
    given = Counter(call.layer.param.name for call in calls if call.layer.param.name)
    twice = [name for name, times in given.items() if times > 1]
    if twice:
        raise CaffeError(
            *(
                f"{given[name]} layers are called '{name}': call each layer of a graph by a name "
                f"of its own; to share weights, give each param=[{{'name': 'shared'}}]"
                for name in twice
            )
        )
    numbers: Counter[str] = Counter()
    return {
        call: call.layer.param.name or _free(call.layer.param.type, numbers, given)
        for call in calls
    }


def _free(kind: str, numbers: Counter[str], taken: Collection[str]) -> str:
    while True:
        numbers[kind] += 1
        name = f"{kind}{numbers[kind]}"
        if name not in taken:
            return name


def _blob(node: Node, names: Mapping[Call, str]) -> str:
    name = names[node.call]
    return name if node.call.layer.tops == 1 else f"{name}_{node.index}"


def _message(call: Call, names: Mapping[Call, str]) -> pb.LayerParameter:
    param = pb.LayerParameter()
    param.CopyFrom(call.layer.param)
    param.name = names[call]
    param.bottom.extend(_blob(node, names) for node in call.bottoms)
    param.top.extend(_blob(Node(call, i), names) for i in range(call.layer.tops))
    return param


def _own_types(calls: Sequence[Call]) -> dict[str, type[Layer]]:
    """Return the classes that the registry does not have under their types."""
    registered = registry()
    own: dict[str, type[Layer]] = {}
    for kind, cls in ((call.layer.param.type, call.layer.cls) for call in calls):
        if kind == "Python" or registered.get(kind) is cls:
            continue
        if own.setdefault(kind, cls) is not cls:
            raise CaffeError(f"two classes are of type '{kind}': give them different names")
    return own
