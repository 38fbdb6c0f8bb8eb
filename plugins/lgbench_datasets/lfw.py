"""Labeled Faces in the Wild (Huang et al., 2007) from its official files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Literal

from lgbench import Dataset, Source
from lgbench.errors import BadData, BadRecipe

from .photographs import Photograph, check_choice, photographs, with_masks
from .unpack import unpacked

if TYPE_CHECKING:
    import numpy as np

    from lgbench.data import DataHome, RawDataset

__all__ = ["LFW", "Config"]

SITE = "http://vis-www.cs.umass.edu/lfw"  # often out of reach; the mirror, scikit-learn's, has only the pictures
MIRROR = "https://ndownloader.figshare.com/files"

# SHA-256 as scikit-learn lists them, sizes as the mirror's users report them. For the lists of people only the MD5 that
# torchvision states could be confirmed.
ARCHIVES = {
    "funneled": Source(
        "lfw-funneled.tgz",
        (f"{MIRROR}/5976015", f"{SITE}/lfw-funneled.tgz"),
        "sha256:b47c8422c8cded889dc5a13418c4bc2abbda121092b3533a83306f90d900100a",
        243_346_528,
    ),
    "original": Source(
        "lfw.tgz",
        (f"{MIRROR}/5976018", f"{SITE}/lfw.tgz"),
        "sha256:055f7d9c632d7370e6fb4afc7468d40f970c34a80d4c6f50ffec63f5a8d536c0",
        180_566_744,
    ),
}
PEOPLE = {
    "train": Source("peopleDevTrain.txt", (f"{SITE}/peopleDevTrain.txt",), "md5:54eaac34beb6d042ed3a7d883e247a21"),
    "test": Source("peopleDevTest.txt", (f"{SITE}/peopleDevTest.txt",), "md5:e4bf5be0a43b5dcd9dc5ccfcb8fb19c5"),
}
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
            one are left out; training pictures are all kept, and have none. They fit funneled pictures.
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


LFW = Dataset(
    name="lfw",
    summary="Labeled Faces in the Wild: 13,233 photographs of 5,749 people",
    build=build,
    config=Config,
    licence="no explicit licence; the photographs belong to their authors; distributed for research",
    citation="Huang et al., Labeled Faces in the Wild, technical report 07-49, University of Massachusetts, 2007",
    provides=frozenset({"masks", "labels"}),
    splits="9,525 train / 3,708 test (split = view-1), or 11,910 / 1,323",
    resolution=64,
    sources=(ARCHIVES["funneled"], *PEOPLE.values()),
    by_hand="Masks are optional: put the part labels that Kae et al. (CVPR 2013) publish into "
    "files/lfw/parts_lfw_funneled_gt_images below the data home, and set data.masks = 'parts_lfw_funneled_gt_images'.",
)
