"""Portable archives: one zip with `images/`, perhaps `masks/`, and a table that says what belongs together.

The table is `labels.csv` or `index.csv` at the top of the zip, with a column `file` or `image` and, optionally,
`mask`, `label` (numbers from any start, or words), `class_name` and `split` (train, valid or val, test). Without
splits the pictures are divided 80 / 20 by the SHA-256 of their names.
"""

from __future__ import annotations

import csv
import io
import zipfile
import zlib
from collections import Counter
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PureWindowsPath
from typing import TYPE_CHECKING

from lgbench.errors import BadData
from lgbench.files import sha256_of_file
from lgbench.records import Dataset

from .package import SPLITS, Item, MaskConfig, Package, hashed_splits
from .pictures import report
from .samples import RawDataset

if TYPE_CHECKING:
    from .home import DataHome

__all__ = [
    "ArchiveInfo",
    "archive_dataset",
    "build_archive",
    "inspect_archive",
    "open_archive",
    "takes_archive",
]

TABLES = ("labels.csv", "index.csv")
LARGEST_FILE = 256 << 20  # bytes of one picture or table, uncompressed: more is a mistake or a bomb
LARGEST_ARCHIVE = 256 << 30  # bytes of all files together, uncompressed


@dataclass(frozen=True, slots=True)
class ArchiveInfo:
    """What a portable archive holds.

    Attributes:
        counts: pictures in each split.
        mask_values: the values besides 0 in its masks; with more than one, `foreground` must be set to use them.
    """

    name: str
    path: Path
    sha256: str
    counts: dict[str, int]
    provides: frozenset[str]
    classes: tuple[str, ...]
    mask_values: tuple[int, ...]


def takes_archive(record: Dataset) -> bool:
    """Whether `lgbench data add` may keep an archive under the name of this installed data set.

    Its builder says so with an attribute `accepts_archive = True`, and then looks into `home.archives()`.
    """
    return getattr(record.build, "accepts_archive", False)


def archive_dataset(name: str, path: Path) -> Dataset:
    """The record of a portable archive; only the zip's table is read here.

    Raises:
        BadData: `path` is not such an archive.
    """
    package = open_archive(path)
    counts = ", ".join(f"{count:,} {split}" for split, count in package.counts.items())
    return Dataset(
        name=name,
        summary=f"archive {path.name}: {counts}",
        build=partial(build_archive, path),
        config=MaskConfig,
        licence="as the archive's pictures",
        provides=package.provides,
        offline=True,
    )


def build_archive(path: Path, config: MaskConfig, resolution: int, home: DataHome) -> RawDataset:
    """Builder of `archive_dataset`: the archive as it is, under the origin "archive:<first 12 of its SHA-256>"."""
    origin = f"archive:{home.checksum(path, 'sha256')[:12]}"
    return open_archive(path).raw(origin, config)


def inspect_archive(name: str, path: Path) -> ArchiveInfo:
    """Read every file of an archive.

    Raises:
        BadData: it is not a portable archive, or some of its files are truncated, missing or do not fit together; all
            of them (up to 10) are named.
    """
    package = open_archive(path)
    if problems := package.problems():
        raise report(str(path), problems)
    return ArchiveInfo(
        name=name,
        path=path,
        sha256=sha256_of_file(path),
        counts=package.counts,
        provides=package.provides,
        classes=package.classes,
        mask_values=tuple(sorted(package.mask_values - {0})),
    )


def open_archive(path: Path) -> Package:
    """The pictures of a portable archive, not read yet.

    Raises:
        BadData: it is no zip, its table is missing or malformed, or it holds unsafe names or absurd sizes.
    """
    try:
        file = zipfile.ZipFile(path)
    except (OSError, zipfile.BadZipFile) as error:
        raise BadData(f"{path} is not a readable zip file ({error}).") from error
    _refuse_unsafe(file, path)
    table = next((name for name in TABLES if name in file.namelist()), None)
    if table is None:
        raise BadData(
            f"{path} has neither labels.csv nor index.csv at its top. A portable archive is a zip with images/, "
            "optional masks/ and such a table, whose column `file` or `image` names each picture; for loose pictures "
            "use `--dataset folder:PATH`."
        )
    rows = _rows(_read(file, table), f"{table} in {path}")
    items, classes = _items(rows, f"{table} in {path}")
    return Package(str(path), items, partial(_read, file), masked="mask" in rows[0], classes=classes)


def _refuse_unsafe(file: zipfile.ZipFile, path: Path) -> None:
    for entry in file.infolist():
        name = entry.filename
        place = PureWindowsPath(name)  # reads both kinds of slashes
        if place.root or place.drive or ".." in place.parts:
            raise BadData(f"{path} holds the name {name!r}, which leads out of the archive; it is refused.")
        if entry.flag_bits & 1:
            raise BadData(f"{path}: {name} is encrypted; archives must not be.")
        if entry.file_size > LARGEST_FILE:
            raise BadData(f"{path}: {name} has {entry.file_size:,} bytes; more than {LARGEST_FILE:,} is refused.")
    if (total := sum(entry.file_size for entry in file.infolist())) > LARGEST_ARCHIVE:
        raise BadData(f"{path} unpacks to {total:,} bytes; more than {LARGEST_ARCHIVE:,} is refused.")


def _read(file: zipfile.ZipFile, name: str) -> bytes:
    try:
        return file.read(name)
    except KeyError:
        raise BadData(f"{name}: not in the archive") from None
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError) as error:
        raise BadData(f"{name}: truncated or unreadable ({error})") from error


def _rows(data: bytes, where: str) -> list[dict[str, str]]:
    try:
        reader = csv.DictReader(io.StringIO(data.decode("utf-8-sig")))
        rows = [{key: (value or "").strip() for key, value in row.items() if key} for row in reader]
    except (UnicodeDecodeError, csv.Error) as error:
        raise BadData(f"{where} is not a UTF-8 table with commas ({error}).") from error
    if not rows or not {"file", "image"} & rows[0].keys():
        raise BadData(f"{where} needs a heading with the column `file` or `image`, and a row per picture.")
    return rows


def _items(rows: list[dict[str, str]], where: str) -> tuple[list[Item], tuple[str, ...]]:
    column = "file" if "file" in rows[0] else "image"
    names = [row[column] for row in rows]
    if twice := [name for name, times in Counter(names).items() if times > 1]:
        raise BadData(f"{where} names {twice[0]!r} more than once.")
    splits = [_split(row["split"], where) for row in rows] if "split" in rows[0] else None
    if splits is None:
        hashed = hashed_splits(names)
        splits = [hashed[name] for name in names]
    labels, classes = _labels(rows, where)
    return [
        Item(image=row[column], split=split, mask=row.get("mask") or None, label=label)
        for row, split, label in zip(rows, splits, labels, strict=True)
    ], classes


def _split(text: str, where: str) -> str:
    if text.lower() not in SPLITS:
        raise BadData(f"{where} has the split {text!r}; known are {', '.join(SPLITS)}.")
    return SPLITS[text.lower()]


def _labels(rows: list[dict[str, str]], where: str) -> tuple[list[int | None], tuple[str, ...]]:
    """Class indices from 0 in the order of the sorted distinct labels, and the classes' names."""
    column = next((name for name in ("label", "class_name") if name in rows[0]), None)
    if column is None:
        return [None] * len(rows), ()
    texts = [row[column] for row in rows]
    if "" in texts:
        raise BadData(f"{where} has no {column} for {rows[texts.index('')]}.")
    number = all(text.isdecimal() for text in texts)
    order = sorted(set(texts), key=lambda text: (int(text), text) if number else (0, text))
    index = {text: i for i, text in enumerate(order)}
    names = {row[column]: row.get("class_name") or row[column] for row in reversed(rows)}
    return [index[text] for text in texts], tuple(names[text] for text in order)
