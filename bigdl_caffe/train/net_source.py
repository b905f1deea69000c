"""Which nets a solver names, and in which states: InitTrainNet and InitTestNets of solver.cpp."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bigdl_caffe.format._pb import caffe_pb2 as pb
from bigdl_caffe.graph.phase import State

TRAIN_FIELDS = ("net", "net_param", "train_net", "train_net_param")


@dataclass(frozen=True)
class NetSource:
    """Where the definition of a net is, and what the solver says of its state.

    Attributes
    ----------
    field : str
        The solver's field that names it: "net", "train_net_param", ...
    path : str
        The file, as it stands in the solver: relative to the working directory, as in
        Caffe. "" for a net that stands in the solver itself.
    inline : NetParameter or None
        That net, as it stands there.
    phase : str
        "TRAIN" or "TEST": what holds unless the net or the solver says otherwise.
    given : NetState or None
        What ``train_state`` or ``test_state`` says.
    """

    field: str
    path: str
    inline: pb.NetParameter | None
    phase: str
    given: pb.NetState | None = None

    def state(self, net: pb.NetParameter) -> State:
        """Return the state to filter ``net``, the definition that is there, with.

        The solver's phase, then what the net says of its own state, then what the solver
        says: each only where it says something, and stages add up (solver.cpp).
        """
        merged = pb.NetState(phase=self.phase)
        merged.MergeFrom(net.state)
        if self.given is not None:
            merged.MergeFrom(self.given)
        return State(pb.Phase.Name(merged.phase), merged.level, tuple(merged.stage))


def train_source(solver: pb.SolverParameter) -> NetSource:
    """Return the train net of a ``solver`` that `naming_problems` finds nothing wrong with."""
    field = next(name for name in TRAIN_FIELDS if solver.HasField(name))
    given = solver.train_state if solver.HasField("train_state") else None
    return _source(field, getattr(solver, field), "TRAIN", given)


def test_sources(solver: pb.SolverParameter) -> tuple[NetSource, ...]:
    """Return the test nets of such a ``solver``, in Caffe's order.

    Those of test_net_param, those of test_net, and then the train net's own definition as
    often as there is a test_iter left.
    """
    named: list[tuple[str, str | pb.NetParameter]]
    named = [("test_net_param", net) for net in solver.test_net_param]
    named += [("test_net", path) for path in solver.test_net]
    general = "net" if solver.HasField("net") else "net_param"
    named += [(general, getattr(solver, general))] * (len(solver.test_iter) - len(named))
    states: Sequence[pb.NetState | None] = solver.test_state or [None] * len(named)
    return tuple(
        _source(field, net, "TEST", state)
        for (field, net), state in zip(named, states, strict=True)
    )


def naming_problems(solver: pb.SolverParameter) -> Iterator[str]:
    """Yield what is wrong with the nets that ``solver`` names, or with how often they test."""
    given = [name for name in TRAIN_FIELDS if solver.HasField(name)]
    if len(given) != 1:
        found = f"there are {' and '.join(given)}" if given else "there is no train net"
        yield f"{found}: give exactly one of {', '.join(TRAIN_FIELDS)}"
    yield from (
        f"{name} is empty: give the path of a prototxt"
        for name in ("net", "train_net")
        if solver.HasField(name) and not getattr(solver, name)
    )
    yield from _test_problems(solver, bool({"net", "net_param"}.intersection(given)))


def _test_problems(solver: pb.SolverParameter, general: bool) -> Iterator[str]:
    tests, iters = len(solver.test_net_param) + len(solver.test_net), len(solver.test_iter)
    if iters < tests or (iters > tests and not general):
        yield (
            f"there are {tests} test nets (test_net and test_net_param) and {iters} test_iter: "
            "give one test_iter for each"
            + (", and one more for each time that net itself is to be a test net" * general)
        )
    count = max(tests, iters)
    if len(solver.test_state) not in (0, count):
        yield (
            f"there are {count} test nets and {len(solver.test_state)} test_state: give one for "
            "each, or none"
        )
    if count and solver.test_interval <= 0:
        yield (
            f"test_interval is {solver.test_interval} and there are test nets: say after how "
            "many iterations to test, or leave out test_iter and the test nets"
        )


def _source(
    field: str, net: str | pb.NetParameter, phase: str, state: pb.NetState | None
) -> NetSource:
    path, inline = (net, None) if isinstance(net, str) else ("", net)
    return NetSource(field, path, inline, phase, state)
