"""What the modules of a predefined model may ask a Caffe net's definition."""

from __future__ import annotations

from collections.abc import Sequence

from bigdl_caffe.graph.ir import LayerDef


class Structure:
    """The layers of a net, by name.

    Parameters
    ----------
    layers : sequence of LayerDef
        In execution order, in V2 terms.

    Attributes
    ----------
    names : list of str
        The layers' names.
    """

    def __init__(self, layers: Sequence[LayerDef]) -> None:
        self.names = [layer.name for layer in layers]
        self._exact = {layer.name: layer for layer in reversed(layers)}
        self._dotted = {dotted(layer.name): layer for layer in reversed(layers)}
        self._scales = _scales_behind(layers)

    def find(self, name: str) -> LayerDef | None:
        """Return the layer called ``name``, or else one so called but for "/" and "."."""
        return self._exact.get(name) or self._dotted.get(dotted(name))

    def scale_behind(self, layer: LayerDef) -> LayerDef | None:
        """Return the one Scale layer that reads what the BatchNorm ``layer`` makes."""
        scales = self._scales.get(layer.name, [])
        return scales[0] if len(scales) == 1 else None


def dotted(name: str) -> str:
    """Return ``name`` as torch nests modules, where Caffe's nets have a slash."""
    return name.replace("/", ".")


def _scales_behind(layers: Sequence[LayerDef]) -> dict[str, list[LayerDef]]:
    """Return BatchNorm → the Scale layers whose one bottom is the BatchNorm's top."""
    found: dict[str, list[LayerDef]] = {}
    makers: dict[str, LayerDef] = {}
    for layer in layers:
        maker = makers.get(layer.bottoms[0]) if len(layer.bottoms) == 1 else None
        if layer.type == "Scale" and maker is not None and maker.type == "BatchNorm":
            found.setdefault(maker.name, []).append(layer)
        makers.update(dict.fromkeys(layer.tops, layer))
    return found
