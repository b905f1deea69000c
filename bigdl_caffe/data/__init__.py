"""Data layers as sources of batches, and the files they read and write."""

from bigdl_caffe.data.database import items, key_ranges
from bigdl_caffe.data.datum import Record
from bigdl_caffe.data.hdf5_output import write_hdf5_output
from bigdl_caffe.data.records import records
from bigdl_caffe.data.sources import SOURCES, batches, shapes

__all__ = [
    "SOURCES",
    "Record",
    "batches",
    "items",
    "key_ranges",
    "records",
    "shapes",
    "write_hdf5_output",
]
