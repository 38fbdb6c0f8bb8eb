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
        estimate: at the end, batches from which the averaged result's batch norm is estimated again; 0 for none.
        flip: mirror half of the real images.
        log_every, grid_every: in steps; a grid at 0 is never painted.
        checkpoint_seconds: time between checkpoints; 0 for one after each step.
        seed: of the order of images, of initial weights and of everything sampled.
        crop: smallest share of a real image's area that a random crop keeps; 1 for no crops.
        crop_ratio: largest side ratio of a crop; 1 for squares of exactly the share `crop`.
        side: of the images that a step sees, pixels; 0 for that of the stored ones, which may be larger where they are
            cropped.
        stop: pause with a checkpoint before this step; 0 to play to the end.
        judge_every: steps between looks of the judge (see `fit`); 0 for the last weights.
        judge_from: up to this step it does not look.
        accumulate: parts of a step's batch that are gone over one after the other, so that one has to fit into memory.
    """

    steps: int
    batch: int
    ema: float = 0.0
    estimate: int = 0
    flip: bool = True
    log_every: int = 50
    grid_every: int = 500
    checkpoint_seconds: float = 60.0
    seed: int = 0
    crop: float = 1.0
    crop_ratio: float = 4 / 3
    side: int = 0
    stop: int = 0
    judge_every: int = 0
    judge_from: int = 0
    accumulate: int = 1
