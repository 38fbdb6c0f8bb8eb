"""What a data set's builder hands over: an iterator of samples per split, before any resizing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

__all__ = ["IGNORED", "RawDataset", "Sample"]

IGNORED = 255
"""In class maps: no class."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One picture and what is known about it.

    Attributes:
        image: (H, W, 3) or, grey, (H, W), uint8.
        mask: opacity of the foreground, (H, W): bool, or uint8 with 255 for fully opaque; None also where others of the
            data set have one (`RawDataset.partial`).
        instances: which object each pixel belongs to, (H, W) uint8, 0 for background.
        label: class index from 0.
        name: for error messages and for finding the picture again.
        segments: class map, (H, W) uint8; 255 is ignored.
        attributes: 0 or 1 each, (A,).
        landmarks: x and y in pixels, 0 is the centre of the first, (P, 2).
        ignored: pixels that are left out of every mask score, (H, W) bool: say, a trimap's border.
        remarks: what its user should know of how it was read.
    """

    image: np.ndarray
    mask: np.ndarray | None = None
    instances: np.ndarray | None = None
    label: int | None = None
    name: str = ""
    segments: np.ndarray | None = None
    attributes: np.ndarray | None = None
    landmarks: np.ndarray | None = None
    ignored: np.ndarray | None = None
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RawDataset:
    """A data set that is on the disk or can be made, not yet brought to one resolution.

    Attributes:
        splits: "train", "test" and, where there is one, "val" -> a function that iterates over the samples.
        counts: samples in each split.
        origin: which copy this is ("official", "procedural", "archive:<first 12 of its SHA-256>"), for the protocol.
        provides: what this copy has of `PARTS`.
        classes: class names in the order of the labels.
        segment_names: names of the classes of `segments`, from 0.
        attribute_names: names of the attributes, in order.
        crop: how non-square pictures become square: "center", "pad" or "squeeze" (see `lgbench.data.squares.Square`),
            or the builder's own word where it has cropped.
        lacks: split -> what its samples are without, of what the data set provides: say, masks that were only drawn for
            the test pictures. An opened split has None there, so that nothing is scored against it.
        ignore: which values of its masks are left out of every mask score, in words; "" where none are.
        partial: what only some of its samples have, of what it provides; "masks" may be. Scores leave the others out.
        backdrop: red, green and blue of what padding adds.
        drawn: splits that were drawn by names, so that a user cannot be told to mend them.
        pseudo: what of `PARTS` no person drew -> what made it, say a supervised network; it is part of the protocol of
            every number that is scored against it.
        version: the record's (`lgbench.offers.Dataset.version`); `open_dataset` fills it in.
        notes: what its user should be told, a sentence each: say, which files nobody read.
        reading: raised where its files are read otherwise, so that they are prepared again.
    """

    splits: Mapping[str, Callable[[], Iterable[Sample]]]
    counts: Mapping[str, int]
    origin: str
    provides: frozenset[str] = frozenset()
    classes: tuple[str, ...] = ()
    segment_names: tuple[str, ...] = ()
    attribute_names: tuple[str, ...] = ()
    crop: str = "center"
    lacks: Mapping[str, frozenset[str]] = field(default_factory=dict)
    ignore: str = ""
    partial: frozenset[str] = frozenset()
    backdrop: tuple[int, int, int] = (255, 255, 255)
    drawn: frozenset[str] = frozenset()
    pseudo: Mapping[str, str] = field(default_factory=dict)
    version: int = 1
    notes: tuple[str, ...] = ()
    reading: int = 1

    def provided(self, split: str) -> frozenset[str]:
        """What the samples of one split have of `PARTS`, or some of them."""
        return self.provides - self.lacks.get(split, frozenset())
