"""Bytes in, bytes out: prototxt, caffemodel, HDF5 weights, and where files lie."""
