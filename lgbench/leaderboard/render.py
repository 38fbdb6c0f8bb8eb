"""Boards as text: the same bytes for the same records, on any day and machine."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lgbench.results import Record

from .definition import Board
from .reported import ReportedRow
from .rows import SEEDS_FOR_A_RANK, Cell, Row, Table, tables

__all__ = ["Grid", "Rendered", "present", "protocol_in_words", "render", "render_index"]

_STAMP = "<!-- Made by `lgbench leaderboard build`; edits are lost. -->"


@dataclass(frozen=True, slots=True)
class Rendered:
    """A board's files: README.md and board.csv."""

    markdown: str
    csv: str


@dataclass(frozen=True, slots=True)
class Grid:
    """A table as cells of text; `[3]` in a cell (`[^3]` in Markdown) is the third note of its board."""

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(slots=True)
class _Pen:
    """Writes for one medium and numbers the notes."""

    escape: Callable[[str], str]
    link: Callable[[str, str], str]
    mark: str
    notes: list[str] = field(default_factory=list)

    def note(self, text: str) -> str:
        if text not in self.notes:
            self.notes.append(text)
        return self.mark.format(self.notes.index(text) + 1)


def _markdown_pen() -> _Pen:
    return _Pen(_escape, lambda text, to: f"[`{text}`]({to})", "[^{}]")


def _escape(text: str) -> str:
    return re.sub(r"([\\`*_\[\]<>|])", r"\\\1", " ".join(text.split()))


def present(
    board: Board, records: Mapping[str, Record], reported: Sequence[ReportedRow]
) -> tuple[list[Grid], list[str]]:
    """A board as tables of plain text, and its notes, for a terminal."""
    pen = _Pen(str, lambda text, to: text, "[{}]")
    grids = [_ran(board, table, pen) for table in tables(board, records)]
    return [*grids, *_papers(board, reported, pen)], pen.notes


def render(board: Board, records: Mapping[str, Record], reported: Sequence[ReportedRow]) -> Rendered:
    """A board's README.md and board.csv.

    Args:
        records: file name below the board's `records` folder -> record.
        reported: the papers' rows that the board shows.
    """
    ranked, pen = tables(board, records), _markdown_pen()
    parts = [_STAMP, f"# {_escape(board.title)}", *([board.text.strip()] if board.text else []), _about(board)]
    for table in ranked:
        parts.append(_markdown(_ran(board, table, pen)))
    if not ranked:
        parts.append(f"## Runs\n\nNo runs yet: `lgbench sweep benchmarks/{board.name}.toml` makes them.")
    for grid in _papers(board, reported, pen):
        parts.append(_markdown(grid))
        parts.append("What papers report is not ranked: it was not measured here, nor always by the same protocol.")
    if pen.notes:
        parts.append("\n".join(f"[^{number}]: {_escape(note)}" for number, note in enumerate(pen.notes, 1)))
    return Rendered("\n\n".join(parts) + "\n", _csv(board, ranked, reported))


def _about(board: Board) -> str:
    config = "".join(f", {key} = {value}" for key, value in sorted(board.dataset_config.items()))
    first = board.metrics[0]
    better = {"up": "higher is better", "down": "lower is better", "none": "a diagnostic: nobody is ranked"}
    return (
        f"Data set `{board.dataset}`{_escape(config)} at {board.resolution} px, ranked by "
        f"{_escape(first.label or first.name)} ({better[first.better]}). Numbers are means over seeds with their 95 % "
        "Student-t interval; equal ones, as printed, are ties (=). A rank with an asterisk is provisional: fewer than "
        f"{SEEDS_FOR_A_RANK} seeds."
    )


def _markdown(grid: Grid) -> str:
    lines = [grid.head, ["---"] * len(grid.head), *grid.rows]
    return f"## {grid.title}\n\n" + "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _ran(board: Board, table: Table, pen: _Pen) -> Grid:
    title = f"Runs: {pen.escape(table.part)}" if table.part else "Runs"
    title += "".join(pen.note(note) for note in table.notes)
    heads = []
    for metric in table.columns:
        words = table.protocols.get(metric.name)
        note = pen.note(f"Protocol {words[0]}: {protocol_in_words(words[1])}.") if words else ""
        if any(row.cells[metric.name].gap is not None for row in table.rows):
            note += pen.note("Gap: what choosing each mask's polarity by the labels would add to the committed value.")
        heads.append(pen.escape(metric.head) + note)
    head = ("Rank", "Method", "Preset", *heads, "Seeds", "Flags", "Device", "Records")
    return Grid(title, head, tuple(_ran_row(table, row, pen) for row in table.rows))


def _ran_row(table: Table, row: Row, pen: _Pen) -> tuple[str, ...]:
    cells = [_number(row.cells[metric.name], metric.digits, pen) for metric in table.columns]
    if row.kind == "baseline":
        return ("floor", pen.escape(row.method), "", *cells, "", "", "", "")
    links = " ".join(pen.link(identity[:8], f"records/{name}") for name, identity in row.records)
    twins = [other for other in table.rows if (other.method, other.preset) == (row.method, row.preset)]
    recipe = f" (recipe {row.recipe})" if len({twin.recipe for twin in twins}) > 1 else ""
    return (
        _rank(row, pen),
        pen.escape(row.method) + recipe,
        pen.escape(row.preset),
        *cells,
        _seeds(row),
        pen.escape(", ".join(f"{flag} x{count}" for flag, count in (row.flags or {}).items())),
        pen.escape(", ".join(row.devices)),
        links,
    )


def _rank(row: Row, pen: _Pen) -> str:
    if row.selected_by == "best-on-test":
        return "-" + pen.note("Chosen by its score on the test images (best-on-test), hence barred from ranking.")
    if row.rank is None:
        return "-"
    star = pen.escape("*") if row.provisional else ""
    return f"{row.rank}{'=' if row.tied else ''}{star}"


def _seeds(row: Row) -> str:
    failed = [f"{count} {status}" for status, count in (row.statuses or {}).items()]
    text = f"{row.done} of {row.attempted}: {', '.join(failed)}" if failed else str(row.done)
    return text if row.runs == row.attempted else f"{text} ({row.runs} runs)"


def _number(cell: Cell, digits: int, pen: _Pen) -> str:
    if cell.mean is None:
        return "n/a" + "".join(pen.note(f"n/a: {why.rstrip('.')}.") for why in cell.why) if cell.why else "-"
    text = f"{cell.mean:.{digits}f}"
    if cell.low is not None and cell.high is not None:
        text += f" ± {(cell.high - cell.low) / 2:.{digits}f}"
    if cell.gap is not None:
        text += f" (gap {cell.gap:.{digits}f})"
    return text + "".join(pen.note(f"Fewer seeds than the row: {why}.") for why in cell.why)


def protocol_in_words(protocol: Mapping[str, Any]) -> str:
    """A protocol as a phrase; fields that do not apply are left out."""
    config = protocol["dataset_config"]
    settings = ", ".join(f"{k} = {v}" for k, v in sorted(config.items())) if isinstance(config, dict) else config
    words = [(protocol["dataset"] or "any data") + (f" with {settings}" if settings else "")]
    phrases = {
        "origin": "{} copy",
        "split": "{} split",
        "resolution": "{} px",
        "crop": "crop {}",
        "polarity": "{} polarity",
        "aggregation": "aggregated {}",
        "threshold": "threshold {}",
        "samples": "{} samples",
        "extractor": "features of {}",
        "weights": "weights {:.12}",
    }
    words += [phrase.format(protocol[name]) for name, phrase in phrases.items() if protocol[name] is not None]
    return ", ".join([*words, f"{protocol['metric']} version {protocol['metric_version']}"])


def _papers(board: Board, reported: Sequence[ReportedRow], pen: _Pen) -> list[Grid]:
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
        source = f"{row.paper}, {row.table if row.table.startswith('text') else f'Table {row.table}'}"
        rows.append((*known, *cells, where, pen.escape(row.split or "not stated"), pen.escape(source)))
    heads = [pen.escape(metric.head) for metric in metrics]
    head = ("Method", "Supervision", *heads, "Resolution", "Split", "Source")
    return [Grid("Reported by papers", head, tuple(rows))]


def _paper_number(value: tuple[float, float | None] | None, digits: int) -> str:
    if value is None:
        return "-"
    return f"{value[0]:.{digits}f}" + (f" ± {value[1]:.{digits}f}" if value[1] is not None else "")


_COLUMNS: list[str] = [
    *("kind", "table", "rank", "tied", "provisional", "method", "preset", "recipe", "selected_by"),
    *("metric", "better", "value", "low", "high", "gap", "seeds", "attempted", "failed", "flags", "devices"),
    *("protocol_id", "records", "source", "note"),
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
                writer.writerow(fixed | _csv_row(row) | _csv_cell(row.cells[metric.name]))
    for row in reported:
        source = f"{row.paper} {row.table}"
        for metric in board.metrics:
            if metric.name in row.values:
                value, spread = row.values[metric.name]
                fixed = {"kind": "reported", "method": row.method, "metric": metric.name, "better": metric.better}
                told = f"± {spread:.6g}" if spread is not None else ""
                note = "; ".join(filter(None, [told, row.notes.get(metric.name)]))
                writer.writerow(fixed | {"value": f"{value:.6g}", "source": source, "note": note})
    return out.getvalue()


def _csv_row(row: Row) -> dict[str, Any]:
    if row.kind == "baseline":
        return {"kind": row.kind, "method": row.method}
    return {
        "kind": row.kind,
        "rank": "" if row.rank is None else row.rank,
        "tied": row.tied,
        "provisional": row.provisional,
        "method": row.method,
        "preset": row.preset,
        "recipe": row.recipe,
        "selected_by": row.selected_by,
        "attempted": row.attempted,
        "failed": sum((row.statuses or {}).values()),
        "flags": " ".join(f"{flag}={count}" for flag, count in (row.flags or {}).items()),
        "devices": "; ".join(row.devices),
        "records": " ".join(identity for _, identity in row.records),
    }


def _csv_cell(cell: Cell) -> dict[str, Any]:
    numbers = {"value": cell.mean, "low": cell.low, "high": cell.high, "gap": cell.gap}
    return {name: "" if number is None else f"{number:.6g}" for name, number in numbers.items()} | {
        "seeds": cell.seeds or "",
        "note": "; ".join(cell.why),
    }


def render_index(boards: Sequence[tuple[Board, Mapping[str, Record]]]) -> str:
    """leaderboards/README.md: every board, its leader and its number of runs."""
    lines = ["| Board | Data set | Ranked by | First | Runs |", "| --- | --- | --- | --- | --- |"]
    for board, records in boards:
        pen, leaders = _markdown_pen(), [_leader(table) for table in tables(board, records)[:1]]
        cells = (
            f"[{_escape(board.title)}]({board.name}/README.md)",
            f"{_escape(board.dataset)}, {board.resolution} px",
            pen.escape(board.metrics[0].head),
            next(iter(leaders), "") or "-",
            str(len(records)) if records else "no runs yet",
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n\n".join([_STAMP, "# Leaderboards", "\n".join(lines)]) + "\n"


def _leader(table: Table) -> str:
    first, pen = table.columns[0], _markdown_pen()
    leaders = [row for row in table.rows if row.rank == 1]
    names = [f"{_escape(row.method)} {_escape(row.preset)}{_escape('*') if row.provisional else ''}" for row in leaders]
    score = _number(leaders[0].cells[first.name], first.digits, pen).split(" (")[0] if leaders else ""
    return f"{', '.join(names)}: {score}" if leaders else ""
