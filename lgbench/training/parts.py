"""A step's batch in parts that are gone over one after the other, so that only one has to fit into memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import Tensor

from lgbench.game import Step
from lgbench.layers import Batch, Layers

from . import checkpoint

__all__ = ["Codes", "Parts"]

Codes = Mapping[str, Tensor]


class Parts(Sequence[Step]):
    """What the phases of a step share, for each of `count` equal parts of its batch.

    The one part of a whole is painted at once and shared by all phases, with its graph. Several are painted afresh
    whenever they are looked up, from the same codes and the same draws, so that no graph outlives its part: phases that
    move before the painter see the same pictures, those behind it what it paints by then.

    Args:
        paint: (real images, what the painter is given, codes) -> their step.
        codes: of the whole batch: those that it would have in one part.

    Attributes:
        shown: layers of the first part as they were first painted; None before.
    """

    def __init__(
        self, count: int, paint: Callable[[Batch, Batch, Codes], Step], real: Batch, given: Batch, codes: Codes
    ) -> None:
        assert len(real) % count == 0, f"a batch of {len(real)} has no {count} equal parts"
        self.total, self.paint, self.real, self.given, self.codes = count, paint, real, given, codes
        self.draws: list[dict[str, Any]] = []  # random states from which the parts were painted
        self.whole = paint(real, given, codes) if count == 1 else None
        self.shown: Layers | None = self.whole.painted if self.whole else None

    def __len__(self) -> int:
        return self.total

    def __getitem__(self, part: int) -> Step:  # pyright: ignore[reportIncompatibleMethodOverride]  no slices
        if self.whole is not None:
            return self.whole
        now = checkpoint.random_state()
        if part == len(self.draws):
            self.draws.append(now)
            step = self._painted(part)
        else:
            checkpoint.set_random_state(self.draws[part])
            step = self._painted(part)
            checkpoint.set_random_state(now)
        self.shown = self.shown or step.painted.detach()
        return step

    def _painted(self, part: int) -> Step:
        size = len(self.real) // self.total
        rows = slice(part * size, (part + 1) * size)
        return self.paint(self.real[rows], self.given[rows], {name: code[rows] for name, code in self.codes.items()})
