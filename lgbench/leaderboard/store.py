"""Boards on the disk: `leaderboards/<name>/records/*.json` in, README.md and board.csv out."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from lgbench.benchmark import BadBenchmark, Benchmark, Column, read_benchmark
from lgbench.contradictions import contradictions
from lgbench.errors import LgbenchError, UnknownName, did_you_mean
from lgbench.files import write_bytes
from lgbench.lookup import data_settings
from lgbench.plugins import registry
from lgbench.recipe import PRESETS
from lgbench.record import RECORD_FILE, BadRecord, Measured, Record, read_record
from lgbench.stage_configs import SPLITS
from lgbench.variant import Variant

from .columns import key_of, wanted_splits
from .pages import certificates, index, page
from .pairs import read_pairs
from .papers import read_reported
from .sheet import sheet
from .standing import Committed, Standing, stand

__all__ = ["add", "build", "check", "committed", "read_boards", "record_name", "why_not"]

FOLDER = "leaderboards"


def read_boards(root: Path, names: Sequence[str] = ()) -> list[Benchmark]:
    """Read the definitions in `root`/benchmarks, sorted by name; only `names`, where there are any.

    Raises:
        BadBenchmark: there is none, or one is malformed.
        UnknownName: a name that no definition has.
    """
    paths = {path.stem: path for path in sorted((root / "benchmarks").glob("*.toml"))}
    if not paths:
        raise BadBenchmark(f"No boards are defined in {root / 'benchmarks'}. Run in the repository, or give --root.")
    for name in names:
        if name not in paths:
            hint = did_you_mean(name, paths, f"Known are: {', '.join(paths)}.")
            raise UnknownName(f"No board is named {name!r}. {hint}")
    boards = [read_benchmark(path) for name, path in paths.items() if not names or name in names]
    for board in boards:
        lacking = [name for name in ("title", "resolution", "metrics") if not getattr(board, name)]
        if lacking:
            told = f"{paths[board.name]} says no {' and no '.join(lacking)}"
            raise BadBenchmark(f"{told}, which a board needs. Add it, or keep files that are only swept elsewhere.")
        for column in board.metrics:
            _points_right(paths[board.name], column)
    return boards


def _points_right(path: Path, column: Column) -> None:
    name, _, detail = column.parts
    metric = registry().metrics.get(name)
    if metric and not detail and column.better not in ("none", metric.direction):
        is_better = {"up": "higher is better", "down": "lower is better", "none": "neither is better"}[metric.direction]
        raise BadBenchmark(
            f'{path} says better = "{column.better}" of {column.name}, of which {is_better}. Say "{metric.direction}", '
            'or "none" for a column that ranks nobody.'
        )


def record_name(record: Record) -> str:
    """The file name of a committed record, say "lrgan-smoke-s0-1f2e3d4c.json"."""
    stem = f"{record.method}-{record.preset}-s{record.seed}-{record.id[:8]}"
    return re.sub(r"[^\w.-]", "_", stem) + ".json"


def why_not(board: Benchmark, record: Record) -> str | None:
    """Why a record does not belong to a board, or None where it does."""
    if record.dataset != board.dataset:
        return f"its data set is {record.dataset!r}, the board's {board.dataset!r}"
    if not board.variants and not Variant(name=record.method, method=record.method).matches(record):
        return "it is of generators of one class each (training.category), and the board ranks generators of all"
    if record.resolution != board.resolution:
        return f"its resolution is {record.resolution} px, the board's {board.resolution} px"
    asked = data_settings(board.dataset, board.dataset_config) if board.dataset_config else {}
    measured = [(n, v.protocol.dataset_config) for n, v in sorted(record.values.items()) if isinstance(v, Measured)]
    for name, config in measured:
        for key, wanted in asked.items():
            if not isinstance(config, dict) or config.get(key) != wanted:
                return f"its {name} was not measured with the data set's {key} = {board.dataset_config[key]}"
    return _scored_otherwise(board, record) or _no_variant_of(board, record)


def _scored_otherwise(board: Benchmark, record: Record) -> str | None:
    """Why the numbers of its columns are not those that a board asks for."""
    for column in board.metrics:
        name = key_of(board, record, column)
        value = record.values[name] if name else None
        if not isinstance(value, Measured) or value.protocol.aggregation is None:
            continue  # not a mask metric: its split and aggregation are its own
        splits = wanted_splits(board, column)
        if splits and value.protocol.split not in splits:
            return f"its {name} has split {value.protocol.split!r}, the board asks for {' or '.join(map(repr, splits))}"
        aggregation = value.protocol.aggregation
        never_pooled = aggregation == "per_image" and "pooled" not in value.details  # as ARI; others say both
        if board.aggregation not in (None, aggregation) and not never_pooled:
            return f"its {name} has aggregation {aggregation!r}, the board asks for {board.aggregation!r}"
    return None


def _no_variant_of(board: Benchmark, record: Record) -> str | None:
    if not board.variants or record.method in board.floors or board.variant_of(record) is not None:
        return None
    fitting = [variant for variant in board.variants if variant.method == record.method]
    if not fitting:
        methods = ", ".join(sorted({variant.method for variant in board.variants}))
        return f"its method is {record.method!r}, its variants' are {methods}"
    presets = sorted({preset for variant in fitting for preset in board.presets_of(variant)})
    if record.preset not in presets:
        return f"its preset is {record.preset!r}, its variants' are {', '.join(presets)}"
    return "its settings are those of none of the board's variants"


def committed(root: Path, board: Benchmark) -> Committed:
    """Read a board's records and reported rows; records that must not be shown become faults.

    Raises:
        BadBenchmark: its reported numbers cannot be read.
    """
    records, faults = {}, []
    for path in sorted((root / FOLDER / board.name / "records").glob("*.json")):
        try:
            record = read_record(path)
        except BadRecord as error:
            faults.append(str(error))
            continue
        if against := contradictions(record):
            faults.append(f"{path} contradicts itself: {'; '.join(against)}. Remove it, and run again.")
        elif reason := why_not(board, record):
            faults.append(f"{path} does not belong to {board.name}: {reason}. Remove it from this board.")
        elif path.name != record_name(record):
            faults.append(f"{path} must be named {record_name(record)}. Rename it.")
        else:
            records[path.name] = record
    pairs, astray = read_pairs(root / FOLDER / board.name, records)
    pictures, lost = _pictures(root / FOLDER / board.name, records)
    reported = read_reported(root / FOLDER / "reported", board)
    faults += [*astray, *lost, *dict.fromkeys(_slips(board, list(records.values())))]
    return Committed(records, reported, faults, pairs, pictures)


def _slips(board: Benchmark, records: Sequence[Record]) -> Iterator[str]:
    """What is wrong with each name that nothing installed offers and none of the board's records has.

    A board is built where a third party's plugin is missing: what its records name is known.
    """
    installed = registry()
    for kind, name, known in _named(board, records):
        if name and name not in known:
            hint = did_you_mean(name, known, f"Correct it, or install what offers it.{installed.hint}")
            told = f"nothing installed offers the {kind} {name!r}, and no record of the board has it"
            yield f"benchmarks/{board.name}.toml: {told}. {hint}"


def _named(board: Benchmark, records: Sequence[Record]) -> Iterator[tuple[str, str, Iterable[str]]]:
    """Kind and name of all that a board names, and the names of that kind that are known."""
    installed = registry()
    offered = {key.partition("@")[0] for method in installed.methods.values() for key in method.presets}
    datasets = {*installed.datasets, *(record.dataset for record in records)}
    methods = {*installed.methods, *(record.method for record in records)}
    presets = {*PRESETS, *offered, *(record.preset for record in records)}
    metrics = {*installed.metrics, *(name.partition("@")[0] for record in records for name in record.values)}
    if did_you_mean(board.dataset, datasets, ""):  # any other may be an archive that somebody adds
        yield "data set", board.dataset, datasets
    for method in (*board.methods, *board.floors, *(variant.method for variant in board.variants)):
        yield "method", method, methods
    for preset in (*board.presets, *(variant.preset for variant in board.variants)):
        yield "preset", preset, presets
    for column in board.metrics:
        metric, _, detail = column.parts
        yield "metric", metric, metrics
        for split in wanted_splits(board, column):
            yield "split", split, SPLITS
        values = [record.values[key] for record in records if (key := key_of(board, record, column))]
        if noted := [value.details for value in values if isinstance(value, Measured)]:
            yield f"detail of {metric}", detail, {name for details in noted for name in details}


def _pictures(folder: Path, records: Iterable[str]) -> tuple[list[str], list[str]]:
    """Names of a board's pictures, and what is wrong with those that are of none of its records."""
    stems = tuple(name.removesuffix(".json") for name in records)
    names = [path.name for path in sorted((folder / "pictures").glob("*.png"))]
    lost = [name for name in names if not name.startswith(stems)]
    told = "is of no record of this board. Name it after one, say {record}-grid.png, or remove it."
    return [name for name in names if name not in lost], [f"{folder.name}/pictures/{name} {told}" for name in lost]


def build(root: Path, names: Sequence[str] = ()) -> list[Path]:
    """Write README.md and board.csv of the named boards, or of all, the index of all, and the page of metrics.

    Returns:
        The files that changed.

    Raises:
        BadBenchmark: a definition, a record or a table of reported numbers is wrong; nothing is written then.
    """
    chosen = {board.name for board in read_boards(root, names)}
    boards = [(board, committed(root, board)) for board in read_boards(root)]
    if faults := [fault for _, found in boards for fault in found.faults]:
        raise BadBenchmark("\n".join(faults))
    standings = [stand(board, found) for board, found in boards]
    wanted = _files(root, [standing for standing in standings if standing.board.name in chosen])
    wanted |= _index(root, standings)
    changed = [path for path, content in wanted.items() if _bytes(path) != content]
    for path in changed:
        write_bytes(path, wanted[path])
    return changed


def check(root: Path, names: Sequence[str] = ()) -> list[str]:
    """What is wrong with the named boards, or with all: altered or foreign records, stale files.

    Returns:
        One text per fault; each says how to mend it.
    """
    faults, standings = [], []
    for board in read_boards(root, names):
        try:
            found = committed(root, board)
        except LgbenchError as error:
            faults.append(str(error))
            continue
        faults += found.faults
        standings.append(stand(board, found))
    wanted = _files(root, standings)
    if not names:
        faults += _strays(root)
        wanted |= _index(root, standings)
    for path, content in wanted.items():
        if _bytes(path) != content:
            state = "stale" if path.exists() else "missing"
            faults.append(f"{path} is {state}. Run `lgbench leaderboard build` and commit the result.")
    return faults


def add(root: Path, run: Path, names: Sequence[str] = ()) -> list[Path]:
    """Copy a run's record to every board that it belongs to.

    Args:
        run: the folder of a run, or its record file.
        names: only these boards, where there are any.

    Returns:
        The copies, there already or not; empty where no board fits.

    Raises:
        BadRecord: the run has no record yet, or one that was altered or contradicts itself.
        UnknownName: a name that no board has.
    """
    source = run / RECORD_FILE if run.is_dir() else run
    record = read_record(source)
    if against := contradictions(record):
        remedy = "No board takes it. Mend what gave it, delete the record and run its command again."
        raise BadRecord(f"{source} contradicts itself: {'; '.join(against)}. {remedy}")
    copies = []
    for board in read_boards(root, names):
        if why_not(board, record) is None:
            path = root / FOLDER / board.name / "records" / record_name(record)
            if _bytes(path) != source.read_bytes():
                write_bytes(path, source.read_bytes())
            copies.append(path)
    return copies


def _files(root: Path, standings: Sequence[Standing]) -> dict[Path, bytes]:
    wanted = {}
    for standing in standings:
        folder = root / FOLDER / standing.board.name
        wanted |= {folder / "README.md": page(standing).encode(), folder / "board.csv": sheet(standing).encode()}
    return wanted


def _index(root: Path, standings: Sequence[Standing]) -> dict[Path, bytes]:
    pages = {"README.md": index(standings), "METRICS.md": certificates()}
    return {root / FOLDER / name: content.encode() for name, content in pages.items()}


def _bytes(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None


def _strays(root: Path) -> list[str]:
    known = {board.name for board in read_boards(root)} | {"reported"}
    strays = sorted(path for path in (root / FOLDER).glob("*") if path.is_dir() and path.name not in known)
    return [
        f"{path} has no definition in benchmarks/. Add {path.name}.toml there, or remove the folder." for path in strays
    ]
