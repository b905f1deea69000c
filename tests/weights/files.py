"""Caffe's two files, made for a test: a net's text, and random weights for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bigdl_caffe import Model
from bigdl_caffe.format.caffemodel_writer import write_caffemodel
from bigdl_caffe.format.prototxt import read_net
from bigdl_caffe.graph.upgrade import upgrade

Blobs = dict[str, list[NDArray[np.float32]]]


@dataclass(frozen=True)
class Files:
    """A prototxt and a caffemodel, and what is in them."""

    prototxt: Path
    caffemodel: Path
    blobs: Blobs

    def model(self) -> Model:
        """Return our own model of them."""
        return Model.load_caffe_model(self.prototxt, self.caffemodel)


def write_weights(prototxt: Path, caffemodel: Path, blobs: Mapping[str, list]) -> Path:
    """Write the blobs of each layer, and give back the caffemodel's path."""
    net = upgrade(read_net(str(prototxt))).net
    write_caffemodel(caffemodel, net, [blobs.get(layer.name, []) for layer in net.layer])
    return caffemodel


def write_files(folder: Path, text: str, seed: int = 0, name: str = "net") -> Files:
    """Write the net of ``text`` with random weights: positive, so that variances are."""
    prototxt = folder / f"{name}.prototxt"
    prototxt.write_text(text)
    rng = np.random.default_rng(seed)
    blobs = {
        layer: [rng.uniform(0.1, 1, blob.shape).astype(np.float32) for blob in its]
        for layer, its in Model.load_caffe_model(prototxt, None).params.items()
    }
    caffemodel = write_weights(prototxt, folder / f"{name}.caffemodel", blobs)
    return Files(prototxt, caffemodel, blobs)
