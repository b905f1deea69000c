"""BigDL's calls that score labelled data and pictures on Spark."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from bigdl_caffe import feeding
from bigdl_caffe.errors import CaffeError
from bigdl_caffe.runner import Array, Runner

if TYPE_CHECKING:
    from bigdl_caffe.model import Model


class BigDLScoring(Runner):
    """Methods of `bigdl_caffe.Model` that BigDL's Layer has for RDDs and ImageFrames."""

    def predict(
        self,
        data: Any,
        batch_size: int = 32,
        fetch: Sequence[str] | None = None,
        engine: str = "torch",
        **how: Any,
    ) -> Any:
        """Score many rows.

        Parameters
        ----------
        data : ndarray, dict of str to ndarray, Spark DataFrame or RDD of arrays
            Rows along the first axis; a dict for nets with several inputs. Of a
            DataFrame, encoded images are decoded and prepared on the executors.
        batch_size : int
            Rows a forward pass takes at once.
        fetch : sequence of str, optional
            Blobs to return; the net's outputs by default.
        engine : str
            What computes; docs/engines.md tells of each. "exact" gives what `run` gives for
            one row at a time.
        **how
            For a DataFrame, as `bigdl_caffe.spark.scoring.score_dataframe` has them:
            ``input_col``, ``feed``, ``recipe``, ``on_error``, ``error_col``.

        Returns
        -------
        ndarray, dict of str to ndarray, DataFrame or RDD
            As the data is. An ndarray for one fetched blob, a dict for several; for a
            DataFrame, lazily, its own columns, one for each blob, and the error column.
        """
        if feeding.is_spark(data):
            from bigdl_caffe.spark import scoring  # Spark only when it is used

            how = {"batch_size": batch_size, "fetch": fetch, "engine": engine, **how}
            return scoring.score(cast("Model", self), data, **how)
        from bigdl_caffe.engine.local import at_once, opened  # engines only when they are used

        wanted = self.check_fetch(fetch)
        feed = data if isinstance(data, Mapping) else feeding.name_arrays(data, self.net)
        self.reset()  # the data's first row is the first step of recurrent nets
        row_wise = self.row_wise(wanted)
        rows = at_once(engine, feeding.check_batch_size(batch_size), row_wise)
        run = opened(cast("Model", self), engine, wanted, rows)
        tops = feeding.in_batches(run, feed, wanted, rows, row_wise)
        return tops[wanted[0]] if len(wanted) == 1 else tops

    def predict_class(
        self,
        data: Any,
        batch_size: int = 32,
        fetch: str | None = None,
        engine: str = "torch",
        **how: Any,
    ) -> Any:
        """Return the 0-based class of each row: the position of its largest output.

        Parameters
        ----------
        data, batch_size, engine, **how
            As for `predict`.
        fetch : str, optional
            The blob with the classes' scores; needed when the net has several outputs.

        Returns
        -------
        ndarray of int64, DataFrame or RDD of int
            A DataFrame gets an integer column "prediction" beside its own.
        """
        blobs = self.check_fetch(fetch)
        if len(blobs) != 1:
            raise CaffeError(
                f"there are the outputs {', '.join(blobs)}: say whose classes you want, "
                "by predict_class(data, fetch='...')"
            )
        blob = blobs[0]
        if feeding.is_spark(data):
            from bigdl_caffe.spark import scoring  # Spark only when it is used

            how = {"batch_size": batch_size, "engine": engine, **how}
            return scoring.score_classes(cast("Model", self), data, fetch=[blob], **how)
        scores = self.predict(data, batch_size, [blob], engine)
        feeding.check_classes(blob, scores.shape)
        return scores.reshape(len(scores), -1).argmax(1)

    def evaluate(self, data: Any = None, batch_size: int = 32, **how: Any) -> Any:
        """Evaluate the model on labelled data or, without any, return the model.

        Without data this is BigDL's change to evaluation mode. Models compute so unless they
        are loaded with ``phase="TRAIN"``; the phase also says which layers there are, so a
        model does not change it.

        Parameters
        ----------
        data : DataFrame, or RDD of (features, label)
            Features are what `Model.predict` takes.
        batch_size : int
            Rows a forward pass takes at once.
        **how
            ``metrics``: "top1" (the default), "top5", "loss", "mae", objects of
            :mod:`bigdl_caffe.spark.criteria`, or several of them.
            ``fetch``: the blob that is judged, where the net has several outputs.
            ``engine``: what computes, as for `Model.predict`.
            ``label_col``: a DataFrame's column of labels, "label" by default; and further
            what `Model.predict` takes for DataFrames.
            Labels are classes counted from 0, where BigDL's are from 1; for "mae", as many
            numbers as the output has.

        Returns
        -------
        Model, or list of EvaluatedResult
            One result a metric, as `bigdl_caffe.spark.evaluation.EvaluatedResult` has it.
            A row of a DataFrame that cannot be scored is counted as ``failed``; one of an
            RDD stops the job.

        Raises
        ------
        CaffeError
            For a model of the TRAIN phase without data, for options that cannot work and,
            when the job runs, for a label that is no class of the output.
        """
        if data is not None:
            if not feeding.is_spark(data):
                raise CaffeError(
                    f"evaluate takes a DataFrame or an RDD, not a {type(data).__name__}: of "
                    "arrays, compare what predict_class returns with the labels"
                )
            from bigdl_caffe.spark.evaluation import evaluate  # Spark only when it is used

            return evaluate(cast("Model", self), data, batch_size=batch_size, **how)
        if self.net.phase == "TRAIN":
            raise CaffeError(
                "the model was loaded for the TRAIN phase: load it with phase='TEST' to evaluate it"
            )
        return self

    def predict_image(
        self,
        images: Any,
        output_layer: str | None = None,
        share_buffer: bool = False,
        batch_per_partition: int = 32,
        predict_key: str = "predict",
        **how: Any,
    ) -> Any:
        """Score pictures and keep what they came with, as BigDL does with an ImageFrame.

        Parameters
        ----------
        images : DataFrame or RDD
            A DataFrame as `Model.predict` takes it. Elements of an RDD are pictures (the
            bytes of a file, uint8 arrays (height, width, channels) of BGR or grey, Spark's
            image rows), or dicts or Rows that have one as "image" or "bytes".
        output_layer : str, optional
            The blob, or the layer whose blob, is wanted; needed where the net has several
            outputs.
        share_buffer : bool
            BigDL's; changes nothing.
        batch_per_partition : int
            Pictures a forward pass takes at once.
        predict_key : str
            Name of the prediction.
        **how
            ``recipe`` and ``engine``, and for a DataFrame what `Model.predict` takes.

        Returns
        -------
        DataFrame or RDD of dict
            The DataFrame with the prediction as a column; or each element as a dict, a plain
            picture as its "image", with the prediction beside it, in the same order and
            partitions.

        Raises
        ------
        CaffeError
            At once, for options that cannot work; on an action, for an RDD's row that cannot
            be scored. A DataFrame's row gets its reason as in `Model.predict`.
        """
        from bigdl_caffe.spark.images import predict_image  # Spark only when it is used

        blobs = self.outputs if output_layer is None else self._tops(output_layer)
        if len(blobs) != 1:
            raise CaffeError(f"there are {', '.join(blobs)}: choose one by output_layer")
        return predict_image(
            cast("Model", self),
            images,
            blobs[0],
            batch_size=batch_per_partition,
            predict_key=predict_key,
            **how,
        )

    def _tops(self, name: str) -> Sequence[str]:
        tops = [layer.tops for layer in self.net.layers if layer.name == name]
        return (name,) if name in self.blob_shapes or not tops else tops[-1]

    def release(self, spark: Any = None) -> None:
        """Free what Spark holds of the model, now; using the model again sends it again.

        DataFrames that were made with the model and not computed yet fail from now on. A
        model that nobody refers to any more is released by itself, when Spark next cleans up.

        Parameters
        ----------
        spark : SparkSession, optional
            Release it there only; by default in every session it was sent to.
        """
        from bigdl_caffe.spark.ship import release  # Spark only when it is used

        release(cast("Model", self), spark)

    def forward(self, x: Array | Sequence[Array]) -> Array | list[Array]:
        """Run a forward pass as BigDL does: arrays in, arrays out.

        Parameters
        ----------
        x : ndarray or sequence of ndarray
            One array for each input, in the order of `inputs`.

        Returns
        -------
        ndarray or list of ndarray
            One array for each output, in the order of `outputs`; a single output is not
            in a list.
        """
        tops = list(self.run(feeding.name_arrays(x, self.net)).values())
        return tops[0] if len(tops) == 1 else tops

    __call__ = forward
