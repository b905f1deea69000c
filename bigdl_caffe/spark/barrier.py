"""What runs on a Python worker that trains: `RankTask`, one task of a barrier stage."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from typing import TYPE_CHECKING

import pyarrow as pa
import torch
from pyspark import BarrierTaskContext

from bigdl_caffe.errors import CaffeError, RankFailedError, TrainingError
from bigdl_caffe.format.host_folder import own_folder
from bigdl_caffe.format.paths import explained
from bigdl_caffe.spark.device import task_device
from bigdl_caffe.spark.listening import send_model, teller
from bigdl_caffe.spark.rank_job import Job, rank_data
from bigdl_caffe.spark.worker import open_model
from bigdl_caffe.train.event_json import to_json
from bigdl_caffe.train.events import Event
from bigdl_caffe.train.group import join, lost_contact
from bigdl_caffe.train.ranks import Ranks
from bigdl_caffe.train.row_file import RowFile, write_rows
from bigdl_caffe.train.solver import Solver

if TYPE_CHECKING:
    from bigdl_caffe.model import Model

SCHEMA = "kind string, data binary"
"""Of what rank 0 returns: pieces of its events, and of the model's bundle if it has to."""

EVENTS, WEIGHTS = "events", "weights"
CHUNK = 64 << 20
GRACE = 5.0
"""Seconds that a rank which lost the others leaves them to say why, before it complains."""

_PLACE = re.compile(r"^\[\S+\] ")
"""Where in torch's own source an error comes from."""


@dataclass(frozen=True)
class RankTask:
    """A `Job` as Spark pickles it and calls it for each partition of a barrier stage."""

    job: Job

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Train on one partition; rank 0 yields what came of it."""
        context = BarrierTaskContext.get()
        hosts = [info.address.rpartition(":")[0].strip("[]") for info in context.getTaskInfos()]
        rank = context.partitionId()
        with _named(f"rank {rank} of {len(hosts)} on host {hosts[rank]}", self.job.timeout):
            # Before the ranks meet: the others wait for the slowest without running out of time.
            file = _spilled(batches) if self.job.rows else None
            torch.set_num_threads(context.cpus())
            device = task_device(context)
            if device.type == "cuda":
                torch.cuda.set_device(device)
            model = open_model(self.job.shipped, self.job.converters, device, "float32")
            alone = nullcontext(Ranks())
            group = join(rank, hosts, context.allGather, device, self.job.timeout)
            with alone if len(hosts) == 1 else group as ranks:
                events = self._train(model, file, ranks)
            if rank == 0:
                yield from _pieces(EVENTS, "\n".join(map(to_json, events)).encode())
                if not send_model(self.job.address, model):
                    yield from _weights(model)

    def _train(self, model: Model, file: RowFile | None, ranks: Ranks) -> Sequence[Event]:
        job = self.job
        feeds, tests = rank_data(job, model, file, ranks)
        with teller(job.address if ranks.rank == 0 else None) as tell:
            solver = Solver(
                job.solver,
                model,
                feeds,
                tests,
                ranks=ranks,
                observers=[tell],
                rules=job.rules,
                synchronised=job.synchronised,
            )
            for event in job.past:
                for rule in job.rules:
                    rule(event)
            if job.resume:
                solver.restore(job.resume)
            solver.solve()
        return tell.told


@contextmanager
def _named(rank: str, timeout: float) -> Iterator[None]:
    """Say of what goes wrong on which rank it did."""
    try:
        yield
    except CaffeError as error:
        raise TrainingError(f"{rank}: {error}") from None
    except Exception as error:
        if not lost_contact(error):
            raise RankFailedError(f"{rank}: {type(error).__name__}: {error}") from error
        time.sleep(GRACE)  # if another one is to blame, Spark hears of that first
        raise RankFailedError(
            f"{rank}: it lost the others, or one kept it waiting for over {timeout:g} s "
            f"({_PLACE.sub('', str(error).splitlines()[0])})"
        ) from None


def _spilled(batches: Iterator[pa.RecordBatch]) -> RowFile:
    """Return the partition's rows, in a file without a name: it ends with this process."""
    with explained("the rows"), TemporaryDirectory(prefix="rows-", dir=own_folder()) as folder:
        path = Path(folder) / "rows.arrow"
        write_rows(batches, path)
        return RowFile(path)


def _weights(model: Model) -> Iterator[pa.RecordBatch]:
    with explained("the trained weights"), TemporaryFile(dir=own_folder()) as file:
        model.write_bundle(file)
        file.seek(0)
        while piece := file.read(CHUNK):
            yield from _pieces(WEIGHTS, piece)


def _pieces(kind: str, data: bytes) -> Iterator[pa.RecordBatch]:
    """Yield ``data`` in rows of at most `CHUNK` bytes."""
    for start in range(0, len(data), CHUNK):
        yield pa.record_batch({"kind": [kind], "data": [data[start : start + CHUNK]]})
