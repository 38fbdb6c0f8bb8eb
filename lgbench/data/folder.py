"""`folder:PATH`: pictures on the disk as they are, or a portable archive by its path.

Below PATH the folders `train`, `val` and `test`, and `images` beside `masks` (a mask has its picture's name, whatever
its ending), mean what they say, in either order; one more level of folders are classes. Everything is optional.
"""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Mapping
from functools import partial
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from lgbench.errors import BadData, DataMissing
from lgbench.files import sha256_of_file, sha256_of_json
from lgbench.records import Dataset

from .archive import archive_dataset
from .package import SPLITS, Item, MaskConfig, Package, hashed_splits
from .samples import RawDataset

if TYPE_CHECKING:
    from .home import DataHome

__all__ = ["build_folder", "folder_dataset", "open_folder"]

ENDINGS = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp"})


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
    package = open_folder(path)
    counts = ", ".join(f"{count:,} {split}" for split, count in package.counts.items())
    return Dataset(
        name=f"folder:{path.name}",
        summary=f"pictures in {path}: {counts}",
        build=partial(build_folder, path),
        config=MaskConfig,
        licence="as the pictures",
        provides=package.provides,
        offline=True,
    )


def build_folder(path: Path, config: MaskConfig, resolution: int, home: DataHome) -> RawDataset:
    """Builder of `folder_dataset`: origin "folder:<first 12 of the SHA-256 over names and contents>"."""
    return open_folder(path).raw(f"folder:{_content(path, home)[:12]}", config)


def open_folder(path: Path) -> Package:
    """The pictures below `path` in the order of their names, not read yet.

    Raises:
        BadData: there are none, or two that differ only in their ending.
    """
    files = [PurePosixPath(name) for name in _files(path)]
    masks, images = _places(files)
    if not images:
        raise BadData(f"There are no pictures ({', '.join(sorted(ENDINGS))}) in {path}.")
    twice = [place for place, times in Counter(images.values()).items() if times > 1]
    if masks and twice:
        raise BadData(
            f"{path} has several pictures named {twice[0][1]!r} (besides the ending): which one has the mask?"
        )
    splits = {str(file): split for file, (split, _) in images.items()}
    if None in splits.values():
        splits = hashed_splits(splits)
    labels, classes = _classes(images)
    mask_of = {place: str(file) for file, place in masks.items()}
    items = [
        Item(image=str(file), split=str(splits[str(file)]), mask=mask_of.get(place), label=labels.get(file))
        for file, place in images.items()
    ]
    return Package(str(path), items, partial(_read, path), masked=bool(masks), classes=classes)


def _files(path: Path) -> list[str]:
    """Names of all pictures below `path`, relative to it, sorted; hidden ones are left out."""
    found = []
    for folder, below, names in os.walk(path):
        below[:] = [name for name in below if not name.startswith((".", "__MACOSX"))]
        kept = [name for name in names if Path(name).suffix.lower() in ENDINGS and not name.startswith(".")]
        found += [(Path(folder) / name).relative_to(path).as_posix() for name in kept]
    return sorted(found)


Place = tuple[str | None, str]  # split, and the path below the folders that have a meaning, without its ending

ROLES = {word: ("role", word) for word in ("images", "masks")}
DIVISIONS = {word: ("split", split) for word, split in SPLITS.items()}


def _places(files: list[PurePosixPath]) -> tuple[dict[PurePosixPath, Place], dict[PurePosixPath, Place]]:
    """Masks and images with their places."""
    # a class may be called "masks" or "train": the words have a meaning only where all the pictures follow it
    words = ROLES | DIVISIONS
    roles = {file: _meanings(file, words).get("role") for file in files}
    if "images" in roles.values():
        files = [file for file in files if roles[file]]
    else:
        words = DIVISIONS
    if not all("split" in _meanings(file, words) for file in files):
        words = {word: meaning for word, meaning in words.items() if word in ROLES}
    masks, images = {}, {}
    for file in files:
        meanings = _meanings(file, words)
        stem = str(PurePosixPath(*file.parts[len(meanings) :]).with_suffix(""))
        side = masks if meanings.get("role") == "masks" else images
        side[file] = (meanings.get("split"), stem)
    return masks, images


def _meanings(file: PurePosixPath, words: Mapping[str, tuple[str, str]]) -> dict[str, str]:
    """What the first folders of a name say of its role and its split, each at most once."""
    found: dict[str, str] = {}
    for part in file.parts[:-1]:
        kind, value = words.get(part.lower(), ("", ""))
        if not kind or kind in found:
            break
        found[kind] = value
    return found


def _classes(images: dict[PurePosixPath, Place]) -> tuple[dict[PurePosixPath, int], tuple[str, ...]]:
    """Labels where every picture lies in a class's folder and there are two classes or more."""
    tops = {file: PurePosixPath(stem).parts[:-1][:1] for file, (_, stem) in images.items()}
    if not all(tops.values()) or len(set(tops.values())) < 2:
        return {}, ()
    classes = sorted({top[0] for top in tops.values()})
    return {file: classes.index(top[0]) for file, top in tops.items()}, tuple(classes)


def _read(path: Path, name: str) -> bytes:
    try:
        return (path / name).read_bytes()
    except OSError as error:
        raise BadData(f"{name}: {error.strerror}") from error


def _content(path: Path, home: DataHome) -> str:
    """SHA-256 over names and contents, remembered for as long as no name, size or time of change differs."""
    names = _files(path)
    states = [(path / name).stat() for name in names]
    stamp = sha256_of_json(
        [[name, state.st_size, state.st_mtime_ns] for name, state in zip(names, states, strict=True)]
    )

    def compute() -> str:
        digest = hashlib.sha256()
        for name in names:
            digest.update(f"{name}\0{sha256_of_file(path / name)}\0".encode())
        return digest.hexdigest()

    return home.remembered(f"folder {path}", stamp, compute)
