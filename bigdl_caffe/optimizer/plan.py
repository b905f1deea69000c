"""What an `Optimizer` was told, as the loop that all training here shares takes it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from bigdl_caffe.errors import CaffeError
from bigdl_caffe.format._pb import caffe_pb2 as pb
from bigdl_caffe.format.paths import local_path
from bigdl_caffe.graph.ir import INT_MAX
from bigdl_caffe.model import Model
from bigdl_caffe.optimizer.criteria import Criterion, ValidationMethod
from bigdl_caffe.optimizer.methods import OptimMethod
from bigdl_caffe.optimizer.triggers import Asks, Trigger
from bigdl_caffe.train.definition import SolverDef, solver_def
from bigdl_caffe.train.events import Action, Observer, Rule
from bigdl_caffe.train.snapshots import latest_snapshot

SEED = 1
"""Of what is random in a training, so that it can be repeated."""


@dataclass(frozen=True)
class Validation:
    """When to validate, and what to measure; ``score`` is the name of the first method."""

    trigger: Trigger
    batch_size: int
    methods: tuple[ValidationMethod, ...]

    @property
    def score(self) -> str:
        """What `MaxScore` goes by."""
        return type(self.methods[0]).__name__


@dataclass(frozen=True)
class Checkpoints:
    """When to write checkpoints, and where: files ``model_iter_N`` of a folder."""

    trigger: Trigger
    folder: str
    overwrite: bool

    @property
    def prefix(self) -> str:
        """What the files begin with."""
        return f"{self.folder.rstrip('/')}/model"

    def prepare(self) -> None:
        """Make the folder.

        Raises
        ------
        CaffeError
            Where there are checkpoints that may not be overwritten.
        """
        if local := local_path(self.folder):
            local.mkdir(parents=True, exist_ok=True)
        if not self.overwrite and latest_snapshot(self.prefix):
            raise CaffeError(
                f"there are checkpoints in {self.folder}: name another folder, or let "
                "isOverWrite be True"
            )


@dataclass(frozen=True)
class Plan:
    """All of it but the data."""

    model: Model
    criterion: Criterion
    method: OptimMethod
    end: Trigger
    batch_size: int
    validation: Validation | None = None
    checkpoints: Checkpoints | None = None
    clip_values: tuple[float, float] | None = None
    clip_norm: float | None = None
    observers: Sequence[Observer] = field(default=())

    def solver(self, per_epoch: int) -> SolverDef:
        """Return the solver, for data of so many passes."""
        message = pb.SolverParameter(
            net_param=pb.NetParameter(),
            random_seed=SEED,
            snapshot_after_train=False,
            clip_gradients=self.clip_norm or -1,
            snapshot_prefix=self.checkpoints.prefix if self.checkpoints else None,
        )
        most = self.end.iterations(per_epoch) or INT_MAX
        for name, value in {"max_iter": most, **self.method.fields()}.items():
            if isinstance(value, (list, tuple)):
                getattr(message, name).extend(value)
            else:
                setattr(message, name, value)
        return replace(solver_def(message), clip_values=self.clip_values)

    def rules(self) -> list[Rule]:
        """Return what the triggers ask for."""
        score = self.validation.score if self.validation else ""
        asked: list[tuple[Action, Trigger]] = [(Action.STOP, self.end)]
        if self.validation:
            asked.append((Action.TEST, self.validation.trigger))
        if self.checkpoints:
            asked.append((Action.SNAPSHOT, self.checkpoints.trigger))
        return [Asks(action, trigger, score) for action, trigger in asked]
