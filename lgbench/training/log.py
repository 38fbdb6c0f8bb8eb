"""The log of a fit: one JSON object a line, and after a resume no line of the future."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path

from lgbench.files import atomic, writing

__all__ = ["append", "read", "truncate"]


def append(path: Path, row: Mapping[str, float]) -> None:
    """Add one line; numbers that are not finite become null."""
    tidy = {key: value if math.isfinite(value) else None for key, value in row.items()}
    with writing(path), path.open("a") as file:
        file.write(json.dumps(tidy) + "\n")


def read(path: Path) -> list[dict[str, float]]:
    """All whole lines; a last line that was cut short is left out."""
    rows = []
    for line in path.read_text().splitlines() if path.exists() else []:
        try:
            rows.append(json.loads(line))
        except json.JSONDecodeError:
            break
    return rows


def truncate(path: Path, step: int) -> None:
    """Forget what was logged at `step` and later, which is about to be played again."""
    rows = [row for row in read(path) if row["step"] < step]
    with atomic(path) as file:
        file.write("".join(json.dumps(row) + "\n" for row in rows).encode())
