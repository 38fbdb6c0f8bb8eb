"""What the names of a package's files mean: splits, masks beside pictures, classes.

Folders of splits (`train`, `val`, `test` and what else they are called), and of pictures beside masks (`images` and
`masks`, `imgs` and `gt`, VOC's `JPEGImages` and `SegmentationClass`, `train_images` and `train_masks`), mean what they
say wherever they are in the path; one more level of folders are classes. A mask has its picture's name, whatever its
ending and case, perhaps with a mark that all masks have (`0_mask.png`). Everything is optional.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, NamedTuple

from .names import MASK_MARKS, composed, counted, few, in_order, marked, nearest, pair, without_ending

if TYPE_CHECKING:
    import numpy as np

__all__ = ["SPLITS", "Item", "Layout", "arrange", "like_a_split", "meaning"]

SPLITS: Mapping[str, str] = {
    "train": "train",
    "training": "train",
    "trainval": "train",
    "train_val": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "dev": "val",
    "test": "test",
    "testing": "test",
}
"""What people call their splits, and what they are called here."""

IMAGES = frozenset({"images", "imgs", "jpegimages"})
"""Folders of pictures, whatever lies beside them."""

PHOTOS = frozenset(
    {"leftimg8bit", "originals", "original", "image", "img", "im", "photo", "photos", "picture", "pictures", "pics"}
    | {"rgb", "jpg", "jpgs", "input", "inputs"}
)
"""Folders of pictures where there are masks beside them."""

MASKS = (
    *("masks", "mask", "segmentationclass", "segmentationclassaug", "segmentations", "segmentation", "groundtruth"),
    *("ground_truth", "gt", "gts", "trimaps", "trimap", "mattes", "matte", "alphas", "alpha"),
    *("silhouettes", "segs", "seg", "lbls", "lbl", "labels", "label", "annotations", "annotation", "annot", "ann"),
    *("targets", "target"),
)
"""Folders of masks, the likelier ones first."""

FILLERS = frozenset(
    {"set", "data", "dataset", "split", "dir", "png", "pngs", "tif", "bmp", "binary", "fine", "coarse", "resized"}
    | {"object", "objects", "foreground", "semantic", "class", "pixel", "map", "maps"}
)  # as in `training_set`, `masks_png`, `gtFine`, `object_masks`
STRAYS = 0.1  # share of pictures that may lie outside the classes' folders and be left out
LOSSY = frozenset({".jpg", ".jpeg", ".jpe", ".jfif", ".webp"})
"""Endings of photographs; a file of the same name with another ending is its mask."""

LIKE_SPLITS = frozenset(
    {"tr", "trn", "te", "tst", "eval", "evaluation", "holdout", "held_out", "heldout", "minival", "testval", "valtest"}
    | {"test_dev", "testdev", "dev_test", "devtest", "learn", "unlabeled", "unlabelled", "extra", "all", "fold"}
)
"""Words that people split by, of which nobody can tell what they are here."""


@dataclass(frozen=True, slots=True)
class Item:
    """One picture of a package: names of files, and what is said about it; a split of "" is not said."""

    image: str
    split: str = ""
    mask: str | None = None
    label: int | None = None
    attributes: np.ndarray | None = None
    landmarks: np.ndarray | None = None


@dataclass(frozen=True, slots=True)
class Layout:
    """Pictures, in order, with what names or a table tell of them.

    Attributes:
        masked: whether there are masks.
        classes: names in the order of the labels, empty where there are no labels.
        attribute_names: in order, empty where there are none.
        unread: what is there and was not understood, a phrase each.
        unpaired: why not one of the masks belongs to a picture, else "".
        undivided: why splits cannot be told, else "".
    """

    items: list[Item]
    masked: bool = False
    classes: tuple[str, ...] = ()
    attribute_names: tuple[str, ...] = ()
    unread: list[str] = field(default_factory=list)
    unpaired: str = ""
    undivided: str = ""


class Word(NamedTuple):
    """What a folder's name means: a split; "images", "photos" or "masks"; and how likely masks are there, 0 first."""

    split: str = ""
    role: str = ""
    rank: int = 0


@cache
def meaning(folder: str) -> Word:
    """What a folder's name means, in any case; words may be joined, as in `train_masks` or `trainImages2017`."""
    if whole := _word(re.sub("[ .-]+", "_", folder.casefold())):
        return whole
    parts = [part.rstrip("0123456789").casefold() for part in re.split(r"[ _.-]+|(?<=[a-z])(?=[A-Z])", folder)]
    words = [_word(part) for part in parts if part and part not in FILLERS]
    splits = {word.split for word in words if word and word.split}
    roles = [word for word in words if word and word.role]
    if None in words or len(splits) > 1:
        return Word()
    # masks of images, in `image_masks`; the likelier of two words for masks
    role = min(roles, key=lambda word: (word.role != "masks", word.rank), default=Word())
    return role._replace(split=next(iter(splits), ""))


def _word(text: str) -> Word | None:
    if text in SPLITS:
        return Word(split=SPLITS[text])
    if text in MASKS:
        return Word(role="masks", rank=MASKS.index(text))
    return Word(role="images" if text in IMAGES else "photos") if text in IMAGES | PHOTOS else None


@dataclass(frozen=True, slots=True)
class File:
    """A picture's name, its folders below those that all share, in NFC, and its last part without the ending."""

    name: str
    folders: tuple[str, ...]
    stem: str
    split: str = ""

    def has(self, role: str) -> bool:
        """Whether one of its folders says that it is of `role`."""
        return any(meaning(folder).role == role for folder in self.folders)

    @property
    def undivided(self) -> File:
        """The same without the folder that says its split."""
        return self._without(lambda word: bool(word.split))

    @property
    def without_role(self) -> File:
        """The same without the folder that says whether it is a picture or a mask."""
        return self._without(lambda word: bool(word.role))

    def _without(self, meant: Callable[[Word], bool]) -> File:
        at = next((i for i, folder in enumerate(self.folders) if meant(meaning(folder))), len(self.folders))
        return replace(self, folders=self.folders[:at] + self.folders[at + 1 :])

    @property
    def place(self) -> str:
        """What it shares with its mask or picture: the split, and the path below the folders that have a meaning."""
        below = [folder for folder in self.folders if not any(meaning(folder)[:2])]
        return "/".join(filter(None, (self.split, *below, self.stem)))


def arrange(names: Sequence[str]) -> Layout:
    """The pictures among `names`, in their order, with what their names tell.

    Args:
        names: of all pictures and masks, with "/".
    """
    unread: list[str] = []
    images, masks = _sides(_files(names), unread)
    mask_of = _mask_of(images, masks)
    unpaired = _unpaired(images, masks, mask_of, unread)
    undivided = _undivided(images)
    splits, images = _divided(images, unread)
    labels, classes, images = _classes(images, unread)
    items = [Item(file.name, splits[file.name], mask_of.get(file.name), labels.get(file.name)) for file in images]
    return Layout(items, bool(mask_of), classes, unread=unread, unpaired=unpaired, undivided=undivided)


def _files(names: Sequence[str]) -> list[File]:
    paths = [PurePosixPath(composed(without_ending(name))) for name in names]
    shared = 0  # folders that all lie in and that mean nothing, say the one that was zipped
    while paths and len(tops := {path.parts[shared : shared + 1] for path in paths}) == 1:
        (top,) = tops
        if any(len(path.parts) < shared + 2 for path in paths) or any(meaning(top[0])[:2]):
            break
        shared += 1
    files = []
    for name, path in zip(names, paths, strict=True):
        folders = path.parts[shared:-1]
        split = next((word.split for word in map(meaning, folders) if word.split), "")
        files.append(File(name, folders, path.name, split))
    return files


def _sides(files: list[File], unread: list[str]) -> tuple[list[File], list[File]]:
    """Pictures, without the folders that say so, and masks.

    A class may be called "masks": the word means something beside a folder of pictures, or where names pair up.
    """
    masks, others = _parted(files, lambda file: file.has("masks"))
    named, unnamed = _parted(others, lambda file: file.has("images"))
    if not named and masks:
        named, unnamed = _parted(others, lambda file: file.has("photos"))
        if not _pairs(named, masks):
            named, unnamed = (others, []) if _pairs(others, masks) else ([], [])
    if named:
        _left_out(unnamed, "outside the folders of pictures and masks", unread)
        files = [file.without_role for file in named]
        if masks:
            return files, _one_each(masks, unread)
    for mark in MASK_MARKS:  # 0.jpg and 0_mask.png in one folder
        masks, others = _parted(files, lambda file, mark=mark: marked(file.stem, mark))
        if masks and _pairs(others, masks):
            return others, _one_each(masks, unread)
    others, masks = _parted(files, lambda file: PurePosixPath(file.name).suffix.lower() in LOSSY)
    if masks and {file.place for file in masks} <= {file.place for file in others}:  # 0.jpg and 0.png in one folder
        return others, masks
    _look_like_masks(files, unread)
    return files, []


def _look_like_masks(files: list[File], unread: list[str]) -> None:
    """Tell of pictures that may be the masks of others, though nothing pairs them."""
    stems = Counter((file.folders, file.stem) for file in files)
    ends: Counter[str] = Counter()
    for file in files:
        for cut in range(1, len(file.stem)):
            if stems[file.folders, file.stem[:cut]] and not file.stem[cut:].strip(" _.-").isdecimal():
                ends[file.stem[cut:]] += 1
    end, times = ends.most_common(1)[0] if ends else ("", 0)
    beside = {"photos", "masks"} <= {meaning(folder).role for file in files for folder in file.folders}
    twins = sum(count > 1 for count in stems.values())
    if len(files) <= 2 * twins:
        why = f"{counted(twins, 'picture')} called as others are, with other endings"
    elif len(files) <= 2 * times:
        why = f"{counted(times, 'picture')} called as others are, with {end!r} behind"
    elif several := [file for file in files if any(marked(file.stem, mark) for mark in MASK_MARKS)]:
        why = f"{counted(len(several), 'picture')} called as masks are ({few([file.name for file in several])})"
    elif beside:
        why = "folders called as those of pictures and masks are, whose files have other names"
    else:
        return
    unread.append(f"masks: there are {why}; if these are masks, put them into a folder masks, named as their pictures")


def _parted(files: Iterable[File], chosen: Callable[[File], bool]) -> tuple[list[File], list[File]]:
    sides: tuple[list[File], list[File]] = ([], [])
    for file in files:
        sides[not chosen(file)].append(file)
    return sides


def _mask_of(images: Iterable[File], masks: Iterable[File]) -> dict[str, str]:
    return pair({file.name: file.place for file in images}, {file.name: file.place for file in masks})


def _pairs(images: list[File], masks: list[File]) -> bool:
    """Whether at least half of the masks have a picture."""
    return 2 * len(_mask_of(images, masks)) >= len(masks)


def _one_each(masks: list[File], unread: list[str]) -> list[File]:
    """One mask for each place, that in the likeliest folder; `_unpaired` refuses several in one folder."""

    def rank(file: File) -> tuple[int, int]:
        says = [folder for folder in file.folders if meaning(folder).role == "masks"]
        # of `masks` and `coarse_masks`, the shorter
        return min(((meaning(folder).rank, len(folder)) for folder in says), default=(0, 0))

    first: dict[str, File] = {}
    for file in sorted(masks, key=rank):
        first.setdefault(file.place, file)
    kept, others = _parted(masks, lambda file: first[file.place].folders == file.folders)
    _left_out(others, "beside other masks of their names", unread)
    return kept


def _unpaired(images: list[File], masks: list[File], mask_of: Mapping[str, str], unread: list[str]) -> str:
    """Tell of masks that belong to no picture; why none of them does."""
    taken = set(mask_of.values())
    alone = [file for file in masks if file.name not in taken]
    several = Counter(file.place for file in images)
    for file in alone:
        if several[file.place] > 1:
            return f"several pictures named {file.stem!r} (besides the ending): which has the mask? Rename one"
    twice = {file.place: file for file in masks}
    for file in masks:
        if (other := twice[file.place]) is not file and other.folders == file.folders:
            return f"two masks of one name, {file.name} and {other.name}: which is meant? Remove one"
    names = [file.name for file in alone]
    if alone and images and not mask_of:
        image = images[0].name
        return (
            f"none of its {len(names):,} masks has a picture's name; the nearest to {image} is "
            f"{nearest(image, names)}. Give them the same names"
        )
    if alone:
        unread.append(f"{counted(len(names), 'mask')} without a picture ({few(names)})")
    return ""


def _divided(images: list[File], unread: list[str]) -> tuple[dict[str, str], list[File]]:
    """The split of each picture, and the pictures without the folders that say so.

    A class may be called "train": the words mean something where all pictures follow them, or beside each other.
    """
    said = {file.name: file.split for file in images}
    if "" in said.values() and not _both_sides({*said.values()}):
        return dict.fromkeys(said, ""), images
    divided, outside = _parted(images, lambda file: bool(file.split))
    _left_out(outside, "outside the folders of splits", unread)
    return said, [file.undivided for file in divided]


def _both_sides(splits: set[str]) -> bool:
    return "train" in splits and bool({"val", "test"} & splits)


def _undivided(images: list[File]) -> str:
    """Which folders seem to be a split that is not known, whose pictures would be trained on."""
    if _both_sides({file.split for file in images}):  # what else there is, is left out
        return ""
    beside: dict[tuple[str, ...], set[str]] = {}
    for file in images:
        for depth, folder in enumerate(file.folders):
            beside.setdefault(file.folders[:depth], set()).add(folder)
    for folders in beside.values():
        unknown = sorted(folder for folder in folders if like_a_split(folder))
        if unknown and (len(folders) == len(unknown) > 1 or any(meaning(folder).split for folder in folders)):
            known = ", ".join(SPLITS)
            return f"the folders {few(sorted(folders), 8)} seem to be splits, and {unknown[0]!r} is not one of {known}"
    return ""


def like_a_split(folder: str) -> bool:
    """Whether a folder has a name that people split by, and that says nothing here."""
    return re.sub("[ .-]+", "_", folder.casefold()).rstrip("_0123456789") in LIKE_SPLITS


def _classes(images: list[File], unread: list[str]) -> tuple[dict[str, int], tuple[str, ...], list[File]]:
    """Labels where there are two folders or more, and the pictures in them; few may lie outside, and are left out."""
    inside, outside = _parted(images, lambda file: bool(file.folders))
    sizes = Counter(file.folders[0] for file in inside)
    if len(sizes) < 2 or max(sizes.values()) == 1:  # one picture to a folder: they tell nothing in common
        return {}, (), images
    if len(outside) > max(STRAYS * len(images), min(sizes.values()) - 1):
        unread.append(f"classes, as {counted(len(outside), 'picture')} lie beside the folders {few(sorted(sizes))}")
        return {}, (), images
    _left_out(outside, "outside the folders of classes", unread)
    called = [Counter(file.stem for file in inside if file.folders[0] == name) for name in sizes]
    if len(called) == 2 and called[0] == called[1]:
        names = few(sorted(sizes))
        unread.append(f"masks: if the folders {names}, whose files have the same names, are no classes, call one masks")
    order = in_order(sizes)
    return {file.name: order.index(file.folders[0]) for file in inside}, tuple(order), inside


def _left_out(files: list[File], why: str, unread: list[str]) -> None:
    if files:
        unread.append(f"{counted(len(files), 'picture')} {why} ({few([file.name for file in files])})")
