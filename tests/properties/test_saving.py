"""Whatever the net, it computes the same after it was saved."""

from __future__ import annotations

from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bigdl_caffe import Model
from bigdl_caffe.format._pb import caffe_pb2 as pb
from tests.compare import assert_close_to_caffe
from tests.nets import net
from tests.properties.nets import nets
from tests.saving import assert_same_blobs, assert_same_net, holds_in_v1, saved_again

few = settings(max_examples=40, deadline=None)


def trained(folder: Path, text: str) -> Model:
    """Return the net with statistics that are not those of a fresh one."""
    model = net(folder, text)
    random = np.random.default_rng(0)
    with torch.no_grad():
        for blobs in model.params.values():
            for blob in blobs if len(blobs) == 3 else ():
                blob.copy_(torch.from_numpy(random.uniform(0.5, 1.5, blob.shape)))
    return model


def outputs(model: Model) -> dict[str, np.ndarray]:
    feed = {"x": np.random.default_rng(1).normal(size=model.inputs["x"]).astype(np.float32)}
    return model.run(feed)


def assert_same_bits(ours: Model, other: Model) -> None:
    assert {b: a.tobytes() for b, a in outputs(ours).items()} == {
        b: a.tobytes() for b, a in outputs(other).items()
    }


@few
@given(nets())
def test_the_same_after_saving(text: str) -> None:
    with TemporaryDirectory() as folder:
        model = trained(Path(folder), text)
        again = saved_again(model, Path(folder))
        assert_same_net(model.net, again.net)
        assert_same_blobs(model, again)
        assert_same_bits(model, again)
        if holds_in_v1(model.net.definition):
            assert_same_bits(model, saved_again(model, Path(folder), use_v2=False, overwrite=True))


@few
@given(nets(), st.randoms(use_true_random=False))
def test_the_order_of_weights_does_not_matter(text: str, random: Random) -> None:
    with TemporaryDirectory() as folder:
        model, files = trained(Path(folder), text), (Path(folder, "p"), Path(folder, "w"))
        model.save_caffe(*files)
        stored = pb.NetParameter.FromString(files[1].read_bytes())
        layers = list(stored.layer)
        random.shuffle(layers)
        files[1].write_bytes(pb.NetParameter(layer=layers).SerializeToString())
        assert_same_bits(model, Model.load_caffe_model(*files))


@few
@given(nets())
def test_the_same_numbers_when_folded(text: str) -> None:
    with TemporaryDirectory() as folder:
        model = trained(Path(folder), text)
        again = saved_again(model, Path(folder), fold=True)
        ours = outputs(again)
        for blob, numbers in outputs(model).items():
            assert_close_to_caffe(ours[blob], numbers, tol=1e-4, what=blob)
