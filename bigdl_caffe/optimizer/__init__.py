"""BigDL's way to train: ``bigdl.optim.optimizer`` under its own names.

What differs is on the page docs/optimizer.md: classes are counted from 0, criteria are
Caffe's loss layers or functions such as torch's, checkpoints are Caffe's snapshots.
"""

from bigdl_caffe.optimizer.criteria import MAE, Loss, Top1Accuracy, Top5Accuracy
from bigdl_caffe.optimizer.local import LocalOptimizer
from bigdl_caffe.optimizer.methods import (
    SGD,
    Adadelta,
    Adagrad,
    Adam,
    Default,
    Exponential,
    MultiStep,
    Poly,
    RMSprop,
    Step,
)
from bigdl_caffe.optimizer.optimizer import Optimizer
from bigdl_caffe.optimizer.samples import Sample
from bigdl_caffe.optimizer.triggers import (
    EveryEpoch,
    MaxEpoch,
    MaxIteration,
    MaxScore,
    MinLoss,
    SeveralIteration,
    TriggerAnd,
    TriggerOr,
)
from bigdl_caffe.train.show.tensorboard import TrainSummary, ValidationSummary

__all__ = [
    "MAE",
    "SGD",
    "Adadelta",
    "Adagrad",
    "Adam",
    "Default",
    "EveryEpoch",
    "Exponential",
    "LocalOptimizer",
    "Loss",
    "MaxEpoch",
    "MaxIteration",
    "MaxScore",
    "MinLoss",
    "MultiStep",
    "Optimizer",
    "Poly",
    "RMSprop",
    "Sample",
    "SeveralIteration",
    "Step",
    "Top1Accuracy",
    "Top5Accuracy",
    "TrainSummary",
    "TriggerAnd",
    "TriggerOr",
    "ValidationSummary",
]
