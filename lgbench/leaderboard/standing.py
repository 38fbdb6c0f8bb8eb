"""A board, computed once: its tables, each number beside the paper's, and how its claims stand. Views only read it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from lgbench.benchmark import Benchmark
from lgbench.record import Record

from .claims import Outcome, outcomes
from .lines import Cell, Line, Table, tables
from .pairs import Pair
from .papers import ReportedRow, put_beside, reproduced

__all__ = ["Committed", "Section", "Standing", "stand"]


@dataclass(frozen=True, slots=True)
class Committed:
    """What a board is made of.

    Attributes:
        records: file name below the board's `records` folder -> record.
        reported: the papers' rows that it shows.
        faults: what is wrong with files that are not among them.
        pairs: what was found of its runs' samples in pairs.
        pictures: names of the files in its folder `pictures`, each of which begins with that of a record.
    """

    records: Mapping[str, Record]
    reported: Sequence[ReportedRow]
    faults: Sequence[str] = ()
    pairs: Sequence[Pair] = ()
    pictures: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Section:
    """The runs of one preset of an ablation; all runs of a board that ranks.

    Attributes:
        preset: of the benchmark's presets; "" where nothing was run, where every variant has a preset of its own, and
            for a board that ranks.
        tables: one where every metric has one protocol; more by the rules of `tables`.
        outcomes: of the board's claims.
    """

    preset: str
    tables: Sequence[Table]
    outcomes: Sequence[Outcome] = ()


@dataclass(frozen=True, slots=True)
class Standing:
    """All that the views of a board show: its definition, what it is made of, and what was computed from both."""

    board: Benchmark
    held: Committed
    sections: Sequence[Section]


def stand(board: Benchmark, held: Committed) -> Standing:
    """Compute a board from what is committed of it."""
    if not board.variants:
        return Standing(board, held, [Section("", tables(board, held.records))])
    papers, sections = reproduced(board, held.reported), []
    for preset, chosen in _by_preset(board, held.records).items():
        found = [put_beside(board, table, papers) for table in _in_order(board, chosen)]
        sections.append(Section(preset, found, outcomes(board, found, papers)))
    return Standing(board, held, sections)


def _by_preset(board: Benchmark, records: Mapping[str, Record]) -> dict[str, dict[str, Record]]:
    """An ablation's runs by preset, in the definition's order, each with the floors; "" where there are floors at most.

    A variant with a preset of its own stands beside the others in each of them.
    """
    owners = {name: board.variant_of(record) for name, record in records.items()}
    shared = {records[name].preset for name, variant in owners.items() if variant is not None and not variant.preset}
    floors = {name: record for name, record in records.items() if record.method in board.floors}
    found = {}
    for preset in [preset for preset in board.presets if preset in shared] or [*board.presets, ""][:1]:
        wanted = {name: variant.preset or preset for name, variant in owners.items() if variant is not None}
        chosen = {name: records[name] for name, its in wanted.items() if records[name].preset == its}
        if chosen:
            found[preset] = chosen | floors
    return found or {"": floors}


def _in_order(board: Benchmark, records: Mapping[str, Record]) -> list[Table]:
    """Tables with their lines in the order of the variants; what was not run has a line in the first of them."""
    made = tables(board, records) or [Table("", tuple(board.metrics), {}, ())]
    ran = {line.variant_name for table in made for line in table.lines}
    ordered = []
    for number, table in enumerate(made):
        lines: list[Line] = []
        for variant in board.variants:
            lines += [line for line in table.lines if line.variant == variant]
            if number == 0 and variant.name not in ran:
                cells = {metric.name: Cell() for metric in table.columns}
                lines.append(Line("not run", variant.method, cells, variant, preset=variant.preset))
        floor = [line for line in table.lines if line.kind in ("floor", "ceiling", "baseline")]
        ordered.append(replace(table, lines=(*lines, *floor)))
    return ordered
