"""Build the jar from ``src``: scalac, then javac, then a zip of what they made.

``make jar`` installs what it needs and runs it. The same sources, compiled by a JDK of the
same release, give the same bytes, wherever and whenever that is.
"""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import subprocess
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

from bigdl_caffe import __version__
from bigdl_caffe.format.paths import atomic_write

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ROOT / "jvm_bridge" / "src"
JAR = ROOT / "bigdl_caffe" / "jvm" / "bigdl-caffe.jar"
SPARK = ROOT / "out" / "spark-3.5" / "pyspark" / "jars"
MANIFEST = "META-INF/MANIFEST.MF"
PROPERTIES = "bigdl_caffe/jar.properties"
SCALAC = ["-release", "8", "-deprecation", "-feature", "-unchecked", "-Xlint", "-Xfatal-warnings"]
# Spark's jars name others that are not there (path); newer JDKs call Java 8 old (options).
LINT = ["-Xlint:all,-path,-options", "-Werror"]
JAVAC = ["--release", "8", "-parameters", "-proc:none", "-implicit:none", *LINT]
LONG_AGO = (1980, 1, 1, 0, 0, 0)  # the first moment that a zip can tell


def main() -> None:
    """Write the jar, whole or not at all."""
    jar = build()
    with atomic_write(JAR) as out:
        out.write(jar)
    print(f"wrote {JAR.relative_to(ROOT)}, {len(jar):,} bytes")


def build() -> bytes:
    """Compile the sources and return the jar.

    Raises
    ------
    SystemExit
        There is no JDK or no Scala 2.12, or a compiler refuses the sources.
    """
    javac = find_javac()
    with tempfile.TemporaryDirectory(prefix="bigdl-caffe-") as folder:
        classes = Path(folder)
        compile_into(classes, javac)
        found = sorted(classes.rglob("*.class"))
        entries = {p.relative_to(classes).as_posix(): p.read_bytes() for p in found}
    about = {"version": __version__, "sources": digest_of_sources()}
    title = {
        "Manifest-Version": "1.0",
        "Implementation-Title": "bigdl-caffe",
        "Implementation-Version": __version__,
        "Build-Jdk-Spec": release_of(javac),
    }
    return packed(
        {
            MANIFEST: lines(": ", title),  # the first, where readers of streams look for it
            "META-INF/LICENSE": (ROOT / "LICENSE").read_bytes(),
            PROPERTIES: lines("=", about),
            **entries,
        }
    )


def find_javac() -> Path:
    """Return the path of javac: that of ``JAVA_HOME``, else the one on PATH."""
    home = os.environ.get("JAVA_HOME")
    found = (home and shutil.which("javac", path=Path(home, "bin"))) or shutil.which("javac")
    if not found:
        raise SystemExit(
            "javac was not found: install a JDK (17 built the jar that is committed) and put its "
            "bin on PATH, or set JAVA_HOME to its folder"
        )
    return Path(found).resolve()


def release_of(javac: Path) -> str:
    """Return the JDK's release, "17" say: another may compile to other bytes."""
    told = subprocess.run([javac, "-version"], check=True, capture_output=True, text=True)
    return (told.stdout or told.stderr).split()[-1].split(".")[0]


def compile_into(classes: Path, javac: Path) -> None:
    """Compile the Scala part, which may name the Java part, and then the Java part."""
    spark = f"{SPARK}{os.sep}*"
    if scala := sources(".scala"):
        scalac = ["-cp", os.pathsep.join(scala_jars()), "scala.tools.nsc.Main", *SCALAC]
        scalac += ["-classpath", spark, "-d", str(classes)]
        run(javac.with_name("java"), *scalac, *scala, *sources(".java"))
    both = f"{classes}{os.pathsep}{spark}"
    run(javac, *JAVAC, "-cp", both, "-d", classes, *sources(".java"))


def sources(*kinds: str) -> list[Path]:
    """Return the source files that end so, in an order that is always the same."""
    return sorted(path for path in SOURCES.rglob("*") if path.suffix in kinds)


def scala_jars() -> list[str]:
    """Return the jars of Scala 2.12's compiler, which Spark 3.5 brings for its shell."""
    names = ("compiler", "library", "reflect")
    found = [str(jar) for name in names for jar in SPARK.glob(f"scala-{name}-2.12.*.jar")]
    if len(found) < len(names):
        raise SystemExit(f"no Scala 2.12 in {SPARK}: `make jar` puts Spark 3.5 there, from PyPI")
    return found


def run(*command: str | Path) -> None:
    """Run a compiler; what it has to say goes to the terminal."""
    done = subprocess.run(command, check=False)
    if done.returncode:
        raise SystemExit(f"{Path(command[0]).name} failed, with status {done.returncode}")


def digest_of_sources() -> str:
    """Return the SHA-256 of the sources' names and contents, by which a jar names them."""
    digest = hashlib.sha256()
    for path in sources(".java", ".scala"):
        contents = path.read_bytes()
        name = path.relative_to(SOURCES).as_posix()
        digest.update(f"{name}\n{len(contents)}\n".encode() + contents)
    return digest.hexdigest()


def lines(between: str, values: Mapping[str, str]) -> bytes:
    """Return a line for each key and value."""
    return "".join(f"{key}{between}{value}\n" for key, value in values.items()).encode()


def packed(entries: Mapping[str, bytes]) -> bytes:
    """Return a zip of these files, as they are: each zlib compresses to other bytes."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, contents in entries.items():
            info = zipfile.ZipInfo(name, LONG_AGO)
            info.create_system, info.external_attr = 3, 0o644 << 16  # as on Unix, everywhere
            archive.writestr(info, contents)
    return out.getvalue()


if __name__ == "__main__":
    main()
