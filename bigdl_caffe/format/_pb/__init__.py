"""Code generated from proto/caffe.proto by setup.py; never edited."""
