"""Class maps as networks read them, and as a painter is given them."""

from __future__ import annotations

import torch
from torch import Tensor

from lgbench import ImageSpec, LgbenchError
from lgbench.errors import BadRecipe
from lgbench.layers import Batch

__all__ = ["classes_of", "given_maps", "one_hot", "signed"]


def one_hot(segments: Tensor, classes: int) -> Tensor:
    """Class maps, (N, H, W) uint8 -> (N, classes, H, W) in {0, 1}; where a map is ignored (255), all are 0."""
    names = torch.arange(classes, dtype=torch.uint8, device=segments.device)
    return (segments[:, None] == names[:, None, None]).float()


def signed(segments: Tensor, classes: int) -> Tensor:
    """`one_hot` from -1 to 1, as a network with a tanh at its end returns them."""
    return 2 * one_hot(segments, classes) - 1


def given_maps(n: int, batch: Batch | None) -> Tensor:
    """The first `n` class maps of a batch, (n, H, W) uint8.

    Raises:
        LgbenchError: there are none.
    """
    if batch is None or batch.segments is None:
        raise LgbenchError(
            "pix2pix and CycleGAN translate class maps and cannot paint without: give `codes` a batch with segments."
        )
    return batch.segments[:n]


def classes_of(spec: ImageSpec) -> int:
    """How many classes the maps have.

    Raises:
        BadRecipe: that is not known.
    """
    if not spec.segments:
        raise BadRecipe(
            "pix2pix and CycleGAN must know how many classes the data set's maps have. Fetch or add it first "
            "(`lgbench data list` says how); a data set of your own says it with `segment_names`."
        )
    return spec.segments
