"""An ablation: rows in the paper's order, each beside the number that the paper prints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from lgbench.record import Record

from .definition import Board, BoardMetric
from .reported import ReportedRow, reproduced
from .rows import SEEDS_FOR_A_RANK, Cell, Row, Table, tables
from .variants import Variant

__all__ = ["Beside", "Section", "Verdict", "beside", "sections"]

Verdict = Literal["within noise", "better", "worse", "higher", "lower", "not comparable", "not run", "no number"]


DRAWN_HERE = ("by hash", "every tenth")
"""What the origin of a data set says where its splits have a paper's numbers of pictures, and not its pictures."""


@dataclass(frozen=True, slots=True)
class Section:
    """The runs of one preset.

    Attributes:
        preset: of the benchmark's presets; "" where nothing was run, or every variant has a preset of its own.
        tables: one where every metric has one protocol; more by the rules of `tables`.
        lines: beside each table, its rows in the order of the variants; None stands for a variant that was not run.
        records: file name -> record.
    """

    preset: str
    tables: tuple[Table, ...]
    lines: tuple[tuple[tuple[Variant, Row | None], ...], ...]
    records: Mapping[str, Record] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Beside:
    """One of our numbers beside one of a paper's.

    Attributes:
        cell: ours; None where the variant was not run.
        paper: the paper's value and what it puts behind its "±".
        gap: ours minus the paper's, in the metric's unit; None where the two have no unit in common.
        verdict: "within noise" where the paper's value lies in our 95 % interval; "higher" and "lower" for a metric
            without a better end.
        reasons: why the numbers are not comparable.
        unstated: what the paper does not state, hence what was not compared.
    """

    variant: Variant
    row: Row | None
    metric: BoardMetric
    cell: Cell | None
    paper: tuple[float, float | None]
    source: str
    note: str
    gap: float | None
    verdict: Verdict
    reasons: tuple[str, ...] = ()
    unstated: tuple[str, ...] = ()


def sections(board: Board, records: Mapping[str, Record]) -> list[Section]:
    """An ablation's runs by preset, in the definition's order; one without runs where there are none at all.

    A variant with a preset of its own stands beside the others in each of them.

    Args:
        records: file name -> record; each a run of one of the board's variants.
    """
    owners = {name: board.variant_of(record) for name, record in records.items()}
    shared = {records[name].preset for name, variant in owners.items() if variant is not None and not variant.preset}
    made = []
    for preset in [preset for preset in board.presets if preset in shared] or [*board.presets, ""][:1]:
        chosen = {
            name: record
            for name, record in records.items()
            if (variant := owners[name]) is not None and record.preset == (variant.preset or preset)
        }
        if chosen:
            made.append(_section(board, preset, chosen, owners))
    nothing = Table("", tuple(board.metrics), {}, ())
    return made or [Section("", (nothing,), (tuple((variant, None) for variant in board.variants),))]


def _section(board: Board, preset: str, records: Mapping[str, Record], owners: Mapping[str, Variant | None]) -> Section:
    made = tables(board, records)
    ran = {variant.name for name in records if (variant := owners[name]) is not None}
    lines = []
    for number, table in enumerate(made):
        of = {id(row): owners[row.records[0][0]] for row in table.rows if row.records}
        ordered: list[tuple[Variant, Row | None]] = []
        for variant in board.variants:
            ordered += [(variant, row) for row in table.rows if of.get(id(row)) == variant]
            if number == 0 and variant.name not in ran:
                ordered.append((variant, None))
        lines.append(tuple(ordered))
    return Section(preset, tuple(made), tuple(lines), records)


def beside(board: Board, section: Section, reported: Sequence[ReportedRow]) -> list[Beside]:
    """The numbers that the paper prints for a section's rows, with ours and a verdict: by metric, then by variant."""
    papers, found = reproduced(board, reported), []
    for table, lines in zip(section.tables, section.lines, strict=True):
        for metric in table.columns:
            for variant, row in lines:
                paper = papers.get(variant.name)
                if paper is not None and metric.name in paper.values:
                    found.append(_beside(board, table, metric, variant, row, paper))
    return found


def _beside(
    board: Board, table: Table, metric: BoardMetric, variant: Variant, row: Row | None, paper: ReportedRow
) -> Beside:
    note = paper.notes.get(metric.name, "")
    blank = Beside(variant, row, metric, None, paper.values[metric.name], paper.source, note, None, "not run")
    if row is None:
        return blank
    cell = row.cells[metric.name]
    if cell.mean is None:
        return replace(blank, cell=cell, verdict="no number", reasons=cell.why)
    protocol, stated = table.protocols[metric.name][1], _stated(paper, metric.name)
    alike = all(stated.get(name, protocol[name]) == protocol[name] for name in ("metric", "extractor"))
    gap = cell.mean - blank.paper[0] if alike else None
    reasons = (*_differences(board, paper, metric.name, protocol), *_shortcomings(row, cell, paper))
    if reasons:
        return replace(blank, cell=cell, gap=gap, verdict="not comparable", reasons=reasons)
    verdict, unstated = _verdict(metric, cell, blank.paper[0]), _unstated(paper, metric.name, protocol)
    return replace(blank, cell=cell, gap=gap, verdict=verdict, unstated=unstated)


def _verdict(metric: BoardMetric, cell: Cell, paper: float) -> Verdict:
    assert cell.mean is not None
    assert cell.low is not None  # three seeds have an interval
    assert cell.high is not None
    if cell.low <= paper <= cell.high:
        return "within noise"
    above = cell.mean > paper
    if metric.better == "none":
        return "higher" if above else "lower"
    return "better" if above == (metric.better == "up") else "worse"


def _differences(board: Board, paper: ReportedRow, metric: str, protocol: Mapping[str, Any]) -> list[str]:
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


def _shortcomings(row: Row, cell: Cell, paper: ReportedRow) -> list[str]:
    """What our runs lack for a verdict."""
    reasons = []
    if row.preset not in paper.asked.presets:
        reasons.append(
            f"preset {row.preset} here, the paper's settings are those of {' or '.join(paper.asked.presets)}"
        )
    if cell.seeds < SEEDS_FOR_A_RANK:
        reasons.append(f"{cell.seeds} of the {SEEDS_FOR_A_RANK} seeds that a verdict needs")
    if row.unlike:
        reasons.append(row.unlike)
    if row.selected_by == "best-on-test":
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
