"""Layers without bottoms, whose tops the caller feeds when scoring."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from torch import nn

from bigdl_caffe.errors import ShapeError
from bigdl_caffe.format._pb import caffe_pb2 as pb
from bigdl_caffe.graph.ir import LayerDef, Shape
from bigdl_caffe.layers.fillers import Filled
from bigdl_caffe.layers.fork_options import Messages
from bigdl_caffe.layers.options import Fields
from bigdl_caffe.layers.registry import Layer, Role, at_least, exactly, register

Size = tuple[int, int]
"""(height, width); 0 where the definition does not say."""


def _one_each(shapes: list[Shape], tops: Sequence[str]) -> list[Shape]:
    """Return a shape a top: one stands for all of them."""
    if len(shapes) not in (1, len(tops)):
        raise ShapeError(
            f"{len(shapes)} shapes for {len(tops)} tops: give one for all or one a top, here or "
            f"by input_shapes={{'{tops[0]}': (...)}}"
        )
    return shapes * len(tops) if len(shapes) == 1 else shapes


@register("Input")
class Input(Layer):
    """Tops of given shapes (input_layer.cpp)."""

    role = Role.INPUT
    bottoms = exactly(0)
    tops = at_least(1)

    def top_shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        """Return input_param's shapes."""
        shapes = [tuple(shape.dim) for shape in self.spec.param.input_param.shape]
        return _one_each(shapes, self.spec.tops)


@register("DummyData")
class DummyData(Input):
    """Tops of given shapes, filled where the caller feeds none (dummy_data_layer.cpp)."""

    def top_shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        """Return dummy_data_param's shapes, in the newer or the 4-D form."""
        p, tops = self.spec.param.dummy_data_param, self.spec.tops
        axes = (p.num, p.channels, p.height, p.width)
        if p.shape and any(axes):
            raise ShapeError("there are shape and num, channels, height or width: keep shape")
        if p.shape:
            return _one_each([tuple(shape.dim) for shape in p.shape], tops)
        sizes = [_one_each([(size,) for size in given], tops) for given in axes]
        return [tuple(size for (size,) in top) for top in zip(*sizes, strict=True)]

    def module(self, bottoms: Sequence[Shape]) -> nn.Module:
        """Return the module that fills the tops."""
        return Filled(self.top_shapes([]), self.fillers())

    def fillers(self) -> Sequence[pb.FillerParameter]:
        """Return a filler a top; none at all is constant 0."""
        given, tops = self.spec.param.dummy_data_param.data_filler, len(self.spec.tops)
        if len(given) not in (0, 1, tops):
            raise ShapeError(f"{len(given)} data_filler for {tops} tops: give none, one, or {tops}")
        return given if len(given) == tops else [*given, pb.FillerParameter()][:1] * tops


class Source(Layer):
    """What the layers that read images share: ``data`` (n, c, h, w), then ``label`` (n).

    Colour is taken for granted where a definition tells the size but not the number
    of channels, as transform_param's crop_size does.
    """

    role = Role.INPUT
    bottoms = exactly(0)
    tops = at_least(1)

    def __init__(self, spec: LayerDef, phase: str = "TEST") -> None:
        super().__init__(spec, phase)
        self.transform = spec.param.transform_param

    def batch(self) -> int:
        """Return the number of images in a batch; 0 if unknown."""
        return int(self.spec.param.data_param.batch_size)

    def channels(self) -> int:
        """Return the number of channels; 0 if unknown."""
        if self.transform.force_gray or self.transform.force_color:
            return 1 if self.transform.force_gray else 3
        means = len(self.transform.mean_value)
        return means if means > 1 else 0  # a single mean stands for any number of channels

    def size(self) -> Size:
        """Return the size of an image before it is cropped."""
        return 0, 0

    def crop(self) -> Size:
        """Return the size that images are cropped to."""
        t = self.transform
        return (t.crop_size, t.crop_size) if t.crop_size else (t.crop_h, t.crop_w)

    def label(self, data: Shape) -> Shape:
        """Return the shape of the tops after the first."""
        return data[:1]

    def top_shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        """Return what the definition says of data and label."""
        return self.fed_shapes({})

    def fed_shapes(self, given: Mapping[str, Shape]) -> list[Shape]:
        """Return the given shapes; labels go by the data where they are not given."""
        first, *labels = self.spec.tops
        data = given[first] if first in given else self.data()
        return [data, *(given.get(top, self.label(data)) for top in labels)]

    def data(self) -> Shape:
        """Return what the definition says of the first top."""
        size = self.crop() if all(self.crop()) else self.size()
        data = (self.batch(), self.channels() or (3 if all(size) else 0), *size)
        if not all(data):
            known = [n or axis for n, axis in zip(data, "NCHW", strict=True)]
            raise ShapeError(
                f"the definition leaves the shape of '{self.spec.tops[0]}' open: pass "
                f"input_shapes={{'{self.spec.tops[0]}': ({', '.join(map(str, known))})}}"
            )
        return data


@register("Data")
class Data(Source):
    """Records of a database (data_layer.cpp); only transform_param tells their size."""

    options = ("data_param", "transform_param")


@register("ImageData")
class ImageData(Source):
    """Images of a list of files (image_data_layer.cpp)."""

    options = ("image_data_param", "transform_param")

    def batch(self) -> int:
        """Return image_data_param's batch size."""
        return int(self.spec.param.image_data_param.batch_size)

    def channels(self) -> int:
        """Return 3 for colour, else 1."""
        return 3 if self.spec.param.image_data_param.is_color else 1

    def size(self) -> Size:
        """Return the size that images are resized to."""
        p = self.spec.param.image_data_param
        return p.new_height, p.new_width


@register("ImageSegData")
class ImageSegData(ImageData):
    """Images with an image of labels each (image_seg_data_layer.cpp of DeepLab and PSPNet)."""

    fork = "hszhao/PSPNet"
    without_golden = "it reads pairs of images that only its fork's tools list; here it is fed"

    def label(self, data: Shape) -> Shape:
        """Return one channel of the data's size."""
        return (data[0], 1, *data[2:])


@register("DenseImageData")
class DenseImageData(ImageSegData):
    """Images with an image of labels each (dense_image_data_layer.cpp of SegNet)."""

    options = ("dense_image_data_param", "transform_param")
    fork = "alexgkendall/caffe-segnet"
    fork_options: ClassVar[Messages] = {
        "dense_image_data_param": {"label_divide_factor": 1, "mirror": False}
    }
    without_effect: ClassVar[Fields] = {"dense_image_data_param": ("mirror",)}

    def batch(self) -> int:
        """Return dense_image_data_param's batch size."""
        return int(self.spec.param.dense_image_data_param.batch_size)

    def channels(self) -> int:
        """Return 3 for colour, else 1."""
        return 3 if self.spec.param.dense_image_data_param.is_color else 1

    def size(self) -> Size:
        """Return the size that images are resized to."""
        p = self.spec.param.dense_image_data_param
        return p.new_height, p.new_width

    def label(self, data: Shape) -> Shape:
        """Return one channel of the data's size, over ENet's ``label_divide_factor``."""
        factor = self.fork_values["dense_image_data_param"]["label_divide_factor"]
        if factor < 1:
            raise ShapeError(f"label_divide_factor is {factor}: give a whole number, 1 or more")
        return (data[0], 1, *(size // factor for size in data[2:]))


@register("WindowData")
class WindowData(Source):
    """Windows of images (window_data_layer.cpp)."""

    options = ("window_data_param", "transform_param")
    without_golden = (
        "it draws windows at random; tests/data/test_windows.py holds it to loops written after "
        "Caffe's source"
    )

    def batch(self) -> int:
        """Return window_data_param's batch size."""
        return int(self.spec.param.window_data_param.batch_size)

    def channels(self) -> int:
        """Return 3: windows are cut from colour images."""
        return 3

    def size(self) -> Size:
        """Return the older place of crop_size."""
        return (self.spec.param.window_data_param.crop_size,) * 2


@register("MemoryData")
class MemoryData(Source):
    """Arrays set from outside, as large as memory_data_param says (memory_data_layer.cpp)."""

    options = ("memory_data_param",)

    def batch(self) -> int:
        """Return memory_data_param's batch size."""
        return int(self.spec.param.memory_data_param.batch_size)

    def channels(self) -> int:
        """Return memory_data_param's channels."""
        return int(self.spec.param.memory_data_param.channels)

    def size(self) -> Size:
        """Return memory_data_param's size, which is that of a crop already."""
        p = self.spec.param.memory_data_param
        return p.height, p.width

    def crop(self) -> Size:
        """Return nothing: where Caffe crops at all, to the size that the arrays have."""
        return 0, 0

    def label(self, data: Shape) -> Shape:
        """Return (n, 1, 1, 1), which Caffe's Forward makes of the (n,) that it sets up."""
        return (data[0], 1, 1, 1)


@register("HDF5Data")
class HDF5Data(Source):
    """Datasets of HDF5 files, whose shapes only the files tell (hdf5_data_layer.cpp)."""

    def batch(self) -> int:
        """Return hdf5_data_param's batch size."""
        return int(self.spec.param.hdf5_data_param.batch_size)


@register("AnnotatedData")
class AnnotatedData(Source):
    """Records with boxes (annotated_data_layer.cpp of SSD)."""

    options = ("data_param", "annotated_data_param", "transform_param")
    fork = "weiliu89/caffe (ssd)"
    without_golden = (
        "the fork's data layers were not run; tests/data/test_annotated.py holds it to rules "
        "written after its source"
    )

    def size(self) -> Size:
        """Return the size that images are resized to."""
        for resize in self.transform.resize_param:
            return resize.height, resize.width
        return 0, 0

    def label(self, data: Shape) -> Shape:
        """Return room for one box, (1, 1, boxes, 8); for MobileNet-YOLO's 300 boxes an image."""
        if self.spec.param.annotated_data_param.yolo_data_type == 1:
            return data[0], 1, 300, 5
        return 1, 1, 1, 8


@register("VideoData")
class VideoData(AnnotatedData):
    """Frames of a camera or a video (video_data_layer.cpp of SSD)."""

    options = ("data_param", "video_data_param", "transform_param")
    without_golden = "it reads a camera or a video; here it is fed"

    def label(self, data: Shape) -> Shape:
        """Return one number a frame."""
        return data[:1]
