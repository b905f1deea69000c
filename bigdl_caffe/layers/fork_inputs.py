"""Data layers of forks whose data are not read here: their tops are fed by the caller."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bigdl_caffe.errors import ShapeError
from bigdl_caffe.graph.ir import Shape
from bigdl_caffe.layers.registry import Layer, Role, at_least, exactly, register


class Fed(Layer):
    """Tops whose shapes the definition does not tell."""

    role = Role.INPUT
    bottoms = exactly(0)
    tops = at_least(1)
    takes_unknown_values = True  # whatever they are, they concern data that are not read
    without_golden = "it reads data that only its fork's own tools make; here it is fed"

    def top_shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        """Raise, as the shapes have to be given."""
        return self.fed_shapes({})

    def fed_shapes(self, given: Mapping[str, Shape]) -> list[Shape]:
        """Return the given shapes, which have to be all of them."""
        missing = [top for top in self.spec.tops if top not in given]
        if missing:
            raise ShapeError(
                f"only the data tell the shapes of {', '.join(missing)}, and they are not read: "
                f"pass input_shapes={{{', '.join(f'{top!r}: (...)' for top in missing)}}}"
            )
        return [given[top] for top in self.spec.tops]


_FCN = "shelhamer/fcn.berkeleyvision.org"

TYPES: dict[tuple[str, ...], tuple[str, str]] = {
    ("CPMData",): (
        "shihenw/caffe",
        "Pictures of people and maps of where their joints are (cpm_data_layer.cpp).",
    ),
    ("CoSData",): ("yahoo/CaffeOnSpark", "Columns of a data frame (cos_data_layer.cpp)."),
    ("DocData",): (
        "BVLC/caffe, pull request 2539",
        "Pages of documents and what is known of each (doc_data_layer.cpp).",
    ),
    ("LaneData",): (
        "eric612/MobileNet-YOLO",
        "Pictures of streets with boxes and maps of lanes (lane_data_layer.cpp).",
    ),
    ("MultiLabelData",): (
        "forks of BVLC/caffe",
        "Records with several labels each (multi_label_data_layer.cpp).",
    ),
    ("MultiLabelImageData",): (
        "forks of BVLC/caffe",
        "Pictures with several labels each (multi_label_image_data_layer.cpp).",
    ),
    ("RandVec",): (
        "godisboy/caffe_InfoGAN",
        "Vectors of random numbers, as generators take them (rand_vec_layer.cpp).",
    ),
    ("SparseData",): (
        "BVLC/caffe, pull request 2364",
        "Rows of sparse matrices (sparse_data_layer.cpp).",
    ),
    ("SPATIAL_PYRAMID_POOLING_DATA",): (
        "BVLC/caffe, pull request 601",
        "Regions of feature maps (spatial_pyramid_pooling_data_layer.cpp).",
    ),
    ("voc_layers.VOCSegDataLayer", "voc_layers.SBDDSegDataLayer"): (
        _FCN,
        "A picture of PASCAL VOC and an image of its classes (voc_layers.py).",
    ),
    ("nyud_layers.NYUDSegDataLayer",): (
        _FCN,
        "Colour, depth and an image of classes of NYUDv2 (nyud_layers.py).",
    ),
    ("pascalcontext_layers.PASCALContextSegDataLayer",): (
        _FCN,
        "A picture and an image of its classes (pascalcontext_layers.py).",
    ),
    ("siftflow_layers.SIFTFlowSegDataLayer",): (
        _FCN,
        "A picture and two images of classes (siftflow_layers.py).",
    ),
}
"""Types → the fork they come from, and what they would read."""

for _types, (_fork, _what) in TYPES.items():
    register(*_types)(type("Fed", (Fed,), {"__doc__": _what, "fork": _fork}))
