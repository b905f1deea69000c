"""A training for TensorBoard, in the files and under the names that BigDL gives it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

import numpy as np

from bigdl_caffe.errors import CaffeError
from bigdl_caffe.train.events import Ended, Event, Iterated, Tested
from bigdl_caffe.train.show.history import scalars_of

Array = np.ndarray[Any, Any]


class Summary(ABC):
    """Observer that writes scalars to a folder.

    Parameters
    ----------
    log_dir : path
        The folder that TensorBoard is shown.
    app_name : str
        Folder in it, one for each training that is to be compared.

    Raises
    ------
    CaffeError
        Where TensorBoard is not installed.
    """

    kind = ""
    """Name of the folder below both."""

    def __init__(self, log_dir: str | Path, app_name: str = "") -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise CaffeError(
                "TensorBoard is not installed: pip install bigdl-caffe[tensorboard]"
            ) from error
        self.folder = Path(log_dir, app_name, self.kind)
        self._writer: Any = SummaryWriter(str(self.folder))

    def __call__(self, event: Event) -> None:
        """Write the scalars of ``event``."""
        for tag, value, iteration in self._scalars(event):
            self._writer.add_scalar(tag, value, iteration)
        if isinstance(event, Ended):
            self._writer.flush()

    @abstractmethod
    def _scalars(self, event: Event) -> list[tuple[str, float, int]]:
        """Return tag, value and iteration of what ``event`` has to be written."""

    def read_scalar(self, tag: str) -> Array:
        """Return what is written under ``tag``, of earlier trainings in the folder as well.

        Parameters
        ----------
        tag : str
            Its name, as TensorBoard shows it.

        Returns
        -------
        ndarray
            (n, 3) float64: iteration, value, and the time in seconds since 1970.

        Raises
        ------
        CaffeError
            For a tag that is not there.
        """
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

        self._writer.flush()
        read = EventAccumulator(str(self.folder), size_guidance={"scalars": 0})
        read.Reload()
        known = read.Tags()["scalars"]
        if tag not in known:
            there = ", ".join(known) or "none yet"
            raise CaffeError(f"no scalar '{tag}' is written to {self.folder}; there are: {there}")
        rows = [(row.step, row.value, row.wall_time) for row in read.Scalars(tag)]
        return np.array(rows, np.float64)


class TrainSummary(Summary):
    """BigDL's: "Loss", "LearningRate" and "Throughput" (rows a second) of each iteration.

    The iteration is counted as BigDL does, 1 behind the first one. Files are in
    ``log_dir/app_name/train``.
    """

    kind = "train"

    def _scalars(self, event: Event) -> list[tuple[str, float, int]]:
        if not isinstance(event, Iterated):
            return []
        values = {"Loss": event.loss, "LearningRate": event.rate}
        if event.seconds:
            values["Throughput"] = event.rows / event.seconds
        return [(tag, value, event.iteration + 1) for tag, value in values.items()]


class ValidationSummary(Summary):
    """BigDL's: each output of a test net, by its blob's name.

    Those of a second and further test nets are "1/accuracy" and so on. Files are in
    ``log_dir/app_name/validation``.
    """

    kind = "validation"

    def _scalars(self, event: Event) -> list[tuple[str, float, int]]:
        if not isinstance(event, Tested):
            return []
        before = f"{event.net}/" if event.net else ""
        values = scalars_of(event)
        return [(before + tag, value, event.iteration) for tag, value in values.items()]


def summaries(log_dir: str | Path, app_name: str = "") -> tuple[Summary, ...]:
    """Return one of each kind."""
    return TrainSummary(log_dir, app_name), ValidationSummary(log_dir, app_name)
