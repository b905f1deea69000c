"""Where a fork's prototxt means more by a known field than the schema can hold.

Caffe refuses an unknown value of an enum, and a second value of a field that is not
repeated; a misspelt ``pool: AVG`` must not become MAX pooling. The words and fields
below are known to be some fork's own: the reader keeps them as unknown fields.
"""

from __future__ import annotations

_ENGINES = frozenset({"FFT", "SPATIAL", "INTEL_SPATIAL", "LIBDNN", "NAIVE", "NNPACK"})

WORDS: dict[str, frozenset[str]] = {
    "ConvolutionParameter.Engine": _ENGINES,
    "PoolingParameter.PoolMethod": frozenset({"MIN"}),
    "V1LayerParameter.LayerType": frozenset(
        {
            "ACCURACY_REGRESSION",
            "LOCAL",
            "SPATIAL_PYRAMID_POOLING",
            "SPATIAL_PYRAMID_POOLING_DATA",
            "TOPK",
        }
    ),
}
"""Values of enums, by the enum's name within the package."""

REPEATED = frozenset({"DataParameter.source", "FillerParameter.value"})
"""Fields that some fork made repeated; the first value is the field's own."""
