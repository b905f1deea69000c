"""`CaffeEstimator`: training as a stage of Spark ML."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pyspark.ml import Estimator
from pyspark.ml.util import MLReadable, MLWritable
from pyspark.sql import DataFrame
from pyspark.sql.types import StructType

from bigdl_caffe.errors import CaffeError
from bigdl_caffe.image.recipe import Recipe
from bigdl_caffe.layers.assemble import Options
from bigdl_caffe.load import build_from_files
from bigdl_caffe.model import Model
from bigdl_caffe.spark.estimator_options import OF_DATA, OF_SOLVER, OF_TRAINING, saved_solver
from bigdl_caffe.spark.fitting import columns_of, fit_own_data, fit_rows
from bigdl_caffe.spark.params import OptionParams, check_model
from bigdl_caffe.spark.persist import StageReader, StageWriter, from_java
from bigdl_caffe.spark.training import Trained
from bigdl_caffe.spark.transformer import CaffeModel
from bigdl_caffe.train.definition import SolverDef
from bigdl_caffe.train.events import Observer
from bigdl_caffe.train.nets import sharing, train_net
from bigdl_caffe.train.show.history import History


class CaffeEstimator(OptionParams, Estimator[CaffeModel], MLWritable, MLReadable["CaffeEstimator"]):
    """Trains a Caffe net on the rows of a DataFrame, on several workers at once.

    The result is the same for any number of workers, but for rounding: ``batchSize`` counts the
    rows of all of them. ``fit`` never changes ``model``.

    Each Param is a keyword, has ``setName`` and ``getName``, and all of these in snake_case
    too; those of the solver by Caffe's names as well. ``print(stage.explainParams())`` says
    what they are.

    Parameters
    ----------
    model : Model, optional
        The net in its TRAIN phase, with the weights to begin with, as
        ``Model.load_caffe_model(prototxt, None, phase="TRAIN")`` returns it. Without it, the
        Param ``solver`` names the net.
    observers : sequence of callable
        Told on the driver of what happens: see `bigdl_caffe.train.events`. They are neither a
        Param nor saved.
    **params
        See explainParams.

    Raises
    ------
    TypeError
        For a keyword that is no Param, or a value of another type.
    CaffeError
        For a value that cannot work.

    Examples
    --------
    >>> model = Model.load_caffe_model("train_val.prototxt", None, phase="TRAIN")
    >>> estimator = CaffeEstimator(model=model, featuresCol="image", numWorkers=4, maxEpochs=10)
    >>> fitted = estimator.fit(df)
    >>> fitted.history.train.columns()["loss"]
    """

    OPTIONS = (*OF_SOLVER, *OF_DATA, *OF_TRAINING)

    def __init__(
        self, model: Model | None = None, *, observers: Sequence[Observer] = (), **params: Any
    ) -> None:
        super().__init__()
        check_model(model)
        self.model = model
        self.observers = tuple(observers)
        self.setParams(**params)

    def fit_own_data(self) -> CaffeModel:
        """Train on what the net's own data layers name: LMDB, HDF5, ImageData and so on.

        Their paths are those of the workers, who all have to reach them. Testing is as the
        solver says.

        Raises
        ------
        CaffeError
            As `fit`.
        """
        model = self.need_model()
        return self._fitted(model, fit_own_data(model, self.values(), self.observers))

    def transformSchema(self, schema: StructType) -> StructType:  # noqa: N802 (Spark's name)
        """Return the schema that the fitted model makes of ``schema``; nothing runs.

        Raises
        ------
        CaffeError
            For columns, blobs or Params that cannot work.
        """
        model = self.need_model()
        return self._fitted_to_rows(model, Trained(model, ())).transformSchema(schema)

    def _fit(self, dataset: DataFrame) -> CaffeModel:
        model = self.need_model()
        trained = fit_rows(model, dataset, self.values(), self.observers)
        return self._fitted_to_rows(model, trained)

    def _fitted_to_rows(self, model: Model, trained: Trained) -> CaffeModel:
        """Return what learned, which reads the columns that it learned from."""
        fitted = self._fitted(model, trained)
        feed = columns_of(model, self.values()).feed
        inputs = fitted.need_model().inputs
        return fitted.setParams(feed={blob: feed[blob] for blob in inputs if blob in feed})

    def _fitted(self, model: Model, trained: Trained) -> CaffeModel:
        """Return the net with what it learned, as the user defined it."""
        shapes = Options(
            "TEST", model.options.stages, model.options.level, input_shapes=model.inputs
        )
        scoring = sharing(trained.model, model.net.definition, shapes)
        given = self.values()
        how = {
            name: given[name] for name in ("recipe", "binary", "prediction_col") if name in given
        }
        fitted = CaffeModel(scoring, **how)
        fitted.history = history = History()
        for event in trained.events:
            history(event)
        return fitted

    def need_model(self) -> Model:
        """Return the net to begin with, in its TRAIN phase.

        Raises
        ------
        CaffeError
            There is none, or it is of another phase.
        """
        given = self.values()
        weights, solver = given.get("initial_weights", []), given.get("solver")
        model = self.model
        if model is None:
            if solver is None:
                raise CaffeError(f"{self.uid} has no net: give model=, or solver= that names one")
            return _of_solver(solver, weights, given.get("random_seed"))
        if model.net.phase != "TRAIN":
            raise CaffeError(
                "model is in the TEST phase, without what it is trained by: load it with "
                "phase='TRAIN'"
            )
        if not weights:
            return model
        definition, types = model.net.definition, model.converters
        begun = build_from_files(definition, weights, model.options, types, False, model.source)
        for (_, blob), (_, own) in zip(begun.tensors(), model.tensors(), strict=True):
            blob.requires_grad_(own.requires_grad)  # which model.freeze() may have changed
        return begun

    def saved_params(self) -> dict[str, Any]:
        """Return the Params that were set, as JSON can hold them."""
        return {param.name: _plain(value) for param, value in self._paramMap.items()}

    def write(self) -> StageWriter:
        """Return a writer, for ``write().overwrite().save(path)``."""
        return StageWriter(self)

    @classmethod
    def read(cls) -> StageReader[CaffeEstimator]:
        """Return a reader, for ``read().load(path)``."""
        return StageReader(cls)

    @classmethod
    def _from_java(cls, java: Any) -> CaffeEstimator:  # which Spark looks for
        return from_java(cls, java)


def _of_solver(solver: SolverDef, weights: Sequence[str], seed: int | None) -> Model:
    """Return the net that a solver names, with the weights that it and the caller name."""
    own = solver.random_seed if solver.random_seed >= 0 else None
    return train_net(solver.train_net, [*solver.weights, *weights], own if seed is None else seed)


def _plain(value: Any) -> Any:
    if isinstance(value, SolverDef):
        return saved_solver(value)
    return value.to_json() if isinstance(value, Recipe) else value
