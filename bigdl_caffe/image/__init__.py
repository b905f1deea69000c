"""Pictures to blobs: decoding as OpenCV does, preprocessing as Caffe does."""
