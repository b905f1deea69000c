"""Measure DetectionOutput on the blobs of an SSD300, beside OpenCV's layer of that name.

The blobs are made: 8732 priors laid out as SSD300 does, offsets drawn at random, and
confidences of two kinds. "trained" gives each image ten objects that some priors know, and
says background elsewhere; "untrained" spreads every prior's confidence over all classes, so
that each of them has thousands of candidates above the threshold, the most work there can be.
Both ways run in this process, in turns, with as many threads as asked for.

    python -m benchmarks.detection_output --batch 8 --threads 1
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import torch

from bigdl_caffe import Model

CLASSES = 21
MAPS = ((38, 4), (19, 6), (10, 6), (5, 6), (3, 4), (1, 4))  # places a side, priors a place
PRIORS = sum(side * side * each for side, each in MAPS)
OPTIONS = """num_classes: 21 share_location: true background_label_id: 0
    nms_param { nms_threshold: 0.45 top_k: 400 } code_type: CENTER_SIZE keep_top_k: 200
    confidence_threshold: 0.01"""

Blobs = dict[str, np.ndarray]


def net(batch: int) -> str:
    """Return a net of three inputs and the layer."""
    shapes = {
        "loc": (batch, PRIORS * 4),
        "conf": (batch, PRIORS * CLASSES),
        "prior": (1, 2, PRIORS * 4),
    }
    inputs = "".join(
        f'input: "{blob}" input_shape {{ {" ".join(f"dim: {d}" for d in shape)} }}\n'
        for blob, shape in shapes.items()
    )
    bottoms = " ".join(f'bottom: "{blob}"' for blob in shapes)
    return (
        f'{inputs}layer {{ name: "det" type: "DetectionOutput" {bottoms} top: "det" '
        f"detection_output_param {{ {OPTIONS} }} }}\n"
    )


def priors(random: np.random.Generator) -> np.ndarray:
    """Return PriorBox's blob: each map's places with boxes of about its scale."""
    boxes = []
    for scale, (side, each) in zip((0.1, 0.2, 0.37, 0.54, 0.71, 0.88), MAPS, strict=True):
        center = (np.stack(np.meshgrid(*[np.arange(side)] * 2), -1) + 0.5) / side
        half = scale / 2 * random.uniform(0.6, 1.5, (each, 2))
        center = center.reshape(-1, 1, 2)
        boxes.append(np.concatenate((center - half, center + half), -1).reshape(-1, 4))
    corners = np.concatenate(boxes)
    variances = np.broadcast_to([0.1, 0.1, 0.2, 0.2], corners.shape)
    return np.stack((corners.ravel(), variances.ravel()))[None].astype(np.float32)


def blobs(batch: int, kind: str) -> Blobs:
    """Return the layer's three bottoms."""
    random = np.random.default_rng(1)
    logits = random.normal(size=(batch, PRIORS, CLASSES)).astype(np.float32)
    if kind == "trained":
        logits[..., 0] += 9
        for image in range(batch):
            for label in random.integers(1, CLASSES, 10):
                near = random.integers(0, PRIORS) + np.arange(30)
                logits[image, near % PRIORS, label] += random.uniform(6, 13, 30)
    scores = np.exp(logits)
    scores /= scores.sum(-1, keepdims=True)
    loc = random.normal(0, 0.5, (batch, PRIORS * 4)).astype(np.float32)
    return {"loc": loc, "conf": scores.reshape(batch, -1), "prior": priors(random)}


def ways(prototxt: Path, feed: Blobs) -> dict[str, Callable[[], np.ndarray]]:
    """Return what is measured: each answers the top."""
    other = cv2.dnn.readNetFromCaffe(str(prototxt))
    module = Model.load_caffe_model(prototxt, None).to_torch()
    tensors = {blob: torch.from_numpy(array) for blob, array in feed.items()}

    def opencv() -> np.ndarray:
        for blob, array in feed.items():
            other.setInput(array, blob)
        return np.asarray(other.forward())

    def ours() -> np.ndarray:
        return np.asarray(module(tensors)["det"])

    return {"OpenCV": opencv, "bigdl_caffe": ours}


def measure(kind: str, batch: int, rounds: int) -> None:
    """Print one line: both medians, and their ratio."""
    with tempfile.TemporaryDirectory() as folder:
        prototxt = Path(folder) / "net.prototxt"
        prototxt.write_text(net(batch))
        work = ways(prototxt, blobs(batch, kind))
        rows = {way: run()[0, 0] for way, run in work.items()}
        seconds: dict[str, list[float]] = {way: [] for way in work}
        for _ in range(rounds):
            for way, run in work.items():
                start = time.perf_counter()
                run()
                seconds[way].append(time.perf_counter() - start)
    median = {way: statistics.median(times) * 1e3 for way, times in seconds.items()}
    agree = {way: int((found[:, 2] > 0).sum()) for way, found in rows.items()}
    print(
        f"| {kind} | {batch} | {median['OpenCV']:.1f} ms | {median['bigdl_caffe']:.1f} ms | "
        f"{median['OpenCV'] / median['bigdl_caffe']:.2f}x | {agree['bigdl_caffe']} "
        f"(OpenCV {agree['OpenCV']}) |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    cv2.setNumThreads(args.threads)
    print("| confidences | batch | OpenCV | bigdl_caffe | OpenCV takes | detections |")
    print("|---|---|---|---|---|---|")
    for kind in ("trained", "untrained"):
        for batch in sorted({1, args.batch}):
            measure(kind, batch, args.rounds)


if __name__ == "__main__":
    main()
