"""What a paper says of pairs of rows, held against our seeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import comb
from statistics import mean
from typing import Literal

from lgbench.benchmark import Benchmark, Claim, Column
from lgbench.intervals import difference

from .collapse import Signs, signs_of, told
from .lines import SEEDS_FOR_A_RANK, Cell, Line, Table, distinct_seeds, saw_others
from .papers import Papers

__all__ = ["Outcome", "outcomes"]

COLLAPSES = Column(name="collapse", label="collapse", better="down", digits=2)
"""What a claim about collapse is decided by."""


Verdict = Literal["agrees", "disagrees", "undecided", "not run"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a claim stands among the runs of one preset.

    Attributes:
        verdict: "agrees" or "disagrees" where a test at the 5 % level tells: Welch's t-test of the means for an
            ordering, two one-sided ones (TOST) for equality within a margin, Fisher's exact test for collapse.
        difference: the better variant's mean minus the worse one's.
        half: half of the difference's 95 % interval, None under two seeds.
        seeds: of the better variant, of the worse one.
        why: why there is no decision, where it is not the noise; what a collapse is read from; how many seeds failed.
        paper: the paper's numbers of the two, where it prints them.
    """

    claim: Claim
    metric: Column
    verdict: Verdict = "not run"
    difference: float | None = None
    half: float | None = None
    seeds: tuple[int, int] = (0, 0)
    why: str = ""
    paper: tuple[float, float] | None = None


def outcomes(board: Benchmark, tables: Sequence[Table], papers: Papers) -> list[Outcome]:
    """Every claim of the board, in its order, with the paper's numbers where it prints both."""
    metrics, found = {metric.name: metric for metric in board.metrics}, []
    for claim in board.claims:
        blank = Outcome(claim, metrics.get(claim.metric, COLLAPSES), paper=_printed(claim, papers))
        outcome = _collapsed(blank, tables) if claim.collapse else _decided(blank, tables)
        found.append(replace(outcome, why="; ".join(filter(None, [outcome.why, *_failures(claim, tables)]))))
    return found


def _printed(claim: Claim, papers: Papers) -> tuple[float, float] | None:
    pair = [papers[name].values.get(claim.metric) for name in (claim.better, claim.worse) if name in papers]
    numbers = [value for value, _ in filter(None, pair)]
    return (numbers[0], numbers[1]) if len(numbers) == 2 else None


Found = list[tuple[int, Line]]
"""A variant's lines that have runs, and a number of the claim's metric where it has one, each with its table's.

Runs of today's preset stand for a variant, where it has any: records of before cannot be taken off a board.
"""


def _lines_of(tables: Sequence[Table], name: str, metric: str) -> Found:
    its = [(n, one) for n, table in enumerate(tables) for one in table.lines if one.runs and one.variant_name == name]
    found = [(n, line) for n, line in its if not metric or line.cells.get(metric, Cell()).by_seed]
    return [(n, line) for n, line in found if not line.unlike] or found


def _decided(blank: Outcome, tables: Sequence[Table]) -> Outcome:
    claim, metric = blank.claim, blank.metric
    found = {name: _lines_of(tables, name, claim.metric) for name in (claim.better, claim.worse)}
    better, worse = found.values()
    if missing := [name for name, lines in found.items() if not lines]:
        return replace(blank, why=f"no number of {' and '.join(missing)}")
    if len({number for number, _ in (*better, *worse)}) > 1:
        return replace(blank, verdict="undecided", why="measured by several protocols")
    if why := _unlike([line for _, line in (*better, *worse)]):
        return replace(blank, verdict="undecided", why=why)
    ours, theirs = (lines[0][1].cells[claim.metric].by_seed for lines in (better, worse))
    between, half = difference(ours, theirs) if min(len(ours), len(theirs)) > 1 else (mean(ours) - mean(theirs), None)
    told = replace(blank, difference=between, half=half, seeds=(len(ours), len(theirs)))
    if min(told.seeds) < SEEDS_FOR_A_RANK:
        return replace(told, verdict="undecided", why=f"{SEEDS_FOR_A_RANK} seeds of each are needed")
    verdict = _equal(claim.margin, ours, theirs) if claim.margin else _ordered(metric, ours, theirs)
    return replace(told, verdict=verdict)


def _ordered(metric: Column, better: Sequence[float], worse: Sequence[float]) -> Verdict:
    """Whether the one mean is beyond the other at the metric's better end."""
    between, half = difference(better, worse)
    gain = between if metric.better == "up" else -between
    return "undecided" if abs(gain) <= half else "agrees" if gain > 0 else "disagrees"


def _equal(margin: float, one: Sequence[float], other: Sequence[float]) -> Verdict:
    """Whether two means are equal within a margin: their difference's 90 % interval lies in it (Schuirmann, 1987).

    They are not where its 95 % interval lies beyond it.
    """
    between, half = difference(one, other, 0.90)
    _, wide = difference(one, other)
    if abs(between) + half < margin:
        return "agrees"
    return "disagrees" if abs(between) - wide > margin else "undecided"


def _collapsed(blank: Outcome, tables: Sequence[Table]) -> Outcome:
    """Whether `worse` collapses more often than `better`; it does not where no seed of it shows a sign."""
    claim = blank.claim
    # A line may stand in several tables: its runs tell it apart.
    lines = {
        name: list({tuple(line.runs): line for _, line in _lines_of(tables, name, claim.metric)}.values())
        for name in (claim.better, claim.worse)
    }
    signs = {name: _signs(found) for name, found in lines.items()}
    better, worse = signs.values()
    if missing := [name for name, shown in signs.items() if not shown]:
        return replace(blank, why=f"no run of {' and '.join(missing)}")
    if why := _unlike([line for found in lines.values() for line in found]):
        return replace(blank, verdict="undecided", why=why)
    why = "; ".join(f"{name}: {told(shown, claim.collapse)}" for name, shown in signs.items())
    seeds = len(better), len(worse)
    if min(seeds) < SEEDS_FOR_A_RANK:
        why = f"{SEEDS_FOR_A_RANK} seeds of each are needed; {why}"
        return replace(blank, verdict="undecided", seeds=seeds, why=why)
    kept, lost = (sum(bool(one.found & {*claim.collapse}) for one in shown) for shown in (better, worse))
    against = not lost or _rarer(lost, len(worse), kept, len(better))
    shown = _rarer(kept, len(better), lost, len(worse))
    verdict = "disagrees" if against else "agrees" if shown else "undecided"
    return replace(blank, verdict=verdict, seeds=seeds, why=why)


def _signs(lines: Sequence[Line]) -> list[Signs]:
    """What each finished seed shows; of several runs of one, the first by name."""
    runs = [record for line in lines for record in line.runs.values()]
    seed_of, by_seed = distinct_seeds(runs), {}
    for record in runs:
        if record.status == "done":
            by_seed.setdefault(seed_of[record.id], signs_of(record))
    return [by_seed[seed] for seed in sorted(by_seed)]


def _rarer(few: int, of_few: int, many: int, of_many: int) -> bool:
    """Whether an event is rarer in the first sample at the 5 % level (Fisher's exact test, one-sided)."""
    together, total = few + many, of_few + of_many
    ways = (comb(of_few, k) * comb(of_many, together - k) for k in range(few + 1) if together - k <= of_many)
    return 20 * sum(ways) <= comb(total, together)  # whole numbers: 0 of 3 against 3 of 3 is 1 in 20, exactly


def _failures(claim: Claim, tables: Sequence[Table]) -> list[str]:
    """Seeds of the two that no mean has: "weak: 2 of 5 seeds failed"."""
    told = [
        f"{line.variant_name}: {line.failures}"
        for table in tables
        for line in table.lines
        if line.variant_name in (claim.better, claim.worse) and line.failures
    ]
    return list(dict.fromkeys(told))  # a line may stand in several tables


def _unlike(both: Sequence[Line]) -> str:
    """In what two variants' runs differ besides what the variants say, "" where in nothing."""
    if len(both) > 2:
        return "runs of several recipes, or on several sets of images"
    if saw_others([record for line in both for record in line.runs.values()]):
        return "not run on the same images"
    if len({line.unlike for line in both}) > 1:
        return "; ".join(f"{line.variant_name} has {line.unlike}" for line in both if line.unlike)
    return "chosen by its score on the test images" if any(it.selected_by == "best-on-test" for it in both) else ""
