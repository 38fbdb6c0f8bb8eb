"""Class maps as networks read them, and as a painter is given them."""

from __future__ import annotations

from torch import Tensor

from lgbench import ImageSpec, LgbenchError
from lgbench.errors import BadRecipe
from lgbench.layers import Batch
from lgbench.nn import one_hot

__all__ = ["classes_of", "given_maps", "signed"]


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
