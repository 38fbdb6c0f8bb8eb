"""What masks tell while a split is prepared: of which pictures there is truth, and what became of the rest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np

from lgbench.errors import BadData

from .names import counted
from .samples import Sample
from .squares import Square

__all__ = ["HALF", "OPAQUE", "Truth", "notes_on", "opacity"]

OPAQUE = 255
HALF = 127  # what is more opaque is foreground

CURES = {
    "crop": "the crop to the middle (data.fit=pad or squeeze keeps them, where the data set has that setting)",
    "size": "the size (a higher resolution keeps them)",
}
"""Why an object may be lost, and what helps."""


def opacity(mask: np.ndarray) -> np.ndarray:
    """A sample's mask as opacities, uint8."""
    return mask.astype(np.uint8) * OPAQUE if mask.dtype == np.bool_ else mask


class Truth:
    """Of which pictures of a split there is truth.

    Attributes:
        masked: whether each picture has a mask that still tells its object from what is around it.
        lost: how many masks lost one of the two to the crop and to the size: finding nothing would be right for them.
    """

    def __init__(self) -> None:
        self.masked: list[bool] = []
        self.lost: Counter[str] = Counter()
        self.offered: list[str] = []
        self.sides: set[bool] = set()
        self.most = 0

    def see(self, sample: Sample, square: Square, prepared: np.ndarray, ignored: np.ndarray | None) -> None:
        """Take note of a sample, whose mask was `prepared`, (R, R) uint8, with what is left out of it, (R, R) bool."""
        if sample.mask is None:
            self.masked.append(False)
            return
        foreground = opacity(sample.mask) > HALF
        before, after = _sides(foreground, sample.ignored), _sides(prepared > HALF, ignored)
        if lost := before - after:
            left_out = None if sample.ignored is None else square.whole(sample.ignored, False)
            self.lost["size" if lost <= _sides(square.whole(foreground, False), left_out) else "crop"] += 1
        self.masked.append(bool(after) and not lost)
        self.offered.append(sample.name)
        self.sides |= before
        self.most = max(self.most, int(opacity(sample.mask).max()))

    def check(self, split: str, drawn: bool = False) -> str:
        """What is wrong with masks that are one side everywhere, "" if nothing is.

        Args:
            drawn: the split was drawn by names; then its masks are taken for none instead.

        Raises:
            BadData: not one mask of the split is left.
        """
        constant = self._constant(split) if len(self.sides) == 1 else ""
        gone = self.lost and not any(self.masked)
        if drawn and (constant or gone):
            self.masked = [False] * len(self.masked)
            return ""
        if gone and not constant:
            raise BadData(
                f"All {counted(len(self.offered), 'mask')} of {split} lost their object, or all but it, when pictures "
                f"became square and small: {_causes(self.lost)}."
            )
        return constant

    def _constant(self, split: str) -> str:
        side, others = "foreground" if True in self.sides else "background", len(self.offered) - 1
        files = self.offered[0] + (f" and {others:,} more" if others else "")
        text = f"{files}: the masks of {split} are {side} everywhere, so that they tell nothing apart"
        if 0 < self.most <= HALF:
            text += f"; the largest opacity is {self.most} of {OPAQUE}: are masks of 0 and 1 read as soft ones?"
        return text


def _sides(foreground: np.ndarray, ignored: np.ndarray | None) -> set[bool]:
    """Which of foreground and background there are where nothing is left out."""
    known = foreground if ignored is None else foreground[~ignored]
    return {side for side, here in ((True, known.any()), (False, not known.all())) if here}


def _causes(lost: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} to {CURES[cause]}" for cause, count in sorted(lost.items()))


def notes_on(facts: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """What a user should know of a data set's masks and pictures, a sentence each.

    Args:
        facts: split -> what was stored of it: "pictures" and "masked", their numbers; "lost", as `Truth` has it; and
            "remarks", how many samples have each.
    """
    notes = []
    partial = {split: fact for split, fact in facts.items() if fact["masked"] < fact["pictures"]}
    if partial and any(fact["masked"] for fact in facts.values()):
        counts = ", ".join(f"{fact['masked']:,} of {fact['pictures']:,} {split}" for split, fact in partial.items())
        notes.append(f"Masks are known of {counts} pictures; the others are trained on, and scores leave them out.")
    if lost := _summed(facts, "lost"):
        masks = counted(sum(lost.values()), "mask")
        notes.append(f"{masks} lost the object, or all but it, and cannot be scored: {_causes(lost)}.")
    return notes + [f"{counted(number, 'picture')}: {remark}." for remark, number in _summed(facts, "remarks").items()]


def _summed(facts: Mapping[str, Mapping[str, Any]], kind: str) -> Counter[str]:
    return sum((Counter(fact[kind]) for fact in facts.values()), Counter())
