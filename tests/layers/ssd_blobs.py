"""Blobs that SSD's layers take, made at random."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

N, PRIORS, CLASSES = 3, 20, 4


def boxes(rng: np.random.Generator, *shape: int) -> np.ndarray:
    """Return boxes (*shape, 4), some of which reach out of the image."""
    center, half = rng.uniform(0.1, 0.9, (*shape, 2)), rng.uniform(0.05, 0.3, (*shape, 2))
    return np.concatenate((center - half, center + half), -1)


def bottoms(seed: int, kinds: int = 1, truth: bool = False) -> list[Tensor]:
    """Return locations, confidences, priors and, for the loss, objects of two images of three."""
    rng = np.random.default_rng(seed)
    variances = rng.uniform(0.1, 0.3, (PRIORS, 4))
    prior = np.stack((boxes(rng, PRIORS).ravel(), variances.ravel()))[None]
    conf = rng.normal(0, 1.5, (N, PRIORS, CLASSES))
    if not truth:
        conf = np.exp(conf) / np.exp(conf).sum(-1, keepdims=True)
    blobs = [rng.normal(0, 1, (N, PRIORS * kinds * 4)), conf.reshape(N, -1), prior]
    if truth:
        images = np.array([2, 0, 0, -1, 2, 2, 0])
        labels = rng.integers(1, CLASSES, 7)
        difficult = np.array([0, 0, 1, 0, 0, 0, 0])
        known = np.stack((images, labels, images * 0), 1)
        blobs.append(np.concatenate((known, boxes(rng, 7), difficult[:, None]), 1)[None, None])
    return [torch.tensor(blob) for blob in blobs]


def refinement(seed: int) -> list[Tensor]:
    """Return RefineDet's two bottoms: whether each prior has an object, and how it moves."""
    rng = np.random.default_rng(seed)
    objects = rng.choice([0.001, 0.5], (N, PRIORS))
    both = np.stack((1 - objects, objects), -1).reshape(N, -1)
    return [torch.tensor(both), torch.tensor(rng.normal(0, 0.5, (N, PRIORS * 4)))]
