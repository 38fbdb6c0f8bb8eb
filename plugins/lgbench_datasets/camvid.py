"""CamVid (Brostow et al., 2009) as SegNet reduced it to eleven classes: its folders, or an added archive."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from lgbench.errors import BadData
from lgbench.settings import later

from .label_maps import Fit, Labelled, crop_of, labelled_splits, mapped
from .mapped import CAMVID

if TYPE_CHECKING:
    import numpy as np

    from lgbench.data import DataHome, RawDataset

__all__ = ["CAMVID", "CLASSES", "Config", "build"]

CLASSES = (
    *("sky", "building", "pole", "road", "pavement", "tree", "sign symbol", "fence", "car", "pedestrian"),
    "bicyclist",
)
UNLABELLED = len(CLASSES)
SPLITS = ("train", "val", "test")


@dataclass(frozen=True, slots=True)
class Config:
    """Settings of the streets: 367 train / 101 val / 233 test; neighbouring frames of a drive are alike.

    Attributes:
        fit: how pictures become square: "crop" cuts the middle out, "pad" adds to the shorter side, "squeeze" loses the
            aspect ratio.
    """

    fit: Fit = later("crop")


def build(config: Config, resolution: int, home: DataHome) -> RawDataset:
    """SegNet's folders where they are here, else an archive added under the name "camvid".

    Raises:
        BadData: a picture has no map, or a map another value than 0 to 11.
        BadRecipe: a setting that is not one of the above.
        DataMissing: neither is here.
    """
    from lgbench.data import open_package, origin_of

    crop, folder, archive = crop_of("camvid", config.fit), locate(home), home.archives().get("camvid")
    if folder:
        splits = {split: _pairs(folder, split) for split in SPLITS}
        files = [name for pairs in splits.values() for pair in pairs for name in (pair.image, pair.labels)]
        raw = mapped(folder, splits, CLASSES, classes, f"folder:{home.content(folder, files)[:12]}")
    elif archive:
        package = open_package(archive)
        raw = mapped(package.root, labelled_splits(package), CLASSES, classes, origin_of(archive, home))
        raw = replace(raw, drawn=package.drawn)
    else:
        raise home.missing("camvid", CAMVID.by_hand)
    return replace(raw, crop=crop)


build.accepts_archive = True  # pyright: ignore[reportFunctionMemberAccess]  `lgbench data add camvid FILE.zip`


def classes(values: np.ndarray) -> tuple[np.ndarray, None]:
    """The class map of a file's values, (H, W) uint8; what is unlabelled is ignored. There is no foreground."""
    import numpy as np

    from lgbench.data.samples import IGNORED

    return np.where(values == UNLABELLED, IGNORED, values).astype(np.uint8), None


def locate(home: DataHome) -> Path | None:
    """The folder that has SegNet's folders; None where one is not there."""
    folder = home.folder("camvid")
    here = [(folder / below).is_dir() for split in SPLITS for below in (split, f"{split}annot")]
    return folder if all(here) else None


def _pairs(folder: Path, split: str) -> list[Labelled]:
    names = sorted(path.name for path in (folder / split).glob("*.png"))
    pairs = [Labelled(f"{split}/{name}", f"{split}annot/{name}") for name in names]
    if absent := [pair.labels for pair in pairs if not (folder / pair.labels).is_file()] or (not pairs and [split]):
        raise BadData(f"{folder} has no {absent[0]}; put all of SegNet's CamVid there.")
    return pairs
