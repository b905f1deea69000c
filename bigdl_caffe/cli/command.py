"""What a command is: a row of the table that the command line is made from."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Command:
    """One command of ``bigdl-caffe``.

    Attributes
    ----------
    name : str
        What is typed.
    does : str
        What it does, in one line.
    teaches : str
        The rest that its help says: how it is used, with an example.
    arguments : callable
        Adds its arguments to its parser.
    run : callable
        Does it, and returns the exit status; raises `CaffeError` where it cannot.
    trouble : int
        The exit status for a `CaffeError`.
    """

    name: str
    does: str
    teaches: str
    arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int]
    trouble: int = 1

    def add_to(self, commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
        """Add its parser, which gives itself as ``command``."""
        parser = commands.add_parser(
            self.name,
            help=self.does,
            description=f"{self.does[0].upper()}{self.does[1:]}.",
            epilog=self.teaches,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        self.arguments(parser)
        parser.add_argument("--debug", action="store_true", help="show traces and Spark's log")
        parser.set_defaults(command=self)
