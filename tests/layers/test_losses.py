"""Losses and metrics beyond the golden cases: odd labels, floors, forks' weights, refusals."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from bigdl_caffe.errors import CaffeError, ShapeError, UnsupportedLayerError
from bigdl_caffe.format._pb import caffe_pb2 as pb
from bigdl_caffe.nn.losses import normalizer
from tests.compare import assert_close_to_caffe
from tests.layers.build import layer, random
from tests.nets import net

X = (4, 5)
LABELS = torch.tensor([3.0, 0.0, 3.0, 1.0])
FLT_MIN = np.finfo(np.float32).tiny


def module(kind: str, options: str, *shapes: Sequence[int], tops: int = 1) -> nn.Module:
    built = layer(kind, options, bottoms=len(shapes), tops=tops)
    bottoms = [tuple(shape) for shape in shapes]
    assert len(built.top_shapes(bottoms)) == tops
    return built.module(bottoms)


def gradient(loss: Tensor, x: Tensor) -> Tensor:
    return torch.autograd.grad(loss, x)[0]


@pytest.mark.parametrize(
    ("mode", "expected"), [("FULL", 12), ("VALID", 5), ("BATCH_SIZE", 3), ("NONE", 1)]
)
def test_normalizer(mode: str, expected: float) -> None:
    assert normalizer(mode, 3, 4, torch.tensor(5)) == expected


def test_normalizer_is_never_below_one() -> None:
    assert normalizer("VALID", 3, 4, torch.tensor(0)) == 1
    assert normalizer("FULL", 0, 4) == 1
    assert normalizer("PRE_FIXED", 3, 4, fixed=0.5) == 1


def softmax_loops(x: np.ndarray, labels: np.ndarray, weigh: np.ndarray, ignore: int) -> tuple:
    """SegNet's rule, place by place, for (num, classes, places); divided by what counts."""
    loss, counted, diff = 0.0, 0, np.zeros(x.shape)
    for i, j in np.ndindex(labels.shape):
        if labels[i, j] == ignore:
            continue
        prob = np.exp(x[i, :, j] - x[i, :, j].max())
        prob /= prob.sum()
        loss -= weigh[labels[i, j]] * np.log(max(prob[labels[i, j]], FLT_MIN))
        prob[labels[i, j]] -= 1
        diff[i, :, j] = weigh[labels[i, j]] * prob
        counted += 1
    return loss / counted, diff / counted


@pytest.mark.parametrize("given", [True, False])
def test_softmax_loss_weighs_classes_as_segnet(given: bool) -> None:
    x = random(2, 3, 2, 3).requires_grad_()
    labels = torch.tensor([[[0, 2, 11], [2, 2, 11]], [[0, 2, 2], [11, 2, 2]]]).float()
    options = "class_weighting: 0.5 class_weighting: 2 class_weighting: 4" if given else ""
    options = f"loss_param {{ weight_by_label_freqs: true ignore_label: 11 {options} }}"
    weigh = np.array([0.5, 2, 4]) if given else 1 / np.array([2, np.inf, 7])
    flat = labels.reshape(2, -1).int().numpy()
    expected, diff = softmax_loops(x.detach().double().reshape(2, 3, -1).numpy(), flat, weigh, 11)
    loss = module("SoftmaxWithLoss", options, x.shape, labels.shape)(x, labels)
    assert_close_to_caffe(loss.detach(), expected)
    assert_close_to_caffe(gradient(loss, x).reshape(diff.shape), diff)


@pytest.mark.parametrize(("ignore", "counted"), [("", [0, 2]), ("ignore_label: 3", [])])
def test_softmax_loss_of_one_label(ignore: str, counted: list[int]) -> None:
    """As of rows that have it; labels that are no class at all are passed over."""
    x, labels = random(*X).requires_grad_(), torch.tensor([3.0, 0.0, 3.0, 77.0])
    loss = module("SoftmaxWithLoss", f"loss_param {{ only_care_label: 3 {ignore} }}", X, (4,))
    expected = -x.log_softmax(1)[counted, 3].sum() / max(len(counted), 1)
    assert_close_to_caffe(loss(x, labels).detach(), expected.detach())
    assert_close_to_caffe(gradient(loss(x, labels), x), gradient(expected, x))


def test_class_weights_count_only_where_the_fork_asks_for_them() -> None:
    x, options = random(*X), "loss_param { weight_by_label_freqs: false class_weighting: 2 }"
    plain = module("SoftmaxWithLoss", "", X, (4,))(x, LABELS)
    assert module("SoftmaxWithLoss", options, X, (4,))(x, LABELS) == plain


def test_softmax_loss_of_a_vanished_probability() -> None:
    """It is the logarithm of FLT_MIN, and its gradient that of any other."""
    x = torch.tensor([[200.0, 0.0]], requires_grad=True)
    loss = module("SoftmaxWithLoss", "", (1, 2), (1,))(x, torch.tensor([1.0]))
    assert_close_to_caffe(loss.detach(), -np.log(FLT_MIN))
    assert gradient(loss, x).tolist() == [[1.0, -1.0]]


def test_the_softmax_on_top_has_no_gradient() -> None:
    x = random(*X).requires_grad_()
    options = "loss_weight: 1 loss_weight: 0"
    loss, prob = module("SoftmaxWithLoss", options, X, (4,), tops=2)(x, LABELS)
    assert loss.requires_grad
    assert not prob.requires_grad
    assert_close_to_caffe(prob, x.detach().softmax(1))


@pytest.mark.parametrize("kind", ["SoftmaxWithLoss", "HingeLoss", "MultinomialLogisticLoss"])
def test_labels_are_cut_to_whole_numbers(kind: str) -> None:
    x, cut = random(*X).abs(), module(kind, "", X, (4,))
    assert cut(x, torch.tensor([3.9, -0.9, 3.1, 1.5])) == cut(x, LABELS)


@pytest.mark.parametrize(
    "kind", ["SoftmaxWithLoss", "HingeLoss", "MultinomialLogisticLoss", "Accuracy"]
)
@pytest.mark.parametrize("label", [-1.0, 5.0, float("nan")])
def test_a_label_that_is_no_class_is_refused(kind: str, label: float) -> None:
    with pytest.raises(CaffeError, match=r"none of 5 classes \(0 to 4\)"):
        module(kind, "", X, (4,))(random(*X), torch.tensor([0, 1, label, 2]))


def test_modules_take_other_batch_sizes_than_the_prototxt() -> None:
    built = module("SoftmaxWithLoss", "loss_param { normalization: BATCH_SIZE }", X, (4,))
    x = random(3, 5)
    expected = -x.log_softmax(1)[:, 2].mean()
    assert_close_to_caffe(built(x, torch.full((3,), 2.0)), expected)


def contrastive_loops(a: np.ndarray, b: np.ndarray, alike: np.ndarray, margin: float) -> tuple:
    """The rule of ``legacy_version`` and of caffe-windows, pair by pair: loss, and a's gradient."""
    loss, diff = 0.0, np.zeros(a.shape)
    for i in range(len(a)):
        square = ((a[i] - b[i]) ** 2).sum()
        if alike[i]:
            loss, diff[i] = loss + square, a[i] - b[i]
        elif margin > square:
            loss, diff[i] = loss + margin - square, b[i] - a[i]
    return loss / len(a) / 2, diff / len(a)


@pytest.mark.parametrize(
    ("version", "labels"),
    [
        ("legacy_version: true", [[1, 0, 0, 7, 0, 0]]),
        ("", [[1, 2, 3, 4, 5, 6], [1, 1, 1, 4, 2, 3]]),
    ],
    ids=["legacy", "two labels"],
)
def test_contrastive_loss_by_the_squared_distance(version: str, labels: list[list[int]]) -> None:
    a, b = random(6, 3).requires_grad_(), (0.5 * random(6, 3)).requires_grad_()
    alike = torch.tensor([1.0, 0, 0, 1, 0, 0])
    options = f"contrastive_loss_param {{ margin: 1.5 {version} }}"
    built = module("ContrastiveLoss", options, a.shape, b.shape, *[(6,)] * len(labels))
    loss = built(a, b, *torch.tensor(labels).float())
    arrays = (t.detach().double().numpy() for t in (a, b, alike))
    expected, diff = contrastive_loops(*arrays, margin=1.5)
    assert_close_to_caffe(loss.detach(), expected)
    da, db = torch.autograd.grad(loss, (a, b))
    assert_close_to_caffe(da, diff)
    assert_close_to_caffe(db, -diff)


SMOOTH = [
    ("SoftmaxWithLoss", "loss_param { ignore_label: 3 }", LABELS),
    ("EuclideanLoss", "", random(*X).double().abs()),
    ("HingeLoss", "hinge_loss_param { norm: L2 }", LABELS),
    ("SigmoidCrossEntropyLoss", "loss_param { ignore_label: 2 }", random(*X).double().abs()),
]


@pytest.mark.parametrize(("kind", "options", "other"), SMOOTH)
def test_gradients_in_double_precision(kind: str, options: str, other: Tensor) -> None:
    built = module(kind, options, X, other.shape).double()
    assert torch.autograd.gradcheck(built, (random(*X).double().requires_grad_(), other))


INFOGAIN = "infogain_loss_param { source: 'H.binaryproto' }"
REFUSED = [
    ("SoftmaxWithLoss", "", (X, (3,)), "first axes"),
    ("SoftmaxWithLoss", "", (X, (4, 2)), "takes 4 labels"),
    ("SoftmaxWithLoss", "softmax_param { axis: 2 }", (X, (4,)), "axis 2 is out of range"),
    ("SoftmaxWithLoss", "loss_param { label_smoothing: 0.1 }", (X, (4,)), "label_smoothing"),
    ("SoftmaxWithLoss", "loss_param { normalization: PRE_FIXED }", (X, (4,)), "PRE_FIXED"),
    (
        "SoftmaxWithLoss",
        "loss_param { weight_by_label_freqs: true class_weighting: 1 }",
        (X, (4,)),
        "1 class_weighting for 5 classes",
    ),
    ("SoftmaxWithLoss", "loss_param { class_weighting: 'much' }", (X, (4,)), "not all numbers"),
    ("InfogainLoss", "", (X, (4,)), "no matrix"),
    ("InfogainLoss", f"{INFOGAIN} loss_param {{ normalize: true }}", (X, (4,)), "normalization"),
    ("InfogainLoss", "", (X, (4,), (5, 4)), "give 5 x 5"),
    ("EuclideanLoss", "", (X, (4, 6)), "as many elements"),
    ("EuclideanLoss", "", ((), ()), "first axes"),
    ("HingeLoss", "", (X, (4, 2)), "one label a row"),
    ("MultinomialLogisticLoss", "", (X, (4, 1, 2)), "one label a row"),
    ("SigmoidCrossEntropyLoss", "", (X, (4,)), "as many elements"),
    ("ContrastiveLoss", "", (X, X, (5,)), "one label a row"),
    ("ContrastiveLoss", "", ((4, 5, 2), (4, 5, 2), (4,)), "put a Flatten"),
    ("Accuracy", "accuracy_param { top_k: 6 }", (X, (4,)), "top_k 6"),
    ("Accuracy", "", (X, (4, 5)), "takes 4 labels"),
]


@pytest.mark.parametrize(("kind", "options", "shapes", "words"), REFUSED)
def test_refused(kind: str, options: str, shapes: tuple[tuple[int, ...], ...], words: str) -> None:
    with pytest.raises((ShapeError, UnsupportedLayerError), match=words):
        layer(kind, options, bottoms=len(shapes)).top_shapes(shapes)


def test_each_top_needs_a_loss_weight_once_one_is_given() -> None:
    with pytest.raises(CaffeError, match="loss_weight"):
        layer("SoftmaxWithLoss", "loss_weight: 1", bottoms=2, tops=2)


INFOGAIN_NET = """
input: "x" input_shape { dim: 2 dim: 3 } input: "y" input_shape { dim: 2 }
layer { name: "l" type: "InfogainLoss" bottom: "x" bottom: "y" top: "loss"
        infogain_loss_param { source: "SOURCE" } }
"""


def test_infogain_matrix_from_a_file(tmp_path: Path) -> None:
    matrix = random(3, 3)
    blob = pb.BlobProto(num=1, channels=1, height=3, width=3, data=matrix.flatten().tolist())
    (tmp_path / "H.binaryproto").write_bytes(blob.SerializeToString())
    text = INFOGAIN_NET.replace("SOURCE", str(tmp_path / "H.binaryproto"))
    x, y = random(2, 3), np.array([2.0, 0.0], np.float32)
    got = net(tmp_path, text, outputs=["loss"]).run({"x": x.numpy(), "y": y})["loss"]
    assert_close_to_caffe(got, -(matrix[[2, 0]] * x.log_softmax(1)).sum() / 2)


def test_infogain_matrix_that_is_missing_or_of_another_size(tmp_path: Path) -> None:
    text = INFOGAIN_NET.replace("SOURCE", str(tmp_path / "H.binaryproto"))
    with pytest.raises(CaffeError, match=r"layer 'l' \(InfogainLoss\): .*no such file"):
        net(tmp_path, text, outputs=["loss"])
    blob = pb.BlobProto(shape=pb.BlobShape(dim=[2, 2]), data=[1, 0, 0, 1])
    (tmp_path / "H.binaryproto").write_bytes(blob.SerializeToString())
    with pytest.raises(CaffeError, match="give 3 x 3"):
        net(tmp_path, text, outputs=["loss"])
