"""The net that learns, and the one that validates it, made of the model that is trained."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bigdl_caffe.errors import CaffeError
from bigdl_caffe.format._pb import caffe_pb2 as pb
from bigdl_caffe.graph.ir import Shape
from bigdl_caffe.layers.assemble import Options
from bigdl_caffe.layers.registry import Layer
from bigdl_caffe.model import Model
from bigdl_caffe.optimizer.criteria import (
    LOSS,
    MAE_TYPE,
    Criterion,
    MAELayer,
    ValidationMethod,
    layer_of,
)
from bigdl_caffe.train.nets import sharing

CUSTOM = "Criterion"
"""The type of a layer that computes a function of the caller's."""


@dataclass(frozen=True)
class Nets:
    """What is made of a model to train it; all have its weights.

    Attributes
    ----------
    model : Model
        With one output.
    criterion : str or callable
    target : Shape
        Of one row's target.
    """

    model: Model
    criterion: Criterion
    target: Shape

    @property
    def target_blob(self) -> str:
        """The input that takes the targets: "target", or a like name that is free."""
        name = "target"
        while name in self.model.net.shapes:
            name += "~"
        return name

    def learner(self) -> Model:
        """Return the net that learns: the model's layers in TRAIN phase, and the criterion."""
        return self._net("TRAIN", self._definition([self._loss()]))

    def validator(self, methods: Sequence[ValidationMethod]) -> Model:
        """Return the net whose outputs are what ``methods`` measure, by their names."""
        return self._net("TEST", self.validation(methods))

    def validation(self, methods: Sequence[ValidationMethod]) -> pb.NetParameter:
        """Return the definition of `validator`."""
        found = (method.layer(self._output, self.target_blob) for method in methods)
        return self._definition([layer or self._loss() for layer in found])

    @property
    def converters(self) -> dict[str, type[Layer]]:
        """The layer types that the nets have besides Caffe's and the model's."""
        given = {} if isinstance(self.criterion, str) else {CUSTOM: layer_of(self.criterion)}
        return {MAE_TYPE: MAELayer, **given}

    def _net(self, phase: str, definition: pb.NetParameter) -> Model:
        return sharing(self.model, definition, Options(phase, judges=True), self.converters)

    def _definition(self, judges: Sequence[pb.LayerParameter]) -> pb.NetParameter:
        layers = [*self._inputs(), *self._layers(), *judges]
        return pb.NetParameter(name=self.model.net.name, layer=layers)

    def _inputs(self) -> Iterator[pb.LayerParameter]:
        (rows, *_), *_ = self.model.inputs.values()
        shapes = {**self.model.inputs, self.target_blob: (rows, *self.target)}
        for blob, shape in shapes.items():
            layer = pb.LayerParameter(name=blob, type="Input", top=[blob])
            layer.input_param.shape.add(dim=shape)
            yield layer

    def _layers(self) -> Iterator[pb.LayerParameter]:
        """Yield the model's layers, without those that make its inputs, and its last Softmax."""
        dropped = self._softmax()
        for spec in self.model.net.layers:
            fed = not spec.bottoms and set(spec.tops) <= self.model.inputs.keys()
            if not fed and spec.name != dropped:
                layer = pb.LayerParameter()
                layer.CopyFrom(spec.param)
                layer.ClearField("include")
                layer.ClearField("exclude")
                yield layer

    def _loss(self) -> pb.LayerParameter:
        kind = self.criterion if isinstance(self.criterion, str) else CUSTOM
        bottoms = [self._output, self.target_blob]
        return pb.LayerParameter(name=LOSS, type=kind, bottom=bottoms, top=[LOSS])

    @property
    def _output(self) -> str:
        """The blob that is judged: what goes into the Softmax where the criterion has its own."""
        blobs = self.model.outputs
        if len(blobs) != 1:
            raise CaffeError(
                f"the model has the outputs {', '.join(blobs)}, and a criterion judges one: choose "
                "it by model.new_graph('...')"
            )
        dropped = self._softmax()
        bottoms = (spec.bottoms[0] for spec in self.model.net.layers if spec.name == dropped)
        return next(bottoms, blobs[0])

    def _softmax(self) -> str | None:
        """Return the name of the Softmax that makes the output, if SoftmaxWithLoss follows it."""
        if self.criterion != "SoftmaxWithLoss":
            return None
        last = self.model.net.layers[-1]
        return last.name if last.type == "Softmax" and last.tops == self.model.outputs else None
