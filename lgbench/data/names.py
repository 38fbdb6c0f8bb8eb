"""Which names belong together, however they are spelt."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from functools import cached_property
from itertools import islice

from lgbench.plain import plain

__all__ = [
    "ENDINGS",
    "MASK_MARKS",
    "Index",
    "as_numbers",
    "composed",
    "counted",
    "few",
    "folder_of",
    "in_order",
    "last",
    "marked",
    "nearest",
    "pair",
    "without_ending",
]

ENDINGS = frozenset(
    {".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm", ".pbm"}
)
"""Of files that are read as pictures or masks."""

MASK_MARKS = (
    *("segmentation", "groundtruth", "ground_truth", "annotation", "trimap", "masks", "mask", "matte", "labels"),
    *("label", "alpha", "gt", "seg"),
)
"""What masks have before or behind their pictures' names, longer ones first."""

IMAGE_MARKS = ("leftimg8bit", "original", "picture", "image", "photo", "input", "img", "rgb", "sat")

MOST_DIGITS = 40  # of a label

Key = Callable[[str], str]


def composed(name: str) -> str:
    """A name in the one spelling (NFC) that composed and decomposed letters share, with "/"."""
    return unicodedata.normalize("NFC", name.replace("\\", "/")).removeprefix("./")


def without_ending(name: str) -> str:
    """A name without the ending of a picture."""
    stem, dot, ending = name.rpartition(".")
    return stem if dot and f".{ending.lower()}" in ENDINGS else name


def last(place: str) -> str:
    """What follows the folders."""
    return place.rpartition("/")[2]


def folder_of(name: str) -> str:
    """The folders of a name, with "/" behind them; "" at the top."""
    return name.removesuffix(last(name))


def counted(number: int, noun: str) -> str:
    """How many there are: "1 mask", "2 masks"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def few(names: Sequence[str], most: int = 3) -> str:
    """Some of many names, in one line."""
    shown = plain(", ".join(names[:most])).replace("\n", "\\n")
    return shown + (", ..." if len(names) > most else "")


def nearest(name: str, others: Iterable[str]) -> str:
    """The most similar name of `others`, perhaps not very."""
    stems = {last(without_ending(other)): other for other in islice(others, 1000)}
    close = difflib.get_close_matches(last(without_ending(name)), stems, n=1, cutoff=0)
    return stems[close[0]] if close else ""


def as_numbers(words: Iterable[str]) -> dict[str, str]:
    """Numbers in their shortest spelling ("1" for "1.0"), by the words that say them; empty if one is no number."""
    found = {}
    for word in set(words):
        try:
            number = Decimal(word)
        except InvalidOperation:
            return {}
        if not number.is_finite() or abs(number.adjusted()) > MOST_DIGITS:
            return {}
        found[word] = str(int(word)) if word.isdecimal() else f"{number.normalize():f}"
    return found


def in_order(words: Iterable[str]) -> list[str]:
    """Distinct words, by value where all of them are numbers, else by letters."""
    words = set(words)
    numeric = bool(as_numbers(words))
    return sorted(words, key=lambda word: (Decimal(word) if numeric else 0, word))


class Index:
    """Files by what a table may call them: by the whole name or its last part, in any case, without the ending."""

    def __init__(self, names: Iterable[str]) -> None:
        self.names = dict.fromkeys(names)

    def find(self, called: str) -> str | None:
        """The file that is meant, None where there is none or more than one."""
        if called in self.names:
            return called
        keys = self._keys(called)
        return next((found for level, key in zip(self._levels, keys, strict=True) if (found := level.get(key))), None)

    @cached_property  # most tables spell names as they are, and need none of this
    def _levels(self) -> list[dict[str, str]]:
        return [unique(self.names, lambda name, i=i: self._keys(name)[i]) for i in range(len(self._keys("")))]

    @staticmethod
    def _keys(name: str) -> tuple[str, ...]:
        whole = composed(name)
        folded = whole.casefold()
        bare = without_ending(folded)
        return whole, folded, last(folded), bare, last(bare)


def unique(names: Iterable[str], key: Key) -> dict[str, str]:
    """Names by their key, those alone that no other one shares."""
    found: dict[str, str] = {}
    several = set()
    for name in names:
        if found.setdefault(key(name), name) != name:
            several.add(key(name))
    return {word: name for word, name in found.items() if word not in several}


def pair(images: Mapping[str, str], masks: Mapping[str, str]) -> dict[str, str]:
    """Pictures' files and the files of their masks.

    Args:
        images: file -> its place: the path below the folders that have a meaning, without the ending, in NFC.
        masks: likewise.

    Same places belong together; then those of masks that keep their picture's ending (`0.jpg.png`); then those that
    are the same without a mark (`0_mask`, `img_0`) that all of a side have, or in another case; then last parts of
    places. What fits several is left alone.
    """
    bare_images, bare_masks = _bare(images.values(), IMAGE_MARKS), _bare(masks.values(), MASK_MARKS)
    found: dict[str, str] = {}
    for finish in (str, str.casefold, lambda place: last(place).casefold()):
        bare = ((str, str), (str, without_ending), (str, bare_masks), (bare_images, bare_masks), (bare_images, str))
        for of_image, of_mask in bare:
            taken = set(found.values())
            left = unique((name for name in images if name not in found), _then(images, of_image, finish))
            free = unique((name for name in masks if name not in taken), _then(masks, of_mask, finish))
            found |= {name: free[key] for key, name in left.items() if key in free}
    return found


def _then(places: Mapping[str, str], first: Key, second: Key) -> Key:
    return lambda name: second(first(places[name]))


def marked(stem: str, mark: str) -> bool:
    """Whether a name without ending has a mark before or behind it, or is one."""
    return mark in stem.casefold() and any(pattern.search(stem) for pattern in _patterns(mark))


def _bare(places: Iterable[str], marks: Sequence[str]) -> Key:
    """What takes away the mark that all of `places` have; `str` where they have none."""
    stems = [last(place) for place in places]
    for mark in marks:
        for pattern in _patterns(mark):
            if stems and all(pattern.search(stem) for stem in stems):
                return lambda place, pattern=pattern: place.removesuffix(last(place)) + pattern.sub("", last(place))
    return str


def _patterns(mark: str) -> tuple[re.Pattern[str], ...]:
    behind = re.compile(rf"(?<=.)[ _.-]+{mark}$", re.IGNORECASE)
    before = re.compile(rf"^{mark}([ _.-]+|(?=\d))(?=.)", re.IGNORECASE)
    alone = re.compile(rf"^{mark}$", re.IGNORECASE)  # a/image.png and a/mask.png
    return behind, before, alone
