"""Caffe models on Spark: thin shells over pure functions on Arrow batches."""
