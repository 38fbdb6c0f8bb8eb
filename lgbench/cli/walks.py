"""Pictures of what a trained generator does with its codes: one code varied, one factor of a class map moved."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from lgbench.data.samples import IGNORED
from lgbench.errors import BadRecipe, did_you_mean
from lgbench.files import atomic
from lgbench.layers import Painter
from lgbench.painting import as_sampled, uint8
from lgbench.runtime import Runtime
from lgbench.trained import Trained
from lgbench.training.pictures import coloured

__all__ = ["Variation", "Walk", "interpolate", "save_gif", "sheet", "vary"]

LETTER = (6, 12)  # width and height of Pillow's own font, pixels, about
MOST_LINES = 3  # of a title
FRAME = 150  # milliseconds that a film shows each picture
PHI, BEYOND = "phi", 1.5  # how far motions are shown, 1 for the ends of what was learnt


@dataclass(frozen=True, slots=True)
class Variation:
    """Images in which one code changes from column to column.

    Attributes:
        images: (rows, columns, 3, R, R) uint8.
        columns: what each column shows.
        walk: the images of its values with the class maps that they were painted from, where they were.
    """

    images: np.ndarray
    columns: tuple[str, ...]
    walk: Walk | None = None

    @property
    def fixed(self) -> int:
        """How many columns at the left show no value of the code."""
        return self.images.shape[1] - self.walk.images.shape[1] if self.walk else 0


@dataclass(frozen=True, slots=True)
class Walk:
    """A factor of class maps, or a code, on its way from one end to the other, as a generator paints it.

    Attributes:
        segments: class maps, (rows, frames, R, R) uint8.
        images: painted from them, each row with all else held, (rows, frames, 3, R, R) uint8.
    """

    segments: np.ndarray
    images: np.ndarray

    @torch.no_grad()
    def consistency(self, judge: Callable[[Tensor], Tensor], runtime: Runtime) -> np.ndarray:
        """Share of pixels in which a judge, images -> class scores, reads what was asked for, (rows, frames).

        Of those of real class maps that are not ignored.
        """
        found = []
        for maps, images in zip(self.segments, self.images, strict=True):
            read = judge(runtime.images(torch.from_numpy(images))).argmax(dim=1).cpu().numpy()
            found.append((read == maps).sum(axis=(1, 2)) / np.maximum((maps != IGNORED).sum(axis=(1, 2)), 1))
        return np.stack(found)

    def change(self) -> np.ndarray:
        """Mean |difference| of neighbouring frames where neither shows anything but class 0, (rows, frames - 1).

        Images in [0, 1]; small where the latent, not the class map, says what the background is.
        """
        rest = (self.segments[:, 1:] == 0) & (self.segments[:, :-1] == 0)
        step = np.abs(self.images[:, 1:] / 255 - self.images[:, :-1] / 255).mean(axis=2)
        return (step * rest).sum(axis=(2, 3)) / np.maximum(rest.sum(axis=(2, 3)), 1)

    def grid(self) -> np.ndarray:
        """Each row's class maps in colours, and below them what was painted, (2 rows, frames, 3, R, R) uint8."""
        rows, frames, side, _ = self.segments.shape
        maps = _maps(torch.from_numpy(self.segments.reshape(-1, side, side)))
        pairs = np.stack([maps.reshape(self.images.shape), self.images], axis=1)
        return pairs.reshape(2 * rows, frames, 3, side, side)


@torch.no_grad()
def vary(trained: Trained, name: str, rows: int, columns: int, seed: int = 0) -> Variation:
    """Paint rows of images in which one code changes from column to column and all others stay.

    A latent is drawn anew in each column; class maps are those of other test images, shown in a row above; of
    attributes, each is turned to the other side once, after a column of images as they are, or, where they exclude each
    other, is the one that is on. Where a row is painted from one class map, the first column shows it. Of two codes,
    one image has the first changed from row to row, and the second from column to column.

    Args:
        name: of the code, say "z", "c" or "s"; "z:1" of one layer's latent where "z" has one for each, 0 the
            background's; "phi:0" of the first number of a motion that latents follow, from -1.5 to 1.5, where the ends
            of what was learnt are -1 and 1; two names, "z:0,z:1", of a page of both.

    Raises:
        BadRecipe: the generator has no such code, or no such layer, or no motions.
    """
    painter, (down, _, across) = trained.painter, name.partition(",")
    with as_sampled(painter, False, seed):
        if across:
            return _both_varied(trained, down, across, rows, columns)
        batch = trained.given(rows)
        codes = painter.codes(rows, batch)
        if name.partition(":")[0] == PHI and PHI not in codes:
            return _moved(trained, codes, name, columns)
        name, layer = _code(trained, codes, name)
        choices = _choices(trained, codes, name, columns)
        images = [_painted(trained, _changed(codes, name, layer, choice)) for choice in choices]
    grid, titles = np.stack(images, axis=1), _titles(trained, codes, name, layer, len(choices))
    if "s" not in codes:
        return Variation(grid, titles)
    segments = torch.stack([choice if name == "s" else codes["s"] for choice in choices], dim=1)
    walk = Walk(segments.cpu().numpy(), grid)
    if name == "s":
        return Variation(np.concatenate([_maps(segments[0])[None], grid]), titles, walk)
    return Variation(np.concatenate([_maps(segments[:, 0])[:, None], grid], axis=1), ("class map", *titles), walk)


def _maps(segments: Tensor) -> np.ndarray:
    """Class maps, (N, R, R), in colours, (N, 3, R, R) uint8."""
    return uint8((coloured(segments) + 1) / 2)


def _both_varied(trained: Trained, down: str, across: str, rows: int, columns: int) -> Variation:
    """One image, in which one code changes from row to row and another from column to column."""
    codes = trained.painter.codes(1, trained.given(1))
    one, other = (_code(trained, codes, name) for name in (down, across))
    if one == other:
        raise BadRecipe(f"--vary {down},{across} names one code twice. Name two, or one alone.")
    below, beside = (_choices(trained, codes, name, count) for (name, _), count in ((one, rows), (other, columns)))
    images = [
        [_painted(trained, _changed(_changed(codes, *one, first), *other, second))[0] for second in beside]
        for first in below
    ]
    return Variation(np.stack([np.stack(row) for row in images]), _titles(trained, codes, *other, len(beside)))


def _moved(trained: Trained, codes: Mapping[str, Tensor], name: str, columns: int) -> Variation:
    """Images whose latents follow one number of a motion, beyond the ends of what was learnt (ELGAN, Eq. 7)."""
    motion = next((term.motion for _, _, term in trained.game.terms if term.motion), None)
    if motion is None:
        method = trained.run.recipe.method.name
        raise BadRecipe(f"Nothing ties {method}'s latents to motions: train it --with equivariance.")
    number = name.partition(":")[2]
    if not number.isdecimal() or int(number) >= motion.size:
        raise BadRecipe(f"--vary {name} names no number of a motion. It has {PHI}:0 to {PHI}:{motion.size - 1}.")
    reaches = np.linspace(-BEYOND, BEYOND, columns)
    images = []
    with trained.run.runtime.autocast():
        layers = trained.painter(codes)
        for reach in reaches:
            eps = torch.zeros(len(layers.image), motion.size, device=layers.image.device)
            eps[:, int(number)] = float(reach)
            images.append(uint8((motion.images(layers, eps)[0].float() + 1) / 2))
    return Variation(np.stack(images, axis=1), tuple(f"{reach:+.2f}" for reach in reaches))


def _code(trained: Trained, codes: Mapping[str, Tensor], name: str) -> tuple[str, int | None]:
    """A code's name, and which layer's of it, None for all.

    Raises:
        BadRecipe: there is no such code, or no such layer of it.
    """
    code, colon, layer = name.partition(":")
    if code not in codes:
        hint = did_you_mean(code, codes, f"It has {', '.join(sorted(codes))}.")
        raise BadRecipe(f"{trained.run.recipe.generator.name} has no code {code!r} to vary. {hint}")
    if not colon:
        return code, None
    layers = codes[code].shape[1] if codes[code].ndim == 3 and codes[code].is_floating_point() else 0
    if not layer.isdecimal() or int(layer) >= layers:
        known = f"It has {code}:0 to {code}:{layers - 1}" if layers else f"All layers share it: --vary {code}"
        raise BadRecipe(f"{trained.run.recipe.generator.name} has no layer {layer!r} of the code {code!r}. {known}.")
    return code, int(layer)


def _changed(codes: Mapping[str, Tensor], name: str, layer: int | None, choice: Tensor) -> dict[str, Tensor]:
    """The codes with another one, or another one's layer."""
    if layer is not None:
        choice = torch.cat([codes[name][:, :layer], choice[:, [layer]], codes[name][:, layer + 1 :]], dim=1)
    return {**codes, name: choice}


def _titles(trained: Trained, codes: Mapping[str, Tensor], name: str, layer: int | None, count: int) -> tuple[str, ...]:
    if _turned(trained, codes, name):
        test = trained.splits()["test"]
        return ("as given", *(each if test.exclusive else f"{each} turned" for each in test.attribute_names))
    named = name if layer is None else f"{name}:{layer}"
    return tuple(f"{named} {i + 1}" for i in range(count))


def _turned(trained: Trained, codes: Mapping[str, Tensor], name: str) -> bool:
    """Whether a code is attributes, which are turned (or, of one of many, switched on) one by one."""
    return name == "c" and codes[name].ndim == 2 and "attributes" in trained.painter.conditional


def _choices(trained: Trained, codes: Mapping[str, Tensor], name: str, columns: int) -> list[Tensor]:
    """What a code is in each column, (rows, ...) each."""
    code, rows = codes[name], len(codes[name])
    if _turned(trained, codes, name):
        sides = torch.eye(code.shape[1], device=code.device)
        if trained.splits()["test"].exclusive:  # nobody has two, or none
            return [code, *(side.expand_as(code) for side in sides)]
        return [code, *((code - side).abs() for side in sides)]
    others = trained.painter.codes(columns, trained.given(columns, skip=rows))[name]
    return [other[None].expand(rows, *other.shape) for other in others]


@torch.no_grad()
def interpolate(trained: Trained, name: str, rows: int, frames: int, seed: int = 0) -> Walk:
    """Move one factor of the class maps of test images, with latent and attributes held.

    Args:
        name: a walk of the data set, say "pose" or "smile", or "landmarks": straight to the next image's.

    Raises:
        BadRecipe: the generator reads no class maps, or the data set knows no such walk.
    """
    recipe, painter = trained.run.recipe, trained.painter
    regions = recipe.dataset.regions
    if "segments" not in painter.conditional or regions is None:
        lacks = f"{recipe.dataset.name} has no landmarks"
        if "segments" not in painter.conditional:
            lacks = f"{recipe.generator.name} paints from no class map"
        others = " or ".join(f"--vary {name}" for name in recipe.generator.varies)
        raise BadRecipe(
            f"--interpolate moves landmarks and paints from the class maps that they give, and {lacks}. Here you can "
            f"change one code: {others}."
        )
    walk = _walk(trained, name)
    segments = np.stack([[regions(points, recipe.resolution) for points in walk(row, frames)] for row in range(rows)])
    with as_sampled(painter, False, seed):
        codes = painter.codes(rows, trained.given(rows))
        images = []
        for frame in range(frames):
            maps = torch.from_numpy(segments[:, frame]).to(painter.device)
            images.append(_painted(trained, {**codes, "s": maps}))
    return Walk(segments, np.stack(images, axis=1))


def _walk(trained: Trained, name: str) -> Callable[[int, int], np.ndarray]:
    """`(row, frames) -> landmarks (frames, P, 2)`."""
    recipe, split = trained.run.recipe, trained.splits()["test"]
    if name in recipe.dataset.walks:
        return lambda row, frames: recipe.dataset.walks[name](recipe.data_config, recipe.resolution, row, frames)
    landmarks = split.landmarks
    if name != "landmarks" or landmarks is None:
        known = [*recipe.dataset.walks, *(["landmarks"] if landmarks is not None else [])]
        hint = did_you_mean(name, known, f"It knows {', '.join(known) or 'none'}.")
        raise BadRecipe(f"{recipe.dataset.name} knows no walk {name!r}. {hint}")

    def straight(row: int, frames: int) -> np.ndarray:
        a = np.linspace(0, 1, frames)[:, None, None]
        return (1 - a) * landmarks[row % len(split)] + a * landmarks[(row + 1) % len(split)]

    return straight


def _painted(trained: Trained, codes: Mapping[str, Tensor]) -> np.ndarray:
    painter: Painter = trained.painter
    with trained.run.runtime.autocast():
        return uint8((painter(codes).image.float() + 1) / 2)


def sheet(grid: np.ndarray, scale: int = 1, titles: Sequence[str] = ()) -> np.ndarray:
    """A grid of pictures, (rows, columns, 3, R, R) uint8, as one, (H, W, 3), with a white line between them.

    Args:
        scale: enlarges each pixel.
        titles: what stands above each column.
    """
    padded = np.pad(grid, ((0, 0), (0, 0), (0, 0), (1, 1), (1, 1)), constant_values=255)
    rows, columns, _, side, _ = padded.shape
    pixels = padded.transpose(0, 3, 1, 4, 2).reshape(rows * side, columns * side, 3)
    pixels = pixels.repeat(scale, axis=0).repeat(scale, axis=1)
    return np.concatenate([_heads(titles, side * scale), pixels]) if titles else pixels


def _heads(titles: Sequence[str], width: int) -> np.ndarray:
    """Titles in a row, each in the middle of `width` pixels, black on white, (H, W, 3) uint8."""
    lines = [textwrap.wrap(title, max(1, width // LETTER[0]), max_lines=MOST_LINES) for title in titles]
    height = 4 + LETTER[1] * max(map(len, lines))
    picture = Image.new("RGB", (width * len(titles), height), "white")
    draw = ImageDraw.Draw(picture)
    for column, told in enumerate(lines):
        middle = (int((column + 0.5) * width), height // 2)
        draw.multiline_text(middle, "\n".join(told), "black", anchor="mm", spacing=1, align="center")
    return np.asarray(picture)


def save_gif(path: Path, frames: Sequence[np.ndarray]) -> None:
    """Write pictures, (H, W, 3) uint8 each, as a film that runs for ever, atomically."""
    first, *others = (Image.fromarray(frame) for frame in frames)
    with atomic(path) as file:
        first.save(file, format="gif", save_all=True, append_images=others, duration=FRAME, loop=0)
