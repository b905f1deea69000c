"""What tells one processor from another."""

from __future__ import annotations

from pathlib import Path

import torch

from bigdl_caffe.engine.processor import _instructions, processor


def test_it_is_told_by_its_instructions(tmp_path: Path) -> None:
    found = set()
    for flags in ("flags\t\t: fma avx2", "flags\t\t: fma avx2 avx512f", "Features\t: asimd"):
        path = tmp_path / "cpuinfo"
        path.write_text(f"processor\t: 0\ncpu MHz\t\t: 2400\n{flags}\n\nprocessor\t: 1\n{flags}\n")
        found.add(_instructions(path))
        path.write_text(f"processor\t: 0\ncpu MHz\t\t: 3100\n{flags}\n")
        found.add(_instructions(path))
    assert len(found) == 3
    assert _instructions(tmp_path / "nowhere") == ""
    assert torch.backends.cpu.get_cpu_capability() in processor()
