"""What a paper says of pairs of rows, held against our seeds."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from lgbench.files import canonical_json

from .ablation import Section
from .definition import Board, BoardMetric
from .reported import ReportedRow, reproduced
from .rows import SEEDS_FOR_A_RANK, Row
from .variants import Claim

__all__ = ["Outcome", "outcomes", "welch"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a claim stands among the runs of one preset.

    Attributes:
        verdict: "agrees" or "disagrees" where Welch's t-test tells the means apart at the 5 % level.
        difference: the better variant's mean minus the worse one's.
        half: half of the difference's 95 % interval, None under two seeds.
        seeds: of the better variant, of the worse one.
        why: why there is no decision, where it is not the noise, and how many seeds failed.
        paper: the paper's numbers of the two, where it prints them.
    """

    claim: Claim
    metric: BoardMetric
    verdict: Literal["agrees", "disagrees", "undecided", "not run"]
    difference: float | None = None
    half: float | None = None
    seeds: tuple[int, int] = (0, 0)
    why: str = ""
    paper: tuple[float, float] | None = None


def outcomes(board: Board, section: Section, reported: Sequence[ReportedRow] | None = None) -> list[Outcome]:
    """Every claim of the board, in its order, with the paper's numbers where `reported` rows are given."""
    metrics = {metric.name: metric for metric in board.metrics}
    papers = reproduced(board, reported) if reported is not None else {}
    found = []
    for claim in board.claims:
        pair = [papers[name] for name in (claim.better, claim.worse) if name in papers]
        numbers = [row.values[claim.metric][0] for row in pair if claim.metric in row.values]
        paper = (numbers[0], numbers[1]) if len(numbers) == 2 else None
        found.append(_outcome(section, claim, metrics[claim.metric], paper))
    return found


def _outcome(section: Section, claim: Claim, metric: BoardMetric, paper: tuple[float, float] | None) -> Outcome:
    found = _decided(section, claim, metric, paper)
    return replace(found, why="; ".join(filter(None, [found.why, *_failures(section, claim)])))


def _decided(section: Section, claim: Claim, metric: BoardMetric, paper: tuple[float, float] | None) -> Outcome:
    better, worse = (_scored(section, name, claim.metric) for name in (claim.better, claim.worse))
    if missing := [name for name, rows in ((claim.better, better), (claim.worse, worse)) if not rows]:
        return Outcome(claim, metric, "not run", why=f"no number of {' and '.join(missing)}", paper=paper)
    if why := _apart(section, claim, better, worse):
        return Outcome(claim, metric, "undecided", why=why, paper=paper)
    ours, theirs = (rows[0][1].cells[claim.metric].by_seed for rows in (better, worse))
    difference, half = welch(ours, theirs)
    seeds = len(ours), len(theirs)
    if min(seeds) < SEEDS_FOR_A_RANK:
        why = f"{SEEDS_FOR_A_RANK} seeds of each are needed"
        return Outcome(claim, metric, "undecided", difference, half, seeds, why, paper)
    gain = difference if metric.better == "up" else -difference
    clear = half is not None and abs(gain) > half
    verdict = ("agrees" if gain > 0 else "disagrees") if clear else "undecided"
    return Outcome(claim, metric, verdict, difference, half, seeds, "", paper)


Scored = list[tuple[int, Row]]
"""The number of a table, and a row in it that has the number."""


def _scored(section: Section, variant: str, metric: str) -> Scored:
    return [
        (number, row)
        for number, (table, lines) in enumerate(zip(section.tables, section.lines, strict=True))
        if any(column.name == metric for column in table.columns)
        for one, row in lines
        if row is not None and one.name == variant and row.cells[metric].by_seed
    ]


def _failures(section: Section, claim: Claim) -> list[str]:
    """Seeds of the two that no mean has: "weak: 2 of 5 seeds failed"."""
    names = claim.better, claim.worse
    rows = [(one.name, row) for lines in section.lines for one, row in lines if row is not None and one.name in names]
    told = [f"{name}: {row.failures}" for name, row in rows if row.failures]
    return list(dict.fromkeys(told))  # a row may stand in several tables


def _apart(section: Section, claim: Claim, better: Scored, worse: Scored) -> str:
    """Why the two may not be held against each other, "" where they may."""
    both = [*better, *worse]
    if len({number for number, _ in both}) > 1:
        return "measured by several protocols"
    if len(both) > 2:
        return "runs of several recipes, or on several sets of images"
    seen = {canonical_json(section.records[name].data.fingerprints) for _, row in both for name, _ in row.records}
    if len(seen) > 1:
        return "not run on the same images"
    if len({row.unlike for _, row in both}) > 1:
        named = zip((claim.better, claim.worse), both, strict=True)
        return "; ".join(f"{name} has {row.unlike}" for name, (_, row) in named if row.unlike)
    return "chosen by its score on the test images" if any(r.selected_by == "best-on-test" for _, r in both) else ""


def welch(one: Sequence[float], other: Sequence[float]) -> tuple[float, float | None]:
    """Difference of two means and half of its 95 % interval (Welch 1947), whose variances need not be equal.

    Zero lies outside the interval exactly where the two-sided test has p < 0.05. None where a sample has one value.
    """
    difference = statistics.fmean(one) - statistics.fmean(other)
    if min(len(one), len(other)) < 2:
        return difference, None
    from scipy.stats import t  # slow to import: only boards with several seeds need it

    shares = [statistics.variance(sample) / len(sample) for sample in (one, other)]
    error = sum(shares)
    if error == 0:  # every seed gave the same: no noise, and no degrees of freedom to speak of
        return difference, 0.0
    freedom = error**2 / sum(s**2 / (len(sample) - 1) for s, sample in zip(shares, (one, other), strict=True))
    return difference, float(t.ppf(0.975, freedom)) * error**0.5
