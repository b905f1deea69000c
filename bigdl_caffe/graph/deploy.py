"""The definition of a net that scores, as a deploy.prototxt has it beside a train_val.prototxt."""

from __future__ import annotations

from bigdl_caffe.errors import CaffeError
from bigdl_caffe.format._pb import caffe_pb2 as pb
from bigdl_caffe.graph.ir import LayerDef, Net
from bigdl_caffe.graph.names import ALIAS


def deploy(net: Net) -> pb.NetParameter:
    """Return the definition of ``net`` alone: without the layers of other phases.

    What the caller feeds comes from Input layers, which have the shapes that the net has and
    the transform_param of the data layers in whose place they are.

    Parameters
    ----------
    net : Net
        In the TEST phase.

    Raises
    ------
    CaffeError
        The net is of the TRAIN phase, where it has losses and labels.
    """
    if net.phase != "TEST":
        raise CaffeError(
            "deploy=True writes a net that scores, and the model is in the TRAIN phase: load it "
            "with phase='TEST'"
        )
    definition = pb.NetParameter()
    if net.name:
        definition.name = net.name
    definition.layer.extend(_alone(layer, net) for layer in net.layers if layer.type != ALIAS)
    return definition


def _alone(layer: LayerDef, net: Net) -> pb.LayerParameter:
    """Return a layer as it is where there is no other phase."""
    fed = [] if layer.bottoms else [blob for blob in layer.tops if blob in net.inputs]
    if fed:
        made = pb.LayerParameter(name=layer.name, type="Input", top=fed)
        for blob in fed:
            made.input_param.shape.add(dim=net.inputs[blob])
        if layer.param.HasField("transform_param"):
            made.transform_param.CopyFrom(layer.param.transform_param)
        return made
    alone = pb.LayerParameter()
    alone.CopyFrom(layer.param)
    for field in ("include", "exclude", "blobs", "bottom", "top"):
        alone.ClearField(field)
    alone.bottom.extend(layer.bottoms)
    alone.top.extend(layer.tops)
    return alone
