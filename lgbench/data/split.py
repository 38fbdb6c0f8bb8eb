"""`Split`: the opened images of a data set, on the disk until they are looked at."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial

import numpy as np

from lgbench.errors import BadData, did_you_mean
from lgbench.offers import PARTS

from .truth import framed, one_sided

__all__ = ["Split", "digest_of", "drawn", "joined"]

OTHERWISE = "Choose another, or all images (training.category=-1)."


@dataclass(frozen=True, eq=False)
class Split:
    """Images of one resolution with what is known about them, memory-mapped.

    Attributes:
        images: (N, C, R, R) uint8, C = 1 where every image of the data set is grey, else 3.
        masks: opacity of the foreground, (N, R, R) uint8, 255 for fully opaque; None where there are none. A picture
            without one has 0 everywhere; `masked` tells.
        ignored: pixels that are left out of every mask score, (N, R, R) bool; None where none are.
        instances: which object each pixel belongs to, (N, R, R) uint8, 0 for background; None where there are none.
        labels: class indices from 0, (N,) int32; None where there are none.
        segments: class maps, (N, R, R) uint8, 255 is ignored; None where there are none.
        attributes: 0 or 1 each, (N, A) uint8; None where there are none.
        landmarks: x and y in pixels of these images, 0 is the centre of the first, (N, P, 2) float32; None likewise.
        classes: class names in the order of the labels.
        segment_names: names of the classes of `segments`.
        attribute_names: names of the attributes, in order.
        fingerprint: SHA-256 of the arrays' bytes, hex.
        origin: which copy of the data set this is.
        provides: what this split has of `lgbench.offers.PARTS`; another split of the copy may have more.
        crop: how its pictures became square.
        ignore: which values of mask files became `ignored`, in words; "" where none did.
        pseudo: what of its truth no person drew -> what made it.
        masked: which pictures have a mask that says something, (N,) bool; None where all have, or none has.
        lost: how many masks lost their object (or all but it) to the "crop" and to the "size"; they are not `masked`.
        remarks: how many pictures there are with each remark on how they were read.
        copies: how many pictures there are to score, are "known" to be in the training's data set, were "trained_on",
            and were "left_out" for that; nothing where nobody was asked (see `copies.told_of_copies`).
        read_names: reads the samples' names; use `names`.
    """

    images: np.ndarray
    masks: np.ndarray | None = None
    ignored: np.ndarray | None = None
    instances: np.ndarray | None = None
    labels: np.ndarray | None = None
    segments: np.ndarray | None = None
    attributes: np.ndarray | None = None
    landmarks: np.ndarray | None = None
    classes: tuple[str, ...] = ()
    segment_names: tuple[str, ...] = ()
    attribute_names: tuple[str, ...] = ()
    fingerprint: str = ""
    origin: str = ""
    provides: frozenset[str] = frozenset()
    crop: str = "center"
    ignore: str = ""
    pseudo: Mapping[str, str] = field(default_factory=dict)
    masked: np.ndarray | None = None
    lost: Mapping[str, int] = field(default_factory=dict)
    remarks: Mapping[str, int] = field(default_factory=dict)
    copies: Mapping[str, int] = field(default_factory=dict)
    read_names: Callable[[], Sequence[str]] = field(default=tuple, repr=False)

    def __len__(self) -> int:
        return len(self.images)

    @property
    def channels(self) -> int:
        """1 where every image is grey, else 3."""
        return self.images.shape[1]

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Where each image comes from, for finding it again."""
        return tuple(self.read_names())

    @property
    def scorable(self) -> int:
        """How many pictures have a mask that a prediction can be scored against."""
        if self.masks is None:
            return 0
        return len(self) if self.masked is None else int(np.count_nonzero(self.masked))

    @cached_property
    def exclusive(self) -> bool:
        """Whether exactly one of two attributes or more is on in every picture: one colour of many, say."""
        if self.attributes is None or self.attributes.shape[1] < 2:
            return False
        return bool((np.asarray(self.attributes).sum(axis=1) == 1).all())

    @cached_property
    def one_sided(self) -> dict[str, int]:
        """How many of those masks show no "object" or no "background", as they did before they were prepared.

        Truth that preparation changed so is `lost`; this is what the data set says. A prediction that shows none either
        scores 1, as is the convention.
        """
        if self.masks is None or not self.scorable:
            return {}
        chosen = slice(None) if self.masked is None else np.flatnonzero(self.masked)
        return one_sided(self.masks[chosen], None if self.ignored is None else self.ignored[chosen])

    @cached_property
    def framed(self) -> int:
        """How many of those masks call more than half of the picture's frame the object."""
        if self.masks is None or not self.scorable:
            return 0
        return framed(self.masks if self.masked is None else self.masks[np.flatnonzero(self.masked)])

    def rgb(self, index: int | slice | Sequence[int] | np.ndarray) -> np.ndarray:
        """Images as (n, 3, R, R) uint8; a grey image has three equal channels."""
        images = np.asarray(self.images[[index] if isinstance(index, int | np.integer) else index])
        return images if images.shape[1] == 3 else np.broadcast_to(images, (len(images), 3, *images.shape[2:])).copy()

    def at(self, index: slice | np.ndarray, parts: Iterable[str] = ()) -> dict[str, np.ndarray]:
        """Some of the images, as `rgb` gives them, and what `known` gives of `parts`."""
        return {"images": self.rgb(index), **self.known(index, parts)}

    def known(self, index: slice | np.ndarray, parts: Iterable[str]) -> dict[str, np.ndarray]:
        """`parts` of what is known of some of the images, which are none of them themselves.

        Raises:
            BadData: this split lacks one of `parts`.
        """
        known = self._parts(parts)
        if "masks" in known and self.masked is not None and not self.masked[index].all():
            raise BadData(
                f"Only {np.count_nonzero(self.masked):,} of {len(self):,} pictures here ({self.origin}) have a mask, "
                "and one is asked of all. Choose a data set that has all masks."
            )
        return {part: np.asarray(array[index]) for part, array in known.items()}

    def _parts(self, parts: Iterable[str]) -> dict[str, np.ndarray]:
        known = {part: getattr(self, part) for part in sorted(parts) if part != "images"}
        if lacking := sorted(part for part, array in known.items() if array is None):
            raise BadData(
                f"This split of the data ({self.origin}) has no {' and no '.join(lacking)}. Choose a data set that has "
                "them; `lgbench data list` shows what each has."
            )
        return known

    def digest(self, parts: Iterable[str]) -> str:
        """SHA-256 over names, types, shapes and bytes of the images and of `parts` of what is known of them, hex.

        Where only some pictures have a mask, which ones have counts too.
        """
        read = {"images": self.images, **self._parts(parts)}
        if "masks" in read and self.masked is not None:
            read["masked"] = self.masked
        return digest_of({name: read[name] for name in sorted(read)})

    def only(self, label: int | str) -> Split:
        """The images of one class, given by its index or its name, in memory.

        Raises:
            BadData: there are no labels, or no such class, or no image of it.
        """
        index = self._class(label)
        assert self.labels is not None
        chosen = np.flatnonzero(self.labels == index)
        if not len(chosen):
            raise BadData(f"There is no image of the class {label!r} here. {OTHERWISE}")
        return self._of(chosen, f"only label {index}")

    def scored(self) -> Split:
        """The images whose masks a prediction can be scored against, in memory where they are not all.

        Raises:
            BadData: there are none.
        """
        chosen = np.arange(len(self)) if self.masked is None else np.flatnonzero(self.masked)
        if self.masks is None or not len(chosen):
            raise BadData(f"This split of the data ({self.origin}) has no masks.")
        return self if len(chosen) == len(self) else self._of(chosen, "only masked")

    def without(self, indices: Collection[int]) -> Split:
        """The images but some, in memory."""
        kept = np.setdiff1d(np.arange(len(self)), sorted(indices))
        return self._of(kept, f"only {kept.tolist()}")

    def _of(self, chosen: np.ndarray, which: str) -> Split:
        parts = {part: getattr(self, part) for part in ("images", *PARTS, "masked")}
        return replace(
            self,
            **{part: None if array is None else np.asarray(array[chosen]) for part, array in parts.items()},
            fingerprint=hashlib.sha256(f"{self.fingerprint} {which}".encode()).hexdigest(),
            read_names=partial(_pick, self.read_names, chosen),
        )

    def _class(self, label: int | str) -> int:
        if self.labels is None:
            raise BadData(
                f"This copy of the data set ({self.origin}) has no labels to choose {label!r} by. Take all images "
                "(training.category=-1), or a copy with labels: `lgbench data list` shows what each data set has."
            )
        count = len(self.classes) or int(self.labels.max()) + 1  # classes may have numbers and no names
        if isinstance(label, str) and not self.classes:
            raise BadData(f"There is no class {label!r}: classes have no names here, but numbers, 0 to {count - 1}.")
        if isinstance(label, str):
            if label not in self.classes:
                otherwise = f"There are {', '.join(self.classes[:10])}{', ...' if len(self.classes) > 10 else ''}."
                raise BadData(f"There is no class {label!r}. {did_you_mean(label, self.classes, otherwise)}")
            return self.classes.index(label)
        if not 0 <= label < count:
            raise BadData(f"There is no class {label}; they go from 0 to {count - 1}. {OTHERWISE}")
        return int(label)


def joined(splits: Sequence[Split]) -> Split:
    """The images of several splits of one data set, one after the other, in memory, with what is known of them all."""
    first = splits[0]
    kept = {
        part: np.concatenate([np.asarray(getattr(split, part)) for split in splits])
        for part in ("images", *PARTS)
        if all(getattr(split, part) is not None for split in splits)
    }
    whole = [np.ones(len(s), dtype=bool) if s.masked is None else np.asarray(s.masked) for s in splits]
    masked = np.concatenate(whole) if "masks" in kept else np.ones(0, dtype=bool)
    prints = " ".join(split.fingerprint for split in splits)
    return replace(
        first,
        **{part: kept.get(part) for part in ("images", *PARTS)},
        masked=None if masked.all() else masked,
        lost=dict(sum((Counter(split.lost) for split in splits), Counter())),
        provides=frozenset.intersection(*(split.provides for split in splits)),
        fingerprint=hashlib.sha256(f"joined {prints}".encode()).hexdigest(),
        read_names=lambda: [name for split in splits for name in split.names],
    )


def drawn(splits: Sequence[Split], count: int) -> list[Split]:
    """`count` images of splits together, drawn without putting back, always the same ones, in their order.

    Returns:
        As many splits, those of which nothing was drawn left out; the splits themselves where `count` is no less.
    """
    ends = np.cumsum([0, *map(len, splits)])
    if count >= ends[-1]:
        return list(splits)
    chosen = np.sort(np.random.default_rng(0).permutation(ends[-1])[:count])
    found = []
    for split, start, stop in zip(splits, ends, ends[1:], strict=False):
        here = chosen[(chosen >= start) & (chosen < stop)] - start
        if len(here):
            found.append(split._of(here, f"{len(here)} drawn of {count} from {ends[-1]}"))
    return found


def _pick(read_names: Callable[[], Sequence[str]], chosen: np.ndarray) -> list[str]:
    names = list(read_names())
    return [names[i] for i in chosen.tolist()]


def digest_of(arrays: Mapping[str, np.ndarray]) -> str:
    """SHA-256 over names, types, shapes and bytes of arrays in their order, hex."""
    digest = hashlib.sha256()
    for name, array in arrays.items():
        digest.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        for start in range(0, len(array), 1024):
            digest.update(np.ascontiguousarray(array[start : start + 1024]).data)
    return digest.hexdigest()
