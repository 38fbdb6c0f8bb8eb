"""Stanford Cars (Krause et al., 3DRR 2013) from its official files, put by hand: their site is gone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from lgbench import Source
from lgbench.errors import BadData
from lgbench.settings import later

from .by_hand import CARS
from .crops import Box, TestCrop, scored
from .photographs import Photograph, check_choice, marked, matlab, photographs, with_masks
from .unpack import unpacked

if TYPE_CHECKING:
    from lgbench.data import DataHome, RawDataset

__all__ = ["CARS", "Config"]

SOURCES = CARS.sources


# what each archive is unpacked into, and which files of it
CONTENTS = {
    "cars_train.tgz": ("cars_train", r"cars_train/(\d+\.jpg)"),
    "cars_test.tgz": ("cars_test", r"cars_test/(\d+\.jpg)"),
    "car_devkit.tgz": ("devkit", r"devkit/([^/.]+\.mat)"),
}


@dataclass(frozen=True, slots=True)
class Config:
    """Settings of the cars, split as officially: 8,144 train / 8,041 test.

    Attributes:
        crop: "center" is the largest centre square; "bbox" the square around the car's bounding box that FineGAN and
            ComGAN train on, which is weak supervision; pictures that are scored keep their centre.
        masks: folder of masks, since there are no official ones; relative to the data set's own folder, which keeps the
            protocol the same on every machine. The mask of cars_test/00001.jpg is cars_test/00001.png, 0 in the
            background. Papers take a pre-trained Mask R-CNN's (`lgbench data pseudo-masks` makes such), so scores
            measure agreement with a supervised model. Test pictures without a mask are left out; training pictures are
            all kept, those without one unscored.
        test_crop: pictures that are scored are cut to the largest centre square, or to its "middle", 128 of 152 parts
            of its side, as ComGAN's test has it.
    """

    crop: Literal["center", "bbox"] = "center"
    masks: str = ""
    test_crop: TestCrop = later("square")


def build(config: Config, resolution: int, home: DataHome) -> RawDataset:
    """The official archives, or the folders `cars_train`, `cars_test` and `devkit` that they unpack into.

    Raises:
        BadData: a file is truncated, or the annotations do not fit the pictures.
        BadRecipe: a setting that is not one of the above.
        DataMissing: the files, or the masks, are not here.
    """
    check_choice("cars", "crop", config.crop, ("center", "bbox"))
    check_choice("cars", "test crop", config.test_crop, ("square", "middle"))
    folder = home.folder("cars")
    _gather(folder, home)
    (classes,) = matlab(folder / "devkit" / "cars_meta.mat", "class_names")
    splits = {
        "train": _pictures(folder, "cars_train", folder / "devkit" / "cars_train_annos.mat", len(classes)),
        "test": _pictures(folder, "cars_test", _test_annotations(folder), len(classes)),
    }
    origin = _origin(folder, splits, home)
    masks = folder / Path(config.masks).expanduser()
    if config.masks:
        splits, which = with_masks(splits, masks, home)
        origin = f"{origin}, {which}"
    raw = photographs(splits, origin=origin, classes=[str(name) for name in classes], crop=config.crop)
    return scored(marked(raw, masks) if config.masks else raw, config.test_crop)


def _gather(folder: Path, home: DataHome) -> None:
    """Verify the official files that are here, and unpack what is packed."""
    if lacking := _lacking(folder):
        named = [f"{source.file} ({source.size:,} bytes, {source.checksum})" for source in lacking]
        raise home.missing("cars", CARS.by_hand, named)
    here = [source for source in SOURCES if (folder / source.file).is_file()]
    home.fetch("cars", here)  # nothing to fetch: this verifies the checksums
    for file, (target, pattern) in CONTENTS.items():
        unpacked(folder / file, folder / target, pattern)


def _origin(folder: Path, splits: Mapping[str, Sequence[Photograph]], home: DataHome) -> str:
    """Whether the official files are all here; what was read in place of those that are not, by its content."""
    read = {
        "cars_train.tgz": [picture.name for picture in splits["train"]],
        "cars_test.tgz": [picture.name for picture in splits["test"]],
        "car_devkit.tgz": ["devkit/cars_meta.mat", "devkit/cars_train_annos.mat"],
        "cars_test_annos_withlabels.mat": [_test_annotations(folder).relative_to(folder).as_posix()],
    }
    unchecked = [name for file, names in read.items() if not (folder / file).is_file() for name in names]
    return f"official, unpacked by hand {home.content(folder, unchecked)[:12]}" if unchecked else "official"


def locate(home: DataHome) -> Path | None:
    """The folder that has the official files or what they unpack into; None where one is not there."""
    folder = home.folder("cars")
    return None if _lacking(folder) else folder


def _lacking(folder: Path) -> list[Source]:
    return [s for s in SOURCES if not ((folder / s.file).is_file() or _unpacked_by_hand(folder, s.file))]


def _unpacked_by_hand(folder: Path, file: str) -> bool:
    if file in CONTENTS:
        return (folder / CONTENTS[file][0]).is_dir()
    return _test_annotations(folder).is_file()


def _test_annotations(folder: Path) -> Path:
    """The labels of the test pictures: beside the devkit as officially, or in it as in many copies."""
    name = "cars_test_annos_withlabels.mat"
    return folder / name if (folder / name).is_file() else folder / "devkit" / name


def _pictures(folder: Path, split: str, annotations: Path, classes: int) -> list[Photograph]:
    (rows,) = matlab(annotations, "annotations")
    try:
        pictures = [
            Photograph(
                name=f"{split}/{row['fname']}",
                image=folder / split / str(row["fname"]),
                label=int(row["class"]) - 1,
                box=_box(*(float(row[f"bbox_{side}"]) for side in ("x1", "y1", "x2", "y2"))),
            )
            for row in rows
        ]
    except (ValueError, IndexError, TypeError) as error:
        raise BadData(
            f"{annotations} lacks a box, a class or a name ({error}); put the official file there."
        ) from error
    if wrong := [picture.name for picture in pictures if not 0 <= picture.label < classes]:
        raise BadData(f"{annotations}: the class of {wrong[0]} is none of the {classes} in devkit/cars_meta.mat.")
    return pictures


def _box(left: float, top: float, right: float, bottom: float) -> Box:
    return Box(left - 1, top - 1, right - left + 1, bottom - top + 1)  # MATLAB counts from 1, both corners are inside
