"""Stanford Dogs (Khosla et al., FGVC 2011) from its official files."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Literal

from lgbench.errors import BadData
from lgbench.settings import later

from .crops import Box, TestCrop, scored
from .official import DOGS
from .photographs import Photograph, check_choice, marked, matlab, photographs, with_masks
from .unpack import unpacked

if TYPE_CHECKING:
    from lgbench.data import DataHome, RawDataset

__all__ = ["DOGS", "Config"]

SOURCES = DOGS.sources


@dataclass(frozen=True, slots=True)
class Config:
    """Settings of the dogs, split as officially: 12,000 train / 8,580 test.

    Attributes:
        crop: "center" is the largest centre square; "bbox" the square around the largest annotated dog that FineGAN and
            ComGAN train on, which is weak supervision; pictures that are scored keep their centre.
        masks: folder of masks, since there are no official ones; relative to the data set's own folder, which keeps the
            protocol the same on every machine. The mask of n02085620-Chihuahua/n02085620_7.jpg is
            n02085620-Chihuahua/n02085620_7.png, 0 in the background. Papers take a pre-trained Mask R-CNN's (`lgbench
            data pseudo-masks` makes such), so scores measure agreement with a supervised model. Test pictures without a
            mask are left out; training pictures are all kept, those without one unscored.
        test_crop: pictures that are scored are cut to the largest centre square, or to its "middle", 128 of 152 parts
            of its side, as ComGAN's test has it.
    """

    crop: Literal["center", "bbox"] = "center"
    masks: str = ""
    test_crop: TestCrop = later("square")


def build(config: Config, resolution: int, home: DataHome) -> RawDataset:
    """The official files, unpacked once.

    Raises:
        BadData: a file is truncated, or the lists, boxes and pictures do not fit together.
        BadRecipe: a setting that is not one of the above.
        DataMissing: the files, or the masks, are not here and cannot be fetched.
    """
    check_choice("dogs", "crop", config.crop, ("center", "bbox"))
    check_choice("dogs", "test crop", config.test_crop, ("square", "middle"))
    folder = home.fetch("dogs", SOURCES)
    images = unpacked(folder / "images.tar", folder / "Images", r"Images/([^/]+/[^/.]+\.jpg)")
    lists = unpacked(folder / "lists.tar", folder / "lists", r"(?:lists/)?([^/.]+\.mat)")
    boxes = None
    if config.crop == "bbox":
        boxes = unpacked(folder / "annotation.tar", folder / "Annotation", r"Annotation/([^/]+/[^/.]+)")
    splits = {split: _pictures(lists / f"{split}_list.mat", images, boxes) for split in ("train", "test")}
    classes = _classes([picture for chosen in splits.values() for picture in chosen], lists)
    origin = "official"
    masks = folder / Path(config.masks).expanduser()
    if config.masks:
        splits, which = with_masks(splits, masks, home)
        origin = f"{origin}, {which}"
    raw = photographs(splits, origin=origin, classes=classes, crop=config.crop)
    return scored(marked(raw, masks) if config.masks else raw, config.test_crop)


def _pictures(path: Path, images: Path, boxes: Path | None) -> list[Photograph]:
    names, labels = matlab(path, "file_list", "labels")
    if len(names) != len(labels):
        raise BadData(
            f"{path} has {len(names)} names but {len(labels)} labels; delete {path.parent} to unpack it again."
        )
    return [
        Photograph(
            name=str(name),
            image=images / str(name),
            label=int(label) - 1,
            box=_largest_box(boxes / PurePosixPath(str(name)).with_suffix("")) if boxes else None,
        )
        for name, label in zip(names, labels, strict=True)
    ]


def _largest_box(path: Path) -> Box:
    """The largest of the boxes: some pictures show several dogs."""
    try:
        found = [
            [float(box.findtext(corner, "")) for corner in ("xmin", "ymin", "xmax", "ymax")]
            for box in ET.parse(path).iterfind("object/bndbox")
        ]
        boxes = [Box(left, top, right - left, bottom - top) for left, top, right, bottom in found]
        return max(boxes, key=lambda box: box.width * box.height)
    except (OSError, ET.ParseError, ValueError) as error:
        again = f"delete {path.parents[1]} to have it unpacked again"
        raise BadData(f"{path} has no readable bounding box ({error}); {again}.") from error


def _classes(pictures: list[Photograph], lists: Path) -> list[str]:
    """Names of the breeds by label, from the pictures' folders: n02085620-Chihuahua is "Chihuahua"."""
    names: dict[int, str] = {}
    for picture in pictures:
        breed = picture.name.partition("/")[0].partition("-")[2]
        if names.setdefault(picture.label, breed) != breed:
            raise BadData(
                f"{lists}: label {picture.label + 1} is {names[picture.label]!r} and {breed!r}; fetch it again."
            )
    if set(names) != set(range(len(names))):
        raise BadData(f"{lists}: the labels are not 1 to {len(names)}; delete it to have it unpacked again.")
    return [names[label] for label in range(len(names))]
