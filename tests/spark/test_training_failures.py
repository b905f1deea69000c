"""What Spark says when a barrier stage ends badly, in one sentence that names the rank."""

from __future__ import annotations

import pytest

from bigdl_caffe.errors import RankFailedError, TrainingError
from bigdl_caffe.spark.failures import failure

STAGE = (
    "Job aborted due to stage failure: Could not recover from a failed barrier ResultStage. Most "
    "recent failure reason: Stage failed because barrier task ResultTask(3, 1) finished "
    "unsuccessfully.\n"
)
TRACE = (
    "org.apache.spark.api.python.PythonException: Traceback (most recent call last):\n"
    '  File "x.py", line 1, in y\nbigdl_caffe.errors.{}: rank 1 of 2 on host h: why\n'
)
ENDS = ("\n\tat java.lang.Thread.run", "\n SQLSTATE: 38000\n\tat java")
CASES = {
    TRACE.format("TrainingError") + ENDS[0]: (TrainingError, "rank 1 of 2 on host h: why"),
    TRACE.format("RankFailedError") + ENDS[0]: (RankFailedError, "rank 1 of 2 on host h: why"),
    TRACE.format("RankFailedError").rstrip() + ENDS[1]: (
        RankFailedError,
        "rank 1 of 2 on host h: why",
    ),
    "org.apache.spark.SparkException: Python worker exited unexpectedly (crashed)\n\tat x": (
        RankFailedError,
        "rank 1 of 2: its Python worker died: it was killed, perhaps for taking too much memory, "
        "or it crashed; the executor's log says more",
    ),
    "ExecutorLostFailure (executor 1 exited caused by one of the running tasks) Reason: Command "
    "exited with code 137\n": (
        RankFailedError,
        "rank 1 of 2: its executor was lost: Command exited with code 137",
    ),
}


@pytest.mark.parametrize("words", CASES)
def test_the_rank_is_named(words: str) -> None:
    kind, told = CASES[words]
    error = failure(STAGE + words, 2)
    assert (type(error), str(error)) == (kind, told)
