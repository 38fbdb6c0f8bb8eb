"""A record's numbers once more, from what is stored: on a CPU, without the networks and without the data set."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .account import scoring_of
from .environment import code_of
from .errors import NotAvailable, RunFailed
from .evaluation import Evidence, parts_of
from .evaluation.scores import computed
from .evaluation.stored import EVIDENCE, restored
from .features import EXTRACTORS
from .files import read_arrays, read_json, sha256_of_file
from .offers import PARTS, Metric, Part
from .plugins import PluginInfo
from .record import Measured, Missing, Protocol, Record, read_record, record_file, record_files, write_record
from .settings import fill
from .stage_configs import EvaluationConfig, SegmentationConfig

__all__ = ["Files", "Rescored", "again", "differences", "evidence_of", "rescore"]

Files = Callable[[str], Mapping[str, np.ndarray]]
"""The arrays of one of a run's stored files, by its name."""

ABSENT = "reads the run's networks or its data set, and what they gave was not kept"


@dataclass(frozen=True)
class _Absent:
    """Stands where a run's networks, or its data set, are not.

    Attributes:
        lacks: what of `PARTS` the data set does not have, so that it is known to be None.
    """

    lacks: frozenset[str] = frozenset()

    def get(self, split: str) -> _Absent:
        return self

    def __getattr__(self, name: str) -> Any:
        if name in self.lacks:
            return None
        raise NotAvailable(ABSENT)

    def __getitem__(self, name: str) -> Any:
        raise NotAvailable(ABSENT)


@dataclass(frozen=True, kw_only=True)
class _Recorded(_Absent):
    """What a record tells of its recipe that a score or its protocol may depend on; also the run that it was.

    Another data set that was scored is not known: what a protocol says of it is the record's word.
    """

    evaluation: EvaluationConfig
    segmentation: SegmentationConfig
    seed: int
    resolution: int

    elsewhere: None = None

    @property
    def recipe(self) -> _Recorded:
        return self


@dataclass(frozen=True, slots=True)
class Rescored:
    """What became of a record.

    Attributes:
        values: name -> the number as a record holds it, or why it could not be had.
        changed: name -> in what it differs from the record's, in words; empty where nothing does.
        path: of the further record; None where nothing differs, so that none was written.
    """

    values: Mapping[str, Mapping[str, Any]]
    changed: Mapping[str, str]
    path: Path | None


def evidence_of(record: Record, files: Files, metrics: Mapping[str, Metric], splits: Any = None) -> dict[str, Evidence]:
    """Split -> the evidence that is stored of it.

    A part is made as it was where what it is made from is there, and only otherwise read.

    Args:
        splits: the data set's, where it is to be read after all.

    Raises:
        RunFailed: a file is damaged.
        BadRecipe: this lgbench does not know the record's settings.
    """
    configs: dict[str, Any] = {}
    for name, kind in (("evaluation", EvaluationConfig), ("segmentation", SegmentationConfig)):
        settings = {f"{name}.{key}": value for key, value in _table(record, name).items()}
        configs[name] = fill(kind, name, settings, apart="data")  # another data set that was scored is not its own
    run: Any = _Recorded(**configs, seed=record.seed, resolution=record.resolution)
    absent: Any = _Absent(frozenset(PARTS) - {*record.data.provides})
    found = {}
    for file in sorted(name for name in record.artefacts if name.startswith(f"{EVIDENCE}-")):
        try:
            split, kept = restored({**files(file)}, lambda name: {**files(name)})
        except (KeyError, TypeError, ValueError, AttributeError, IndexError, RecursionError, MemoryError) as error:
            raise RunFailed(
                f"{file} does not hold evidence ({type(error).__name__}: {error}). Restore the file that the run wrote."
            ) from None
        parts = {part.name: _offline(part, kept) for part in parts_of(metrics).values()}
        found[split] = Evidence(run, absent, absent, splits or absent, parts, split=split)
    return found


def _offline(part: Part, kept: Mapping[str, Any]) -> Part:
    """The part as it can be had here: never by an extractor, whose weights this machine may lack."""

    def make(evidence: Evidence) -> Any:
        try:
            if part.name.startswith("extractor/"):
                raise NotAvailable(ABSENT)
            return part.make(evidence)
        except (Exception, SystemExit) as error:
            if part.name in kept:
                return kept[part.name]
            raise NotAvailable(_why_not(part.name, error)) from error

    def protocol(evidence: Evidence) -> Mapping[str, object]:
        try:
            return part.protocol(evidence)
        except (Exception, SystemExit):  # it asks the networks or the data: the record's word is taken
            return {}

    return Part(part.name, make, protocol)


def _why_not(part: str, error: BaseException) -> str:
    """Why a part that was not kept cannot be made here: what another part that it reads lacks, most often."""
    if not isinstance(error, NotAvailable):
        return f"reads {part}, which cannot be made from what is stored ({type(error).__name__}: {error})"
    return f"reads {part}, which was not kept with the run" if str(error) == ABSENT else str(error)


def again(record: Record, evidence: Mapping[str, Evidence], metrics: Mapping[str, Metric]) -> dict[str, dict[str, Any]]:
    """Each of a record's numbers as it is computed from stored evidence, or why it cannot be.

    Protocols say what follows from the recipe and from what is stored; only what does not is the record's word. What
    the record says it has not may be among them: its metric is in `metrics`, and what that reads was kept.
    """
    values, shared = {}, _shared(record)
    for name, value in record.values.items():
        try:
            values[name] = _number(name, value, shared, evidence, metrics)
        except NotAvailable as reason:
            told = {"not_available": f"not rescored: {reason}"}
            values[name] = told if isinstance(value, Measured) else value.model_dump()
    return values


def _shared(record: Record) -> dict[str, Any]:
    """What the protocols of a record's numbers have in common, as its recipe tells it."""
    data, category = _table(record, "data"), _table(record, "training").get("category", -1)
    data.pop("name", None)
    if isinstance(category, int) and category >= 0:
        data["category"] = category
    told = {"dataset": record.dataset, "dataset_config": data, "origin": record.data.origin}
    return {**told, "resolution": record.resolution}


def _number(
    name: str,
    value: Measured | Missing,
    shared: Mapping[str, Any],
    evidence: Mapping[str, Evidence],
    metrics: Mapping[str, Metric],
) -> dict[str, Any]:
    said = (
        value.protocol.model_dump(mode="json") if isinstance(value, Measured) else dict.fromkeys(Protocol.model_fields)
    )
    called, _, split = name.partition("@")
    if (metric := metrics.get(said["metric"] or called)) is None:
        raise NotAvailable(f"no installed plugin offers the metric {said['metric']}")
    if not evidence:
        raise NotAvailable("the run was scored before evidence was kept; run its command again")
    any_split = next(iter(evidence.values()))
    first = min(any_split.config.splits, key=lambda each: each != "test")  # with it what is of no split was kept
    chosen = evidence.get(split) or evidence.get(first) or any_split
    seen_by = sorted({need.rpartition("/")[2] for need in metric.needs} & {*EXTRACTORS})
    told = {**shared, **({"extractor": seen_by[0]} if seen_by else {})}
    return computed(metric, chosen, lambda: said | told | chosen.protocol(metric.needs))


def differences(value: Measured, now: Mapping[str, Any], tolerance: float = 0.0) -> str:
    """In what a number differs from the one computed now, in words; "" where it does not.

    Args:
        tolerance: relative difference of two numbers that are one; what another processor rounds otherwise.
    """
    before = value.model_dump(mode="json")
    numbers = ("value", "n", "interval", "details", "intervals")
    pairs = [(name, before[name], now.get(name, {}), tolerance) for name in numbers]
    pairs += [(name, before["protocol"].get(name), said, 0) for name, said in now["protocol"].items()]
    differing = [pair for pair in pairs if not _alike(*pair[1:])]
    told = [f"{name} was {_shown(then)}, is {_shown(found)}" for name, then, found, _ in differing]
    return "; ".join(told)


def _alike(a: Any, b: Any, tolerance: float) -> bool:
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(_alike(a[key], b[key], tolerance) for key in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(_alike(x, y, tolerance) for x, y in zip(a, b, strict=True))
    if isinstance(a, int | float) and isinstance(b, int | float):
        return abs(a - b) <= tolerance * max(abs(a), abs(b), 1e-3 if tolerance else 0)
    return a == b


def _shown(value: Any) -> str:
    return f"{value:.9g}" if isinstance(value, float) else str(value)


def rescore(path: Path, metrics: Mapping[str, Metric], plugins: Sequence[PluginInfo]) -> Rescored:
    """Compute a record's numbers again by today's metrics; where any differs, write a further record.

    Args:
        path: a run's folder, whose first record is meant, or one of its records.
        metrics: all that are installed, by name.
        plugins: those that offer them.

    Raises:
        RunFailed, BadRecord: a file of the run is missing, damaged or not what the record was scored from.
    """
    source = record_file(path)
    folder, record = source.parent, read_record(source)
    wanted = {v.protocol.metric for v in record.values.values() if isinstance(v, Measured)}
    used = {name: metric for name, metric in metrics.items() if name in wanted}
    evidence = evidence_of(record, _files_in(folder, record.artefacts), used)
    values = again(record, evidence, used)
    changed = {
        name: told
        for name, value in record.values.items()
        if isinstance(value, Measured)
        and (told := str(values[name].get("not_available") or differences(value, values[name])))
    }
    if not any("not_available" not in values[name] for name in changed):
        return Rescored(values, changed, None)
    return Rescored(values, changed, _written(source, record, values, used, plugins))


def _files_in(folder: Path, artefacts: Mapping[str, str]) -> Files:
    read: dict[str, Mapping[str, np.ndarray]] = {}

    def files(name: str) -> Mapping[str, np.ndarray]:
        if name not in read:
            path = folder / Path(name).name
            read[name] = read_arrays(path, "Restore it, or run the run's command again.")
            if sha256_of_file(path) != artefacts.get(name):
                raise RunFailed(f"{path} is not what the record was scored from. Restore the file that the run wrote.")
        return read[name]

    return files


def _written(
    source: Path,
    record: Record,
    values: Mapping[str, Mapping[str, Any]],
    metrics: Mapping[str, Metric],
    plugins: Sequence[PluginInfo],
) -> Path:
    """The further record; one that says the same and is there already is not written twice."""
    for path in record_files(source.parent):
        other = read_record(path).values
        if other.keys() == values.keys() and all(_says(other[name], values[name]) for name in other):
            return path
    complete = all("not_available" not in values[n] for n, v in record.values.items() if isinstance(v, Measured))
    body = read_json(source) | {
        "values": values,
        "adds_to": record.run,
        "scoring": scoring_of(record.recipe, record.data, metrics) if complete else None,
        **code_of(plugins),
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }
    return write_record(source.parent, body)


def _says(value: Measured | Missing, now: Mapping[str, Any]) -> bool:
    if isinstance(value, Missing) or "not_available" in now:
        return value.model_dump() == now
    return not differences(value, now)


def _table(record: Record, name: str) -> dict[str, Any]:
    """A table of a record's recipe; {} where it has none."""
    table = record.recipe.get(name)
    return {**table} if isinstance(table, dict) else {}
