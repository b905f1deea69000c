"""A module's weights as a safetensors file, under the names of its state dict."""

from __future__ import annotations

from torch import nn

from bigdl_caffe.errors import CaffeError
from bigdl_caffe.format.paths import PathLike
from bigdl_caffe.format.together import write_together


def write_safetensors(module: nn.Module, path: PathLike) -> None:
    """Write the weights of ``module`` to one safetensors file: whole or not at all.

    Parameters
    ----------
    module : nn.Module
        A tensor that it has under several names is written once; the metadata give the
        written name for each other one. ``safetensors.torch.load_model`` reads it back.
    path : path or URI
        Replaced if it is there.

    Raises
    ------
    CaffeError
        Without the safetensors package, and for a folder that is missing, or that may not
        be written.
    """
    try:
        from safetensors.torch import save_model
    except ImportError:
        raise CaffeError(
            "a safetensors file needs its package: pip install bigdl-caffe[safetensors]"
        ) from None
    with write_together([path], overwrite=True) as (file,):
        save_model(module, str(file), metadata={"format": "pt"})
