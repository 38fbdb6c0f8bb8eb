"""Pictures with optional masks and labels that lie together: in a folder, or in a zip, the portable archive.

An archive has `labels.csv` or `index.csv` at its top, which says what belongs together (see `table`); a folder's names
do (see `layout`).
"""

from __future__ import annotations

import os
import zipfile
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path, PureWindowsPath
from typing import TYPE_CHECKING

import numpy as np

from lgbench.errors import BadData, DataMissing
from lgbench.files import sha256_of_file
from lgbench.records import Dataset

from .checks import report, sound
from .layout import ENDINGS, Item, arrange
from .masks import MaskConfig, Meaning, check_masks, meaning
from .pictures import decode_picture, decode_values
from .samples import RawDataset, Sample
from .table import TABLES, read_table

if TYPE_CHECKING:
    from .home import DataHome

__all__ = [
    "ArchiveInfo",
    "Package",
    "archive_dataset",
    "build_package",
    "folder_dataset",
    "inspect_archive",
    "open_package",
    "takes_archive",
]

LARGEST_FILE = 256 << 20  # bytes of one picture or table, uncompressed: more is a mistake or a bomb
LARGEST_ARCHIVE = 256 << 30  # bytes of all files together, uncompressed


@dataclass(frozen=True, slots=True)
class ArchiveInfo:
    """What a portable archive holds.

    Attributes:
        counts: pictures in each split.
        mask_values: those that occur in its masks; with more than two, settings must say what they mean.
    """

    name: str
    path: Path
    sha256: str
    counts: dict[str, int]
    provides: frozenset[str]
    classes: tuple[str, ...]
    mask_values: tuple[int, ...]


@dataclass(frozen=True)
class Package:
    """Pictures that are not read yet.

    Attributes:
        root: the folder, or the top of the zip.
        items: its pictures, in order.
        masked: whether it has masks; then every picture needs one.
        classes: class names in the order of the labels, empty where it has no labels.
    """

    root: Path | zipfile.Path
    items: Sequence[Item]
    masked: bool = False
    classes: tuple[str, ...] = ()

    @property
    def where(self) -> str:
        """Which package, for error messages."""
        return str(self.root).rstrip("/")

    @property
    def provides(self) -> frozenset[str]:
        """What it has of "masks" and "labels"."""
        return frozenset(part for part, here in (("masks", self.masked), ("labels", self.classes)) if here)

    @property
    def counts(self) -> dict[str, int]:
        """Pictures in each split."""
        return {split: len(self._items(split)) for split in ("train", "val", "test") if self._items(split)}

    @cached_property
    def mask_values(self) -> dict[int, str]:
        """All values that occur in its masks, each with the first file that has it, in the order of appearance.

        Unreadable masks are passed over here and named when they are read.
        """
        return self._scan[0]

    @cached_property
    def _scan(self) -> tuple[dict[int, str], dict[int, int]]:
        """Values of the masks, and the brightness of those that are indices into coloured palettes."""
        values: dict[int, str] = {}
        brightness: dict[int, int] = {}
        for item in self.items:
            if item.mask is not None:
                try:
                    found = decode_values(self.read(item.mask), item.mask)
                except BadData:
                    continue
                values |= dict.fromkeys(set(np.unique(found.values).tolist()) - values.keys(), item.mask)
                brightness |= found.brightness
        return values, brightness

    def read(self, name: str) -> bytes:
        """Bytes of a file by its name; raises `BadData` naming it."""
        try:
            return self.root.joinpath(name).read_bytes()
        except FileNotFoundError:
            kind = "folder" if isinstance(self.root, Path) else "archive"
            raise BadData(f"{name}: not in the {kind}") from None
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError) as error:
            raise BadData(f"{name}: truncated or unreadable ({error})") from error

    def raw(self, origin: str, config: MaskConfig) -> RawDataset:
        """The data set that a builder hands over; files are read when it is iterated over.

        Raises:
            BadRecipe: `config` says nothing sensible. (Masks that do not fit it raise `BadData` when they are read.)
        """
        check_masks(config)
        return RawDataset(
            splits={split: partial(self._samples, split, config) for split in self.counts},
            counts=self.counts,
            origin=origin,
            provides=self.provides,
            classes=self.classes,
        )

    def problems(self) -> list[str]:
        """What is wrong with its files, at most `checks.MOST_PROBLEMS`, after reading every one."""
        found: list[str] = []
        stands_for = Meaning(np.arange(256, dtype=np.uint8)) if self.masked else None
        samples = map(partial(self._sample, stands_for), self.items)
        for _ in sound(samples, self.raw("", MaskConfig()), self.provides, found):
            pass
        return found

    def _items(self, split: str) -> list[Item]:
        return [item for item in self.items if item.split == split]

    def _samples(self, split: str, config: MaskConfig) -> Iterable[Sample]:
        # what a value means can only be told by looking at all the masks
        values, brightness = self._scan
        stands_for = meaning(values, config, self.where, brightness) if self.masked else None
        return map(partial(self._sample, stands_for), self._items(split))  # a map goes on after a file that fails

    def _sample(self, stands_for: Meaning | None, item: Item) -> Sample:
        image = decode_picture(self.read(item.image), item.image)
        mask = None
        if stands_for:
            if item.mask is None:
                raise BadData(f"{item.image}: has no mask")
            mask = stands_for.foreground[decode_values(self.read(item.mask), item.mask).values]
        return Sample(image=image, mask=mask, label=item.label, name=item.image)


def open_package(path: Path) -> Package:
    """The pictures of a folder or a portable archive, not read yet.

    Raises:
        BadData: there are none, the table is missing or malformed, or a zip holds unsafe names or absurd sizes.
    """
    if path.is_dir():
        return Package(path, *arrange(_names_below(path), str(path)))
    file = _zip(path)
    table = next((name for name in TABLES if name in file.namelist()), None)
    if table is None:
        raise BadData(
            f"{path} has neither labels.csv nor index.csv at its top. A portable archive is a zip with images/, "
            "optional masks/ and such a table, whose column `file` or `image` names each picture; for loose pictures "
            "use `--dataset folder:PATH`."
        )
    return Package(zipfile.Path(file), *read_table(file.read(table), f"{table} in {path}"))


def folder_dataset(path: str | Path) -> Dataset:
    """The record "folder:<basename>" of a folder of pictures, or of a portable archive where `path` is a zip.

    Raises:
        DataMissing: there is nothing at `path`.
        BadData: there are no pictures below it, or the zip is not a portable archive.
    """
    path = Path(path).expanduser().absolute()
    if path.is_file() and path.suffix.lower() == ".zip":
        return archive_dataset(f"folder:{path.stem}", path)
    if not path.is_dir():
        raise DataMissing(f"folder:{path}: there is no such folder, nor a .zip of this name.")
    return _dataset(f"folder:{path.name}", path, f"pictures in {path}", "as the pictures")


def archive_dataset(name: str, path: Path) -> Dataset:
    """The record of a portable archive; only the zip's table is read here.

    Raises:
        BadData: `path` is not such an archive.
    """
    return _dataset(name, path, f"archive {path.name}", "as the archive's pictures")


def _dataset(name: str, path: Path, what: str, licence: str) -> Dataset:
    package = open_package(path)
    counts = ", ".join(f"{count:,} {split}" for split, count in package.counts.items())
    return Dataset(
        name=name,
        summary=f"{what}: {counts}",
        build=partial(build_package, path),
        config=MaskConfig,
        licence=licence,
        provides=package.provides,
        offline=True,
    )


def build_package(path: Path, config: MaskConfig, resolution: int, home: DataHome) -> RawDataset:
    """Builder of a folder or an archive as it is.

    Its origin is "archive:<first 12 of the zip's SHA-256>", or "folder:<first 12 of the SHA-256 over names and
    contents>".
    """
    if path.is_dir():
        origin = f"folder:{home.content(path, _names_below(path))[:12]}"
    else:
        origin = f"archive:{home.checksum(path, 'sha256')[:12]}"
    return open_package(path).raw(origin, config)


def inspect_archive(name: str, path: Path) -> ArchiveInfo:
    """Read every file of an archive.

    Raises:
        BadData: it is not a portable archive, or some of its files are truncated, missing or do not fit together; all
            of them (up to 10) are named.
    """
    package = open_package(path)
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
    )


def takes_archive(record: Dataset) -> bool:
    """Whether `lgbench data add` may keep an archive under the name of this installed data set.

    Its builder says so with an attribute `accepts_archive = True`, and then looks into `home.archives()`.
    """
    return getattr(record.build, "accepts_archive", False)


def _names_below(path: Path) -> list[str]:
    """Names of all pictures below a folder, relative to it, sorted; hidden ones are left out."""
    found = []
    for folder, below, names in os.walk(path):
        below[:] = [name for name in below if not name.startswith((".", "__MACOSX"))]
        kept = [name for name in names if Path(name).suffix.lower() in ENDINGS and not name.startswith(".")]
        found += [(Path(folder) / name).relative_to(path).as_posix() for name in kept]
    return sorted(found)


def _zip(path: Path) -> zipfile.ZipFile:
    """A zip that holds nothing unsafe."""
    try:
        file = zipfile.ZipFile(path)
    except (OSError, zipfile.BadZipFile) as error:
        raise BadData(f"{path} is not a readable zip file ({error}).") from error
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
    return file
