"""Records as one tidy pandas table, for an analysis of one's own: a row for each value."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .benchmark import Benchmark, read_benchmark
from .leaderboard.lines import by_line, distinct_seeds
from .leaderboard.store import record_name
from .record import RECORDS, BadRecord, Measured, Record, Value, read_record, record_files
from .settings import dotted

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["COLUMNS", "frame"]

TOLD = {"method.name", "data.name", "preset", "seed", "resolution"}
"""Settings of a recipe that have columns of their own."""

COLUMNS = ["method", "dataset", "preset", "seed", "resolution", "variant", "metric", "value", "low", "high", "n"]
COLUMNS += ["aggregation", "split", "protocol", "why", "status", "flags", "supervision", "selected_by", "device"]
COLUMNS += ["device_hours", "created", "recipe", "line", "counts_as", "record", "adds_to", "path"]

ALIKE = {*COLUMNS} & {*Record.model_fields} - {"recipe"}
"""Columns that are fields of a record."""

Holders = dict[tuple[str, str, str], str]
"""A run's first record, a metric and what is said of it -> the id of the record that is shown for it."""


def frame(records: Record | Path | str | Iterable[Record | Path | str]) -> pd.DataFrame:
    """One row a value: `frame(...).query("metric == 'iou' and status == 'done'").groupby("line").value.mean()`.

    A number that a run cannot have is NaN, and `why` says why; a run that ended without any value has one row with no
    metric. Behind the fixed columns stand the settings in which runs of one method differ ("method.gamma"), and the
    values' companions ("details.pooled"). `low` and `high` are the 95 % interval over images, and values of different
    `protocol` must not be compared.

    Runs that a board shows as one line, for they differ only in their seed and the metrics asked for, share a `line`,
    the id of its first record, and a `recipe`, which is that record's. `counts_as` is the seed that a record counts as:
    of records of a line with equal artefacts, which are one result, the least. `variant` is what the line is called by
    the boards below which its records were met, "" where none has it as a row, or two call it otherwise.

    Args:
        records: records, files of them, folders of runs, or any folder above such: `runs`, `leaderboards`, or one of
            these. A record that is met twice counts once, and so does a value that several records of one run hold: it
            is the first record's.

    Raises:
        BadRecord: a file is no whole, unaltered record, or a folder holds none.
    """
    import pandas as pd

    several = [records] if isinstance(records, Record | Path | str) else list(records)
    read = [pair for each in several for pair in _read(each)]
    found = {record.id: (record, path) for record, path in read}
    told, lines, holders = _differing(record for record, _ in read), _lines(read), Holders()
    firsts = sorted(found.values(), key=lambda each: each[0].adds_to is not None)  # before what adds to them
    rows = [row | lines[record.id] for record, path in firsts for row in _rows(record, path, told, holders)]
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
    yield from ((read_record(file), str(file)) for file in files)


def _files(folder: Path) -> list[Path]:
    """A run's records, or those of all runs and boards below a folder, which may be one of a board's records."""
    named = {path: folder.resolve() / path.relative_to(folder) for path in sorted(folder.rglob("*.json"))}
    return record_files(folder) or [path for path, full in named.items() if any(map(full.match, RECORDS))]


def _lines(read: Iterable[tuple[Record, str]]) -> dict[str, dict[str, Any]]:
    """Record's id -> that, and what the record has from the line in which it would stand on a board."""
    board_at, called, runs = cache(_board), dict[str, set[str]](), dict[str, Record]()
    for record, path in read:
        board = board_at(Path(path).parent.resolve()) if path else None
        called.setdefault(record.id, set()).add(board.row_of(record) if board else "")
        runs[record_name(record)] = record  # the first by its file's name gives a line its recipe
    found = {}
    for line in by_line(dict(sorted(runs.items()))):
        first, seed_of = next(iter(line.values())), distinct_seeds([*line.values()])
        names = set[str]().union(*map(called.__getitem__, seed_of)) - {""}
        shared = {"line": first.id, "recipe": first.recipe_id, "variant": names.pop() if len(names) == 1 else ""}
        found |= {name: shared | {"counts_as": seed, "record": name} for name, seed in seed_of.items()}
    return found


def _board(folder: Path) -> Benchmark | None:
    """The board whose records lie here, None where it is no such folder, or the definition is not beside it."""
    definition = folder.parent.parent.parent / "benchmarks" / f"{folder.parent.name}.toml"
    return read_benchmark(definition) if folder.name == "records" and definition.is_file() else None


def _rows(record: Record, path: str, told: set[str], holders: Holders) -> Iterator[dict[str, Any]]:
    fixed = record.model_dump(include=ALIKE) | {name: value for name, value in dotted(record.recipe) if name in told}
    fixed |= {"flags": " ".join(record.training.flags), "device": record.environment.device, "path": path}
    for name, value in record.values.items():
        if holders.setdefault((record.run, name, repr(value)), record.id) == record.id:
            yield fixed | {"metric": name} | _number(value)
    if not record.values:
        yield fixed | {"why": f"the run is {record.status} and has no values"}


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
