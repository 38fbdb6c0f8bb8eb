"""Records as one tidy pandas table, for an analysis of one's own: a row for each value."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .benchmark import Benchmark, read_benchmark
from .files import sha256_of_json
from .record import RECORD_FILE, BadRecord, Measured, Record, Value, read_record, record_files
from .settings import dotted

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["frame", "latex", "over_seeds", "summary"]

TOLD = {"method.name", "data.name", "preset", "seed", "resolution"}
"""Settings of a recipe that have columns of their own."""

COLUMNS = ["method", "dataset", "preset", "seed", "resolution", "variant"]
COLUMNS += ["metric", "value", "low", "high", "n", "aggregation", "split", "protocol", "why"]
COLUMNS += ["status", "flags", "supervision", "selected_by", "device", "device_hours", "created"]
COLUMNS += ["recipe", "record", "adds_to", "path"]

ALIKE = frozenset(COLUMNS) & {*Record.model_fields} - {"recipe"}
"""Columns that are fields of a record."""


def frame(records: Record | Path | str | Iterable[Record | Path | str]) -> pd.DataFrame:
    """One row a value, so that `frame(...).query("metric == 'iou'").groupby("method").value.mean()` is an analysis.

    A number that a run cannot have is NaN, and `why` says why; a run that ended without any value has one row with no
    metric. Behind the fixed columns stand the settings in which runs of one method differ ("method.gamma"), and the
    values' companions ("details.pooled"). `low` and `high` are the 95 % interval over images, `recipe` is the same for
    runs that differ only in their seed, and values of different `protocol` must not be compared.

    Args:
        records: records, files of them, folders of runs, or any folder above such: `runs`, or one of `leaderboards`,
            whose `variant` is then that of its definition. A record that is met twice counts once.

    Raises:
        BadRecord: a file is no whole, unaltered record, or a folder holds none.
    """
    import pandas as pd

    several = [records] if isinstance(records, Record | Path | str) else list(records)
    found = {record.id: (record, path) for each in several for record, path in _read(each)}
    told = _differing(record for record, _ in found.values())
    boards: dict[Path, Benchmark | None] = {}
    rows = [row for record, path in found.values() for row in _rows(record, path, told, boards)]
    details = sorted({name for row in rows for name in row if name.startswith("details.")})
    return pd.DataFrame(rows, columns=[*COLUMNS, *sorted(told), *details])


def over_seeds(table: pd.DataFrame) -> pd.DataFrame:
    """A `frame` with seeds averaged: `mean`, its 95 % Student-t interval `low` and `high`, and how many `seeds`.

    Runs that differ in a setting, and values of different protocols, are never averaged. Several values of one seed are
    averaged first. Where there is one seed, `low` and `high` are NaN.
    """
    from .intervals import interval

    settings = [name for name in table if name not in COLUMNS and not name.startswith("details.")]
    alike = ["method", "dataset", "preset", "resolution", "variant", *settings, "metric", "protocol", "recipe"]
    values = table.dropna(subset="value").groupby([*alike, "seed"], dropna=False, sort=False).value.mean()
    means = values.groupby(alike, dropna=False, sort=False).agg(["mean", "count"]).rename(columns={"count": "seeds"})
    spread = values.groupby(alike, dropna=False, sort=False).agg(list)
    ends = [interval(seeds) if len(seeds) > 1 else (float("nan"), float("nan")) for seeds in spread]
    return means.assign(low=[low for low, _ in ends], high=[high for _, high in ends]).reset_index()


def summary(table: pd.DataFrame) -> pd.DataFrame:
    """A `frame` for people: "0.877 ± 0.043" over seeds, one row a metric and a recipe.

    Its columns are the method, whatever else tells the rows apart, `metric`, `value` and `seeds`. A metric that has
    several protocols is named with each, for its values must not be compared.
    """
    means = over_seeds(table)
    protocols = means.groupby("metric").protocol.nunique()
    names = [
        f"{metric} ({protocol})" if protocols[metric] > 1 else metric
        for metric, protocol in zip(means.metric, means.protocol, strict=True)
    ]
    halves = ((means.high - means.low) / 2).tolist()
    values = [
        f"{mean:.3f}" + ("" if math.isnan(half) else f" ± {half:.3f}")
        for mean, half in zip(means["mean"].tolist(), halves, strict=True)
    ]
    shown = means.assign(metric=names, value=values)
    settings = [name for name in means if name in table and name not in COLUMNS]
    for name in settings:  # where no two runs differ in it, it tells nothing
        words = means.assign(words=means[name].map(_in_words)).groupby(["method", "dataset", "preset"]).words
        shown[name] = words.transform(lambda each: each if each.nunique() > 1 else "")
    told = [name for name in ("dataset", "preset", "resolution", "variant", *settings) if len(set(shown[name])) > 1]
    told = ["method", *(name for name in told if name not in settings or "variant" not in told)]
    if shown.duplicated([*told, "metric"]).any():
        told.append("recipe")
    return shown.loc[:, [*told, "metric", "value", "seeds"]]


def _in_words(setting: object) -> str:
    return f"{setting:g}" if isinstance(setting, float) else str(setting)


def latex(table: pd.DataFrame) -> str:
    """A `frame`'s summary as a LaTeX table (booktabs): a row for each recipe, a column for each metric."""
    shown = summary(table)
    told = list(shown.columns[:-3])
    wide = shown.pivot_table(index=told, columns="metric", values="value", aggfunc="first", sort=False)
    return wide.reset_index().to_latex(index=False, na_rep="--", escape=True)


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
    found = sorted(folder.rglob("*.json"))
    kinds = (RECORD_FILE, "record-*.json", "records/*.json")
    return record_files(folder) or [path for path in found if any(map(path.match, kinds))]


def _rows(record: Record, path: str, told: set[str], boards: dict[Path, Benchmark | None]) -> Iterator[dict[str, Any]]:
    settings = {name: value for name, value in dotted(record.recipe) if name in told}
    fixed = {
        **{name: getattr(record, name) for name in COLUMNS if name in ALIKE},
        "variant": _variant(record, path, boards),
        "flags": " ".join(record.training.flags),
        "device": record.environment.device,
        "recipe": sha256_of_json({key: value for key, value in record.recipe.items() if key != "seed"})[:8],
        "record": record.id,
        "path": path,
    }
    for name, value in record.values.items():
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


def _variant(record: Record, path: str, boards: dict[Path, Benchmark | None]) -> str:
    """The row of an ablation that a committed record stands in, "" for any other."""
    folder = Path(path).parent
    if folder.name != "records":
        return ""
    if folder not in boards:
        definition = folder.parents[2] / "benchmarks" / f"{folder.parent.name}.toml"
        boards[folder] = read_benchmark(definition) if definition.is_file() else None
    board = boards[folder]
    return board.row_of(record) if board else ""
