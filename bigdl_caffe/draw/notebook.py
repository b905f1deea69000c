"""What a notebook shows of a model: its picture, and its table to be unfolded."""

from __future__ import annotations

import base64
from html import escape

from bigdl_caffe.draw.as_svg import as_svg
from bigdl_caffe.draw.picture import picture
from bigdl_caffe.graph.ir import Net

TALL = 640
"""Height of the picture in pixels, from which on it is scrolled."""


def html(net: Net, note: str, table: str) -> str:
    """Return the page's part.

    The picture is an image of its own, so that neither takes the other's styles.

    Parameters
    ----------
    net : Net
    note : str
        As `bigdl_caffe.draw.picture.picture` takes it.
    table : str
        As `bigdl_caffe.graph.summary.summarise` makes it.
    """
    coded = base64.b64encode(as_svg(picture(net, note)).encode()).decode()
    image = f'<img alt="{escape(net.name)}" src="data:image/svg+xml;base64,{coded}">'
    return (
        f'<div style="max-height: {TALL}px; overflow: auto; background: #fff">{image}</div>'
        f"<details><summary>layers, shapes and costs</summary><pre>{escape(table)}</pre></details>"
    )
