"""Which of a record's numbers stands in which column: one of a split where the run scored several, or a detail."""

from __future__ import annotations

from collections.abc import Sequence

from lgbench.benchmark import Benchmark, Column
from lgbench.intervals import interval, within
from lgbench.plugins import registry
from lgbench.record import Measured, Missing, Record, protocol_id

__all__ = ["as_columns", "interval_of", "key_of", "wanted_splits"]


def wanted_splits(board: Benchmark, column: Column) -> list[str]:
    """The splits whose number may stand in a column: that of its name ("iou@train"), else the board's; [] for any."""
    asked = column.parts[1] or board.split or ""
    return [name.strip() for name in asked.split(",")] if asked else []


def key_of(board: Benchmark, record: Record, column: Column) -> str | None:
    """What a record calls the number of a column, None where it has none.

    A run that scored one split calls its numbers by their metrics; one that scored several adds the split to those that
    depend on it, "iou@train". The column says which it wants in the same way; without, it is the board's split.
    """
    metric, split, _ = column.parts
    names = [f"{metric}@{split}" if split else metric, *(f"{metric}@{name}" for name in wanted_splits(board, column))]
    value = record.values.get(metric)
    # without a split in its name it is of this one, or is missing for a reason that holds for all
    if split and (not isinstance(value, Measured) or value.protocol.split == split):
        names.append(metric)
    return next((name for name in names if name in record.values), None)


def as_columns(board: Benchmark, record: Record) -> Record:
    """The record with its numbers, and their details, by the columns' names too, whatever rule committed its masks.

    Which layer a method calls the object, without labels, is its own choice, as its cut is: it is scored as others are,
    beside the same floors. Its line names the rule (`Line.polarity`), and so does the protocol in its record.
    """
    record = record.model_copy(update={"values": {name: _committed(value) for name, value in record.values.items()}})
    found = {c: key for c in board.metrics if (key := key_of(board, record, c)) and key != c.name}
    values = {column.name: _detail(record.values[key], column.parts[2]) for column, key in found.items()}
    baselines = {
        mask: {**scores, **{c.name: scores[key] for c, key in found.items() if key in scores and not c.parts[2]}}
        for mask, scores in record.baselines.items()
    }
    return record.model_copy(update={"values": record.values | values, "baselines": baselines})


def interval_of(metric: str, means: Sequence[float]) -> tuple[float, float]:
    """Student's 95 % interval of two seeds or more, which ends where the metric does."""
    known = registry().metrics.get(metric.partition("@")[0])
    return within(interval(means), known.range) if known else interval(means)


def _committed(value: Measured | Missing) -> Measured | Missing:
    """A number of masks that a rule committed, "committed (border)", by the protocol of those that were painted so."""
    if isinstance(value, Missing) or not (value.protocol.polarity or "").startswith("committed ("):
        return value
    protocol = value.protocol.model_copy(update={"polarity": "committed"})
    return value.model_copy(update={"protocol": protocol, "protocol_id": protocol_id(protocol.model_dump())})


def _detail(value: Measured | Missing, name: str) -> Measured | Missing:
    """A companion of a number as a number; the number itself for no name."""
    if not name or isinstance(value, Missing):
        return value
    if name not in value.details:
        return Missing(not_available=f"no {name} was noted")
    told = {"value": value.details[name], "interval": value.intervals.get(name), "details": {}, "intervals": {}}
    return value.model_copy(update=told)
