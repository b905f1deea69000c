"""The command line: ``bigdl-caffe``, ``python -m bigdl_caffe``, or through spark-submit."""

from bigdl_caffe.cli.program import main

__all__ = ["main"]
