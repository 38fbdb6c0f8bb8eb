"""Numbers that papers print: committed tables, shown beside the runs and never ranked among them."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from lgbench.benchmark import BadBenchmark, Benchmark, Column, Reported
from lgbench.plugins import registry

from .lines import SEEDS_FOR_A_RANK, Beside, Cell, Line, Table, Verdict

__all__ = ["Papers", "ReportedRow", "put_beside", "read_reported", "reproduced"]

DRAWN_HERE = ("by hash", "every tenth")
"""What the origin of a data set says where its splits have a paper's numbers of pictures, and not its pictures."""


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


Papers = Mapping[str, ReportedRow]
"""A variant's name -> the paper's row that it reproduces."""


def read_reported(folder: Path, board: Benchmark) -> list[ReportedRow]:
    """Rows that a board shows of the tables in `folder`, in the order of the files.

    Raises:
        BadBenchmark: a table is missing or malformed, or holds nothing of what the board asks for.
    """
    rows: dict[tuple[str, ...], ReportedRow] = {}
    for source in board.reported:
        path = folder / f"{source.file}.csv"
        found = [line for line in _lines(path) if not source.tables or line["table"] in source.tables]
        found = [line for line in found if line["dataset"] == source.dataset and line["metric"] in source.metrics]
        for line in found:
            _take(rows, line, source, path)
        if not found:
            asked = f"{source.dataset!r} with any of {', '.join(source.metrics)}"
            raise BadBenchmark(f"{path} has no {asked}. Correct benchmarks/{board.name}.toml.")
    reproduced(board, list(rows.values()))  # a name that stands for no row, or for several, is a fault now
    return list(rows.values())


def reproduced(board: Benchmark, rows: Sequence[ReportedRow]) -> Papers:
    """The paper's row beside each variant that names one, by the variant's name.

    Raises:
        BadBenchmark: a variant names no row of the board's, or several.
    """
    found = {}
    for variant in board.variants:
        if not variant.paper:
            continue
        named = [row for row in rows if row.method == variant.paper]
        if len(named) != 1:
            raise BadBenchmark(
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
        raise BadBenchmark(f"No table of reported numbers at {path}. Add it, or drop it from the board.") from None


def _take(rows: dict[tuple[str, ...], ReportedRow], line: dict[str, str], source: Reported, path: Path) -> None:
    key = tuple(line[name] for name in ("paper", "table", "method", "supervision", "resolution", "split"))
    row = rows.setdefault(key, ReportedRow(*key, asked=source))
    scale = 100 if line["metric"] in source.percent else 1
    metric = source.metrics[line["metric"]]
    try:
        spread = float(line["uncertainty"]) / scale if line["uncertainty"] else None
        row.values[metric] = float(line["value"]) / scale, spread
    except ValueError:
        raise BadBenchmark(f"{path}: {line['value']!r} of {line['method']!r} is no number. Correct it.") from None
    if line["note"]:
        row.notes[metric] = line["note"]


def put_beside(board: Benchmark, table: Table, papers: Papers) -> Table:
    """The table with the numbers that papers print beside ours, each with a verdict."""
    lines = []
    for line in table.lines:
        paper, cells = papers.get(line.variant_name), dict(line.cells)
        for metric in table.columns:
            if paper and metric.name in paper.values and _asked_for(line, metric):
                cells[metric.name] = replace(cells[metric.name], beside=_beside(board, table, metric, line, paper))
        lines.append(replace(line, cells=cells))
    return replace(table, lines=tuple(lines))


def _asked_for(line: Line, metric: Column) -> bool:
    """Whether a row has the metric at all, as far as it says: rows of one method may share out a paper's columns."""
    said = str(line.variant.settings.get("evaluation.metrics") or "") if line.variant else ""
    known, names = registry().metrics.get(metric.name), {name.strip() for name in said.split(",")}
    on_request = known is not None and known.on_request
    return not said or metric.name in names or "all" in names or ("default" in names and not on_request)


def _beside(board: Benchmark, table: Table, metric: Column, line: Line, paper: ReportedRow) -> Beside:
    blank = Beside(*paper.values[metric.name], paper.source, paper.notes.get(metric.name, ""))
    cell = line.cells[metric.name]
    if line.kind == "not run":
        return blank
    if cell.mean is None:
        return replace(blank, verdict="no number", reasons=cell.why)
    protocol, stated = table.protocols[metric.name][1], _stated(paper, metric.name)
    alike = all(stated.get(name, protocol[name]) == protocol[name] for name in ("metric", "extractor"))
    gap = cell.mean - blank.value if alike else None
    reasons = (*_differences(board, paper, metric.name, protocol), *_shortcomings(line, cell, paper))
    if reasons:
        return replace(blank, gap=gap, verdict="not comparable", reasons=reasons)
    verdict, unstated = _verdict(metric, cell, blank.value), _unstated(paper, metric.name, protocol)
    return replace(blank, gap=gap, verdict=verdict, unstated=unstated)


def _verdict(metric: Column, cell: Cell, paper: float) -> Verdict:
    assert cell.mean is not None and cell.low is not None and cell.high is not None  # noqa: PT018 three seeds have them
    if cell.low <= paper <= cell.high:
        return "within noise"
    above = cell.mean > paper
    if metric.better == "none":
        return "higher" if above else "lower"
    return "better" if above == (metric.better == "up") else "worse"


def _differences(board: Benchmark, paper: ReportedRow, metric: str, protocol: Mapping[str, Any]) -> list[str]:
    """In what the two were not measured alike, as far as the paper says how it measured."""
    asked, reasons = paper.asked, []
    if not asked.same_as:
        reasons.append(f"which of our data sets {asked.dataset} is, is not said")
    elif asked.same_as != board.dataset:
        reasons.append(f"data set {board.dataset} here, {asked.same_as} there")
    if any(mark in (protocol["origin"] or "") for mark in DRAWN_HERE):
        reasons.append(f"split drawn here ({protocol['origin']}), not the paper's")
    for name, wanted in sorted(_stated(paper, metric).items()):
        held = board.resolution if name == "resolution" else protocol[name]
        if held != wanted:
            reasons.append(f"{name} {'none' if held is None else held} here, {wanted} there")
    return reasons


def _shortcomings(line: Line, cell: Cell, paper: ReportedRow) -> list[str]:
    """What our runs lack for a verdict."""
    reasons = []
    if line.preset not in paper.asked.presets:
        its = " or ".join(paper.asked.presets)
        reasons.append(f"preset {line.preset} here, the paper's settings are those of {its}")
    if cell.seeds < SEEDS_FOR_A_RANK:
        reasons.append(f"{cell.seeds} of the {SEEDS_FOR_A_RANK} seeds that a verdict needs")
    if line.unlike:
        reasons.append(line.unlike)
    if line.selected_by == "best-on-test":
        reasons.append("chosen by its score on the test images")
    return reasons


def _stated(paper: ReportedRow, metric: str) -> dict[str, Any]:
    """Fields of a protocol as the paper has them: the table of reported numbers wins over the definition."""
    stated: dict[str, Any] = dict(paper.asked.protocol.get(metric, {}))
    if paper.asked.resolution is not None:
        stated["resolution"] = paper.asked.resolution
    if paper.resolution:
        stated["resolution"] = int(paper.resolution) if paper.resolution.isdigit() else paper.resolution
    if paper.split:
        stated["split"] = paper.split
    return stated


def _unstated(paper: ReportedRow, metric: str, protocol: Mapping[str, Any]) -> tuple[str, ...]:
    asked = [name for name in ("resolution", "split", "samples", "aggregation") if protocol[name] is not None]
    return tuple(name for name in asked if name not in _stated(paper, metric))
