"""Which of a record's numbers stands in which column: one of a split where the run scored several."""

from __future__ import annotations

from lgbench.benchmark import Benchmark
from lgbench.record import Measured, Record

__all__ = ["as_columns", "key_of", "wanted_splits"]


def wanted_splits(board: Benchmark, column: str) -> list[str]:
    """The splits whose number may stand in a column: that of its name ("iou@train"), else the board's; [] for any."""
    asked = column.partition("@")[2] or board.split or ""
    return [name.strip() for name in asked.split(",")] if asked else []


def key_of(board: Benchmark, record: Record, column: str) -> str | None:
    """What a record calls the number of a column, None where it has none.

    A run that scored one split calls its numbers by their metrics; one that scored several adds the split to those that
    depend on it, "iou@train". The column says which it wants in the same way; without, it is the board's split.
    """
    metric, _, split = column.partition("@")
    names = [column, *(f"{metric}@{name}" for name in wanted_splits(board, column))]
    if split and _is_of(record, metric, split):
        names.append(metric)
    return next((name for name in names if name in record.values), None)


def as_columns(board: Benchmark, record: Record) -> Record:
    """The record with its numbers by the columns' names too."""
    keys = {metric.name: key_of(board, record, metric.name) for metric in board.metrics}
    found = {column: key for column, key in keys.items() if key is not None and key != column}
    if not found:
        return record
    values = {column: record.values[key] for column, key in found.items()}
    baselines = {
        mask: {**scores, **{column: scores[key] for column, key in found.items() if key in scores}}
        for mask, scores in record.baselines.items()
    }
    return record.model_copy(update={"values": record.values | values, "baselines": baselines})


def _is_of(record: Record, metric: str, split: str) -> bool:
    """Whether a number without a split in its name is of this one, or is missing for a reason that holds for all."""
    value = record.values.get(metric)
    return not isinstance(value, Measured) or value.protocol.split == split
