"""What was recorded of a net."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from bigdl_caffe.verify import make_feed
from tests.nets import digits

Array = np.ndarray[Any, Any]


@pytest.fixture
def recorded() -> dict[str, Array]:
    """Return an input of the digits' net and its blobs, as a record has them."""
    model = digits()
    feed = make_feed(model, seed=3)
    return {f"in/{b}": x for b, x in feed.items()} | {
        f"out/{b}": x for b, x in model.run(feed, ["pool1", "prob"]).items()
    }
