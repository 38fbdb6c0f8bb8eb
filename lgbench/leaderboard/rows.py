"""Records into ranked rows. Numbers of different protocols never share a column."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from lgbench.files import canonical_json, sha256_of_json
from lgbench.record import Measured, Missing, Record

from .columns import as_columns
from .definition import Board, BoardMetric
from .presets import changed_since, unlike_preset

__all__ = ["SEEDS_FOR_A_RANK", "Cell", "Row", "Table", "distinct_seeds", "tables"]

SEEDS_FOR_A_RANK = 3
"""Fewer scored seeds than this, and a rank is provisional."""

UNNOTED = "not noted"
"""The supervision of records from before it was noted."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One metric of one row.

    Attributes:
        mean: over seeds; None where there is no number, and `why` says why.
        low, high: 95 % Student-t interval of the mean, None under two seeds.
        seeds: how many distinct seeds are behind the mean.
        gap: mean of what an oracle's polarity would add (`details.gap`), None where it does not apply.
        why: reasons for seeds, or for all of the row, that have no number.
        by_seed: what the mean is of: one number per seed.
    """

    mean: float | None
    low: float | None = None
    high: float | None = None
    seeds: int = 0
    gap: float | None = None
    why: tuple[str, ...] = ()
    by_seed: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Row:
    """Runs that differ in nothing but their seeds, or a trivial baseline (`kind` "baseline", nothing else filled).

    Attributes:
        rank: None where it has none: no number, a diagnostic column, or chosen on the test images.
        provisional: fewer than `SEEDS_FOR_A_RANK` seeds scored, one that failed, one that no benchmark lists, or a
            preset that has changed since.
        supervision: what was learnt from besides pictures, "none", "weak", "full" or `UNNOTED`.
        recipe: first 8 hex digits of the hash of the recipe without its seed.
        attempted, done: distinct seeds tried, and finished.
        runs: records, repeated seeds counted again.
        statuses: of the runs that did not finish, status -> count.
        flags: flag -> how many runs raised it.
        devices: what it ran on.
        records: (file name, id), sorted.
        unlike: in what the runs were not trained as their preset says, "" where they were or nobody can tell.
    """

    kind: str
    method: str
    cells: Mapping[str, Cell]
    preset: str = ""
    recipe: str = ""
    selected_by: str = ""
    rank: int | None = None
    tied: bool = False
    provisional: bool = False
    attempted: int = 0
    done: int = 0
    runs: int = 0
    statuses: Mapping[str, int] | None = None
    flags: Mapping[str, int] | None = None
    devices: tuple[str, ...] = ()
    records: tuple[tuple[str, str], ...] = ()
    unlike: str = ""
    supervision: str = ""

    @property
    def failures(self) -> str:
        """How many seeds no run finished, "2 of 5 seeds failed"; "" where there is none."""
        failed = self.attempted - self.done
        return f"{failed} of {self.attempted} seeds failed" if failed else ""


@dataclass(frozen=True, slots=True)
class Table:
    """One ranking, by its first column.

    Attributes:
        part: what sets it apart from the board's other tables, "" where it is the only one.
        protocols: metric -> (protocol id, protocol); a metric without any number has none.
        notes: what a reader must know of the whole table.
    """

    part: str
    columns: tuple[BoardMetric, ...]
    protocols: Mapping[str, tuple[str, Mapping[str, Any]]]
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()


Runs = Mapping[str, Record]
"""File name -> record."""

Protocols = dict[str, Mapping[str, Any]]
"""Protocol id -> protocol."""


def tables(board: Board, records: Runs) -> list[Table]:
    """Rank the records of a board.

    The first metric ranks. Where runs were scored by several protocols, there is one table for each of the first
    metric's, and any other metric that has several leaves these tables for one of its own per protocol.

    Args:
        records: file name -> record; all of the board's data set and resolution.
    """
    records = {name: as_columns(board, record) for name, record in records.items()}
    groups = _groups(records)
    protocols = {metric.name: _protocols(records, metric.name) for metric in board.metrics}
    first, *others = board.metrics
    alone = [metric for metric in others if len(protocols[metric.name]) > 1]
    columns = (first, *(metric for metric in others if metric not in alone))
    made = [_table(columns, protocols, ranking, groups) for ranking in _ids(protocols[first.name])]
    if len(made) > 1:
        made.append(_table(columns, protocols, None, [g for g in groups if not _scored(g, first.name)]))
    for metric in alone:
        made += [_table((metric,), protocols, ranking, groups) for ranking in _ids(protocols[metric.name])]
    return [replace(table, rows=_compared(board, table.rows, records)) for table in made if table.rows]


def _compared(board: Board, rows: Sequence[Row], records: Runs) -> tuple[Row, ...]:
    """The rows, each of which says whether its runs are what the board's and their preset's names promise."""
    return tuple(_compared_row(board, row, [records[name] for name, _ in row.records]) for row in rows)


def _compared_row(board: Board, row: Row, runs: Sequence[Record]) -> Row:
    if not runs:
        return row
    unlisted = any(record.seed not in board.seeds for record in runs)
    stale = changed_since(runs[0])  # its runs share a recipe
    unlike = "; ".join(filter(None, [unlike_preset(board, runs[0]), stale]))
    doubtful = row.rank is not None and (unlisted or bool(stale) or row.done < row.attempted)
    return replace(row, unlike=unlike, provisional=row.provisional or doubtful)


def _ids(protocols: Protocols) -> list[str | None]:
    return [*sorted(protocols)] or [None]


def _protocols(records: Runs, metric: str) -> Protocols:
    measured = [record.values.get(metric) for record in records.values() if record.status == "done"]
    return {value.protocol_id: value.protocol.model_dump() for value in measured if isinstance(value, Measured)}


def _recipe_without_seed(record: Record) -> dict[str, Any]:
    """The data set keeps a seed of its own: another one there means other images, not another run."""
    return {key: value for key, value in record.recipe.items() if key != "seed"}


def _groups(records: Runs) -> list[dict[str, Record]]:
    groups: dict[tuple[str, ...], dict[str, Record]] = {}
    for name, record in sorted(records.items()):
        recipe = sha256_of_json(_recipe_without_seed(record))[:8]
        images = canonical_json(record.data.fingerprints)
        key = record.method, record.preset, recipe, record.selected_by, images
        groups.setdefault(key, {})[name] = record
    return [groups[key] for key in sorted(groups)]


def _scored(group: Runs, metric: str) -> bool:
    return any(r.status == "done" and isinstance(r.values.get(metric), Measured) for r in group.values())


def _table(
    columns: tuple[BoardMetric, ...],
    protocols: Mapping[str, Protocols],
    ranking: str | None,
    groups: Sequence[dict[str, Record]],
) -> Table:
    first, several = columns[0], len(protocols[columns[0].name]) > 1
    chosen = {metric.name: next(iter(protocols[metric.name]), None) for metric in columns}
    chosen[first.name] = ranking
    pairs = [(group, _row(group, columns, chosen)) for group in groups]
    if several and ranking:  # runs scored otherwise stand in their own protocol's table
        pairs = [(group, row) for group, row in pairs if row.cells[first.name].mean is not None]
    shown = [record for group, _ in pairs for record in group.values()]
    floor, notes = _baselines(shown, columns, chosen)
    if len({canonical_json(record.data.fingerprints) for record in shown}) > 1:
        notes = (*notes, "These runs did not all see the same images (their records' data fingerprints differ).")
    part = ""
    if several:
        part = f"{first.label or first.name}, protocol {ranking}" if ranking else f"no {first.label or first.name}"
    named = {name: (pid, protocols[name][pid]) for name, pid in chosen.items() if pid}
    return Table(part, columns, named, (*_ranked([row for _, row in pairs], first), *floor), notes)


def _row(group: Runs, columns: Sequence[BoardMetric], chosen: Mapping[str, str | None]) -> Row:
    one, runs = next(iter(group.values())), list(group.values())
    done, seed_of = [record for record in runs if record.status == "done"], distinct_seeds(runs)
    flags = Counter(
        flag for r in runs for flag in {*r.training.flags, *(["diverged"] if r.status == "diverged" else [])}
    )
    return Row(
        kind="reproduced",
        method=one.method,
        preset=one.preset,
        recipe=sha256_of_json(_recipe_without_seed(one))[:8],
        selected_by=one.selected_by,
        cells={metric.name: _cell(runs, metric.name, chosen[metric.name]) for metric in columns},
        attempted=len({seed_of[record.id] for record in runs}),
        done=len({seed_of[record.id] for record in done}),
        runs=len(runs),
        statuses=dict(sorted(Counter(r.status for r in runs if r.status != "done").items())),
        flags=dict(sorted(flags.items())),
        devices=tuple(sorted({record.environment.device for record in runs})),
        records=tuple((name, record.id) for name, record in sorted(group.items())),
        supervision=", ".join(sorted({record.learnt_from or UNNOTED for record in runs})),
    )


def distinct_seeds(runs: Sequence[Record]) -> dict[str, int]:
    """Record's id -> seed; of records with equal artefacts the least, for one result is one seed, whatever it says."""
    least: dict[str, int] = {}
    made = {record.id: canonical_json(record.artefacts) if record.artefacts else record.id for record in runs}
    for record in runs:
        least[made[record.id]] = min(record.seed, least.get(made[record.id], record.seed))
    return {record.id: least[made[record.id]] for record in runs}


def _cell(runs: Sequence[Record], metric: str, protocol: str | None) -> Cell:
    by_seed: dict[int, list[Measured]] = {}
    why, seed_of = set(), distinct_seeds(runs)
    for record in runs:
        value = record.values.get(metric)
        if record.status != "done":
            continue
        if isinstance(value, Measured) and value.protocol_id == protocol:
            by_seed.setdefault(seed_of[record.id], []).append(value)
        else:
            why.add(_reason(value))
    if all(record.status != "done" for record in runs):
        why.add("no run finished")
    if not by_seed:
        return Cell(None, why=tuple(sorted(why)))
    # A repeated seed is one seed: its runs are averaged first, so that running again cannot buy certainty.
    means = [statistics.fmean(value.value for value in by_seed[seed]) for seed in sorted(by_seed)]
    gaps = [v.details["gap"] for seed in sorted(by_seed) for v in by_seed[seed] if "gap" in v.details]
    mean, half = statistics.fmean(means), _half_width(means)
    low, high = (mean - half, mean + half) if half is not None else (None, None)
    gap = statistics.fmean(gaps) if gaps else None
    return Cell(mean, low, high, len(means), gap, tuple(sorted(why)), tuple(means))


def _reason(value: Measured | Missing | None) -> str:
    if isinstance(value, Missing):
        return value.not_available
    return "not evaluated" if value is None else f"scored by protocol {value.protocol_id}, see there"


def _half_width(values: Sequence[float]) -> float | None:
    """Half of the 95 % Student-t interval of the mean; None for a single value."""
    if len(values) < 2:
        return None
    from scipy.stats import t  # slow to import: only boards with several seeds need it

    return float(t.ppf(0.975, len(values) - 1)) * statistics.stdev(values) / len(values) ** 0.5


def _ranked(rows: Sequence[Row], first: BoardMetric) -> list[Row]:
    """Rank by the rounded mean; equal ones share the better rank. Rows without a rank follow, by name."""
    sign = -1 if first.better == "up" else 1
    scores = [round(sign * mean, first.digits) if (mean := _rankable(row, first)) is not None else None for row in rows]
    counts = Counter(scores)
    placed = []
    for row, score in zip(rows, scores, strict=True):
        if score is not None:
            rank = 1 + sum(other is not None and other < score for other in scores)
            provisional = row.cells[first.name].seeds < SEEDS_FOR_A_RANK
            row = replace(row, rank=rank, tied=counts[score] > 1, provisional=provisional)
        placed.append(row)
    return sorted(placed, key=lambda row: (row.rank is None, row.rank or 0, row.method, row.preset, row.records))


def _rankable(row: Row, first: BoardMetric) -> float | None:
    barred = row.selected_by == "best-on-test" or first.better == "none"
    return None if barred else row.cells[first.name].mean


def _baselines(
    records: Sequence[Record], columns: Sequence[BoardMetric], chosen: Mapping[str, str | None]
) -> tuple[list[Row], tuple[str, ...]]:
    """Trivial masks' scores by the columns' own protocols, one row each: the floor."""
    scores: dict[str, dict[str, set[float]]] = {}
    for record in records:
        for name, values in record.baselines.items():
            for metric in columns:
                scored = record.values.get(metric.name)
                if metric.name in values and isinstance(scored, Measured) and scored.protocol_id == chosen[metric.name]:
                    scores.setdefault(name, {}).setdefault(metric.name, set()).add(values[metric.name])
    rows = []
    differ = set()
    for name in sorted(scores):
        cells = {metric.name: Cell(None) for metric in columns}
        for metric, values in scores[name].items():
            cells[metric] = Cell(statistics.fmean(sorted(values)))
            differ |= {name} if len({round(value, 6) for value in values}) > 1 else set()
        rows.append(Row("baseline", name, cells))
    notes = tuple(f"Records disagree on the baseline {name!r}; their mean is shown." for name in sorted(differ))
    return rows, notes
