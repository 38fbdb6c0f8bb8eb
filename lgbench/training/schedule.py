"""What the engine needs to know besides the game itself."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Schedule"]


@dataclass(frozen=True, slots=True)
class Schedule:
    """Length and rhythm of a fit.

    Attributes:
        steps, batch: how many steps, of how many images.
        ema: decay per step of the averaged result; 0 for none.
        flip: mirror half of the real images.
        log_every, grid_every: in steps; a grid at 0 is never painted.
        checkpoint_seconds: time between checkpoints; 0 for one after each step.
        seed: of the order of images, of initial weights and of everything sampled.
    """

    steps: int
    batch: int
    ema: float = 0.0
    flip: bool = True
    log_every: int = 50
    grid_every: int = 500
    checkpoint_seconds: float = 60.0
    seed: int = 0
