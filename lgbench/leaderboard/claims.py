"""What a paper says of pairs of rows, held against our seeds."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import comb
from typing import Literal

from lgbench.files import canonical_json

from .ablation import Section
from .collapse import Signs, signs_of, told
from .definition import Board, BoardMetric
from .reported import ReportedRow, reproduced
from .rows import SEEDS_FOR_A_RANK, Row, distinct_seeds
from .variants import Claim

__all__ = ["Outcome", "outcomes", "welch"]


COLLAPSES = BoardMetric(name="collapse", label="collapse", better="down", digits=2)
"""What a claim about collapse is decided by."""


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
        found.append(_outcome(section, claim, metrics.get(claim.metric, COLLAPSES), paper))
    return found


def _outcome(section: Section, claim: Claim, metric: BoardMetric, paper: tuple[float, float] | None) -> Outcome:
    found = _collapsed(section, claim) if claim.collapse else _decided(section, claim, metric, paper)
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
    verdict = _equal(claim.margin, ours, theirs) if claim.margin else _ordered(metric, ours, theirs)
    return Outcome(claim, metric, verdict, difference, half, seeds, "", paper)


Verdict = Literal["agrees", "disagrees", "undecided"]


def _ordered(metric: BoardMetric, better: Sequence[float], worse: Sequence[float]) -> Verdict:
    """Whether the one mean is beyond the other at the metric's better end."""
    difference, half = welch(better, worse)
    gain = difference if metric.better == "up" else -difference
    if half is None or abs(gain) <= half:
        return "undecided"
    return "agrees" if gain > 0 else "disagrees"


def _equal(margin: float, one: Sequence[float], other: Sequence[float]) -> Verdict:
    """Whether two means are equal within a margin: their difference's 90 % interval lies in it (Schuirmann, 1987).

    They are not where its 95 % interval lies beyond it.
    """
    difference, half = welch(one, other, 0.90)
    _, wide = welch(one, other)
    if half is not None and abs(difference) + half < margin:
        return "agrees"
    return "disagrees" if wide is not None and abs(difference) - wide > margin else "undecided"


def _collapsed(section: Section, claim: Claim) -> Outcome:
    """Whether `worse` collapses more often than `better`; it does not where no seed of it shows a sign."""
    rows = {name: _rows(section, name) for name in (claim.better, claim.worse)}
    better, worse = (_signs(section, rows[name]) for name in (claim.better, claim.worse))
    if missing := [name for name, signs in ((claim.better, better), (claim.worse, worse)) if not signs]:
        return Outcome(claim, COLLAPSES, "not run", why=f"no run of {' and '.join(missing)}")
    if why := _unlike(section, [(name, row) for name, found in rows.items() for row in found]):
        return Outcome(claim, COLLAPSES, "undecided", why=why)
    shown = ((claim.better, better), (claim.worse, worse))
    why = "; ".join(f"{name}: {told(signs, claim.collapse)}" for name, signs in shown)
    seeds = len(better), len(worse)
    if min(seeds) < SEEDS_FOR_A_RANK:
        why = f"{SEEDS_FOR_A_RANK} seeds of each are needed; {why}"
        return Outcome(claim, COLLAPSES, "undecided", seeds=seeds, why=why)
    kept, lost = (sum(bool(one.found & {*claim.collapse}) for one in signs) for signs in (better, worse))
    if not lost or _rarer(lost, len(worse), kept, len(better)):
        verdict = "disagrees"
    else:
        verdict = "agrees" if _rarer(kept, len(better), lost, len(worse)) else "undecided"
    return Outcome(claim, COLLAPSES, verdict, seeds=seeds, why=why)


def _rows(section: Section, variant: str) -> list[Row]:
    """A variant's rows, each once: it may stand in several tables."""
    found = [row for lines in section.lines for one, row in lines if row is not None and one.name == variant]
    return list({row.records: row for row in found}.values())


def _signs(section: Section, rows: Sequence[Row]) -> list[Signs]:
    """What each finished seed shows; of several runs of one, the first by name."""
    runs = [section.records[name] for row in rows for name, _ in row.records]
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
    if len({number for number, _ in (*better, *worse)}) > 1:
        return "measured by several protocols"
    pairs = ((claim.better, better), (claim.worse, worse))
    return _unlike(section, [(name, row) for name, found in pairs for _, row in found])


def _unlike(section: Section, both: Sequence[tuple[str, Row]]) -> str:
    """In what two variants' runs differ besides what the variants say, "" where in nothing."""
    if len(both) > 2:
        return "runs of several recipes, or on several sets of images"
    seen = {canonical_json(section.records[name].data.fingerprints) for _, row in both for name, _ in row.records}
    if len(seen) > 1:
        return "not run on the same images"
    if len({row.unlike for _, row in both}) > 1:
        return "; ".join(f"{name} has {row.unlike}" for name, row in both if row.unlike)
    return "chosen by its score on the test images" if any(r.selected_by == "best-on-test" for _, r in both) else ""


def welch(one: Sequence[float], other: Sequence[float], level: float = 0.95) -> tuple[float, float | None]:
    """Difference of two means and half of its interval (Welch 1947), whose variances need not be equal.

    Zero lies outside the 95 % interval exactly where the two-sided test has p < 0.05. None where a sample has one
    value.
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
    return difference, float(t.ppf((1 + level) / 2, freedom)) * error**0.5
