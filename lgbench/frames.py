"""Records as one tidy pandas table, for an analysis of one's own: a row for each value."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .benchmark import Benchmark, read_benchmark
from .record import RECORDS, BadRecord, Measured, Record, Value, read_record, record_files
from .settings import dotted

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["COLUMNS", "frame"]

TOLD = {"method.name", "data.name", "preset", "seed", "resolution"}
"""Settings of a recipe that have columns of their own."""

COLUMNS = ["method", "dataset", "preset", "seed", "resolution", "variant"]
COLUMNS += ["metric", "value", "low", "high", "n", "aggregation", "split", "protocol", "why"]
COLUMNS += ["status", "flags", "supervision", "selected_by", "device", "device_hours", "created"]
COLUMNS += ["recipe", "record", "adds_to", "path"]

ALIKE = {*COLUMNS} & {*Record.model_fields} - {"recipe"}
"""Columns that are fields of a record."""

Boards = dict[Path, Benchmark | None]
"""Folder of committed records -> the definition of their board, None where it is not beside them."""

Holders = dict[tuple[str, str, str], str]
"""A run's first record, a metric and what is said of it -> the id of the record that is shown for it."""


def frame(records: Record | Path | str | Iterable[Record | Path | str]) -> pd.DataFrame:
    """One row a value, so that `frame(...).query("metric == 'iou'").groupby("method").value.mean()` is an analysis.

    A number that a run cannot have is NaN, and `why` says why; a run that ended without any value has one row with no
    metric. Behind the fixed columns stand the settings in which runs of one method differ ("method.gamma"), and the
    values' companions ("details.pooled"). `low` and `high` are the 95 % interval over images, `recipe` is the same for
    runs that differ only in their seed, and values of different `protocol` must not be compared.

    Args:
        records: records, files of them, folders of runs, or any folder above such: `runs`, or one of `leaderboards`,
            whose `variant` is then that of its definition. A record that is met twice counts once, and so does a value
            that several records of one run hold: it is the first record's.

    Raises:
        BadRecord: a file is no whole, unaltered record, or a folder holds none.
    """
    import pandas as pd

    several = [records] if isinstance(records, Record | Path | str) else list(records)
    found = {record.id: (record, path) for each in several for record, path in _read(each)}
    told = _differing(record for record, _ in found.values())
    boards, holders = Boards(), Holders()
    firsts = sorted(found.values(), key=lambda each: each[0].adds_to is not None)  # before what adds to them
    rows = [row for record, path in firsts for row in _rows(record, path, told, boards, holders)]
    details = sorted({name for row in rows for name in row if name.startswith("details.")})
    return pd.DataFrame(rows, columns=[*COLUMNS, *sorted(told), *details])


def _read(source: Record | Path | str) -> Iterator[tuple[Record, str]]:
    """The records that somebody means, each with the file that it came from, "" where there is none."""
    if isinstance(source, Record):
        yield source, ""
        return
    path = Path(source)
    files = _files(path) if path.is_dir() else [path]
    if not files:
        raise BadRecord(
            f"{path} holds no record. Give a run's folder, a record's file, or a folder above such; a run writes its "
            "record last: run its command again to finish it."
        )
    for file in files:
        yield read_record(file), str(file)


def _files(folder: Path) -> list[Path]:
    """A run's records, or those of all runs and boards below a folder."""
    return record_files(folder) or [path for path in sorted(folder.rglob("*.json")) if any(map(path.match, RECORDS))]


def _rows(record: Record, path: str, told: set[str], boards: Boards, holders: Holders) -> Iterator[dict[str, Any]]:
    settings = {name: value for name, value in dotted(record.recipe) if name in told}
    fixed = record.model_dump(include=ALIKE) | {
        "variant": _variant(record, path, boards),
        "flags": " ".join(record.training.flags),
        "device": record.environment.device,
        "recipe": record.recipe_id,
        "record": record.id,
        "path": path,
    }
    for name, value in record.values.items():
        if holders.setdefault((record.adds_to or record.id, name, repr(value)), record.id) == record.id:
            yield fixed | {"metric": name} | _number(value) | settings
    if not record.values:
        yield fixed | {"why": f"the run is {record.status} and has no values"} | settings


def _number(value: Value) -> dict[str, Any]:
    if not isinstance(value, Measured):
        return {"why": value.not_available}
    low, high = value.interval or (None, None)
    told = {"value": value.value, "low": low, "high": high, "n": value.n, "protocol": value.protocol_id}
    details = {f"details.{name}": number for name, number in value.details.items()}
    return told | {"aggregation": value.protocol.aggregation, "split": value.protocol.split} | details


def _differing(records: Iterable[Record]) -> set[str]:
    """Settings that are not the same in all runs of a method on a data set by a preset."""
    groups: dict[tuple[str, ...], list[set[tuple[str, str]]]] = {}
    for record in records:
        settings = {(name, repr(value)) for name, value in dotted(record.recipe)}
        groups.setdefault((record.method, record.dataset, record.preset), []).append(settings)
    differing = (set.union(*several) - set.intersection(*several) for several in groups.values())
    return {name for settings in differing for name, _ in settings} - TOLD


def _variant(record: Record, path: str, boards: Boards) -> str:
    """The row of an ablation that a committed record stands in, "" for any other."""
    folder = Path(path).parent
    if folder.name != "records":
        return ""
    if folder not in boards:
        definition = folder.parents[2] / "benchmarks" / f"{folder.parent.name}.toml"
        boards[folder] = read_benchmark(definition) if definition.is_file() else None
    board = boards[folder]
    return board.row_of(record) if board else ""
