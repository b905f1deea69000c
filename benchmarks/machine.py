"""What a figure depends on beside the program: the machine, its load, and a process's memory."""

from __future__ import annotations

import os
import platform
from importlib import metadata
from pathlib import Path

MIB = 2**20

ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
"""Environment of processes that are measured with one thread."""

PACKAGES = ("torch", "numpy", "pyspark", "opencv-python-headless", "onnxruntime", "openvino")


def load_average() -> float:
    """Return how many processes wanted a core in the last minute."""
    return os.getloadavg()[0]


def pin(cores: set[int]) -> None:
    """Hold all threads of this process to ``cores``."""
    for thread in Path("/proc/self/task").iterdir():
        os.sched_setaffinity(int(thread.name), cores)


def last_core() -> int:
    """Return the core that one-thread measurements run on: interrupts go to the first mostly."""
    return max(os.sched_getaffinity(0))


def private(pid: int | str = "self") -> float:
    """Return the MiB that a process alone has in memory (USS), a file's pages among them."""
    return _rollup(pid, "Private_Clean", "Private_Dirty")


def anonymous(pid: int | str = "self") -> float:
    """Return the MiB of a process that are in no file.

    Of a file's pages the kernel has one copy for all who map it, yet calls them private while
    only one does.
    """
    return _rollup(pid, "Anonymous")


def proportional(pid: int | str = "self") -> float:
    """Return the MiB of a process where shared pages count for each by its share (PSS)."""
    return _rollup(pid, "Pss")


def _rollup(pid: int | str, *names: str) -> float:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()[1:]
    kib = {name.rstrip(":"): int(value) for name, value, *_ in map(str.split, lines)}
    return sum(kib[name] for name in names) / 1024


def peak() -> float:
    """Return the MiB that this process had in memory at most.

    Not ``ru_maxrss``: that begins with the peak of the process that started this one.
    """
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def forget_pages(*files: Path) -> None:
    """Have the kernel drop what it keeps of ``files``, so that the disk is read next.

    Allowed to every user. A virtual machine's host may keep them still.
    """
    for path in files:
        with path.open("rb") as file:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def keep_pages(*files: Path) -> None:
    """Read ``files`` to have them in the page cache."""
    for path in files:
        with path.open("rb", buffering=0) as file:
            while file.read(MIB):
                pass


def described() -> dict[str, str]:
    """Return the machine and the versions, in words."""
    names = [line for line in _cpuinfo() if line.startswith("model name")]
    model = names[0].partition(":")[2].strip() if names else platform.machine()
    words = {"machine": f"{os.cpu_count()} cores of {model}", "python": platform.python_version()}
    for name in PACKAGES:
        try:
            words[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            words[name] = "not installed"
    return words


def _cpuinfo() -> list[str]:
    try:
        return Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
