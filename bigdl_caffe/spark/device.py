"""The device of a task: the GPU that Spark gave it, else the CPU."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import torch

from bigdl_caffe.engine.memory import is_out_of_memory as is_out_of_memory
from bigdl_caffe.errors import CaffeError

if TYPE_CHECKING:
    from pyspark import TaskContext

DTYPES = {
    "float32": torch.float32,
    "float64": torch.float64,
    "float16": torch.float16,
    "bfloat16": torch.bfloat16,
}
"""What a model can compute in; what it returns is float32."""


def task_device(context: TaskContext | None) -> torch.device:
    """Return the GPU that Spark assigned to the task (``spark.task.resource.gpu.amount``).

    Without one it is the CPU, whatever the host has: a GPU may be another task's.

    Raises
    ------
    CaffeError
        Spark gave the task a GPU that torch does not see.
    """
    given = context.resources().get("gpu") if context else None
    if given is None or not given.addresses:
        return torch.device("cpu")
    index = _index(given.addresses[0], os.environ.get("CUDA_VISIBLE_DEVICES"))
    seen = torch.cuda.device_count()
    if not 0 <= index < seen:
        raise CaffeError(
            f"Spark assigned the GPU {given.addresses[0]} to the task, and torch "
            f"{torch.__version__} sees {seen} GPUs: install a torch with CUDA there, and "
            "check the script of spark.worker.resource.gpu.discoveryScript"
        )
    return torch.device("cuda", index)


def _index(address: str, visible: str | None) -> int:
    """Return torch's number for a GPU that Spark names by its own, or by a UUID.

    CUDA counts those of ``CUDA_VISIBLE_DEVICES`` alone, in the order given there.
    """
    names = visible.split(",") if visible else []
    if address in names:
        return names.index(address)
    return int(address) if address.isdecimal() else -1


def use_exact_floats(device: torch.device) -> None:
    """Keep float32 on a GPU from being rounded to TF32's 10 bits."""
    if device.type == "cuda":
        torch.backends.cuda.matmul.allow_tf32 = False
        torch.backends.cudnn.allow_tf32 = False
