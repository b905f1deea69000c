"""Draw a net into a file."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from bigdl_caffe.draw.as_dot import as_dot
from bigdl_caffe.draw.as_png import as_png
from bigdl_caffe.draw.as_svg import as_svg
from bigdl_caffe.draw.diagram import diagram
from bigdl_caffe.draw.picture import picture
from bigdl_caffe.errors import CaffeError
from bigdl_caffe.format import paths
from bigdl_caffe.graph.ir import Net

Drawn = Callable[[Net, str, bool], bytes]

FORMATS: Mapping[str, Drawn] = {
    ".svg": lambda net, note, repeats: as_svg(picture(net, note, repeats)).encode(),
    ".png": lambda net, note, repeats: as_png(picture(net, note, repeats)),
    ".dot": lambda net, note, repeats: as_dot(diagram(net), net.shapes, net.name).encode(),
}
"""By the ending of a file's name, what makes its bytes."""


def draw(net: Net, path: paths.PathLike, note: str = "", repeats: bool = True) -> None:
    """Write a picture of ``net``, whole or not at all.

    Parameters
    ----------
    net : Net
        Its shapes are shown where it has any.
    path : path or URI
        Ends in .svg, .png or .dot, which says what is written.
    note : str
        Said below the title, as the number of parameters.
    repeats : bool
        Whether a block that is repeated is drawn once, in a frame that says how often. DOT has
        all blocks.

    Raises
    ------
    CaffeError
        For another ending; for a PNG, without Pillow.
    """
    endings = [end for end in FORMATS if str(path).lower().endswith(end)]
    if not endings:
        raise CaffeError(
            f"{path}: a picture's name ends in {', '.join(FORMATS)}, to say what it is"
        )
    made = FORMATS[endings[0]](net, note, repeats)
    with paths.atomic_write(path) as file:
        file.write(made)
