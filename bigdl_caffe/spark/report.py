"""What ``bigdl-caffe score`` says at its end."""

from __future__ import annotations

import os.path
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bigdl_caffe.spark.job import Outcome, Request

_WIDEST = 60
_REASONS = 5


def report(outcome: Outcome, request: Request) -> str:
    """Return a table of the first predictions, and the counts, accuracy, rate and place."""
    lines = _table(outcome)
    if outcome.source.skipped:
        lines.append(f"{outcome.source.skipped} other files were not read: not images by name")
    lines.append(f"rows        {outcome.rows}, of which {outcome.failed} could not be scored")
    worst = Counter(outcome.reasons).most_common(_REASONS) if outcome.failed else []
    lines += [f"{'':10}  {count} rows: {reason}" for reason, count in worst]
    if outcome.judged:
        share = 100 * outcome.right / outcome.judged
        lines.append(f"accuracy    {share:.2f} % ({outcome.right} of {outcome.judged})")
    elif request.truth:
        lines.append("accuracy    unknown: no path ends with a name of the --truth file")
    what = "images" if outcome.images else "rows"
    rate = outcome.rows / outcome.seconds
    lines.append(f"throughput  {rate:.1f} {what}/s ({outcome.seconds:.1f} s)")
    lines.append(f"written to  {request.output}")
    return "\n".join(lines)


def _table(outcome: Outcome) -> list[str]:
    """Return the first rows, one a line, in columns."""
    rows = [row.asDict() for row in outcome.first]
    if not rows:
        return []
    column = outcome.source.path
    paths = [str(row[column]) if column else "" for row in rows]
    # By characters, since a Parquet may name its rows by anything, not only by one kind of path.
    start = os.path.commonprefix(paths).rfind("/") + 1  # noqa: RUF071 (as said above)
    cells = [(column or "", "truth", "prediction")]
    for path, row in zip(paths, rows, strict=True):
        known = "" if row.get("truth") is None else str(row["truth"])
        cells.append((path[start:], known, _prediction(row)))
    if not any(truth for _, truth, _ in cells[1:]):
        cells = [(path, "", prediction) for path, _, prediction in cells]
    return [*_columns(cells), ""]


def _prediction(row: dict[str, Any]) -> str:
    if row.get("error"):
        return f"not scored: {_cut(row['error'])}"
    if row.get("top") is None:
        return "scored"
    return ", ".join(f"{_name(entry)} {entry['score']:.4g}" for entry in row["top"])


def _name(entry: Any) -> str:
    return _cut(entry.asDict().get("label") or str(entry["class"]))


def _cut(text: str) -> str:
    return text if len(text) <= _WIDEST else text[: _WIDEST - 1] + "…"


def _columns(cells: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(cell) for cell in column) for column in zip(*cells, strict=True)]
    return [
        "  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True) if w).rstrip()
        for row in cells
    ]
