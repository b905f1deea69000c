"""EvalDetection against loops written after Intel's eval_detection_layer.cpp."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from bigdl_caffe.errors import ShapeError, UnsupportedLayerError
from tests.layers.build import layer, random
from tests.layers.test_yolo import Box, box_at, kept, overlap, sigmoid, softmax
from tests.nets import net

Array = NDArray[np.floating]

BIASES = [1.08, 1.19, 3.42, 4.41, 2.63, 1.38, 0.5, 0.7, 2.2, 2.9]
OPTIONS = f"""side: 3 num_class: 2 num_object: 5 threshold: 0.3
    {" ".join(f"biases: {b}" for b in BIASES)}"""
LABELS = torch.tensor(
    [
        [1, 1, 0, 0.1, 0.1, 0.7, 0.8, 0],
        [0, 2, 0, 0.2, 0.3, 0.9, 1.0, 0],
        [-1, 2, 0, 0.2, 0.3, 0.9, 1.0, 0],
        [0, 2, 1, 0.1, 0.2, 0.9, 1.0, 0],
    ]
)[None, None]


def predictions(x: Array, score: str) -> list[tuple[int, float, Box]]:
    found = []
    for j, i, n in np.ndindex(3, 3, 5):
        own = x[7 * n : 7 * n + 7]
        share, there = softmax(own[5:, j, i]), sigmoid(own[4, j, i])
        value = {"OBJ": there, "PROB": share.max(), "MULTIPLY": there * share.max()}[score]
        bias = BIASES[2 * n], BIASES[2 * n + 1]
        found.append((int(share.argmax()), value, box_at(own, i, j, bias, (3, 3))))
    return found


def evaluated(x: Array, image: int, score: str, nms: float) -> Array:
    """Return one image's row of the top."""
    top, true = np.zeros(2 + 4 * 45), [r for r in LABELS[0, 0].tolist() if r[0] == image]
    truths: dict[int, list[Box]] = {}
    for _, label, _, x1, y1, x2, y2, _ in true:
        box = [(x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1]
        truths.setdefault(int(label) - 1, []).append(box)
        top[int(label) - 1] += 1
    found = predictions(x, score)
    survivors = [found[i] for i in kept(found, nms)] if nms >= 0 else []
    survivors = [f for f in survivors if f[1] >= 0.005]
    place = 2
    for wanted in (0, 1):
        taken: set[int] = set()
        for label, value, box in (f for f in survivors if f[0] == wanted):
            overlaps = [overlap(box, t) for t in truths.get(label, [])]
            best = int(np.argmax(overlaps)) if overlaps else -1
            if not overlaps:
                marks = [0, 1]
            elif overlaps[best] < 0.3:
                marks = [0, 0]
            else:
                marks = [0, 1] if best in taken else [1, 0]
                taken.add(best)
            top[place : place + 4] = [label, value, *marks]
            place += 4
    return top


@pytest.mark.parametrize("score", ["OBJ", "PROB", "MULTIPLY"])
@pytest.mark.parametrize("nms", [-1, 0.45])
def test_eval_detection(score: str, nms: float) -> None:
    x = random(3, 35, 3, 3) * 0.7
    options = f"eval_detection_param {{ {OPTIONS} nms: {nms} score_type: {score} }}"
    evaluation = layer("EvalDetection", options, bottoms=2)
    assert evaluation.top_shapes([tuple(x.shape), (1, 1, 4, 8)]) == [(3, 182)]
    top = evaluation.module([tuple(x.shape), (1, 1, 4, 8)])(x, LABELS)
    expected = np.stack([evaluated(x[i].double().numpy(), i, score, nms) for i in range(3)])
    np.testing.assert_allclose(top, expected, rtol=1e-5)
    marks = top[:, 2:].reshape(3, -1, 4)
    assert nms < 0 or {tuple(m) for m in marks[0, :, 2:].tolist()} == {(0, 0), (0, 1), (1, 0)}


def test_refuses_what_the_fork_takes_for_5_anchors() -> None:
    with pytest.raises(UnsupportedLayerError, match="num_object"):
        layer("EvalDetection", "eval_detection_param { num_object: 2 }", bottoms=2)
    evaluation = layer("EvalDetection", f"eval_detection_param {{ {OPTIONS} }}", bottoms=2)
    with pytest.raises(ShapeError, match="side"):
        evaluation.top_shapes([(1, 35, 4, 4), (1, 1, 4, 8)])


def test_in_a_net(tmp_path: Path) -> None:
    text = f"""
    input: "map" input_shape {{ dim: 3 dim: 35 dim: 3 dim: 3 }}
    input: "label" input_shape {{ dim: 1 dim: 1 dim: 4 dim: 8 }}
    layer {{ name: "eval" type: "EvalDetection" bottom: "map" bottom: "label" top: "eval"
      eval_detection_param {{ {OPTIONS} nms: 0.45 }} }}"""
    x = random(3, 35, 3, 3) * 0.7
    model = net(tmp_path, text, outputs=("eval",))
    top = model.run({"map": x.numpy(), "label": LABELS.numpy()})["eval"]
    expected = [evaluated(x[i].double().numpy(), i, "MULTIPLY", 0.45) for i in range(3)]
    np.testing.assert_allclose(top, expected, rtol=1e-5)
