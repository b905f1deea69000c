"""Pictures of nets."""

from bigdl_caffe.draw.write import draw
from bigdl_caffe.draw.notebook import html

__all__ = ["draw", "html"]
