"""Saving a stage: Spark ML's own metadata, which is JSON, and the model's Arrow file beside it.

::

    path/model.arrow      what Model.write_bundle writes
    path/metadata/part-*  one line of JSON, as Spark's own stages have it

The metadata is written last and holds the model's hash, so that what was cut short, or put
together of two halves, is not taken for a stage. Nothing is pickled.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from pyspark.ml.util import DefaultParamsReader, DefaultParamsWriter, MLReader, MLWriter

from bigdl_caffe.errors import CaffeError, CaffeFormatError, UnsupportedLayerError
from bigdl_caffe.layers.registry import registry
from bigdl_caffe.model import Model
from bigdl_caffe.spark.storage import Storage, storage
from bigdl_caffe.spark.ways import is_connect
from bigdl_caffe.spark.worker import custom_layers, is_custom

if TYPE_CHECKING:
    from bigdl_caffe.spark.estimator import CaffeEstimator
    from bigdl_caffe.spark.transformer import CaffeModel

    Stage: TypeAlias = CaffeModel | CaffeEstimator

S = TypeVar("S", bound="Stage")

BUNDLE = "model.arrow"
_HOME = "bigdl_caffe.spark"


class StageWriter(MLWriter):
    """Writes a stage to wherever Hadoop can write."""

    def __init__(self, stage: Stage) -> None:
        super().__init__()
        self._stage = stage

    def save(self, path: str | os.PathLike[str]) -> None:
        """Save the stage as the folder ``path``.

        Raises
        ------
        CaffeError
            Something is there and is not to be overwritten, or the stage has no model.
        """
        path = os.fspath(path)
        model, files = self._stage.need_model(), storage(self.sparkSession)
        if files.exists(path):
            if not self.shouldOverwrite:
                raise CaffeError(
                    f"{path} is there already: choose another path, or write().overwrite().save()"
                )
            files.delete(path)
        content_hash = files.write(model, f"{path}/{BUNDLE}")
        custom = {name: _named(layer) for name, layer in custom_layers(model).items()}
        DefaultParamsWriter.saveMetadata(
            self._stage,
            path,
            self.sparkSession if is_connect(self.sparkSession) else self.sc,
            {"class": _named(type(self._stage)), "contentHash": content_hash, "layers": custom},
            self._stage.saved_params(),
        )


class StageReader(MLReader[S]):
    """Reads what `StageWriter` wrote, in this Spark or another."""

    def __init__(self, stage: type[S]) -> None:
        super().__init__()
        self._class = stage

    def load(self, path: str | os.PathLike[str]) -> S:
        """Return the stage that was saved as the folder ``path``.

        Layer types of your own have to be registered: classes are not saved.

        Raises
        ------
        CaffeError
            There is no stage, it is of another class or of a later version of this package,
            or was not saved to the end.
        UnsupportedLayerError
            The net has layer types of your own that are not registered.
        """
        path = os.fspath(path)
        files = storage(self.sparkSession)
        metadata = self._metadata(path, files)
        check_registered(metadata["layers"])
        model = files.read(f"{path}/{BUNDLE}")
        if model.content_hash != metadata["contentHash"]:
            raise CaffeFormatError(
                "its model is not the one that its metadata names: save the stage again", path
            )
        stage = self._class(model)
        stage._resetUid(metadata["uid"])
        _check_known(stage, metadata, path)
        DefaultParamsReader.getAndSetParams(stage, metadata)
        return stage

    def _metadata(self, path: str, files: Storage) -> dict[str, Any]:
        folder = f"{path}/metadata"
        found = self.sparkSession.read.text(folder).collect() if files.exists(folder) else []
        if not found:
            raise CaffeError(
                f"no stage is saved at {path}, or saving it was cut short: {folder} is missing or "
                "empty"
            )
        metadata: dict[str, Any] = json.loads(found[0][0])
        if metadata["class"] != _named(self._class):
            raise CaffeError(
                f"{path} holds a {metadata['class']}: load it with that class, or a whole "
                "pipeline with PipelineModel.load"
            )
        return metadata


def from_java(stage: type[S], java: Any) -> S:
    """Return the equal of a stage of the JVM, where Spark loads what the JVM saved.

    Parameters
    ----------
    java : JavaObject
        The JVM's bigdl_caffe.spark.CaffeModel or CaffeEstimator.
    """
    told = json.loads(java.forPython())
    made = stage(_taken(told["bundle"]) if "bundle" in told else None, **told["params"])
    made._resetUid(java.uid())
    return made


def _taken(bundle: str) -> Model:
    """Open a model's file that is there for this alone; what is mapped stays when it goes."""
    model = Model.open_bundle(bundle)
    shutil.rmtree(os.path.dirname(bundle))
    return model


def check_registered(saved: Mapping[str, str]) -> None:
    """Refuse to load a net with layer types of the user's that are not registered.

    Parameters
    ----------
    saved : mapping of str to str
        Layer type → its class when it was saved.
    """
    here = registry()
    ours = {name for name, layer in here.items() if not is_custom(layer)}
    missing = {n: home for n, home in saved.items() if n in ours or n not in here}
    if missing:
        raise UnsupportedLayerError(
            *(
                f"the saved net has your own layer type '{name}', which was {home}: before "
                f"loading, import the module that registers it, or decorate it with "
                f"@bigdl_caffe.register('{name}')"
                for name, home in missing.items()
            )
        )


def _named(cls: type) -> str:
    """Return a class's full name: of ours the public one, which stays if its file moves."""
    ours = cls.__module__.startswith(f"{_HOME}.")
    return f"{_HOME if ours else cls.__module__}.{cls.__qualname__}"


def _check_known(stage: Stage, metadata: Mapping[str, Any], path: str) -> None:
    saved = {**metadata["paramMap"], **metadata["defaultParamMap"]}
    unknown = [name for name in saved if not stage.hasParam(name)]
    if unknown:
        raise CaffeError(
            f"the stage at {path} has the Params {', '.join(unknown)}, which this version of "
            "bigdl_caffe does not know: load it with the version that saved it, or a later one"
        )
