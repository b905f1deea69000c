"""Torch modules where torch's own arithmetic is not Caffe's, and the net that runs them."""
