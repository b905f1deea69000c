"""Nets written in Python, as BigDL's graphs are: layers called with nodes.

::

    from bigdl_caffe.nodes import Convolution, Input, Model, ReLU

    data = Input("data", shape=(1, 3, 227, 227))
    conv1 = Convolution(name="conv1", num_output=96, kernel_size=11, stride=4)(data)
    model = Model([data], [ReLU(name="relu1")(conv1)])

There is a constructor for each registered layer type, under Caffe's name of the type; its
keywords are Caffe's names of the type's options.
"""

from __future__ import annotations

from bigdl_caffe.layers.registry import registry
from bigdl_caffe.nodes.build import from_nodes
from bigdl_caffe.nodes.graph import Input, LayerType, Node, NodeLayer, layer_type

__all__ = ["Input", "LayerType", "Model", "Node", "NodeLayer", "from_nodes", "layer_type"]

Model = from_nodes  # what a graph is made a model by, in BigDL's words


def __getattr__(name: str) -> LayerType:
    if name.startswith("_") or (name not in registry() and name != "Python"):
        raise AttributeError(
            f"no layer type '{name}' is registered; dir(bigdl_caffe.nodes) lists those that are"
        )
    return layer_type(name)


def __dir__() -> list[str]:
    types = (name for name in registry() if name.isidentifier())
    return sorted({*globals(), *types, "Python"})
