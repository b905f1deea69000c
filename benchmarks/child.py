"""A process that is told what to measure: it opens something, then works when it is its turn.

Things that are compared are each in a process of their own, which waits, without using a core,
while another works. So none has its memory cut up by another, and what the kernel says of its
memory is its own; and a round still has all of them one after the other.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from benchmarks.machine import ONE_THREAD

REPO = Path(__file__).resolve().parent.parent

Handler = Callable[..., Any]


class FailedError(Exception):
    """What was asked of a child cannot be done there; the words say why."""


class Child:
    """A process that answers.

    Parameters
    ----------
    module : str
        Run by ``python -m``; it calls `serve`.
    env : mapping of str to str
        Added to the environment.
    """

    def __init__(self, module: str, env: Mapping[str, str] = ONE_THREAD) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", module, "--child"],
            env={**os.environ, **env},
            cwd=REPO,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def tell(self, order: str, **how: Any) -> None:
        """Give an order; `hear` gives the answer."""
        assert self._process.stdin
        print(json.dumps([order, how]), file=self._process.stdin, flush=True)

    def hear(self) -> Any:
        """Return the answer to the oldest order; raise `FailedError` where it is an error."""
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            raise FailedError(f"its process ended with {self._process.wait()}")
        failed, answer = json.loads(line)
        if failed:
            raise FailedError(answer)
        return answer

    def ask(self, order: str, **how: Any) -> Any:
        """Give an order and return the answer."""
        self.tell(order, **how)
        return self.hear()

    def __enter__(self) -> Child:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: object, where: TracebackType | None
    ) -> None:
        if kind is not None:
            self._process.kill()
        self._process.communicate()


def serve(handlers: Mapping[str, Handler]) -> None:
    """Answer orders until there are no more. What libraries print goes to stderr."""
    with os.fdopen(os.dup(1), "w") as out:
        os.dup2(2, 1)
        for line in sys.stdin:
            order, how = json.loads(line)
            try:
                answer = [False, handlers[order](**how)]
            except Exception as error:  # the parent has to hear of it, whatever it is
                answer = [True, f"{type(error).__name__}: {error}".splitlines()[0][:300]]
            print(json.dumps(answer), file=out, flush=True)
