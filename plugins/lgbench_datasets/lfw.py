"""Labeled Faces in the Wild (Huang et al., 2007) from its official files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Literal

from lgbench.errors import BadData, BadRecipe

from .official import LFW
from .official import LFW_ARCHIVES as ARCHIVES
from .official import LFW_PEOPLE as PEOPLE
from .photographs import Photograph, check_choice, photographs, with_masks
from .unpack import unpacked

if TYPE_CHECKING:
    import numpy as np

    from lgbench.data import DataHome, RawDataset

__all__ = ["LFW", "Config"]

FOLDERS = {"funneled": "lfw_funneled", "original": "lfw"}


@dataclass(frozen=True, slots=True)
class Config:
    """Settings of the faces.

    Attributes:
        images: "funneled" are aligned; "original" as they were found.
        split: "view-1" are the official lists, whose training people (4,038) and test people (1,711) are different.
            "every-tenth" needs no lists, which are hard to come by: of all pictures, sorted, each tenth is for testing.
        masks: folder of the part labels (`parts_lfw_funneled_gt_images`, Kae et al., CVPR 2013: hair red, skin green,
            the rest blue), relative to the data set's own folder; what is not blue is foreground. Test pictures without
            one are left out; training pictures are all kept, those without one unscored. They fit funneled pictures.
    """

    images: Literal["funneled", "original"] = "funneled"
    split: Literal["view-1", "every-tenth"] = "view-1"
    masks: str = ""


def build(config: Config, resolution: int, home: DataHome) -> RawDataset:
    """The official files, unpacked once; labels are people, of whom all are classes in the order of their names.

    Raises:
        BadData: a file is truncated, or the lists and pictures do not fit together.
        BadRecipe: a setting that is not one of the above, or masks for other pictures.
        DataMissing: the files, or the masks, are not here and cannot be fetched.
    """
    check_choice("lfw", "images setting", config.images, ("funneled", "original"))
    check_choice("lfw", "split", config.split, ("view-1", "every-tenth"))
    if config.masks and config.images != "funneled":
        raise BadRecipe("The part labels of lfw fit its funneled pictures: set data.images = 'funneled', or no masks.")
    lists = tuple(PEOPLE.values()) if config.split == "view-1" else ()
    folder = home.fetch("lfw", (ARCHIVES[config.images], *lists))
    below = FOLDERS[config.images]
    faces = unpacked(folder / ARCHIVES[config.images].file, folder / below, rf"{below}/([^/]+/[^/.]+\.jpg)")
    pictures = {picture.name: picture for picture in _pictures(faces)}
    splits = _view_1(folder, pictures) if lists else _every_tenth(list(pictures.values()))
    origin = "official" if lists else "official, every tenth tested"
    if config.masks:
        splits, which = with_masks(splits, folder / Path(config.masks).expanduser(), home, _part_labels)
        origin = f"{origin}, {which}"
    people = sorted({PurePosixPath(name).parts[0] for name in pictures})
    return photographs(splits, origin=origin, classes=people, read_mask=_not_blue)


def _pictures(faces: Path) -> list[Photograph]:
    files = sorted(faces.glob("*/*.jpg"))
    labels = {person: label for label, person in enumerate(sorted({file.parent.name for file in files}))}
    return [Photograph(f"{file.parent.name}/{file.name}", file, labels[file.parent.name]) for file in files]


def _every_tenth(pictures: list[Photograph]) -> dict[str, list[Photograph]]:
    return {
        "train": [picture for number, picture in enumerate(pictures, 1) if number % 10],
        "test": pictures[9::10],
    }


def _view_1(folder: Path, pictures: dict[str, Photograph]) -> dict[str, list[Photograph]]:
    """Pictures by the lists of people, each of which gives names and numbers of pictures."""
    splits = {}
    for split, source in PEOPLE.items():
        path = folder / source.file
        names = [f"{person}/{person}_{i:04d}.jpg" for person, count in _listed(path) for i in range(1, count + 1)]
        if absent := [name for name in names if name not in pictures]:
            raise BadData(
                f"{path} names {len(absent):,} pictures that are not there, {absent[0]} among them; delete it, and "
                f"{' and '.join(FOLDERS.values())} beside it, to have them fetched and unpacked again."
            )
        splits[split] = [pictures[name] for name in names]
    return splits


def _listed(path: Path) -> list[tuple[str, int]]:
    """(person, number of pictures) of a list, whose first line is their count."""
    try:
        first, *lines = path.read_text().split("\n")
        people = [(person, int(count)) for person, count in (line.split("\t") for line in lines if line.strip())]
        if int(first) != len(people):
            raise ValueError(f"{len(people)} people, not {first}")
    except (OSError, ValueError) as error:
        raise BadData(f"{path} is truncated or malformed ({error}); delete it to have it fetched again.") from error
    return people


def _part_labels(name: str) -> str:
    return f"{PurePosixPath(name).stem}.ppm"


def _not_blue(data: bytes, name: str) -> np.ndarray:
    """Hair and skin, (H, W) bool, as in ReDO (Chen et al., NeurIPS 2019), which scores what is not blue."""
    from lgbench.data import decode_image

    shown = decode_image(data, name)
    if shown.ndim != 3:
        raise BadData(f"{name}: grey, so there is no blue to tell the background by")
    return shown[..., 2] < 128
