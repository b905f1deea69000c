"""Pictures to blobs: decoding as OpenCV does, preprocessing as Caffe does."""

from bigdl_caffe.image.decode import decode
from bigdl_caffe.image.defaults import recipe_for
from bigdl_caffe.image.recipe import Recipe
from bigdl_caffe.image.transform import Batch, apply, apply_into, batch

__all__ = ["Batch", "Recipe", "apply", "apply_into", "batch", "decode", "recipe_for"]
