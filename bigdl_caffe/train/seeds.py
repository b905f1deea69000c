"""Seeds of random numbers."""

from __future__ import annotations

import numpy as np


def any_seed() -> int:
    """Return a seed that nobody has asked for."""
    return int(np.random.SeedSequence().generate_state(1)[0])


def mixed(*numbers: int) -> int:
    """Return a seed for torch that differs with any of ``numbers``."""
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0] >> np.uint64(1))
