"""Files of old forms rewritten, as Caffe's tools upgrade_*_proto_text and _binary do."""

from __future__ import annotations

from collections.abc import Sequence

from google.protobuf.message import Message

from bigdl_caffe.errors import CaffeFormatError, NetError, ParseError
from bigdl_caffe.format import paths
from bigdl_caffe.format._pb import caffe_pb2 as pb
from bigdl_caffe.format.prototxt import format_message, parse
from bigdl_caffe.format.sniff import foreign_magic, looks_like_text
from bigdl_caffe.format.verbatim import rewrite
from bigdl_caffe.graph.upgrade import upgrade

SOLVER_TYPES = {
    pb.SolverParameter.SGD: "SGD",
    pb.SolverParameter.NESTEROV: "Nesterov",
    pb.SolverParameter.ADAGRAD: "AdaGrad",
    pb.SolverParameter.RMSPROP: "RMSProp",
    pb.SolverParameter.ADADELTA: "AdaDelta",
    pb.SolverParameter.ADAM: "Adam",
    pb.SolverParameter.SAG: "SAG",
}


def upgrade_file(source: paths.PathLike, target: paths.PathLike) -> tuple[str, Sequence[str]]:
    """Write the file ``source`` to ``target`` in today's form: whole or not at all.

    A net's definition becomes V2 text, a solver's has its ``type`` as a word, and a
    caffemodel holds V2 layers; its blobs are copied byte by byte, so that doubles, half
    floats and old 4-D shapes stay what they are.

    Parameters
    ----------
    source, target : path or URI
        May be the same.

    Returns
    -------
    str
        What the file is, in words.
    sequence of str
        What could not be carried over, one sentence each.

    Raises
    ------
    ParseError, CaffeFormatError
        For a file that is none of the three, or damaged.
    NetError
        As `upgrade` does, and for a solver with both ``solver_type`` and ``type``.
    """
    with paths.open_input(source) as file:
        head = file.read(256)
    kind = foreign_magic(head)
    if kind is not None:
        raise CaffeFormatError(
            f"a prototxt or a binary caffemodel is wanted, but this is {kind}", str(source), 0
        )
    if head and not looks_like_text(head):
        return _weights(source, target)
    return _text(paths.read_bytes(source), source, target)


def upgrade_solver(solver: pb.SolverParameter) -> pb.SolverParameter:
    """Return ``solver`` with ``type`` in place of the old ``solver_type`` (UpgradeSolverType).

    Raises
    ------
    NetError
        When it has both.
    """
    out = pb.SolverParameter()
    out.CopyFrom(solver)
    if not out.HasField("solver_type"):
        return out
    if out.HasField("type"):
        raise NetError(
            "the solver has the old field solver_type and the new field type: keep one of them"
        )
    out.type = SOLVER_TYPES[out.solver_type]
    out.ClearField("solver_type")
    return out


def _weights(source: paths.PathLike, target: paths.PathLike) -> tuple[str, Sequence[str]]:
    notes: list[str] = []

    def change(net: pb.NetParameter) -> pb.NetParameter:
        upgraded = upgrade(net)
        notes.extend(upgraded.notes)
        return upgraded.net

    rewrite(source, target, change)
    return "a caffemodel", notes


def _text(raw: bytes, source: paths.PathLike, target: paths.PathLike) -> tuple[str, Sequence[str]]:
    solver = _solver(raw, source)
    if solver is not None:
        _write(target, upgrade_solver(solver))
        return "a solver", ()
    upgraded = upgrade(parse(raw, pb.NetParameter, str(source)))
    _write(target, upgraded.net)
    return "a net", upgraded.notes


def _write(target: paths.PathLike, message: Message) -> None:
    with paths.atomic_write(target) as file:
        file.write(format_message(message).encode())


def _solver(raw: bytes, source: paths.PathLike) -> pb.SolverParameter | None:
    """Return the solver that a text is; None for a net's, and for one that cannot be read."""
    try:
        solver = parse(raw, pb.SolverParameter, str(source))
    except ParseError:
        return None
    return solver if solver.ListFields() else None
