"""Portable archives: read whole, then kept under a name in the data home."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path

from lgbench.errors import BadData, BadRecipe
from lgbench.files import atomic, sha256_of_file, sweep_parts

from .checks import report
from .home import DataHome
from .locks import alone
from .package import open_package

__all__ = ["ArchiveInfo", "add_archive", "inspect_archive"]

LONGEST_NAME = 80


@dataclass(frozen=True, slots=True)
class ArchiveInfo:
    """What a portable archive holds.

    Attributes:
        counts: pictures in each split.
        mask_values: those that occur in its masks; with more than two, settings must say what they mean.
        notes: what a user should be told of it, a sentence each.
    """

    name: str
    path: Path
    sha256: str
    counts: dict[str, int]
    provides: frozenset[str]
    classes: tuple[str, ...]
    mask_values: tuple[int, ...]
    notes: tuple[str, ...] = ()


def inspect_archive(name: str, path: Path, columns: Collection[str] = ()) -> ArchiveInfo:
    """Read every file of an archive.

    Args:
        columns: of its tables that somebody else reads (`archive_columns`).

    Raises:
        BadData: it is not a portable archive, or some of its files are truncated, missing or do not fit together; all
            of them (up to 10) are named.
    """
    package = open_package(path, columns)
    if problems := package.problems():
        raise report(str(path), problems)
    return ArchiveInfo(
        name=name,
        path=path,
        sha256=sha256_of_file(path),
        counts=package.counts,
        provides=package.provides,
        classes=package.classes,
        mask_values=tuple(sorted(package.mask_values)),
        notes=package.notes,
    )


def add_archive(home: DataHome, name: str, path: Path, columns: Collection[str] = ()) -> ArchiveInfo:
    """Read every file of a portable archive, then keep a copy under `name`, in place of an earlier one.

    Args:
        columns: of its tables that somebody else reads (`archive_columns`).

    Raises:
        BadRecipe: `name` cannot be a data set's name.
        BadData: the archive is malformed or holds files that cannot be used; nothing is kept.
        RunFailed: the disk is full.
    """
    if not re.fullmatch(rf"[a-z0-9][a-z0-9._-]{{0,{LONGEST_NAME - 1}}}", name):
        raise BadRecipe(
            f"{name!r} cannot name a data set: use lower-case letters, digits, '-', '_' and '.', "
            f"{LONGEST_NAME} at most."
        )
    info = inspect_archive(name, path, columns)
    target = home.root / "archives" / f"{name}.zip"
    with alone(target, f"the archive {name}"), path.open("rb") as file:
        sweep_parts(target.parent, target.name)
        with atomic(target) as copy:
            digest = hashlib.sha256()
            while chunk := file.read(1 << 20):
                digest.update(chunk)
                copy.write(chunk)
            if digest.hexdigest() != info.sha256:
                raise BadData(f"{path} changed while it was copied; add it again when it is at rest.")
    return replace(info, path=target)
