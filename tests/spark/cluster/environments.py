"""Pythons that lack something, and one that is packed to be sent."""

from __future__ import annotations

import sysconfig
import tarfile
import venv
from collections.abc import Collection
from pathlib import Path

from tests.paths import REPO

NEEDED = (
    *("numpy", "numpy.libs", "pandas", "pyarrow", "google", "PIL", "pillow.libs", "torch"),
    *("torchgen", "typing_extensions.py", "dateutil", "pytz", "tzdata", "six.py"),
)
"""What an executor imports besides this package and Spark's own, as it lies in site-packages."""

_NOT_TO_RUN = {"test", "tests", "include"}
_SITE = Path(sysconfig.get_path("purelib"))
_OURS = REPO / "bigdl_caffe"


def linked(folder: Path, without: Collection[str]) -> Path:
    """Make a Python with the packages of this one but those named; return its program."""
    python = _bare(folder)
    parts = [path for path in _SITE.iterdir() if path.suffix != ".pth" and path.name != _OURS.name]
    for part in [*parts, _OURS]:
        if not part.name.startswith(tuple(without)):
            (_site(folder) / part.name).symlink_to(part)
    return python


def packed(folder: Path) -> Path:
    """Pack a Python with all that an executor needs; return the archive."""
    archive = folder / "environment.tar.gz"  # Spark unpacks a plain .tar without its permissions
    environment = folder / "environment"
    _bare(environment)
    site = _site(environment).relative_to(environment)
    parts = [path for name in NEEDED if (path := _SITE / name).exists()]  # some come with others
    with tarfile.open(archive, "w:gz", compresslevel=0) as file:
        file.add(environment, ".")
        for part in [*parts, _OURS]:
            file.add(part, site / part.name, filter=_to_run)
    return archive


def _bare(folder: Path) -> Path:
    venv.create(folder, symlinks=True)
    return folder / "bin" / "python"


def _site(folder: Path) -> Path:
    (site,) = folder.glob("lib/python3*/site-packages")
    return site


def _to_run(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    return None if _NOT_TO_RUN & set(member.name.split("/")) else member
