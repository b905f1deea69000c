"""Names of layers and blobs."""

from __future__ import annotations

from collections.abc import Collection


class Names:
    """Hands out names, none twice.

    A layer is called after the submodule that it comes from, by its qualified name, as
    ``layer1.0.conv1``. What a submodule with children computes itself is called after it and
    the operation: ``layer1.0.add``. The second of a name gets ``_1`` behind it, the third ``_2``.

    Parameters
    ----------
    modules : collection of str
        Qualified names of all submodules: no operation is called like one of them.
    """

    def __init__(self, modules: Collection[str]) -> None:
        self.modules = frozenset(modules)
        self.taken: set[str] = set()

    def take(self, wanted: str, of_module: bool = False) -> str:
        """Return ``wanted``, or the first free name made of it.

        Parameters
        ----------
        wanted : str
        of_module : bool
            Whether it is a submodule's own name, for that submodule.
        """
        name, n = wanted, 0
        while name in self.taken or (name in self.modules and not (of_module and not n)):
            n += 1
            name = f"{wanted}_{n}"
        self.taken.add(name)
        return name
