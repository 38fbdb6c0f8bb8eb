"""`faces68`: photographs with the 68 landmarks of 300-W that people set (Helen, AFW), from an added archive."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from lgbench.errors import BadData, BadRecipe

from .mapped import FACES68
from .portraits import Portrait, landmarks_of, portraits

if TYPE_CHECKING:
    from lgbench.data import DataHome, RawDataset
    from lgbench.data.package import Package

__all__ = ["FACES68", "Config", "build"]

TEST = "helen_test"
SEVERAL = "afw"
"""The part whose photographs show several faces: NAME_1.jpg, NAME_2.jpg and so on."""


@dataclass(frozen=True, slots=True)
class Config:
    """Settings of the faces.

    Attributes:
        padded: faces of whose crop more than this share lies outside of the photograph, and repeats its edge, are left
            out and counted; 0 to 1.
    """

    padded: float = 0.1


COLUMNS = ("padded_fraction", "part")
"""Of landmarks.csv, read where they are there."""


def build(config: Config, resolution: int, home: DataHome) -> RawDataset:
    """The archive added under this name. Helen's test part is for testing, as in 300-W's literature.

    Raises:
        BadData: it has no table of 68 landmarks, or that lacks a picture.
        BadRecipe: a share beyond 0 to 1.
        DataMissing: it was not added.
    """
    from lgbench.data import open_package, origin_of

    if not 0 <= config.padded <= 1:
        raise BadRecipe(f"data.padded of faces68 is a share from 0 to 1, not {config.padded}.")
    archive = home.archives().get("faces68")
    if archive is None:
        raise home.missing("faces68", FACES68.by_hand)
    package = open_package(archive, COLUMNS)
    splits, left_out = _splits(package, config.padded)
    raw = portraits(package.root, splits, resolution, origin_of(archive, home))
    note = f"{left_out:,} faces of faces68 are left out: more than {config.padded:.0%} of their crop is padding."
    return replace(raw, notes=(note,) if left_out else ())


build.archive_columns = COLUMNS  # pyright: ignore[reportFunctionMemberAccess]
build.accepts_archive = True  # pyright: ignore[reportFunctionMemberAccess]  `lgbench data add faces68 FILE.zip`


def _splits(package: Package, padded: float) -> tuple[dict[str, list[Portrait]], int]:
    """The faces of each split, and how many are left out; where a table tells parts, `TEST` is the test split."""
    from lgbench.data.division import draw_val

    found = landmarks_of(package)
    try:
        kept = [i for i in package.items if float(found[i.image].cells.get("padded_fraction") or 0) <= padded]
    except ValueError as error:
        raise BadData(f"padded_fraction in landmarks.csv of {package.where} is no number ({error}).") from error
    parts = {item.image: found[item.image].cells.get("part", "") for item in kept}
    division = {item.image: item.split for item in kept}
    if TEST in parts.values():
        whole = {name: _photograph(name, part) for name, part in parts.items()}
        val = draw_val([whole[name] for name, part in parts.items() if part != TEST])
        division = {n: "test" if part == TEST else "val" if whole[n] in val else "train" for n, part in parts.items()}
    splits: dict[str, list[Portrait]] = {split: [] for split in ("train", "val", "test") if split in division.values()}
    for name, split in division.items():
        splits[split].append(Portrait(name, found[name].points))
    return splits, len(package.items) - len(kept)


def _photograph(name: str, part: str) -> str:
    """The photograph that a face is cut from: faces of one are not divided between training and val."""
    from lgbench.data.names import without_ending

    bare = without_ending(name)
    return re.sub(r"_\d+$", "", bare) if part == SEVERAL else bare
