"""The fully connected layer of forks with sparse data."""

from __future__ import annotations

from bigdl_caffe.layers.dense import InnerProduct
from bigdl_caffe.layers.registry import register


@register("SparseInnerProduct")
class SparseInnerProduct(InnerProduct):
    """InnerProduct over a sparse bottom, which is fed dense (sparse_inner_product_layer.cpp).

    Of the pull requests BVLC/caffe#2364 and #5295, whose layer too computes InnerProduct
    where the bottom is dense.
    """

    fork = "BVLC/caffe#5295"
    options = ("inner_product_param",)
    without_golden = (
        "no case can exist where that fork was not run; it is InnerProduct's own code, which "
        "has its cases"
    )
