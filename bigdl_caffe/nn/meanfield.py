"""Mean-field inference in a dense conditional random field, as a recurrent network."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from bigdl_caffe.nn.permutohedral import Lattice


class MultiStageMeanfield(nn.Module):
    """Some rounds of message passing between the pixels of an image (meanfield_iteration.cpp).

    A round filters the probabilities over the pixels' places, and over places and colours;
    mixes the classes of both; and takes the result from the unary terms.

    Parameters
    ----------
    rounds : int
        How many.
    alpha, beta : float
        Standard deviations of the second filter: of places in pixels, of colours.
    gamma : float
        Standard deviation of the first one, in pixels.

    Attributes
    ----------
    spatial, bilateral, compatibility : Tensor
        (1, 1, classes, classes): what mixes the first filter's classes, the second one's, and
        the sum of both.
    """

    spatial: Tensor
    bilateral: Tensor
    compatibility: Tensor

    def __init__(self, rounds: int, alpha: float, beta: float, gamma: float) -> None:
        super().__init__()
        self.rounds, self.alpha, self.beta, self.gamma = rounds, alpha, beta, gamma
        for name in ("spatial", "bilateral", "compatibility"):
            self.register_parameter(name, None)

    def forward(self, unary: Tensor, scores: Tensor, image: Tensor) -> Tensor:
        """Return (n, classes, height, width) scores, without the last softmax.

        ``unary`` and ``scores``, which the first round begins from, have the same shape;
        ``image`` has three colours, and no gradient.
        """
        shape = unary.shape
        unary, scores = unary.flatten(2), scores.flatten(2)
        filters = self._filters(image)
        mixes = [weight.view(shape[1], shape[1]) for weight in (self.spatial, self.bilateral)]
        for _ in range(self.rounds):
            q = scores.softmax(1)
            near, alike = (mix @ _smooth(q, *f) for mix, f in zip(mixes, filters, strict=True))
            scores = unary - self.compatibility.view(shape[1], shape[1]) @ (near + alike)
        return scores.view(shape)

    @torch.no_grad()
    def _filters(self, image: Tensor) -> list[tuple[Lattice, Tensor]]:
        """Return both lattices, and what to multiply by so that a filter keeps constants."""
        n, _, height, width = image.shape
        rows, columns = torch.meshgrid(
            torch.arange(height, device=image.device),
            torch.arange(width, device=image.device),
            indexing="ij",
        )
        place = torch.stack([columns.flatten(), rows.flatten()], -1)[None].float()
        colour = image[:, :3].flatten(2).transpose(1, 2).float() / self.beta
        both = torch.cat([(place / self.alpha).expand(n, -1, -1), colour], -1)
        lattices = Lattice.of(place / self.gamma), Lattice.of(both)
        ones = (image.new_ones(len(lattice.corners), 1, height * width) for lattice in lattices)
        return [(f, 1 / (f.filter(one) + 1e-20)) for f, one in zip(lattices, ones, strict=True)]


def _smooth(q: Tensor, lattice: Lattice, norm: Tensor) -> Tensor:
    """Return ``q`` (n, classes, pixels) filtered; one lattice may serve all images."""
    images = len(lattice.corners)
    channels = q.reshape(images, -1, q.shape[2])
    return (lattice.filter(channels) * norm).view_as(q)
