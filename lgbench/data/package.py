"""Pictures with optional masks and labels that lie together: what archives and folders have in common."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np

from lgbench.errors import BadData

from .pictures import decode_image, decode_mask, foreground_table, sound
from .samples import RawDataset, Sample

__all__ = ["SPLITS", "Item", "MaskConfig", "Package", "hashed_splits"]

SPLITS: Mapping[str, str] = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
}
"""What people call their splits, and what they are called here."""


@dataclass(frozen=True, slots=True)
class MaskConfig:
    """How the mask files of an archive or a folder are read.

    Attributes:
        foreground: "" where masks have one value besides 0, which is the foreground; for label maps the values that
            are foreground, say "8,9"; "soft" where the values are opacities, 255 for fully opaque.
    """

    foreground: str = ""


@dataclass(frozen=True, slots=True)
class Item:
    """One row of a package: names of files, and what the table says about them."""

    image: str
    split: str
    mask: str | None = None
    label: int | None = None


@dataclass(frozen=True)
class Package:
    """Pictures that are not read yet.

    Attributes:
        where: which package, for error messages.
        items: its pictures, in order.
        read: bytes of a file by its name; raises `BadData` naming the file.
        masked: whether it has masks; then every picture needs one.
        classes: class names in the order of the labels, empty where it has no labels.
    """

    where: str
    items: Sequence[Item]
    read: Callable[[str], bytes]
    masked: bool = False
    classes: tuple[str, ...] = ()

    @property
    def provides(self) -> frozenset[str]:
        """What it has of "masks" and "labels"."""
        return frozenset(part for part, here in (("masks", self.masked), ("labels", self.classes)) if here)

    @property
    def counts(self) -> dict[str, int]:
        """Pictures in each split."""
        return {split: len(self._items(split)) for split in ("train", "val", "test") if self._items(split)}

    @cached_property
    def mask_values(self) -> frozenset[int]:
        """All values that occur in its masks; unreadable masks are passed over here and named when they are read."""
        values: set[int] = set()
        for item in self.items:
            if item.mask is not None:
                try:
                    values.update(np.unique(decode_mask(self.read(item.mask), item.mask)).tolist())
                except BadData:
                    continue
        return frozenset(values)

    def raw(self, origin: str, config: MaskConfig) -> RawDataset:
        """The data set that a builder hands over; files are read when it is iterated over.

        Raises:
            BadRecipe: `config.foreground` says nothing sensible. (Masks that need it raise `BadData` when read.)
        """
        if config.foreground:
            foreground_table((), config.foreground, self.where)
        return RawDataset(
            splits={split: partial(self._samples, split, config.foreground) for split in self.counts},
            counts=self.counts,
            origin=origin,
            provides=self.provides,
            classes=self.classes,
        )

    def problems(self) -> list[str]:
        """What is wrong with its files, at most `pictures.MOST_PROBLEMS`, after reading every one."""
        found: list[str] = []
        samples = map(partial(self._sample, np.arange(256, dtype=np.uint8)), self.items)
        for _ in sound(samples, self.raw("", MaskConfig()), self.provides, found):
            pass
        return found

    def _items(self, split: str) -> list[Item]:
        return [item for item in self.items if item.split == split]

    def _samples(self, split: str, foreground: str) -> Iterable[Sample]:
        # label maps can only be told from masks by looking at all of them; a setting spares the look
        values = self.mask_values if self.masked and not foreground else ()
        table = foreground_table(values, foreground, self.where)
        return map(partial(self._sample, table), self._items(split))  # a map goes on after a file that fails

    def _sample(self, table: np.ndarray, item: Item) -> Sample:
        image = decode_image(self.read(item.image), item.image)
        mask = None
        if self.masked:
            if item.mask is None:
                raise BadData(f"{item.image}: has no mask")
            mask = table[decode_mask(self.read(item.mask), item.mask)]
        return Sample(image=image, mask=mask, label=item.label, name=item.image)


def hashed_splits(names: Iterable[str], test: float = 0.2) -> dict[str, str]:
    """A split for pictures that come without one: the same names always give the same split.

    Returns:
        name -> "train" or "test"; the last `test` of the names in the order of their SHA-256 are "test".
    """
    order = sorted(names, key=lambda name: hashlib.sha256(name.encode()).hexdigest())
    tested = round(len(order) * test) or int(len(order) > 1)
    return {name: "train" if i < len(order) - tested else "test" for i, name in enumerate(order)}
