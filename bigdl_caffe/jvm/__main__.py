"""The Python process that a Scala or Java program's JVM starts: see jvm_bridge/README.md."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from typing import Any

import pyspark
from pyspark import SparkContext
from pyspark.java_gateway import launch_gateway

from bigdl_caffe import __version__


def main() -> None:
    """Connect to the JVM that started this process and answer its calls until it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of a shell: it is the JVM's to answer
    threading.Thread(target=_end_with_jvm, name="bigdl-caffe-end", daemon=True).start()
    gateway = launch_gateway()  # type: ignore[no-untyped-call]  # pyspark has no types here
    SparkContext._ensure_initialized(gateway=gateway)
    gateway.entry_point.hello(json.dumps(_versions()))
    _serve(gateway.entry_point)
    os._exit(0)  # the JVM is done with it; threads that hang must not hold it up


def _serve(service: Any) -> None:
    from bigdl_caffe.jvm import answering  # torch, only once the JVM knows of this process

    answering.answer_all(service)


def _versions() -> dict[str, str]:
    return {"bigdl_caffe": __version__, "pyspark": pyspark.__version__}


def _end_with_jvm() -> None:
    """Wait for the end of standard input, which is the JVM's, however it ends."""
    while os.read(sys.stdin.fileno(), 1):
        continue
    os._exit(0)


if __name__ == "__main__":
    main()
