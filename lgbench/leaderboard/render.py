"""Boards as text: the same bytes for the same records, on any day and machine."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lgbench.record import Record

from .ablation_text import ablation_csv, ablation_grids, ablation_page, standing
from .definition import Board
from .pen import (
    STAMP,
    Grid,
    Pen,
    csv_columns,
    csv_number,
    csv_safe,
    escape,
    heads,
    markdown,
    markdown_pen,
    number_of,
    preset_of,
    tail,
    terminal_pen,
)
from .reported import ReportedRow
from .rows import SEEDS_FOR_A_RANK, Cell, Row, Table, tables

__all__ = ["Rendered", "present", "render", "render_index"]


@dataclass(frozen=True, slots=True)
class Rendered:
    """A board's files: README.md and board.csv."""

    markdown: str
    csv: str


def present(
    board: Board, records: Mapping[str, Record], reported: Sequence[ReportedRow]
) -> tuple[list[Grid], list[str]]:
    """A board as tables of plain text, and its notes, for a terminal."""
    pen = terminal_pen()
    if board.variants:
        return ablation_grids(board, records, reported, pen), pen.notes
    grids = [_ran(board, table, pen) for table in tables(board, records)]
    return [*grids, *_papers(board, reported, pen)], pen.notes


def render(board: Board, records: Mapping[str, Record], reported: Sequence[ReportedRow]) -> Rendered:
    """A board's README.md and board.csv.

    Args:
        records: file name below the board's `records` folder -> record.
        reported: the papers' rows that the board shows.
    """
    if board.variants:
        return Rendered(ablation_page(board, records, reported), ablation_csv(board, records, reported))
    ranked, pen = tables(board, records), markdown_pen()
    parts = [STAMP, f"# {escape(board.title)}", *board.told, _about(board)]
    for table in ranked:
        parts.append(markdown(_ran(board, table, pen)))
    if not ranked:
        parts.append(f"## Runs\n\nNo runs yet: `lgbench sweep benchmarks/{board.name}.toml` makes them.")
    for grid in _papers(board, reported, pen):
        parts.append(markdown(grid))
        parts.append("What papers report is not ranked: it was not measured here, nor always by the same protocol.")
    return Rendered("\n\n".join([*parts, *pen.footnotes]) + "\n", _csv(board, ranked, reported))


def _about(board: Board) -> str:
    config = "".join(f", {key} = {value}" for key, value in sorted(board.dataset_config.items()))
    first = board.metrics[0]
    better = {"up": "higher is better", "down": "lower is better", "none": "a diagnostic: nobody is ranked"}
    return (
        f"Data set `{board.dataset}`{escape(config)} at {board.resolution} px, ranked by "
        f"{escape(first.label or first.name)} ({better[first.better]}). Numbers are means over seeds with their 95 % "
        "Student-t interval; equal ones, as printed, are ties (=). A rank with an asterisk is provisional: fewer than "
        f"{SEEDS_FOR_A_RANK} seeds, one that failed, one that the benchmark does not list, or a preset that has "
        "changed since. Supervision is what was learnt from besides pictures."
    )


def _ran(board: Board, table: Table, pen: Pen) -> Grid:
    title = f"Runs: {pen.escape(table.part)}" if table.part else "Runs"
    title += "".join(pen.note(note) for note in table.notes)
    head = ("Rank", "Method", "Preset", *heads(table, pen), "Seeds", "Flags", "Supervision", "Device", "Records")
    return Grid(title, head, tuple(_ran_row(table, row, pen) for row in table.rows))


def _ran_row(table: Table, row: Row, pen: Pen) -> tuple[str, ...]:
    cells = [number_of(row.cells[metric.name], metric.digits, pen) for metric in table.columns]
    if row.kind == "baseline":
        return ("floor", pen.escape(row.method), "", *cells, "", "", "", "", "")
    twins = [other for other in table.rows if (other.method, other.preset) == (row.method, row.preset)]
    recipe = f" (recipe {row.recipe})" if len({twin.recipe for twin in twins}) > 1 else ""
    return (
        _rank(row, pen),
        pen.escape(row.method) + recipe,
        preset_of(row, pen),
        *cells,
        *tail(row, pen),
    )


def _rank(row: Row, pen: Pen) -> str:
    if row.selected_by == "best-on-test":
        return "-" + pen.note("Chosen by its score on the test images (best-on-test), hence barred from ranking.")
    if row.rank is None:
        return "-"
    star = pen.escape("*") if row.provisional else ""
    return f"{row.rank}{'=' if row.tied else ''}{star}"


def _papers(board: Board, reported: Sequence[ReportedRow], pen: Pen) -> list[Grid]:
    if not reported:
        return []
    metrics = [metric for metric in board.metrics if any(metric.name in row.values for row in reported)]
    rows = []
    for row in reported:
        cells = []
        for metric in metrics:
            note = pen.note(row.notes[metric.name] + ".") if metric.name in row.notes else ""
            cells.append(_paper_number(row.values.get(metric.name), metric.digits) + note)
        known = [pen.escape(text) for text in (row.method, row.supervision)]
        where = f"{row.resolution} px" if row.resolution else "not stated"
        rows.append((*known, *cells, where, pen.escape(row.split or "not stated"), pen.escape(row.source)))
    titles = [pen.escape(metric.head) for metric in metrics]
    head = ("Method", "Supervision", *titles, "Resolution", "Split", "Source")
    return [Grid("Reported by papers", head, tuple(rows))]


def _paper_number(value: tuple[float, float | None] | None, digits: int) -> str:
    if value is None:
        return "-"
    return f"{value[0]:.{digits}f}" + (f" ± {value[1]:.{digits}f}" if value[1] is not None else "")


_COLUMNS: list[str] = [
    *("kind", "table", "rank", "tied", "provisional", "method", "preset", "recipe", "selected_by"),
    *("metric", "better", "value", "low", "high", "gap", "seeds", "attempted", "failed", "flags", "devices"),
    *("protocol_id", "records", "source", "supervision", "note"),
]


def _csv(board: Board, ranked: Sequence[Table], reported: Sequence[ReportedRow]) -> str:
    """One line per row and metric, so that no program takes a cell apart; a missing number is empty, never 0."""
    out = io.StringIO()
    writer = csv.DictWriter(out, _COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    for number, table in enumerate(ranked, 1):
        for row in table.rows:
            for metric in table.columns:
                protocol = table.protocols.get(metric.name, ("", {}))[0]
                fixed = {"table": number, "metric": metric.name, "better": metric.better, "protocol_id": protocol}
                writer.writerow(csv_safe(fixed | _csv_row(row, row.cells[metric.name])))
    for row in reported:
        source = f"{row.paper} {row.table}"
        for metric in board.metrics:
            if metric.name in row.values:
                value, spread = row.values[metric.name]
                fixed = {"kind": "reported", "method": row.method, "metric": metric.name, "better": metric.better}
                fixed["supervision"] = row.supervision
                told = f"± {spread:.6g}" if spread is not None else ""
                note = "; ".join(filter(None, [told, row.notes.get(metric.name)]))
                writer.writerow(csv_safe(fixed | {"value": csv_number(value), "source": source, "note": note}))
    return out.getvalue()


def _csv_row(row: Row, cell: Cell) -> dict[str, Any]:
    columns = csv_columns(row, cell) | {"gap": csv_number(cell.gap)}
    if row.kind == "baseline":
        return columns
    rank = "" if row.rank is None else row.rank
    return columns | {"rank": rank, "tied": row.tied, "provisional": row.provisional}


def render_index(boards: Sequence[tuple[Board, Mapping[str, Record]]]) -> str:
    """leaderboards/README.md: every board, its leader (or how an ablation's claims stand) and its number of runs."""
    lines = ["| Board | Data set | Ranked by | First | Runs |", "| --- | --- | --- | --- | --- |"]
    for board, records in boards:
        first = standing(board, records) if board.variants else _first(board, records)
        cells = (
            f"[{escape(board.title)}]({board.name}/README.md)",
            f"{escape(board.dataset)}, {board.resolution} px",
            "not ranked" if board.variants else escape(board.metrics[0].head),
            first or "-",
            str(len(records)) if records else "no runs yet",
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n\n".join([STAMP, "# Leaderboards", "\n".join(lines)]) + "\n"


def _first(board: Board, records: Mapping[str, Record]) -> str:
    return next((_leader(table) for table in tables(board, records)[:1]), "")


def _leader(table: Table) -> str:
    first, pen = table.columns[0], markdown_pen()
    leaders = [row for row in table.rows if row.rank == 1]
    names = [f"{escape(row.method)} {escape(row.preset)}{escape('*') if row.provisional else ''}" for row in leaders]
    score = number_of(leaders[0].cells[first.name], first.digits, pen).split(" (")[0] if leaders else ""
    return f"{', '.join(names)}: {score}" if leaders else ""
