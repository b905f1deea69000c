"""The workers of an executor share one copy of a net's weights."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.paths import REPO

SIDE = 5000
MIB = SIDE * SIDE * 4 / 2**20
NET = f"""
name: "wide"
layer {{ name: "data" type: "Input" top: "data" input_param {{ shape {{ dim: 1 dim: {SIDE} }} }} }}
layer {{ name: "ip" type: "InnerProduct" bottom: "data" top: "ip"
  inner_product_param {{ num_output: {SIDE} weight_filler {{ type: "constant" value: 1 }} }} }}
"""


@pytest.mark.spark
@pytest.mark.slow
def test_no_worker_holds_the_weights_for_itself(spark_env: dict[str, str], tmp_path: Path) -> None:
    net = tmp_path / "wide.prototxt"
    net.write_text(NET)
    script = [str(REPO / "benchmarks" / "shipping.py"), str(net), "--heap", "1024", "--json"]
    done = subprocess.run(
        [sys.executable, *script, "--ways", "mapped"],
        env=spark_env,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    growth = json.loads(done.stdout)["growth"]
    assert len(growth) == 4
    assert max(growth) < MIB / 2, growth  # some 25 MiB are what opening any net imports
