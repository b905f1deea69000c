"""Peers that are commands: Caffe's own ``caffe time``, a program on BigDL, whatever is there.

A command is given as ``NAME=COMMAND``, with these words in braces filled in: ``prototxt`` (whose
input has the batch that is measured), ``caffemodel``, ``batch``. It prints what a forward pass
of the whole batch takes, in one of the forms of `FORMS`; the last one it prints counts.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from dataclasses import dataclass
from pathlib import Path

from benchmarks.child import FailedError
from benchmarks.machine import ONE_THREAD

FORMS = {
    r"Average Forward pass:\s*([\d.]+)\s*ms": 1e-3,  # caffe time
    r"seconds:\s*([\d.eE+-]+)": 1.0,
    r"milliseconds:\s*([\d.eE+-]+)": 1e-3,
}
"""Pattern → how many seconds its number counts."""


@dataclass(frozen=True)
class Command:
    """A peer's name, and the command that measures it."""

    name: str
    command: str

    @staticmethod
    def parsed(text: str) -> Command:
        """Return what ``NAME=COMMAND`` says."""
        name, sign, command = text.partition("=")
        if not (name and sign and command):
            raise SystemExit(f"--peer {text}: give NAME=COMMAND, as in 'caffe=caffe time ...'")
        return Command(name, command)

    def seconds(self, prototxt: Path, caffemodel: Path, batch: int, core: int) -> float:
        """Run it on one core and return the seconds of a batch, or raise `FailedError`."""
        words = {"prototxt": prototxt, "caffemodel": caffemodel, "batch": batch}
        line = ["taskset", "-c", str(core), *shlex.split(self.command.format(**words))]
        env = {**os.environ, **ONE_THREAD}
        try:
            done = subprocess.run(line, env=env, capture_output=True, text=True, check=False)
        except OSError as error:
            raise FailedError(str(error)) from error
        found = read_seconds(done.stdout + done.stderr)
        if done.returncode or found is None:
            last = (done.stderr or done.stdout).strip().splitlines()[-1:]
            raise FailedError(f"ended with {done.returncode}, and no time in its words: {last}")
        return found


def read_seconds(text: str) -> float | None:
    """Return the seconds that a program's words tell last, or None."""
    found = [
        (match.start(), float(match[1]) * scale)
        for form, scale in FORMS.items()
        for match in re.finditer(rf"(?<![a-z]){form}", text)
    ]
    return max(found)[1] if found else None
