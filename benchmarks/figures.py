"""``python -m benchmarks.figures``: put the last report's tables into the docs.

A document has a section's tables between two comments, the first of which names the section:

    <!-- figures: growth -->
    <!-- end of figures -->

What lies between them is replaced by out/bench/growth.md, where there is one: the command, when
and on what it was run, and what it printed. So no figure there is typed by anyone.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Mapping
from pathlib import Path

from benchmarks.child import REPO

DOCUMENTS = (REPO / "benchmarks" / "README.md", REPO / "docs" / "scaling.md")
BLOCK = re.compile(r"(<!-- figures: (\w+) -->\n).*?(<!-- end of figures -->)", re.DOTALL)


def sections(text: str) -> list[str]:
    """Return the sections whose tables a document has."""
    return [match[2] for match in BLOCK.finditer(text)]


def filled(text: str, parts: Mapping[str, str]) -> str:
    """Return a document with the tables of ``parts``; others stay as they are."""

    def block(match: re.Match[str]) -> str:
        head, name, end = match.groups()
        return f"{head}{parts[name].strip()}\n{end}" if name in parts else match[0]

    return BLOCK.sub(block, text)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, default=REPO / "out" / "bench")
    folder: Path = parser.parse_args().out
    parts = {path.stem: path.read_text(encoding="utf-8") for path in folder.glob("*.md")}
    for document in DOCUMENTS:
        text = document.read_text(encoding="utf-8")
        document.write_text(filled(text, parts), encoding="utf-8")
        there = [name for name in sections(text) if name in parts]
        print(f"{document.relative_to(REPO)}: {', '.join(there) or 'nothing new'}")


if __name__ == "__main__":
    main()
