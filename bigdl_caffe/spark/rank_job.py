"""What the ranks of a training are told to do, and the data that each of them then has."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from bigdl_caffe.format._pb import caffe_pb2 as pb
from bigdl_caffe.layers.assemble import Options
from bigdl_caffe.spark.columns import Feed
from bigdl_caffe.spark.listening import Address
from bigdl_caffe.spark.ways import Shipped
from bigdl_caffe.train.definition import SolverDef
from bigdl_caffe.train.events import Event, Rule
from bigdl_caffe.train.feeds import Feeds
from bigdl_caffe.train.jitter import jitters
from bigdl_caffe.train.nets import sharing
from bigdl_caffe.train.order import Order
from bigdl_caffe.train.own_data import OwnData, OwnTestData
from bigdl_caffe.train.ranks import Ranks
from bigdl_caffe.train.row_file import RowFile
from bigdl_caffe.train.rows import Rows, RowsOnce
from bigdl_caffe.train.testing import Test

if TYPE_CHECKING:
    from bigdl_caffe.model import Model


@dataclass(frozen=True)
class RowsPlan:
    """Training on the rows of a DataFrame.

    Attributes
    ----------
    feeds, test_feeds : tuple of Feed
        What the train net's input blobs, and the test net's, are read from.
    batch : int
        Rows of all ranks in a pass.
    train, test : int
        How many rows there are of each sort: those to test with have the last numbers.
    shuffle : bool
    on_error : {"fail", "drop"}
    """

    feeds: tuple[Feed, ...]
    test_feeds: tuple[Feed, ...]
    batch: int
    train: int
    test: int = 0
    shuffle: bool = True
    on_error: str = "fail"


@dataclass(frozen=True)
class TestNet:
    """A net to test with, and which of its layers are meant."""

    definition: pb.NetParameter
    options: Options


@dataclass(frozen=True)
class Job:
    """What every rank does.

    Attributes
    ----------
    solver : SolverDef
        With a random_seed.
    shipped, converters
        The net that learns: see `bigdl_caffe.spark.worker.prepare`.
    tests : tuple of TestNet
        The nets to test with; for rows at most one.
    rows : RowsPlan or None
        None for what the net's own data layers name.
    rules : tuple of callable
    synchronised : bool
        See `Solver`.
    timeout : float
        Seconds that a rank may keep the others waiting.
    address : Address, optional
        Who hears of it.
    resume : str
        State to go on from, "" for none.
    past : tuple of Event
        What happened before it, for the rules to know.
    """

    solver: SolverDef
    shipped: Shipped
    converters: bytes
    tests: tuple[TestNet, ...]
    rows: RowsPlan | None
    rules: tuple[Rule, ...]
    synchronised: bool
    timeout: float
    address: Address | None = None
    resume: str = ""
    past: tuple[Event, ...] = ()


def rank_data(
    job: Job, model: Model, file: RowFile | None, ranks: Ranks
) -> tuple[Feeds, list[Test]]:
    """Return what one rank feeds ``model``, and tests it with.

    Parameters
    ----------
    job : Job
    model : Model
        The net that learns, on the device where it does.
    file : RowFile or None
        The rank's rows, where the job has rows.
    ranks : Ranks
    """
    if job.rows is None or file is None:
        return _own_data(job, model, ranks)
    plan, seed = job.rows, job.solver.random_seed
    order = Order(plan.batch, plan.train, ranks.rank, ranks.size, seed, plan.shuffle)
    feeds = Rows(file.part(0, plan.train), order, plan.feeds, plan.on_error, jitters(model.net))
    if not job.tests:
        return feeds, []
    later = file.part(plan.train, plan.train + plan.test)
    once = Rows(
        later, replace(order, total=plan.test, shuffle=False), plan.test_feeds, plan.on_error
    )
    (test,) = job.tests
    return feeds, [Test(sharing(model, test.definition, test.options), RowsOnce(once))]


def _own_data(job: Job, model: Model, ranks: Ranks) -> tuple[Feeds, list[Test]]:
    feeds = OwnData(model, job.solver.random_seed, rank=ranks.rank, size=ranks.size)
    tests = []
    for net, passes in zip(job.tests, job.solver.test_iter, strict=True):
        test = sharing(model, net.definition, net.options)
        tests.append(Test(test, OwnTestData(replace(feeds, model=test), passes)))
    return feeds, tests
