"""Caffe's and BigDL's data as DataFrames, read in parallel by the executors."""

from bigdl_caffe.spark.sources.databases import leveldb, lmdb
from bigdl_caffe.spark.sources.files import IMAGE_SUFFIXES, Source, read_source
from bigdl_caffe.spark.sources.hdf5 import hdf5
from bigdl_caffe.spark.sources.images import image_folder, image_list
from bigdl_caffe.spark.sources.sequence import sequence_file

__all__ = [
    "IMAGE_SUFFIXES",
    "Source",
    "hdf5",
    "image_folder",
    "image_list",
    "leveldb",
    "lmdb",
    "read_source",
    "sequence_file",
]
