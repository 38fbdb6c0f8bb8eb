"""Caltech-UCSD Birds-200-2011 (Wah et al., 2011) from its official files."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Literal

from lgbench.errors import BadData
from lgbench.files import sha256_of_json
from lgbench.settings import later

from .crops import Box, TestCrop, scored
from .official import CUB
from .official import CUB_REDO_FILE as REDO_FILE
from .official import CUB_REDO_PAGE as REDO_PAGE
from .photographs import Photograph, check_choice, photographs
from .unpack import unpacked

if TYPE_CHECKING:
    import numpy as np

    from lgbench.data import DataHome, RawDataset

__all__ = ["CUB", "Config", "by_hash"]

SOURCES = CUB.sources

logger = logging.getLogger(__name__)

REDO_VALUES = {0: "train", 1: "val", 2: "test"}
IMAGES, REDO_COUNTS = 11_788, {"train": 10_000, "val": 788, "test": 1_000}


@dataclass(frozen=True, slots=True)
class Config:
    """Settings of the birds.

    Attributes:
        split: "redo" has 10,000 / 788 / 1,000 pictures, as layered GANs have since ReDO (Chen et al., NeurIPS 2019). It
            is ReDO's own where its published `train_val_test_split.txt` lies beside the official files; else the same
            numbers are drawn by hash, and the origin says so. "official" has 5,994 / 5,794 and no "val".
        crop: "center" is the largest centre square; "bbox" the square around the bird's bounding box that FineGAN and
            ComGAN train on, which is weak supervision; pictures that are scored keep their centre.
        test_crop: pictures that are scored are cut to the largest centre square, or to its "middle", 128 of 152 parts
            of its side, as ComGAN's test has it.
    """

    split: Literal["redo", "official"] = "redo"
    crop: Literal["center", "bbox"] = "center"
    test_crop: TestCrop = later("square")


def build(config: Config, resolution: int, home: DataHome) -> RawDataset:
    """The official files, unpacked once.

    Masks are the mean of five annotators, 0 to 255. They stay opacities until they are resized; above 127 is bird, as
    in ReDO's loader.

    Raises:
        BadData: a file is truncated, or the tables do not fit together.
        BadRecipe: a setting that is not one of the above.
        DataMissing: the files are not here and cannot be fetched.
    """
    from lgbench.data import decode_mask

    check_choice("cub", "split", config.split, ("redo", "official"))
    check_choice("cub", "crop", config.crop, ("center", "bbox"))
    check_choice("cub", "test crop", config.test_crop, ("square", "middle"))
    folder = home.fetch("cub", SOURCES)
    birds = unpacked(
        folder / "CUB_200_2011.tgz", folder / "CUB_200_2011", r"CUB_200_2011/(images/.+/[^.].*\.jpg|[^/.]+\.txt)"
    )
    masks = None
    if (folder / "segmentations.tgz").exists():
        masks = unpacked(folder / "segmentations.tgz", folder / "segmentations", r"segmentations/(.+/[^.].*\.png)")
    pictures = _pictures(birds, masks)
    division, origin = _division(config.split, birds, folder / REDO_FILE, [picture.name for picture in pictures])
    splits = {
        split: [picture for picture, its in zip(pictures, division, strict=True) if its == split]
        for split in ("train", "val", "test")
        if split in division
    }
    classes = [name for (name,) in _table(birds / "classes.txt", 1)]
    raw = photographs(splits, origin=origin, classes=classes, crop=config.crop, read_mask=decode_mask)
    return scored(raw, config.test_crop)


def _pictures(birds: Path, masks: Path | None) -> list[Photograph]:
    """All pictures in the order of their numbers."""
    names = [name for (name,) in _table(birds / "images.txt", 1)]
    labels = _numbers(birds / "image_class_labels.txt", 1, len(names))
    boxes = _numbers(birds / "bounding_boxes.txt", 4, len(names))
    return [
        Photograph(
            name=name,
            image=birds / "images" / name,
            label=int(label[0]) - 1,
            mask=masks / PurePosixPath(name).with_suffix(".png") if masks else None,
            box=Box(*box.tolist()),
        )
        for name, label, box in zip(names, labels, boxes, strict=True)
    ]


def _division(split: str, birds: Path, redo: Path, names: Sequence[str]) -> tuple[list[str], str]:
    """The split of every picture, and the origin that tells which it is."""
    if split == "official":
        flags = _numbers(birds / "train_test_split.txt", 1, len(names))[:, 0]
        return ["train" if flag == 1 else "test" for flag in flags], "official"
    if redo.is_file():
        values = _numbers(redo, 1, len(names))[:, 0].astype(int).tolist()
        division = [REDO_VALUES.get(value, "") for value in values]
        counts = {name: division.count(name) for name in REDO_COUNTS}
        if "" in division or 0 in counts.values() or (len(names) == IMAGES and counts != REDO_COUNTS):
            raise BadData(f"{redo} is not ReDO's split: it has {counts}. Take it from {REDO_PAGE}, or delete it.")
        return division, f"official, ReDO's split file {sha256_of_json(values)[:12]}"
    logger.warning(
        "ReDO's split of cub is drawn by hash: to have its own, put the file of\n  %s\ninto %s.", REDO_PAGE, redo
    )
    return by_hash(names), "official, split in ReDO's numbers by hash"


def by_hash(names: Sequence[str]) -> list[str]:
    """ReDO's proportions without its list: in the order of SHA-256 of the names come test, then val, then train.

    Returns:
        "train", "val" or "test" for each name; 10,000 / 788 / 1,000 of all 11,788.
    """
    tested, validated = (round(len(names) * REDO_COUNTS[split] / IMAGES) for split in ("test", "val"))
    order = sorted(names, key=lambda name: hashlib.sha256(name.encode()).hexdigest())
    ranks = {name: rank for rank, name in enumerate(order)}
    return [
        "test" if ranks[name] < tested else "val" if ranks[name] < tested + validated else "train" for name in names
    ]


def _numbers(path: Path, columns: int, rows: int) -> np.ndarray:
    """A table of numbers, (rows, columns) float64."""
    import numpy as np

    table = _table(path, columns)
    if len(table) != rows:
        raise BadData(f"{path} has {len(table):,} rows, images.txt {rows:,}; {_again(path)}")
    try:
        return np.array(table, dtype=float).reshape(rows, columns)
    except ValueError as error:
        raise BadData(f"{path} is malformed ({error}); {_again(path)}") from error


def _table(path: Path, columns: int) -> list[list[str]]:
    """Rows of a table whose first column counts from 1; that column is left out."""
    try:
        rows = [line.split() for line in path.read_text().splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise BadData(f"{path} cannot be read ({error}); {_again(path)}") from error
    for number, row in enumerate(rows, 1):
        if len(row) != 1 + columns or row[0] != str(number):
            raise BadData(
                f"Line {number} of {path} is {' '.join(row)!r}, not {number} and {columns} more; {_again(path)}"
            )
    return [row[1:] for row in rows]


def _again(path: Path) -> str:
    if path.name == REDO_FILE:
        return f"take it from {REDO_PAGE}."
    return f"delete {path.parent} to have it unpacked again."
