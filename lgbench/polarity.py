"""Which of the painted layers is called the object: decided once a run, and never by labels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch
from torch import Tensor

from .data import Split
from .errors import BadRecipe
from .files import read_sound, write_json
from .game import Game
from .layers import covered_border
from .nn import weights_hash
from .painting import AT_A_LOOK, as_sampled, painted
from .runtime import Run

__all__ = ["BORDER_SAMPLES", "oriented"]

BORDER_SAMPLES = 1000
"""Painted pictures that the rule looks at."""

POLARITY = "polarity.json"
"""In a run's folder: what the rule saw, as a `Border`."""


@dataclass(frozen=True, slots=True)
class Border:
    """The mean of `covered_border`, and what it was made from: hash of the weights, seed, number of pictures."""

    border: float
    made_from: tuple[str, int, int]


def oriented(segmenter: Game | None, reals: Callable[[], Split], run: Run) -> Game | None:
    """The segmenter whose foreground is the object by the run's rule; `Game.border` says what the rule saw.

    By `segmentation.polarity=border` the object is the painted layer that touches the frame less: where foregrounds
    cover more than half of the outermost pixels of `BORDER_SAMPLES` painted pictures, predictions are turned over.

    Args:
        segmenter: taught, with the trained painter, on eval.
        reals: opens the training images; called where the rule is yet to look, and the painter is given some.
    """
    if segmenter is None or run.recipe.segmentation.polarity == "painted":
        return segmenter
    assert segmenter.predict is not None
    share = _border(segmenter, reals, run)
    if share <= 0.5:
        return replace(segmenter, border=share)
    return replace(segmenter, border=share, predict=_complement(segmenter.predict))


def _border(segmenter: Game, reals: Callable[[], Split], run: Run) -> float:
    """The mean of `covered_border`, kept in the run's folder."""
    path, painter = run.folder / POLARITY, segmenter.painter
    made_from = weights_hash(painter), run.recipe.seed, BORDER_SAMPLES
    if path.exists() and (kept := read_sound(path, Border, "Delete it; it is made again.")).made_from == made_from:
        return kept.border
    given: Any = reals() if painter.conditional else None
    run.reporter.stage("polarity", BORDER_SAMPLES)
    seed, shares = run.recipe.seed + 4, []
    with as_sampled(painter, False, seed):
        for layers in painted(painter, BORDER_SAMPLES, AT_A_LOOK, given, seed, run.runtime):
            shares.append(covered_border(layers.alpha).cpu())
    share = float(torch.cat(shares)[:BORDER_SAMPLES].double().mean())
    write_json(path, asdict(Border(share, made_from)))
    return share


def _complement(predict: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    def background(images: Tensor) -> Tensor:
        found = predict(images)
        if found.shape[1] > 1:
            raise BadRecipe(
                f"segmentation.polarity=border turns two layers over, and this segmenter tells {found.shape[1]} parts: "
                "leave it out."
            )
        return 1 - found

    return background
