"""What masks tell while a split is prepared: of which pictures there is truth, and what became of the rest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import numpy as np

from lgbench.errors import BadData

from .names import counted
from .samples import Sample
from .squares import Square

__all__ = ["HALF", "OPAQUE", "Truth", "causes", "framed", "one_sided", "opacity"]

OPAQUE = 255
HALF = 127  # what is more opaque is foreground

CURES = {
    "crop": "the crop to the middle (data.fit=pad or squeeze keeps them, where the data set has that setting)",
    "size": "the size (a higher resolution keeps them)",
}
"""Why an object may be lost, and what helps."""

AT_ONCE = 1024  # masks that are looked at in memory


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
                f"became square and small: {causes(self.lost)}."
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


def causes(lost: Mapping[str, int]) -> str:
    """How many masks were lost to what, and what helps."""
    return ", ".join(f"{count:,} to {CURES[cause]}" for cause, count in sorted(lost.items()))


def one_sided(masks: np.ndarray, ignored: np.ndarray | None) -> dict[str, int]:
    """How many masks show no "object", and how many no "background", where nothing is left out.

    Args:
        masks: (N, R, R) uint8.
        ignored: what is left out of them, (N, R, R) bool.
    """
    lacking: Counter[str] = Counter()
    for start in range(0, len(masks), AT_ONCE):
        known = np.True_ if ignored is None else ~ignored[start : start + AT_ONCE]
        foreground = masks[start : start + AT_ONCE] > HALF
        shown, around = ((side & known).any(axis=(1, 2)) for side in (foreground, ~foreground))
        lacking["object"] += int((around & ~shown).sum())
        lacking["background"] += int((shown & ~around).sum())
    return {side: count for side, count in lacking.items() if count}


def framed(masks: np.ndarray) -> int:
    """How many masks, (N, R, R) uint8, call more than half of the picture's frame the object."""
    edges = (masks[:, 0], masks[:, -1], masks[:, 1:-1, 0], masks[:, 1:-1, -1])
    return int(np.count_nonzero((np.concatenate(edges, axis=1) > HALF).mean(axis=1) > 0.5))
