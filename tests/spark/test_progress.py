"""What the progress bar says."""

from __future__ import annotations

from bigdl_caffe.spark.metrics import Tally
from bigdl_caffe.spark.progress import progress_line


def test_progress_line() -> None:
    assert progress_line(0, 0, Tally(), 1.0) == f"[{'.' * 30}] 0/0 tasks, 0 rows"
    line = progress_line(5, 10, Tally(rows=1200, failed=3), 4.0)
    assert line == f"[{'#' * 15}{'.' * 15}] 5/10 tasks, 1200 rows, 300/s, 3 failed"
