"""How boards are written down: cells of text, numbers and notes for Markdown and a terminal, columns for CSV."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from lgbench.plain import plain

from .rows import Cell, Row, Table

__all__ = [
    "STAMP",
    "Grid",
    "Pen",
    "csv_columns",
    "csv_number",
    "csv_safe",
    "escape",
    "heads",
    "markdown",
    "markdown_pen",
    "number_of",
    "preset_of",
    "protocol_in_words",
    "tail",
    "terminal_pen",
]


STAMP = "<!-- Made by `lgbench leaderboard build`; edits are lost. -->"


@dataclass(frozen=True, slots=True)
class Grid:
    """A table as cells of text; `[3]` in a cell (`[^3]` in Markdown) is the third note of its board."""

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(slots=True)
class Pen:
    """Writes for one medium and numbers the notes."""

    escape: Callable[[str], str]
    link: Callable[[str, str], str]
    mark: str
    notes: list[str] = field(default_factory=list)

    @property
    def footnotes(self) -> list[str]:
        """The notes as a part of a page; none where nothing was noted."""
        lines = [f"{self.mark.format(number)}: {self.escape(note)}" for number, note in enumerate(self.notes, 1)]
        return ["\n".join(lines)] if lines else []

    def note(self, text: str) -> str:
        """The mark of a note, which is taken down if it is new."""
        if text not in self.notes:
            self.notes.append(text)
        return self.mark.format(self.notes.index(text) + 1)


def terminal_pen() -> Pen:
    """Writes plain text."""
    return Pen(str, lambda text, to: text, "[{}]")


def markdown_pen() -> Pen:
    """Writes Markdown."""
    return Pen(escape, lambda text, to: f"[`{text}`]({to})", "[^{}]")


def escape(text: str) -> str:
    """Text of others on one line, so that it cannot break a table, link anywhere or call anybody."""
    text = re.sub(r"([\\`*_\[\]<>|~])", r"\\\1", plain(" ".join(text.split())))
    return re.sub(r"(?i)@(?=\w)|#(?=\d)|://|\bwww\.", lambda found: f"{found[0][0]}<!-- -->{found[0][1:]}", text)


def csv_safe(cells: Mapping[str, Any]) -> dict[str, Any]:
    """Cells of which no spreadsheet takes a text for a formula."""
    safe = {name: plain(cell) if isinstance(cell, str) else cell for name, cell in cells.items()}
    return {name: f"'{cell}" if _a_formula(cell) else cell for name, cell in safe.items()}


def _a_formula(cell: Any) -> bool:
    return isinstance(cell, str) and cell[:1] in _LEADS and not _NUMBER.fullmatch(cell)


_LEADS = tuple("=+-@\t\n\uff1d\uff0b\uff0d\uff20")
"""What a formula begins with; the last four are = + - @ of full width, which some spreadsheets read alike."""

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


def markdown(grid: Grid) -> str:
    """A table under its heading."""
    lines = [grid.head, ["---"] * len(grid.head), *grid.rows]
    return f"## {grid.title}\n\n" + "\n".join(f"| {' | '.join(line)} |" for line in lines)


def heads(table: Table, pen: Pen) -> list[str]:
    """A table's metrics as headings, with notes on how each was measured."""
    texts = []
    for metric in table.columns:
        words = table.protocols.get(metric.name)
        note = pen.note(f"Protocol {words[0]}: {protocol_in_words(words[1])}.") if words else ""
        if any(row.cells[metric.name].gap is not None for row in table.rows):
            note += pen.note("Gap: what choosing each mask's polarity by the labels would add to the committed value.")
        texts.append(pen.escape(metric.head) + note)
    return texts


def tail(row: Row, pen: Pen) -> tuple[str, str, str, str, str]:
    """How a row of runs ends: seeds, flags, supervision, devices and records."""
    links = " ".join(pen.link(identity[:8], f"records/{name}") for name, identity in row.records)
    flags = ", ".join(f"{flag} x{count}" for flag, count in (row.flags or {}).items())
    return _seeds(row), pen.escape(flags), pen.escape(row.supervision), pen.escape(", ".join(row.devices)), links


def preset_of(row: Row, pen: Pen) -> str:
    """A row's preset, with a note where its runs had other settings."""
    return pen.escape(row.preset) + (pen.note(f"{row.unlike.capitalize()}.") if row.unlike else "")


def _seeds(row: Row) -> str:
    failed = [f"{count} {status}" for status, count in (row.statuses or {}).items()]
    text = f"{row.done} of {row.attempted}: {', '.join(failed)}" if failed else str(row.done)
    return text if row.runs == row.attempted else f"{text} ({row.runs} runs)"


def number_of(cell: Cell, digits: int, pen: Pen) -> str:
    """A mean with its interval and its oracle's gap, or why there is none."""
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
        "dataset_version": "version {}",
        "origin": "{} copy",
        "split": "{} split",
        "resolution": "{} px",
        "crop": "crop {}",
        "ignore": "masks' value {} left out",
        "pseudo": "pseudo truth: {}",
        "polarity": "{} polarity",
        "aggregation": "aggregated {}",
        "threshold": "threshold {}",
        "samples": "{} samples",
        "sampling": "sampled with {}",
        "extractor": "features of {}",
        "weights": "weights {:.12}",
    }
    held = {name: protocol.get(name) for name in phrases}  # older protocols do not know every field
    words += [phrase.format(held[name]) for name, phrase in phrases.items() if held[name] is not None]
    return ", ".join([*words, f"{protocol['metric']} version {protocol['metric_version']}"])


def csv_columns(row: Row, cell: Cell) -> dict[str, Any]:
    """What the CSV of any board says of a row and one of its cells; of a baseline little more than the number."""
    columns = {
        "kind": row.kind,
        "method": row.method,
        "value": csv_number(cell.mean),
        "low": csv_number(cell.low),
        "high": csv_number(cell.high),
        "note": "; ".join(filter(None, [*cell.why, row.unlike])),
    }
    if row.kind == "baseline":
        return columns
    return columns | {
        "preset": row.preset,
        "recipe": row.recipe,
        "selected_by": row.selected_by,
        "supervision": row.supervision,
        "seeds": cell.seeds or "",
        "attempted": row.attempted,
        "failed": sum((row.statuses or {}).values()),
        "flags": " ".join(f"{flag}={count}" for flag, count in (row.flags or {}).items()),
        "devices": "; ".join(row.devices),
        "records": " ".join(identity for _, identity in row.records),
    }


def csv_number(number: float | None) -> str:
    """Six digits; a missing number is empty, never 0."""
    return "" if number is None else f"{number:.6g}"
