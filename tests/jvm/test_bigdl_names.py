"""Old code for BigDL runs after its import lines are changed as docs/from-bigdl.md says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from bigdl_caffe import Model
from tests.jvm.programs import SPARKS, classpath, needs, scala
from tests.meta.test_docs_code import blocks
from tests.nets import digits
from tests.paths import REPO
from tests.spark.cluster.launch import NET, Spark

PAGE = REPO / "docs" / "from-bigdl.md"
ROW = re.compile(r"^\| `(import [\w.]+)` \| (?:`(import [\w.]+)` )?\|$", re.MULTILINE)


def new_code() -> str:
    """Return the page's old code, with the import lines that the page's table gives it."""
    (old,) = (text for info, _, text in blocks(PAGE) if info == "scala old")
    table = dict(ROW.findall(PAGE.read_text(encoding="utf-8")))
    return re.sub(r"^import .*", lambda line: table[line[0]], old, flags=re.MULTILINE)


@pytest.mark.spark
@pytest.mark.slow
@pytest.mark.parametrize("spark", [pytest.param(name, marks=needs(name)) for name in SPARKS])
def test_old_code_runs(spark: str, tmp_path: Path) -> None:
    home = Spark.make(tmp_path, SPARKS[spark])
    (source := tmp_path / "Convert.scala").write_text(new_code())
    scala(home, tmp_path, source)
    java = Path(home.env["JAVA_HOME"]) / "bin" / "java"
    path = os.pathsep.join([classpath(home), str(tmp_path)])
    saved = [tmp_path / "new.prototxt", tmp_path / "new.caffemodel"]
    env = {**home.env, "PYSPARK_PYTHON": sys.executable, "PYTHONPATH": str(REPO)}
    subprocess.run([java, "-cp", path, "Convert", *NET, *saved], env=env, check=True)
    for ours, new in zip(
        digits().get_weights(), Model.load_caffe_model(*saved).get_weights(), strict=True
    ):
        assert ours.tobytes() == new.tobytes()
