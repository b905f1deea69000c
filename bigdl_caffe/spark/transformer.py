"""`CaffeModel`: a model as a stage of Spark ML."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

from pyspark.ml import Transformer
from pyspark.ml.param import TypeConverters
from pyspark.ml.util import MLReadable, MLWritable
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.types import StructType

from bigdl_caffe.engine.opening import ENGINES
from bigdl_caffe.errors import CaffeError
from bigdl_caffe.image.recipe import Recipe
from bigdl_caffe.model import Model
from bigdl_caffe.spark.arrow import tells_case_apart
from bigdl_caffe.spark.device import DTYPES
from bigdl_caffe.spark.options import ON_ERROR, OUTPUT_TYPES
from bigdl_caffe.spark.params import (
    Option,
    OptionParams,
    check_model,
    to_binary,
    to_columns,
    to_recipe,
)
from bigdl_caffe.spark.persist import StageReader, StageWriter, from_java
from bigdl_caffe.spark.plan import Scoring, plan
from bigdl_caffe.spark.scoring import score_as

if TYPE_CHECKING:
    from bigdl_caffe.spark.metrics import Metrics
    from bigdl_caffe.train.show.history import History

_DEFAULTS = {field.name: field.default for field in fields(Scoring)}


def _option(name: str, doc: str, convert: Any = TypeConverters.toString, **how: Any) -> Option:
    """Return an option with the default that `Scoring` has."""
    option = Option(name, doc, convert, **how)
    default = _DEFAULTS.get(option.word)
    return option if default in (None, ()) else replace(option, default=default)


class CaffeModel(OptionParams, Transformer, MLWritable, MLReadable["CaffeModel"]):
    """Appends to each row what a Caffe net makes of it.

    Rows, their order and their other columns are kept, and nothing runs before an action.
    The DataFrame may be a streaming one. A row that cannot be scored is kept, with nulls
    and the reason in ``errorCol``, unless ``onError`` says otherwise.

    Each Param is a keyword, has ``setName`` and ``getName``, and all of these in snake_case
    too. ``print(stage.explainParams())`` says what they are.

    Parameters
    ----------
    model : Model
        As `Model.load_caffe_model` returns it. Copies of the stage share it; it is sent to
        the executors once, however many stages have it.
    metrics : Metrics, optional
        Counts what the stage does. Neither a Param nor saved.
    **params
        See explainParams.

    Attributes
    ----------
    history : History or None
        What was measured while a `CaffeEstimator` trained the model. It is not saved.

    Raises
    ------
    TypeError
        For a keyword that is no Param, or a value of another type.
    CaffeError
        For a value that cannot work.

    Examples
    --------
    >>> CaffeModel(model=model, inputCol="image", outputCol="prob").transform(df)
    """

    OPTIONS = (
        _option(
            "inputCol",
            "column of the input, for a net of one input; by default the one column that "
            "can be it. It holds encoded images, Spark's image struct, arrays or vectors",
        ),
        _option(
            "feedDict",
            "input blob -> column, for a net of several inputs",
            to_columns,
            word="feed",
        ),
        _option(
            "outputCol",
            "column for the net's output, if it has one; by default the output's own name",
        ),
        _option(
            "fetchDict",
            "blob -> column to append, of inner blobs too; by default the net's outputs under "
            "their own names, and none for {}",
            to_columns,
            word="fetch",
        ),
        _option(
            "outputType",
            "what a row of a blob becomes: array of floats in row-major order (a float where it "
            "is one number), vector of Spark ML, binary (the bytes of little-endian float32), or "
            "struct of shape and data",
            known=OUTPUT_TYPES,
        ),
        _option(
            "predictionCol",
            "column to append for the 0-based class of the largest number, a double as Spark "
            "ML's evaluators take it; none by default",
        ),
        _option(
            "topK",
            "how many best classes to append, as an array of struct of class, score and, if "
            "there are labels, label, the best first; 0 for none",
            TypeConverters.toInt,
            least=0,
        ),
        _option("topCol", "column for the best classes"),
        _option("labels", "names of the classes, in their order", TypeConverters.toListString),
        _option(
            "classesOf",
            "blob that predictionCol and topK judge; by default the first that is fetched",
        ),
        _option(
            "batchSize",
            "rows that the net runs at a time; fewer where their numbers would take too much "
            "memory",
            TypeConverters.toInt,
            least=1,
        ),
        _option(
            "recipe",
            "how images become the input, a bigdl_caffe.image.Recipe or its JSON; by default "
            "as the net's definition says",
            to_recipe,
        ),
        _option(
            "binary",
            "what binary columns hold: image files, or a type of number, as float32; for all, or "
            "input blob -> one of them; auto is images where the input is one, else float32",
            to_binary,
        ),
        _option(
            "onError",
            "what becomes of a row that cannot be scored: column keeps it, with nulls and the "
            "reason in errorCol; drop leaves it out; fail stops the job and names the row",
            known=ON_ERROR,
        ),
        _option("errorCol", "column for why a row could not be scored, null where it could"),
        _option(
            "engine",
            "what computes; "
            + "; ".join(f"{engine.name}: {engine.means}" for engine in ENGINES.values()),
            known=tuple(ENGINES),
        ),
        _option(
            "dtype",
            f"what the net computes in: {', '.join(DTYPES)}; what it returns is float32",
            known=tuple(DTYPES),
        ),
    )

    def __init__(
        self, model: Model | None = None, *, metrics: Metrics | None = None, **params: Any
    ) -> None:
        super().__init__()
        check_model(model)
        self.model = model
        self.metrics = metrics
        self.history: History | None = None
        self.setParams(**params)

    def transformSchema(self, schema: StructType) -> StructType:  # noqa: N802 (Spark's name)
        """Return the schema that `transform` makes of ``schema``; nothing runs.

        Raises
        ------
        CaffeError
            For columns, blobs or Params that cannot work.
        """
        spark = SparkSession.getActiveSession()
        exact = spark is not None and tells_case_apart(spark)
        added = plan(self.need_model(), schema, self.scoring(), exact).added
        return StructType([*schema.fields, *added])

    def _transform(self, dataset: DataFrame) -> DataFrame:
        return score_as(self.need_model(), dataset, self.scoring(), self.metrics)

    def scoring(self) -> Scoring:
        """Return the Params in one piece.

        Raises
        ------
        CaffeError
            For outputCol where there is not one output, or fetchDict too.
        """
        given = self.values()
        column = given.pop("output_col", None)
        if column is not None:
            given["fetch"] = {self._only_output(given): column}
        return Scoring(**given)

    def _only_output(self, given: dict[str, Any]) -> str:
        if "fetch" in given:
            raise CaffeError("give outputCol or fetchDict, not both")
        outputs = self.need_model().outputs
        if len(outputs) != 1:
            raise CaffeError(
                f"the net has the outputs {', '.join(outputs)}: say which column each gets, by "
                "fetchDict={'blob': 'column', ...} in place of outputCol"
            )
        return outputs[0]

    def need_model(self) -> Model:
        """Return the model; raise `CaffeError` if there is none."""
        if self.model is None:
            raise CaffeError(f"{self.uid} has no model: give CaffeModel(model=...), or set .model")
        return self.model

    def saved_params(self) -> dict[str, Any]:
        """Return the Params that were set, as JSON can hold them."""
        return {
            param.name: value.to_json() if isinstance(value, Recipe) else value
            for param, value in self._paramMap.items()
        }

    def write(self) -> StageWriter:
        """Return a writer, for ``write().overwrite().save(path)``; see docs/spark-ml.md."""
        return StageWriter(self)

    @classmethod
    def read(cls) -> StageReader[CaffeModel]:
        """Return a reader, for ``read().load(path)``."""
        return StageReader(cls)

    @classmethod
    def _from_java(cls, java: Any) -> CaffeModel:  # which Spark looks for
        return from_java(cls, java)

    def __repr__(self) -> str:
        return f"CaffeModel: uid={self.uid}, {self.model!r}"
