"""``python -m bigdl_caffe``, and what spark-submit runs: ``spark-submit .../__main__.py score``."""

from __future__ import annotations

import os
import sys

if not __package__:
    # Run as a file: Python put this folder on its path, where our modules would stand in for
    # others of the same names. The folder above it is what should be there.
    _here = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [os.path.dirname(_here) if os.path.abspath(p) == _here else p for p in sys.path]

from bigdl_caffe.cli import main

if __name__ == "__main__":
    sys.exit(main())
