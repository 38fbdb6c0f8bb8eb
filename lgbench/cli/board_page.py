"""A board's page as it was built, read back for a terminal: that takes no time, and asks no record."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lgbench.benchmark import BadBenchmark
from lgbench.leaderboard import read_boards
from lgbench.leaderboard.markdown import Grid, unmarked

__all__ = ["Page", "built_page"]


@dataclass(frozen=True, slots=True)
class Page:
    """What a page shows, as plain text: `[3]` in a cell is the third note."""

    title: str
    waiting: Sequence[str]
    grids: Sequence[Grid]
    notes: Sequence[str]
    records: frozenset[str]


def built_page(root: Path, name: str) -> tuple[Page, list[str]]:
    """A board as it was built, and the files of records that are not on its page yet.

    Raises:
        UnknownName: no board has this name.
        BadBenchmark: it was not built yet.
    """
    read_boards(root, [name])
    path = root / "leaderboards" / name / "README.md"
    if not path.is_file():
        raise BadBenchmark(f"{path} is missing. Run `lgbench leaderboard build` first.")
    shown = _read(path.read_text(encoding="utf-8"))
    held = {record.name for record in (path.parent / "records").glob("*.json")}
    return shown, sorted(held ^ shown.records)


def _read(text: str) -> Page:
    title, grids, notes, waiting = "", [], [], []
    lines = text.splitlines()
    for number, line in enumerate(lines):
        if line.startswith("# ") and not title:
            title = unmarked(line[2:])
        elif line.startswith("No runs yet"):
            waiting.append(unmarked(line))
        elif line.startswith("[^"):
            notes.append(unmarked(line.partition(": ")[2]))
        elif line.startswith("| ---"):
            body = itertools.takewhile(lambda each: each.startswith("|"), lines[number + 1 :])
            grids.append(Grid(unmarked(lines[number - 3][3:]), _cells(lines[number - 1]), [*map(_cells, body)]))
    return Page(title, waiting, grids, notes, frozenset(re.findall(r"\]\(records/([^)]*)\)", text)))


def _cells(line: str) -> list[str]:
    return [unmarked(cell) for cell in line.removeprefix("| ").removesuffix(" |").split(" | ")]
