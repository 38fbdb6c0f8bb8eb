"""What the names of a package's files mean: splits, masks beside pictures, classes.

The folders `train`, `val` and `test`, and `images` beside `masks` (a mask has its picture's name, whatever its ending),
mean what they say, in either order; one more level of folders are classes. Everything is optional.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from lgbench.errors import BadData

__all__ = ["ENDINGS", "SPLITS", "Item", "arrange", "hashed_splits"]

ENDINGS = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp"})

SPLITS: Mapping[str, str] = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
}
"""What people call their splits, and what they are called here."""

ROLES = {word: ("role", word) for word in ("images", "masks")}
DIVISIONS = {word: ("split", split) for word, split in SPLITS.items()}

Place = tuple[str | None, str]
"""Split, and the path below the folders that have a meaning, without its ending."""


@dataclass(frozen=True, slots=True)
class Item:
    """One picture of a package: names of files, and what is said about it."""

    image: str
    split: str
    mask: str | None = None
    label: int | None = None


def arrange(names: Sequence[str], where: str) -> tuple[list[Item], bool, tuple[str, ...]]:
    """The pictures among `names`, in their order, with what their names tell.

    Args:
        names: of all pictures and masks, with "/".
        where: the package, for the error.

    Returns:
        The items, whether there are masks, and names of the classes in the order of the labels.

    Raises:
        BadData: there are none, or two that differ only in their ending.
    """
    masks, images = _places([PurePosixPath(name) for name in names])
    if not images:
        raise BadData(f"There are no pictures ({', '.join(sorted(ENDINGS))}) in {where}.")
    twice = [place for place, times in Counter(images.values()).items() if times > 1]
    if masks and twice:
        raise BadData(
            f"{where} has several pictures named {twice[0][1]!r} (besides the ending): which one has the mask?"
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
    return items, bool(masks), classes


def hashed_splits(names: Iterable[str], test: float = 0.2) -> dict[str, str]:
    """A split for pictures that come without one: the same names always give the same split.

    Returns:
        name -> "train" or "test"; the last `test` of the names in the order of their SHA-256 are "test".
    """
    order = sorted(names, key=lambda name: hashlib.sha256(name.encode()).hexdigest())
    tested = round(len(order) * test) or int(len(order) > 1)
    return {name: "train" if i < len(order) - tested else "test" for i, name in enumerate(order)}


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
