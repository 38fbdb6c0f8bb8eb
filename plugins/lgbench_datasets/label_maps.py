"""Pictures with class maps of their own size, from an archive or a folder: read when they are iterated over."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Literal

from lgbench.errors import BadData, BadRecipe

if TYPE_CHECKING:
    import numpy as np

    from lgbench.data import RawDataset, Sample
    from lgbench.data.package import Package
    from lgbench.data.store import Root

__all__ = ["Fit", "Labelled", "Meant", "crop_of", "labelled_splits", "mapped"]

Fit = Literal["crop", "pad", "squeeze"]

Meant = Callable[["np.ndarray"], "tuple[np.ndarray, np.ndarray | None]"]
"""Values of a map's file (H, W) uint8 -> class map (H, W) uint8 and, where there is one, the foreground (H, W) bool."""


@dataclass(frozen=True, slots=True)
class Labelled:
    """Names of a picture's file and its map's, below the top of what holds them."""

    image: str
    labels: str


def crop_of(dataset: str, fit: str) -> str:
    """How pictures become square, in a `RawDataset`'s word; raises BadRecipe where `fit` is none of `Fit`."""
    from lgbench.data.masks import FITS

    if fit not in FITS:
        raise BadRecipe(f"data.fit of {dataset} is {' or '.join(FITS)}, not {fit!r}.")
    return FITS[fit]


def labelled_splits(package: Package) -> dict[str, list[Labelled]]:
    """The pictures of each split of an archive.

    Raises:
        BadData: a picture has no map.
    """
    if bare := [item.image for item in package.items if not item.mask]:
        raise BadData(f"{package.where} has no class map of {bare[0]} (and {len(bare) - 1:,} more); add them.")
    splits: dict[str, list[Labelled]] = {split: [] for split in package.counts}
    for item in package.items:
        splits[item.split].append(Labelled(item.image, item.mask or ""))
    return splits


def mapped(
    root: Root, splits: Mapping[str, Sequence[Labelled]], names: Sequence[str], meant: Meant, origin: str
) -> RawDataset:
    """The data set that a builder hands over, with class maps alone; what else it provides is its builder's to say.

    Args:
        root: what holds the files.
        splits: split -> its pictures, in order.
        names: of the classes, from 0.
        meant: what the values of a map's file mean.
        origin: which copy this is, for the protocol.
    """
    from lgbench.data import RawDataset

    sample = partial(_sample, root, meant)
    return RawDataset(
        # a map goes on after a file that fails, so all of them are named
        splits={split: partial(map, sample, chosen) for split, chosen in splits.items()},
        counts={split: len(chosen) for split, chosen in splits.items()},
        origin=origin,
        provides=frozenset({"segments"}),
        segment_names=tuple(names),
    )


def _sample(root: Root, meant: Meant, pair: Labelled) -> Sample:
    from lgbench.data import Sample, decode_image, decode_mask
    from lgbench.data.store import read_file

    image = decode_image(read_file(root, pair.image), pair.image)
    values = decode_mask(read_file(root, pair.labels), pair.labels)
    try:
        segments, mask = meant(values)
    except BadData as error:
        raise BadData(f"{pair.labels}: {error}") from error
    return Sample(image=image, mask=mask, name=pair.image, segments=segments)
