"""The log of a fit: one JSON object a line, and after a resume no line of the future."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path

from lgbench.files import write_bytes, writing

__all__ = ["append", "read", "truncate"]


def append(path: Path, row: Mapping[str, float]) -> None:
    """Add one line; numbers that are not finite become null."""
    tidy = {key: value if math.isfinite(value) else None for key, value in row.items()}
    with writing(path), path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(tidy) + "\n")


def read(path: Path) -> list[dict[str, float]]:
    """All whole lines; one that was cut short or damaged is left out, and none are those of no file.

    Raises:
        RunFailed: a folder stands there, or the file cannot be opened.
    """
    rows = []
    with writing(path):  # what is read here was written here, and will be
        content = path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
    for line in content.splitlines():
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(row, dict) and isinstance(row.get("step"), int) and all(map(_number_or_none, row.values())):
            rows.append(row)
    return rows


def _number_or_none(value: object) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


def truncate(path: Path, step: int) -> None:
    """Forget what was logged at `step` and later, which is about to be played again."""
    rows = [row for row in read(path) if row["step"] < step]
    if path.exists():
        write_bytes(path, "".join(json.dumps(row) + "\n" for row in rows).encode())
