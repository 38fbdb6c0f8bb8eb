"""Numbers that papers print: committed tables, shown beside the runs and never ranked among them."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from .definition import BadBoard, Board, Reported

__all__ = ["ReportedRow", "read_reported", "reproduced"]


@dataclass(slots=True)
class ReportedRow:
    """One method in one table of one paper.

    Attributes:
        asked: the board's entry that asked for it.
        values: our metric name -> (value, what the paper puts behind its "±" or None), in our units.
        notes: our metric name -> what is to be known of that number.
    """

    paper: str
    table: str
    method: str
    supervision: str
    resolution: str
    split: str
    asked: Reported
    values: dict[str, tuple[float, float | None]] = field(default_factory=dict, init=False)
    notes: dict[str, str] = field(default_factory=dict, init=False)

    @property
    def source(self) -> str:
        """Where it is printed, say "milgan, Table 1"."""
        return f"{self.paper}, {self.table if self.table.startswith('text') else f'Table {self.table}'}"


def read_reported(folder: Path, board: Board) -> list[ReportedRow]:
    """Rows that a board shows of the tables in `folder`, in the order of the files.

    Raises:
        BadBoard: a table is missing or malformed, or holds nothing of what the board asks for.
    """
    rows: dict[tuple[str, ...], ReportedRow] = {}
    for source in board.reported:
        path = folder / f"{source.file}.csv"
        found = False
        for line in _lines(path):
            if line["dataset"] == source.dataset and line["metric"] in source.metrics:
                if source.tables and line["table"] not in source.tables:
                    continue
                _take(rows, line, source, path)
                found = True
        if not found:
            asked = f"{source.dataset!r} with any of {', '.join(source.metrics)}"
            raise BadBoard(f"{path} has no {asked}. Correct benchmarks/{board.name}.toml.")
    reproduced(board, list(rows.values()))  # a name that stands for no row, or for several, is a fault now
    return list(rows.values())


def reproduced(board: Board, rows: Sequence[ReportedRow]) -> dict[str, ReportedRow]:
    """The paper's row beside each variant that names one, by the variant's name.

    Raises:
        BadBoard: a variant names no row of the board's, or several.
    """
    found = {}
    for variant in board.variants:
        if not variant.paper:
            continue
        named = [row for row in rows if row.method == variant.paper]
        if len(named) != 1:
            raise BadBoard(
                f"benchmarks/{board.name}.toml: {len(named)} reported rows are called {variant.paper!r}, which variant "
                f"{variant.name!r} reproduces. The board's are: {', '.join(row.method for row in rows) or 'none'}."
            )
        found[variant.name] = named[0]
    return found


def _lines(path: Path) -> list[dict[str, str]]:
    try:
        with path.open(newline="", encoding="utf-8") as file:
            return list(csv.DictReader(file))
    except FileNotFoundError:
        raise BadBoard(f"No table of reported numbers at {path}. Add it, or drop it from the board.") from None


def _take(rows: dict[tuple[str, ...], ReportedRow], line: dict[str, str], source: Reported, path: Path) -> None:
    key = tuple(line[name] for name in ("paper", "table", "method", "supervision", "resolution", "split"))
    row = rows.setdefault(key, ReportedRow(*key, asked=source))
    scale = 100 if line["metric"] in source.percent else 1
    metric = source.metrics[line["metric"]]
    try:
        spread = float(line["uncertainty"]) / scale if line["uncertainty"] else None
        row.values[metric] = float(line["value"]) / scale, spread
    except ValueError:
        raise BadBoard(f"{path}: {line['value']!r} of {line['method']!r} is not a number; correct the table.") from None
    if line["note"]:
        row.notes[metric] = line["note"]
