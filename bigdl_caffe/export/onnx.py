"""A net as an ONNX file, by torch's own exporter.

ONNX's operators keep nothing from run to run: the file computes what the net computes after
`Model.reset`. A net with layers that no operators express is refused, all of them at once.
"""

from __future__ import annotations

import logging
import warnings
from ast import literal_eval
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr
from io import StringIO
from typing import Any

from torch import Tensor, nn

from bigdl_caffe.errors import CaffeError
from bigdl_caffe.export.onnx_layers import refuse
from bigdl_caffe.export.onnx_translate import translate
from bigdl_caffe.format.paths import PathLike, atomic_write
from bigdl_caffe.nn.net import CaffeNet

LARGEST = 2**31 - 1
"""Bytes that protobuf, and so an ONNX file, holds."""


def write_onnx(
    module: CaffeNet, path: PathLike, opset: int | None = None, any_batch: bool = False
) -> None:
    """Write ``module`` as one ONNX file: whole or not at all.

    Inputs and outputs are the net's, under their blobs' names; an input that is an output
    too, because a layer works in place, is called "blob~0". Weights are called as in the
    module's state dict, and nodes after their layers.

    Parameters
    ----------
    module : CaffeNet
        Its recurrent layers forget what earlier runs left in them.
    path : path or URI
        Replaced if it is there.
    opset : int, optional
        Version of ONNX's operators; by default the one that the exporter is made for.
    any_batch : bool
        Whether inputs may have any number of rows. Other sizes are the declared ones.

    Raises
    ------
    UnsupportedLayerError
        For layers that ONNX cannot express: all of them, with the reasons.
    CaffeError
        Where the packages of the extra "onnx" are missing, the exporter does not know
        ``opset``, or the file would be larger than 2 GiB.
    """
    _check_packages()
    _check_size(module)
    net = module.net
    names = [f"{blob}~0" if blob in net.outputs else blob for blob in net.inputs]
    positional = _Positional(module, tuple(net.inputs), net.outputs)
    program = _program(positional, names, net.outputs, any_batch, opset)
    with atomic_write(path) as out:
        out.write(program.model_proto.SerializeToString())


def for_engines(
    module: CaffeNet, inputs: Sequence[str], fetch: Sequence[str], any_batch: bool
) -> tuple[bytes, bytes, tuple[str, ...]]:
    """Return ``module`` in ONNX's operators, without its weights, of whatever size they are.

    Parameters
    ----------
    module : CaffeNet
    inputs : sequence of str
        Blobs; in the graph they are ``in0``, ``in1``...
    fetch : sequence of str
        Blobs; ``out0``...
    any_batch : bool
        As for `write_onnx`.

    Returns
    -------
    (bytes, bytes, tuple of str)
        A ModelProto in which the weights are external data; one in which they are inputs,
        behind the others; their names, which are keys of the module's state dict.

    Raises
    ------
    UnsupportedLayerError, CaffeError
        As `write_onnx` does.
    """
    _check_packages()
    import onnx_ir  # the exporter's own

    names, tops = (
        [f"{end}{i}" for i, _ in enumerate(b)] for end, b in (("in", inputs), ("out", fetch))
    )
    positional = _Positional(module, tuple(inputs), tuple(fetch))
    model = _program(positional, names, tops, any_batch, None).model
    kept, known = model.graph.initializers, module.state_dict()
    weights = tuple(name for name, value in kept.items() if _is(value.const_value, known.get(name)))
    for name in weights:
        shape, kind = onnx_ir.Shape(known[name].shape), kept[name].dtype
        kept[name].const_value = onnx_ir.ExternalTensor(
            "weights", 0, known[name].nbytes, kind, shape=shape, name=name
        )
    named = onnx_ir.to_proto(model).SerializeToString()
    for name in weights:
        value = kept.pop(name)
        value.const_value = None
        model.graph.inputs.append(value)
    return named, onnx_ir.to_proto(model).SerializeToString(), weights


def _is(value: Any, weight: Tensor | None) -> bool:
    """Return whether an initializer is a weight as it is, in the weight's own memory."""
    if weight is None or not weight.numel() or not weight.is_contiguous():
        return False
    raw = getattr(value, "raw", None)
    return isinstance(raw, Tensor) and raw.data_ptr() == weight.data_ptr()


def _check_packages() -> None:
    try:
        import onnx  # noqa: F401  (it is torch's exporter that imports them when it runs)
        import onnxscript  # noqa: F401  (as onnx)
    except ImportError:
        raise CaffeError(
            "writing ONNX needs onnx and onnxscript: pip install bigdl-caffe[onnx]"
        ) from None


def _check_size(module: CaffeNet) -> None:
    size = sum(blob.nbytes for blob in module.state_dict().values())
    if size > LARGEST:
        raise CaffeError(
            f"the weights take {size} bytes, and an ONNX file holds {LARGEST}: write them with "
            f"to_safetensors, or give to_torch() to torch.onnx.export with external data"
        )


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep from the user what the exporter says to torch's developers.

    It prints, say, the whole graph before a layer that it cannot follow.
    """
    logs = [logging.getLogger(name) for name in ("torch.onnx", "torch.fx", "onnxscript")]
    levels = [log.level for log in logs]
    for log in logs:
        log.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), redirect_stderr(StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        for log, level in zip(logs, levels, strict=True):
            log.setLevel(level)


class _Positional(nn.Module):
    """The net with a tensor for each input, and one back for each blob that is asked for."""

    def __init__(self, net: CaffeNet, inputs: tuple[str, ...], fetch: tuple[str, ...]) -> None:
        super().__init__()
        self.net, self.inputs, self.fetch = net, inputs, fetch

    def forward(self, *bottoms: Tensor) -> tuple[Tensor, ...]:
        tops = self.net(dict(zip(self.inputs, bottoms, strict=True)), self.fetch)
        return tuple(tops[blob] for blob in self.fetch)


def _program(
    module: _Positional,
    names: Sequence[str],
    tops: Sequence[str],
    any_batch: bool,
    opset: int | None,
) -> Any:
    """Return the exporter's ONNXProgram, tidied."""
    net = module.net
    shapes = [net.net.inputs[blob] for blob in module.inputs]
    rows = [(2, *shape[1:]) if any_batch else shape for shape in shapes]
    how = {"input_names": list(names), "output_names": list(tops), "opset_version": opset}
    net.reset()
    with _quiet():
        try:
            program = translate(module, rows, any_batch, **how)
        except Exception as error:  # whatever the exporter, or a layer within it, comes upon
            refuse(net, error)
        finally:
            net.reset()  # the exporter leaves tensors without numbers in recurrent layers
    _tidy(program.model)
    made = program.model.opset_imports[""]
    if made != (opset or made):
        raise CaffeError(
            f"torch's exporter writes this net in opset {made}, which cannot be turned into opset "
            f"{opset}: leave opset out, or give another"
        )
    return program


def _tidy(model: Any) -> None:
    """Call weights and nodes after their layers, and leave out what the exporter notes.

    Those notes are lines of source, with the paths that they have on this machine.
    """
    for weight in list(model.graph.initializers.values()):
        weight.name = weight.name.removeprefix("net.")
    model.graph.metadata_props.clear()
    for node in model.graph:
        scopes = literal_eval(node.metadata_props.get("pkg.torch.onnx.name_scopes", "[]"))
        layer = scopes[2].removeprefix("net.") if len(scopes) > 3 else ""
        node.name = f"{layer}/{node.name}" if layer else node.name
        node.metadata_props.clear()
