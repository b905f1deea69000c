"""The cases of tests/golden: what real Caffe and its forks made of one small net each."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bigdl_caffe.model import Model
from tests.layers.pylayers import CONVERTERS
from tests.paths import GOLDEN

GROUPS = ("layers", "ssd_layers")
Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Case:
    """One net, its weights, and for each step what went in and what came out.

    Attributes
    ----------
    group : str
        Folder of tests/golden.
    meta : dict
        The case's entry in manifest.json.
    """

    group: str
    meta: dict[str, Any]

    @property
    def name(self) -> str:
        """Return "<Type>/<case>"."""
        return str(self.meta["case"])

    @property
    def folder(self) -> Path:
        return GOLDEN / self.group / self.name

    @cached_property
    def arrays(self) -> dict[str, Array]:
        with np.load(self.folder / "io.npz") as npz:
            return dict(npz)

    def step(self, k: int, kind: str) -> dict[str, Array]:
        """Return blob (or "layer/index") → array of ``s{k}/{kind}/...``."""
        prefix = f"s{k}/{kind}/"
        return {key[len(prefix) :]: a for key, a in self.arrays.items() if key.startswith(prefix)}

    def tops(self, k: int) -> dict[str, Array]:
        """Return the blobs after step ``k``, without the splits that Caffe put in."""
        return {blob: a for blob, a in self.step(k, "top").items() if "_split_" not in blob}

    @property
    def versions(self) -> Iterator[str]:
        """Name the forms in which the net is there: "", and "_v1" and "_v0" where they are."""
        for version in ("", "_v1", "_v0"):
            if (self.folder / f"net{version}.prototxt").exists():
                yield version

    def load(self, version: str = "") -> Model:
        """Load the net as people do, with its losses and metrics."""
        net = self.folder / f"net{version}.prototxt"
        outputs = self.meta.get("outputs") or re.findall(r'top: "(.*)"', net.read_text())
        weights = self.folder / f"weights{version}.caffemodel"
        return Model.load_caffe_model(
            net,
            weights if weights.exists() else None,
            phase=self.meta["phase"],
            stages=self.meta.get("stages") or (),
            level=self.meta.get("level") or 0,
            outputs=outputs,
            converters=CONVERTERS,
        )


def cases() -> list[Case]:
    """Return every case, in the manifests' order."""
    return [
        Case(group, meta)
        for group in GROUPS
        for meta in json.loads((GOLDEN / group / "manifest.json").read_text())
    ]


def fed(case: Case, model: Model) -> dict[str, Array]:
    """Return what the first step feeds to ``model``."""
    return {blob: array for blob, array in case.step(0, "in").items() if blob in model.inputs}


def tensors(
    feed: Mapping[str, Array], dtype: torch.dtype = torch.float32
) -> dict[str, torch.Tensor]:
    """Return copies of arrays as tensors."""
    return {blob: torch.tensor(array, dtype=dtype) for blob, array in feed.items()}
