"""Spark's daemon of Python workers, which reads in what they need before it forks them.

A worker whose task failed is not used again: without this, each of the many tests of what
fails has new workers read in torch, for seconds.
"""

from __future__ import annotations

import torch  # noqa: F401  # for the workers
from pyspark.daemon import manager

import bigdl_caffe.spark  # noqa: F401  # for the workers

if __name__ == "__main__":
    manager()
