"""What a run's segmenter finds in photographs of any size: masks of their own size, and cut-outs."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from lgbench.data.masks import WHITE, MaskConfig
from lgbench.data.names import ENDINGS
from lgbench.data.pictures import Picture, decode_picture
from lgbench.data.squares import Square
from lgbench.data.store import read_file
from lgbench.errors import BadData, NotAvailable
from lgbench.files import atomic
from lgbench.trained import Trained

__all__ = ["foreground", "holds", "photographs", "read", "save"]

KINDS = ("masks", "cutouts")
"""Folders below `out`."""


def photographs(folder: Path, out: Path) -> list[Path]:
    """The pictures below a folder, by name; neither hidden ones nor what an earlier call wrote to `out`.

    Raises:
        BadData: there are none, or they lie where masks or cut-outs are written.
    """
    written = [(out / kind).resolve() for kind in KINDS]
    if holding := [place for place in written if folder.resolve().is_relative_to(place)]:
        raise BadData(f"{folder} lies where --out {out} has its {holding[0].name}. Name another --out.")
    found = [path for path in sorted(folder.rglob("*")) if path.suffix.lower() in ENDINGS and path.is_file()]
    found = [path for path in found if not any(map(path.resolve().is_relative_to, written))]
    found = [path for path in found if not any(part.startswith(".") for part in path.relative_to(folder).parts)]
    if not found:
        raise BadData(
            f"There are no pictures ({', '.join(sorted(ENDINGS))}) in {folder}. Name the folder that has some."
        )
    return found


def read(trained: Trained, path: Path) -> Picture:
    """A photograph as every viewer shows it: turned as its EXIF orientation says, on the colour behind the run's data.

    Raises:
        BadData: it cannot be read.
    """
    return decode_picture(read_file(path.parent, path.name), path.name, _behind(trained))


@torch.no_grad()
def foreground(trained: Trained, pixels: np.ndarray) -> np.ndarray:
    """Where a photograph shows the object, (H, W) bool.

    It becomes square as the run's data did. Where they were cut out of the middle, squares over all of the longer side
    are read and their probabilities averaged.

    Args:
        pixels: (H, W) or (H, W, 3) uint8.

    Raises:
        NotAvailable: the run has no segmenter.
    """
    if trained.segmenter is None or trained.segmenter.predict is None:
        raise NotAvailable(
            f"{trained.run.recipe.method.name} taught no segmenter: take a run of a method that paints layers, or one "
            "without segmentation.name=none."
        )
    recipe, height, width = trained.run.recipe, *pixels.shape[:2]
    if recipe.dataset.grey and pixels.ndim == 3:
        pixels = np.asarray(Image.fromarray(pixels).convert("L"))
    fit = str(recipe.data_settings.get("fit", "crop"))
    if fit == "crop":
        total, seen = np.zeros((height, width), np.float32), np.zeros((height, width), np.float32)
        for rows, columns in _squares(height, width):
            total[rows, columns] += _margin(trained, pixels[rows, columns])
            seen[rows, columns] += 1
        return total / seen >= 0
    backdrop = _behind(trained)
    whole = Square(fit, recipe.resolution).whole(pixels, backdrop[0] if pixels.ndim == 2 else backdrop)
    found = _margin(trained, whole)
    top, left = -((height - len(whole)) // 2), -((width - whole.shape[1]) // 2)
    return found[top : top + height, left : left + width] >= 0


def _behind(trained: Trained) -> tuple[int, int, int]:
    config = trained.run.recipe.data_config
    return config.behind if isinstance(config, MaskConfig) else WHITE


def _squares(height: int, width: int) -> Iterator[tuple[slice, slice]]:
    """The largest squares of a picture, in even steps of at most half of one along its longer side."""
    side, longer = sorted((height, width))
    count = 1 + math.ceil(2 * (longer - side) / side)
    for start in np.linspace(0, longer - side, count).round().astype(int):
        along = slice(int(start), int(start) + side)
        yield (along, slice(side)) if height > width else (slice(side), along)


def _margin(trained: Trained, pixels: np.ndarray) -> np.ndarray:
    """By how much foreground leads in each pixel of a square or squeezed picture, (H, W) float32."""
    run, segmenter = trained.run, trained.segmenter
    assert segmenter is not None
    small = Square("squeeze", run.recipe.resolution).image(pixels)
    channels = small[None] if small.ndim == 2 else small.transpose(2, 0, 1)
    with run.runtime.autocast():
        probability = segmenter.segmented(run.runtime.images(torch.from_numpy(channels[None].copy())))[0].float()
    several = len(probability) > 1
    lead = probability[1:].amax(dim=0) - probability[0] if several else probability[0] - run.recipe.evaluation.threshold
    height, width = pixels.shape[:2]
    return np.asarray(Image.fromarray(lead.cpu().numpy()).resize((width, height), Image.Resampling.BILINEAR))


def save(out: Path, name: Path, pixels: np.ndarray, mask: np.ndarray) -> Path:
    """Write `out`/masks/NAME.png and, transparent but for the object, `out`/cutouts/NAME.png.

    Returns:
        The mask's place: with a number behind its name where other pictures have that one.
    """
    opacity = mask.astype(np.uint8) * 255
    coloured = pixels if pixels.ndim == 3 else np.repeat(pixels[..., None], 3, axis=2)
    pictures = {"masks": opacity, "cutouts": np.dstack([coloured, opacity])}
    places = next(filter(lambda places: _free(places, pictures), _places(out, name)))
    for kind, picture in pictures.items():
        with atomic(places[kind]) as file:
            Image.fromarray(picture).save(file, format="png")
    return places["masks"]


def _places(out: Path, name: Path) -> Iterator[dict[str, Path]]:
    for number in itertools.count(1):
        file = name.with_suffix("").name + (f"-{number}" if number > 1 else "") + ".png"
        yield {kind: out / kind / name.parent / file for kind in KINDS}


def _free(places: Mapping[str, Path], pictures: Mapping[str, np.ndarray]) -> bool:
    """Whether nothing but these very pictures lies there."""
    return all(not place.exists() or holds(place, pictures[kind]) for kind, place in places.items())


def holds(place: Path, picture: np.ndarray) -> bool:
    """Whether a file is this very picture."""
    try:
        with Image.open(place) as held:
            return np.array_equal(np.asarray(held), picture)
    except OSError:
        return False
