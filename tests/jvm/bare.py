"""A JVM with Spark's classes and the jar, which no Python driver serves: as a Scala program's."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyspark
from py4j.java_gateway import GatewayParameters, JavaGateway, launch_gateway
from py4j.protocol import Py4JJavaError

from bigdl_caffe.jvm import jar_path
from bigdl_caffe.spark.java import ensure_java

JARS = Path(pyspark.__file__).parent / "jars"
_OPENED = ("java.lang", "java.lang.invoke", "java.net", "java.nio", "java.util", "sun.nio.ch")
_OPEN = [f"--add-opens=java.base/{package}=ALL-UNNAMED" for package in _OPENED]


@contextmanager
def bare_jvm(**conf: str) -> Iterator[Any]:
    """Give the gateway to a new JVM that has these settings of Spark ("_" for ".")."""
    given = {"spark_pyspark_python": sys.executable, **conf}
    options = [f"-D{name.replace('_', '.')}={value}" for name, value in given.items()]
    port, token = launch_gateway(
        classpath=os.pathsep.join([str(JARS / "*"), jar_path()]),
        javaopts=["-Xmx1g", *_OPEN, *options],
        java_path=str(Path(ensure_java(), "bin", "java")),
        die_on_exit=True,
        enable_auth=True,
    )
    gateway = JavaGateway(
        gateway_parameters=GatewayParameters(port=port, auth_token=token, auto_convert=True)
    )
    try:
        yield gateway
    finally:
        gateway.shutdown()


def children(gateway: Any) -> list[int]:
    """Return the processes of the package that a JVM has started and that live."""
    own = gateway.jvm.java.lang.ProcessHandle.current().pid()
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(status.read_text().rpartition(")")[2].split()[1])
            command = status.with_name("cmdline").read_bytes()
        except OSError:  # it has ended meanwhile
            continue
        if parent == own and b"bigdl_caffe.jvm" in command:
            found.append(int(status.parent.name))
    return found


def texts(gateway: Any, *words: str) -> Any:
    """Return a String[]."""
    array = gateway.new_array(gateway.jvm.String, len(words))
    for i, word in enumerate(words):
        array[i] = word
    return array


def told(error: Py4JJavaError) -> dict[str, Any]:
    """Return what a CaffeException says."""
    java = error.java_exception
    names = ("kind", "getMessage", "layers", "problems", "file", "line", "column", "offset")
    assert java.getClass().getName().startswith("bigdl_caffe."), str(java)
    said = {name: getattr(java, name)() for name in names}
    return {n: list(v) if n in ("layers", "problems") else v for n, v in said.items()}
