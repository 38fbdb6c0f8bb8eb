"""Data sets: fetched, added or found, then opened as memory-mapped arrays of one resolution."""

from __future__ import annotations

import logging
import lzma
import pickle
import re
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import fields, replace
from functools import partial
from typing import Any

from lgbench.errors import BadData, BadPlugin, BadRecipe, LgbenchError, UnknownName, did_you_mean
from lgbench.offers import Dataset
from lgbench.settings import plain

from .archive import ArchiveInfo, add_archive, inspect_archive
from .copies import told_of_copies
from .division import check_splits
from .download import Progress
from .home import DataHome
from .locks import alone, alone_and_whole
from .masks import MaskConfig
from .notes import notes_on
from .package import (
    archive_columns,
    archive_dataset,
    build_package,
    folder_dataset,
    open_package,
    origin_of,
    takes_archive,
)
from .pictures import decode_image, decode_mask
from .prepare import check_prepared, prepare, prepared_folders
from .pseudo import pseudo_masks_in
from .samples import RawDataset, Sample
from .split import Split, drawn, joined
from .squares import central_square

DAMAGED = (
    EOFError,
    lzma.LZMAError,
    pickle.UnpicklingError,
    struct.error,
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
)
"""What reading a truncated or altered file of a data set raises, where its builder does not say it better."""

logger = logging.getLogger(__name__)

__all__ = [
    "ArchiveInfo",
    "DataHome",
    "MaskConfig",
    "Progress",
    "RawDataset",
    "Sample",
    "Split",
    "add_archive",
    "alone",
    "alone_and_whole",
    "archive_columns",
    "archive_dataset",
    "build_package",
    "central_square",
    "check_prepared",
    "check_splits",
    "decode_image",
    "decode_mask",
    "drawn",
    "folder_dataset",
    "inspect_archive",
    "joined",
    "open_dataset",
    "open_other",
    "open_package",
    "origin_of",
    "prepare",
    "prepared_folders",
    "pseudo_masks_in",
    "resolve_dataset",
    "takes_archive",
    "told_of_copies",
]


def resolve_dataset(name: str, records: Mapping[str, Dataset], home: DataHome) -> Dataset:
    """The record that a user means by `name`: installed, `folder:PATH` (a folder or a zip), or an added archive.

    Raises:
        UnknownName: none of these.
        DataMissing, BadData: `folder:PATH` leads to nothing usable.
    """
    if name.startswith("folder:"):
        return folder_dataset(name.removeprefix("folder:"))
    if name in records:
        return records[name]
    archives = home.archives()
    if name in archives:
        return archive_dataset(name, archives[name])
    hint = did_you_mean(name, [*records, *archives], "`lgbench data list` shows what there is.")
    raise UnknownName(f"There is no data set named {name!r}. {hint} Pictures of your own: `folder:PATH`.")


def open_dataset(
    record: Dataset,
    config: object | Mapping[str, Any] | None,
    resolution: int | None,
    home: DataHome,
    progress: Progress | None = None,
    only: Collection[str] = (),
) -> dict[str, Split]:
    """Fetch what is missing, prepare what is not prepared, and open the splits.

    Args:
        config: an instance of `record.config_class`, settings for one, or None for its defaults.
        resolution: side, pixels; None for the data set's own.
        progress: called as `(what, done, total)` while something is fetched or prepared.
        only: splits to open, where the whole was opened before and told of; none for all.

    What its user should know of the data set (`RawDataset.notes`, `notes.notes_on`) is logged.

    Returns:
        "train" and, where the data set has them, "val" and "test".

    Raises:
        BadRecipe: a setting that the data set does not have.
        BadData: a file of its own is damaged.
        DataMissing, BadData, RunFailed: see `DataHome.fetch` and `prepare`.
    """
    home = DataHome(home.root, progress) if progress else home
    return _open(record, _settings(record, config), resolution or record.resolution, home, only, str)


def open_other(
    record: Dataset, config: object, resolution: int, home: DataHome, progress: Progress | None, table: str
) -> dict[str, Split]:
    """`open_dataset` of another data set than a recipe's own; what is said of its settings names `table` of the recipe.

    Builders know of `data.NAME` alone, and errors and notes with it.
    """
    settings = _settings(record, config)
    said = partial(_set_by, table, settings)
    home = DataHome(home.root, progress) if progress else home
    try:
        return _open(record, settings, resolution, home, (), said)
    except LgbenchError as error:
        raise type(error)(said(str(error))) from error


def _open(
    record: Dataset, settings: Any, side: int, home: DataHome, only: Collection[str], said: Callable[[str], str]
) -> dict[str, Split]:
    """The splits; notes are logged as `said` puts them."""
    try:
        raw = replace(_built(record, settings, side, home), version=record.version)
        if only:
            chosen = {name: count for name, count in raw.counts.items() if name in only}
            raw = replace(raw, counts=chosen, splits={name: raw.splits[name] for name in chosen})
        else:
            _tell(map(said, raw.notes))
        splits = prepare(raw, record.name, plain(settings), side, home.prepared_root, home.progress)
    except DAMAGED as error:
        raise BadData(
            f"A file of the data set {record.name} is damaged ({str(error) or type(error).__name__}). `lgbench data "
            f"verify {record.name}` says which; delete it, and run the command again or put it there anew."
        ) from error
    if not only:
        _tell(f"{record.name}: {said(note)}" for note in notes_on(splits))
    return splits


def _built(record: Dataset, settings: object, side: int, home: DataHome) -> RawDataset:
    """What a record builds, if it is a data set that can be read."""
    raw = record.build(settings, side, home)
    if not isinstance(raw, RawDataset):
        raise BadPlugin(f"{record.name} is built as a {type(raw).__name__}, not a RawDataset: mend its plugin.")
    if not isinstance(raw.splits, Mapping) or not all(map(callable, raw.splits.values())):
        raise BadPlugin(f"The splits of {record.name} are no functions that iterate over samples: mend its plugin.")
    if not isinstance(raw.origin, str):
        raise BadPlugin(f"{record.name} does not say which copy it is (origin={raw.origin!r}): mend its plugin.")
    return raw


def _set_by(table: str, settings: Any, text: str) -> str:
    """What is said of a data set, with its settings as `table` has them."""
    names = "|".join(field.name for field in fields(settings))
    return re.sub(rf"(?<![\w./-])data\.(?=(?:{names})\b)", f"{table}.", text) if names else text


def _tell(notes: Iterable[str]) -> None:
    for note in notes:
        logger.warning("%s", note)


def _settings(record: Dataset, config: object | Mapping[str, Any] | None) -> object:
    kind = record.config_class
    if isinstance(config, kind):
        return config
    if config is not None and not isinstance(config, Mapping):
        raise BadRecipe(f"The data set {record.name} is set by {kind.__name__}, not {type(config).__name__}.")
    known = [field.name for field in fields(kind)]
    for name in config or {}:
        if name not in known:
            otherwise = f"It has {', '.join(known)}." if known else "It has none."
            raise BadRecipe(
                f"The data set {record.name} has no setting {name!r}. {did_you_mean(name, known, otherwise)}"
            )
    return kind(**(config or {}))
