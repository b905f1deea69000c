"""Training as Caffe's solvers do it, on one process or on many that stay in step."""
