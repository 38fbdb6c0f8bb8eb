"""The course of a growing pair: which side a step paints, how far that has faded in, how many images it sees."""

from __future__ import annotations

import math
from dataclasses import dataclass

__all__ = ["Growth"]


@dataclass(frozen=True, slots=True)
class Growth:
    """Each side fades in, then settles, for as many pictures; the first one is all there.

    Attributes:
        levels: 8 px is level 0, the target's side level `levels` - 1; after its own two phases it simply stays.
        phase_steps: steps of a phase whose steps see one batch.
        first_batch: batches that a step at 8 px sees; half as many at each side after it, down to one. Phases of such
            steps are shorter by as much.
    """

    levels: int
    phase_steps: int
    first_batch: int = 1

    @classmethod
    def to(cls, resolution: int, phase_steps: int, first_batch: int = 1) -> Growth:
        """The growth from 8 px to a side."""
        return cls(int(math.log2(resolution)) - 2, phase_steps, first_batch)

    def at(self, step: int) -> tuple[int, float]:
        """Level and fade-in of a step, counted from 0."""
        for level in range(self.levels - 1):
            steps = self._phase(level)
            if step < 2 * steps:
                return level, min(1.0, step / steps) if level else 1.0
            step -= 2 * steps
        level = self.levels - 1
        return level, min(1.0, step / self._phase(level)) if level else 1.0

    def batches(self, step: int) -> int:
        """How many batches a step sees."""
        return self._batches(self.at(step)[0])

    @property
    def last_from(self) -> int:
        """The first step at the last side."""
        return 2 * sum(self._phase(level) for level in range(self.levels - 1))

    def _batches(self, level: int) -> int:
        return max(self.first_batch >> level, 1)

    def _phase(self, level: int) -> int:
        return math.ceil(self.phase_steps / self._batches(level))
