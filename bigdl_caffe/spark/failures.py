"""Why a training on Spark failed, and on which rank, in one plain sentence."""

from __future__ import annotations

import re

from bigdl_caffe.errors import RankFailedError, TrainingError
from bigdl_caffe.spark.session import plain_words

_OURS = re.compile(
    r"^bigdl_caffe\.errors\.(TrainingError|RankFailedError): (.+?)"
    r"(?=\n\s*\n|\n\tat |\n ?SQLSTATE|\Z)",
    re.M | re.S,
)
_TASK = re.compile(r"(?:ResultTask|ShuffleMapTask)\(\d+, (\d+)\)")
_LOST = re.compile(r"ExecutorLostFailure \((.+?)\)(?: Reason: ([^\n]+))?")


def failure(text: str, ranks: int) -> TrainingError:
    """Return what to raise where Spark gave up a barrier stage.

    Parameters
    ----------
    text : str
        Spark's own words.
    ranks : int

    Returns
    -------
    TrainingError
        `RankFailedError` where another try may go well: a process died, or lost the others.
    """
    if ours := _OURS.search(text):
        kind = RankFailedError if ours[1] == "RankFailedError" else TrainingError
        return kind(ours[2].strip())
    if task := _TASK.search(text):
        return RankFailedError(f"rank {task[1]} of {ranks}: {_end(text)}")
    return TrainingError(plain_words(text))


def _end(text: str) -> str:
    """Return how a process ended that could not say so itself."""
    if lost := _LOST.search(text):
        return f"its executor was lost: {lost[2] or lost[1]}"
    if "exited unexpectedly" in text or "EOFException" in text:
        return (
            "its Python worker died: it was killed, perhaps for taking too much memory, or it "
            "crashed; the executor's log says more"
        )
    return plain_words(text)
