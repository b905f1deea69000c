"""Data layers as sources of batches, and the files they read and write."""
