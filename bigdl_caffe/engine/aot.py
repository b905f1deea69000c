"""Programs as machine code in a folder: made by torch's ahead-of-time compiler, loaded without it.

A folder holds the library and, beside it, the frozen weights, packed as the library wants them.
torch's own packages carry the weights within the library, from which each process copies them
(twice the weights' size in private memory for ResNet-50); here processes map the same files.
"""

from __future__ import annotations

import shutil
import socket
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from bigdl_caffe.engine.packed import can_map, read_packed, write_packed
from bigdl_caffe.engine.program import Program, ProgramNet
from bigdl_caffe.errors import CaffeError

LIBRARY, PACKED, PLAIN, COUNT = "net.so", "weights.packed", "weights.pt", "operations"


class Listed(nn.Module):
    """A program that takes and returns tensors in the order of its feeds and outputs.

    Parameters
    ----------
    program : Program
    """

    def __init__(self, program: Program) -> None:
        super().__init__()
        self.net = ProgramNet(program)
        self.feeds, self.outputs = tuple(program.feeds), tuple(program.outputs)

    def forward(self, *feeds: Tensor) -> tuple[Tensor, ...]:
        """Run the program."""
        tops = self.net(dict(zip(self.feeds, feeds, strict=True)))
        return tuple(tops[blob] for blob in self.outputs)


@dataclass(frozen=True)
class Library:
    """A compiled program.

    Attributes
    ----------
    runner : object
        torch's.
    count : int
        How many of the program's operations it does: the first ones.
    memory : tuple
        What the weights lie in: the runner does not keep them.
    """

    runner: Any
    count: int
    memory: tuple[object, ...] = ()

    def __call__(self, feeds: Sequence[Tensor]) -> list[Tensor]:
        """Return the outputs for contiguous inputs of the shapes it was compiled for."""
        tops: list[Tensor] = self.runner.run(list(feeds))
        return tops


def compile_into(folder: Path, program: Program, feeds: Sequence[Tensor]) -> None:
    """Make the folder of ``program`` for inputs of the shapes of ``feeds``.

    Raises
    ------
    CaffeError
        There is no C++ compiler, or torch cannot compile one of the layers.
    """
    check_compiler()
    folder.mkdir()
    work = folder / "work"
    try:
        count = compilable(program, feeds)
        (folder / COUNT).write_text(str(count), encoding="ascii")
        program, _ = program.cut(count)
        made = _compiled(program, tuple(feeds), work)
        shutil.copy(_only(made, ".so"), folder / LIBRARY)
        blobs = [name for name in made if name.endswith(".blob") and Path(name).stat().st_size]
        if blobs:
            _write_weights(folder, blobs[0])
    except Exception as error:  # torch's compiler raises what its parts raise
        first = str(error).strip().splitlines()[:1]
        raise CaffeError(
            f"the net cannot be compiled on {socket.gethostname()}: "
            f"{type(error).__name__}: {' '.join(first)}; engine='torch' runs it without a compiler"
        ) from error
    finally:
        shutil.rmtree(work, ignore_errors=True)


def load(folder: Path) -> Library:
    """Load what `compile_into` made; no compiler is started, no weight is copied."""
    runner = _runner(folder / LIBRARY)
    count = int((folder / COUNT).read_text(encoding="ascii"))
    if not (folder / PLAIN).exists():
        return Library(runner, count)
    weights = read_packed(folder / PACKED) if (folder / PACKED).exists() else {}
    plain = torch.load(folder / PLAIN, mmap=True, weights_only=True)
    names = runner.get_constant_names_to_original_fqns()
    own = {name: weights[key] if key in weights else plain[key] for name, key in names.items()}
    runner.update_constant_buffer(own, False, True, True)
    return Library(runner, count, (weights, plain, own))


def check_compiler() -> None:
    """Raise a CaffeError where torch finds no C++ compiler, or has none of its own."""
    where = socket.gethostname()
    try:
        from torch._inductor.cpp_builder import get_cpp_compiler
    except ImportError:
        raise CaffeError(
            f"torch {torch.__version__} on {where} has no ahead-of-time compiler: "
            "install torch 2.6 or later, or use engine='torch'"
        ) from None
    try:
        get_cpp_compiler()
    except Exception as error:  # InvalidCxxCompiler, which has moved between versions
        raise CaffeError(
            f"engine 'compiled' needs a C++ compiler on {where}, and there is none: install g++ "
            "there (or set CXX), or use engine='torch'"
        ) from error


def maps_weights() -> bool:
    """Return whether this torch lets weights lie outside of the library."""
    update = getattr(_runner_type(), "update_constant_buffer", None)
    from_file = hasattr(_runner_type(), "update_constant_buffer_from_blob")
    return from_file and "user_managed" in (getattr(update, "__doc__", "") or "") and can_map()


def compilable(program: Program, feeds: Sequence[Tensor]) -> int:
    """Return how many operations there are before the first whose work depends on numbers.

    As DetectionOutput, which goes on with the boxes that score high. What is behind it has
    little to do.

    Raises
    ------
    ValueError
        That is the first one.
    """
    from torch._subclasses.fake_tensor import FakeTensorMode

    with FakeTensorMode(allow_non_fake_inputs=True) as mode, torch.no_grad():
        values = {
            value: mode.from_tensor(feed)
            for value, feed in zip(program.feeds.values(), feeds, strict=True)
        }
        for i, op in enumerate(program.ops):
            try:
                made = op.module(*(values[value] for value in op.reads))
            except Exception as error:  # of torch, or of a layer that asks for numbers
                if i:
                    return i
                raise ValueError(f"the layer {op.layers[0]} depends on numbers: {error}") from error
            tops = (made,) if isinstance(made, Tensor) else made
            for value, top in zip(op.writes, tops, strict=False):
                values.setdefault(value, top)
    return len(program.ops)


def _compiled(program: Program, feeds: tuple[Tensor, ...], work: Path) -> list[str]:
    """Return the files of the library."""
    options: dict[str, Any] = {
        "freezing": True,
        "cpp.threads": torch.get_num_threads(),
        "compile_threads": 1,  # no pool of processes beside the task
        "aot_inductor.output_path": str(work),
    }
    if maps_weights():
        options |= {
            "aot_inductor.package": True,
            "aot_inductor.package_constants_on_disk_format": "binary_blob",
        }
    with torch.no_grad():
        exported = torch.export.export(Listed(program).eval(), feeds, strict=False)
        made: Any = torch._inductor.aot_compile(exported.module(), feeds, options=options)
    return [made] if isinstance(made, str) else [name for name in made if isinstance(name, str)]


def _write_weights(folder: Path, blob: str) -> None:
    runner = _runner(folder / LIBRARY)
    runner.update_constant_buffer_from_blob(blob)
    weights: dict[str, Tensor] = runner.extract_constants_map(False)
    packed = [(k, t) for k, t in weights.items() if t.layout != torch.strided]
    if packed:
        with (folder / PACKED).open("xb") as out:
            write_packed(out, packed)
    plain = {key: tensor for key, tensor in weights.items() if tensor.layout == torch.strided}
    torch.save(plain, folder / PLAIN)


def _only(files: Iterable[str], ending: str) -> str:
    found = [name for name in files if name.endswith(ending)]
    if len(found) != 1:
        raise RuntimeError(f"torch's compiler made {len(found)} files of {ending}")
    return found[0]


def _runner(library: Path) -> Any:
    return _runner_type()(str(library), 1)


def _runner_type() -> Any:
    return torch._C._aoti.AOTIModelContainerRunnerCpu
