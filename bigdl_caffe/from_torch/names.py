"""Names of layers and blobs."""

from __future__ import annotations

from collections.abc import Collection


class Names:
    """Hands out names, none twice.

    The second of a name gets ``_1`` behind it, the third ``_2``.

    Parameters
    ----------
    reserved : collection of str
        Names that only their owners get.
    """

    def __init__(self, reserved: Collection[str]) -> None:
        self.reserved = frozenset(reserved)
        self.taken: set[str] = set()

    def take(self, wanted: str, own: bool = False) -> str:
        """Return ``wanted``, or the first free name made of it.

        Parameters
        ----------
        wanted : str
        own : bool
            Whether a reserved name is for its owner.
        """
        name, n = wanted, 0
        while name in self.taken or (name in self.reserved and not (own and not n)):
            n += 1
            name = f"{wanted}_{n}"
        self.taken.add(name)
        return name
