"""``python -m benchmarks.nets out/nets``: write the nets that are measured."""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks.nets import NETS, written


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--nets", nargs="+", choices=NETS, default=list(NETS))
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    for name in args.nets:
        path = written(args.folder, name, args.seed).caffemodel
        print(f"{path}  {path.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
