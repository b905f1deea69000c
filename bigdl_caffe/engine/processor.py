"""What this host's processor is to kernels and compilers: part of the names of what they make."""

from __future__ import annotations

import hashlib
import os
import platform
from functools import cache
from pathlib import Path

import torch

_FLAGS = ("flags", "Features")
"""What Linux calls the list of a processor's instructions, on x86 and on ARM."""


@cache
def processor() -> str:
    """Return what decides which kernels run, and whether machine code made here runs.

    Two processors of one of torch's names ("AVX512") may differ in what a compiler, oneDNN or
    ONNX Runtime uses of them.
    """
    capability = torch.backends.cpu.get_cpu_capability()
    most = os.environ.get("ONEDNN_MAX_CPU_ISA", "")
    return f"{platform.machine()} {capability} {_instructions()} {most}"


def _instructions(path: Path = Path("/proc/cpuinfo")) -> str:
    """Return a hash of the instructions that the processor has; "" where Linux does not tell."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    told = next((line for line in lines if line.startswith(_FLAGS)), "")
    return hashlib.sha256(told.encode()).hexdigest()[:16]
