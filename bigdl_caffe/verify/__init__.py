"""Two models, or a model and what was recorded of one, held against each other blob by blob.

::

    from bigdl_caffe.verify import compare

    comparison = compare(model, converted)          # or compare(model, "caffe_io.npz")
    print(comparison)                               # a table; the first layer that departs
    comparison.first                                # "conv2", or None
    comparison.write_plot("difference.svg")
"""

from bigdl_caffe.verify.compare import compare
from bigdl_caffe.verify.comparison import Comparison, Row
from bigdl_caffe.verify.feeds import make_feed, read_feed

__all__ = ["Comparison", "Row", "compare", "make_feed", "read_feed"]
