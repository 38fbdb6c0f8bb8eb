"""Records into the lines of a board. Numbers of different protocols never share a column; see `as_columns`."""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal

from lgbench.benchmark import Benchmark, Column
from lgbench.files import canonical_json
from lgbench.plugins import registry
from lgbench.record import Measured, Missing, Record
from lgbench.settings import dotted
from lgbench.variant import Variant

from .columns import as_columns, interval_of
from .presets import changed_since, unlike_preset

__all__ = ["FACTS", "SEEDS_FOR_A_RANK", "Beside", "Cell", "Line", "Table"]
__all__ += ["by_line", "distinct_seeds", "saw_others", "tables"]

SEEDS_FOR_A_RANK = 3
"""Fewer scored seeds than this, and a rank is provisional."""

UNNOTED = "not noted"
"""The supervision of records from before it was noted."""

Verdict = Literal["within noise", "better", "worse", "higher", "lower", "not comparable", "not run", "no number"]


@dataclass(frozen=True, slots=True)
class Beside:
    """A paper's number beside one of ours.

    Attributes:
        value, spread: the paper's value, and what it puts behind its "±".
        source: where it is printed.
        note: what is to be known of it.
        gap: ours minus the paper's, in the metric's unit; None where the two have no unit in common.
        verdict: "within noise" where the paper's value lies in our 95 % interval; "higher" and "lower" for a metric
            without a better end.
        reasons: why the numbers are not comparable.
        unstated: what the paper does not state, hence what was not compared.
    """

    value: float
    spread: float | None
    source: str
    note: str = ""
    gap: float | None = None
    verdict: Verdict = "not run"
    reasons: tuple[str, ...] = ()
    unstated: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Cell:
    """One metric of one line.

    Attributes:
        mean: over seeds; None where there is no number, and `why` says why.
        low, high: 95 % Student-t interval of the mean, within what the metric can be; None under two seeds.
        gap: mean of what an oracle's polarity would add (`details.gap`), None where it does not apply.
        why: reasons for seeds, or for all of the line, that have no number.
        by_seed: what the mean is of: one number per seed.
        beside: the paper's number, where it prints one.
    """

    mean: float | None = None
    low: float | None = None
    high: float | None = None
    gap: float | None = None
    why: tuple[str, ...] = ()
    by_seed: tuple[float, ...] = ()
    beside: Beside | None = None

    @property
    def seeds(self) -> int:
        """How many distinct seeds are behind the mean."""
        return len(self.by_seed)


def _fact(head: str, empty: Callable[[], Any]) -> Any:
    """A field that every view shows: pages under this heading, the CSV by its name."""
    return field(default_factory=empty, metadata={"head": head})


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a board: runs that differ in nothing but their seeds; a trivial baseline; a variant that was not run.

    Attributes:
        kind: of runs, "floor" and "ceiling" are those of the benchmark's `floors`, which are not ranked: without
            supervision, and with all of it. "baseline" is a trivial mask that older records scored themselves.
        cells: metric -> what the line has of it.
        variant: the row of an ablation that it stands for, or is a run of.
        recipe: first 8 hex digits of the hash of the recipe without its seed.
        rank: None where it has none: no number, a diagnostic column, or chosen on the test images.
        provisional: fewer than `SEEDS_FOR_A_RANK` seeds scored, one that failed, one that no benchmark lists, or a
            preset that has changed since.
        attempted, done: distinct seeds tried, and finished.
        unlisted: seeds among them that the benchmark does not list.
        statuses: of the runs that did not finish, status -> count.
        unlike: in what the runs were not trained as their preset says, "" where they were or nobody can tell.
        polarity: how often a rule turned the layers over and how often it was right, "" where there was none.
        runs: file name -> record, sorted; repeated seeds too.
        flags: flag -> how many runs raised it.
        supervision: what was learnt from besides pictures, "none", "weak", "full" or `UNNOTED`.
        devices: what it ran on.
    """

    kind: Literal["reproduced", "floor", "ceiling", "baseline", "not run"]
    method: str
    cells: Mapping[str, Cell]
    variant: Variant | None = None
    preset: str = ""
    recipe: str = ""
    selected_by: str = ""
    rank: int | None = None
    tied: bool = False
    provisional: bool = False
    attempted: int = 0
    done: int = 0
    unlisted: tuple[int, ...] = ()
    statuses: Mapping[str, int] = field(default_factory=dict)
    unlike: str = ""
    polarity: str = ""
    runs: Mapping[str, Record] = field(default_factory=dict)
    flags: Mapping[str, int] = _fact("Flags", dict)
    supervision: str = _fact("Supervision", str)
    devices: tuple[str, ...] = _fact("Device", tuple)

    @property
    def variant_name(self) -> str:
        """Of the row of an ablation, "" on a board that ranks."""
        return self.variant.name if self.variant else ""

    @property
    def failures(self) -> str:
        """How many seeds no run finished, "2 of 5 seeds failed"; "" where there is none."""
        failed = self.attempted - self.done
        return f"{failed} of {self.attempted} seeds failed" if failed else ""


FACTS = {each.name: each.metadata["head"] for each in fields(Line) if "head" in each.metadata}
"""Fields of a line that views show as they are: a new one needs no change of theirs. Field -> heading."""


@dataclass(frozen=True, slots=True)
class Table:
    """Lines in the order of their ranks by the first column, or of an ablation's rows.

    Attributes:
        part: what sets it apart from the board's other tables, "" where it is the only one.
        protocols: metric -> (protocol id, protocol); a metric without any number has none.
        notes: what a reader must know of the whole table.
    """

    part: str
    columns: Sequence[Column]
    protocols: Mapping[str, tuple[str, Mapping[str, Any]]]
    lines: tuple[Line, ...]
    notes: tuple[str, ...] = ()


Runs = Mapping[str, Record]
"""File name -> record."""

Protocols = Mapping[str, Mapping[str, Mapping[str, Any]]]
"""Metric -> protocol id -> protocol."""

Chosen = Mapping[str, str | None]
"""Metric -> id of the protocol whose numbers a table shows."""


def tables(board: Benchmark, records: Runs) -> list[Table]:
    """The lines of a board's records, ranked.

    The first metric ranks. Where runs were scored by several protocols, there is one table for each of the first
    metric's, and any other metric that has several leaves these tables for one of its own per protocol.

    Args:
        records: file name -> record; all of the board's data set and resolution.
    """
    records = {name: as_columns(board, record) for name, record in sorted(records.items())}
    groups, (first, *others) = by_line(records), board.metrics
    measured = {metric.name: _measured(records, metric.name) for metric in board.metrics}
    protocols = {name: {v.protocol_id: v.protocol.model_dump() for v in values} for name, values in measured.items()}
    alone = [metric for metric in others if len(protocols[metric.name]) > 1]
    columns = (first, *(metric for metric in others if metric not in alone))
    made = [_table(board, columns, protocols, ranking, groups) for ranking in _by_use(measured[first.name]) or [None]]
    if len(made) > 1:
        made.append(_table(board, columns, protocols, None, [g for g in groups if not _measured(g, first.name)]))
    for metric in alone:
        made += [_table(board, (metric,), protocols, ranking, groups) for ranking in _by_use(measured[metric.name])]
    return [table for table in made if table.lines]


def _measured(records: Runs, metric: str) -> list[Measured]:
    """What finished runs have of a metric."""
    return [v for r in records.values() if r.status == "done" and isinstance(v := r.values.get(metric), Measured)]


def _by_use(values: Sequence[Measured]) -> list[str]:
    """Ids of protocols: that of most numbers first, whose table the index reads."""
    return [protocol for protocol, _ in Counter(sorted(value.protocol_id for value in values)).most_common()]


def _alike(record: Record) -> str:
    """The recipe without its seed and the metrics asked for: what `evaluate` adds is of the same run."""
    return canonical_json({k: v for k, v in dotted(record.recipe) if k not in ("seed", "evaluation.metrics")})


def by_line(records: Runs) -> list[dict[str, Record]]:
    """Runs that differ in nothing but their seeds and the metrics asked for, together."""
    groups: dict[tuple[str, ...], list[dict[str, Record]]] = {}
    for name, record in records.items():
        alike = groups.setdefault((record.method, record.preset, _alike(record), record.selected_by), [])
        same = next((group for group in alike if not saw_others([*group.values(), record])), None)
        if same is None:
            alike.append(same := {})
        same[name] = record
    return [group for key in sorted(groups) for group in groups[key]]


def _table(
    board: Benchmark, columns: Sequence[Column], protocols: Protocols, ranking: str | None, groups: Sequence[Runs]
) -> Table:
    first, several = columns[0], len(protocols[columns[0].name]) > 1
    chosen = {metric.name: next(iter(protocols[metric.name]), None) for metric in columns} | {first.name: ranking}
    lines = [_line(board, group, chosen) for group in groups]
    if several and ranking:  # runs scored otherwise stand in their own protocol's table
        lines = [line for line in lines if line.cells[first.name].mean is not None]
    shown = [record for line in lines for record in line.runs.values()]
    floor, notes = _floor(shown, chosen)
    if saw_others(shown):
        notes = (*notes, "These runs did not all see the same images (their records' data fingerprints differ).")
    part = (f"{first.title}, protocol {ranking}" if ranking else f"no {first.title}") if several else ""
    named = {name: (pid, protocols[name][pid]) for name, pid in chosen.items() if pid}
    notes = (*notes, *_outdated(protocol for _, protocol in named.values()))
    return Table(part, columns, named, (*_ranked(lines, first), *floor), notes)


def _outdated(protocols: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """A note for each metric that was measured by another version than the installed one."""
    installed = registry().metrics
    for protocol in protocols:
        name, version = protocol["metric"], protocol["metric_version"]
        if name in installed and installed[name].version != version:
            newer = f"version {installed[name].version} is installed, and lgbench rescore measures these runs by it."
            yield f"{name} was measured by its version {version}; {newer}"


def saw_others(records: Sequence[Record]) -> bool:
    """Whether two saw different images of one split; splits that came later are not in older records."""
    seen = {named for record in records for named in record.data.fingerprints.items()}
    return len(seen) > len({split for split, _ in seen})


def _line(board: Benchmark, group: Runs, chosen: Chosen) -> Line:
    runs = list(group.values())
    one, seed_of = runs[0], distinct_seeds(runs)
    attempted, done = (len({seed_of[r.id] for r in some}) for some in (runs, [r for r in runs if r.status == "done"]))
    unlisted, stale = sorted({record.seed for record in runs} - {*board.seeds}), changed_since(one)
    raised = {(r.run, flag) for r in runs for flag in {*r.training.flags} | ({r.status} & {"diverged"})}
    flags = Counter(flag for _, flag in raised)
    return Line(
        kind=_kind(board, one),
        method=one.method,
        cells={metric: _cell(runs, metric, protocol, seed_of) for metric, protocol in chosen.items()},
        variant=board.variant_of(one),
        preset=one.preset,
        recipe=one.recipe_id,
        selected_by=one.selected_by,
        provisional=done < attempted or bool(unlisted or stale),
        attempted=attempted,
        done=done,
        unlisted=tuple(unlisted),
        statuses=dict(sorted(Counter(r.status for r in runs if r.status != "done").items())),
        unlike="; ".join(filter(None, [unlike_preset(board, one), stale])),
        polarity=_polarity(runs),
        runs=group,
        flags=dict(sorted(flags.items())),
        supervision=", ".join(sorted({record.learnt_from or UNNOTED for record in runs})),
        devices=tuple(sorted({record.environment.device for record in runs})),
    )


def _polarity(runs: Sequence[Record]) -> str:
    """How often the rule turned the layers over, and, by each run's masks and their complements, was right."""
    turned = {r.run: r.segmentation.flipped for r in runs if r.segmentation and r.segmentation.flipped is not None}
    if not turned:
        return ""
    ious = {r.run: value for r in runs if r.run in turned and isinstance(value := r.values.get("iou"), Measured)}
    right = sum(value.details.get("oracle_dataset", value.value) <= value.value for value in ious.values())
    by_iou = f"; it was right in {right} of {len(ious)} (the masks' IoU against their complements')" if ious else ""
    return f"Polarity by the border: turned over in {sum(turned.values())} of {len(turned)} runs{by_iou}"


def _kind(board: Benchmark, record: Record) -> Literal["reproduced", "floor", "ceiling"]:
    if record.method not in board.floors:
        return "reproduced"
    return "ceiling" if record.supervision == "full" else "floor"


def distinct_seeds(runs: Sequence[Record]) -> dict[str, int]:
    """Record's id -> seed; of records with equal artefacts the least, for one result is one seed, whatever it says."""
    made = {record.id: canonical_json(record.artefacts) if record.artefacts else record.id for record in runs}
    by_seed = sorted(runs, key=lambda record: record.seed, reverse=True)
    least = {made[record.id]: record.seed for record in by_seed}  # of equal keys the last stays
    return {record.id: least[made[record.id]] for record in runs}


def _cell(runs: Sequence[Record], metric: str, protocol: str | None, seed_of: Mapping[str, int]) -> Cell:
    by_seed: dict[int, list[Measured]] = {}
    why: dict[int, str] = {}
    for record in (record for record in runs if record.status == "done"):
        value, seed = record.values.get(metric), seed_of[record.id]
        if isinstance(value, Measured) and value.protocol_id == protocol:
            by_seed.setdefault(seed, []).append(value)
        elif value is not None or seed not in why:
            why[seed] = _reason(record, metric)
    untold = tuple(sorted({reason for seed, reason in why.items() if seed not in by_seed}))
    if not by_seed:
        return Cell(why=untold or ("no run finished",))
    # A repeated seed is one seed: its runs are averaged first, so that running again cannot buy certainty.
    means = [statistics.fmean(value.value for value in by_seed[seed]) for seed in sorted(by_seed)]
    gaps = [v.details["gap"] for seed in sorted(by_seed) for v in by_seed[seed] if "gap" in v.details]
    low, high = interval_of(metric, means) if len(means) > 1 else (None, None)
    return Cell(statistics.fmean(means), low, high, statistics.fmean(gaps) if gaps else None, untold, tuple(means))


def _reason(record: Record, metric: str) -> str:
    value, splits = record.values.get(metric), [name for name in record.values if name.startswith(f"{metric}@")]
    if isinstance(value, Missing):
        return value.not_available
    if value is None:
        return f"scored as {' and '.join(splits)}, and the benchmark names no split" if splits else "not evaluated"
    return f"scored by protocol {value.protocol_id}, see there"


def _ranked(lines: Sequence[Line], first: Column) -> list[Line]:
    """Rank by the rounded mean; equal ones share the better rank. What has none follows, floors and ceilings last."""
    lines = sorted(lines, key=lambda line: (_group(line), _score(line, first), line.method, line.preset, [*line.runs]))
    scores = [math.inf if _group(line) else _score(line, first) for line in lines]
    placed = []
    for line, score in zip(lines, scores, strict=True):
        rank = 1 + scores.index(score) if score < math.inf else None
        provisional = rank is not None and (line.cells[first.name].seeds < SEEDS_FOR_A_RANK or line.provisional)
        tied = rank is not None and scores.count(score) > 1
        placed.append(replace(line, rank=rank, tied=tied, provisional=provisional))
    return placed


def _group(line: Line) -> int:
    """0 of what may have a rank; floors come before ceilings."""
    return {"floor": 2, "ceiling": 3}.get(line.kind, int(line.selected_by == "best-on-test"))


def _score(line: Line, first: Column) -> float:
    """The rounded mean, less for better; infinite where there is none, or neither end is better."""
    mean = line.cells[first.name].mean
    if mean is None or first.better == "none":
        return math.inf
    return round(-mean if first.better == "up" else mean, first.digits)


def _floor(records: Sequence[Record], chosen: Chosen) -> tuple[list[Line], tuple[str, ...]]:
    """Trivial masks' scores by the columns' own protocols, one line each, and a note on those that differ.

    They are those of older records; a mask that has a record of its own stands among the runs.
    """
    lines, notes = [], []
    for name in sorted({name for record in records for name in record.baselines} - {r.method for r in records}):
        found = {metric: _baselines(records, name, metric, protocol) for metric, protocol in chosen.items()}
        if any(found.values()):
            cells = {metric: Cell(statistics.fmean(values)) if values else Cell() for metric, values in found.items()}
            lines.append(Line("baseline", name, cells))
        if any(len({round(value, 6) for value in values}) > 1 for values in found.values()):
            notes.append(f"Records disagree on the baseline {name!r}; their mean is shown.")
    return lines, tuple(notes)


def _baselines(records: Sequence[Record], name: str, metric: str, protocol: str | None) -> set[float]:
    """What records that were scored by a protocol say of a trivial mask."""
    scored = [r for r in records if isinstance(v := r.values.get(metric), Measured) and v.protocol_id == protocol]
    return {record.baselines[name][metric] for record in scored if metric in record.baselines.get(name, {})}
