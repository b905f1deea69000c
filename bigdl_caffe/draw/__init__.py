"""Pictures of nets."""

from bigdl_caffe.draw.notebook import html
from bigdl_caffe.draw.write import draw

__all__ = ["draw", "html"]
