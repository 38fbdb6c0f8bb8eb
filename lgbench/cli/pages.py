"""Pages of pictures that `lgbench sample` draws of a finished run, and what it says of them."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from rich.console import Console

from lgbench.errors import NotAvailable
from lgbench.trained import Trained
from lgbench.training.pictures import enlargement, save_png

from .cutouts import holds
from .predictions import evidence_of, grid_of, neighbours, predictions
from .printing import print_table, say
from .walks import Variation, Walk, save_gif, sheet

__all__ = ["draw_grid", "draw_neighbours", "draw_predictions", "draw_variation", "draw_walk"]


def draw_variation(console: Console, trained: Trained, varied: Variation, code: str, pictures: Path) -> None:
    """A page of a code's values, and the same as a film; beside others of its name, under a number."""
    path = _draw(pictures / f"vary-{code.replace(':', '').replace(',', '-')}.png", varied.images, varied.columns)
    film = _film(path, varied.images[:, varied.fixed :])
    say(console, f"{code} varied: {path}, {film.name}")
    say(console, f"  columns: {', '.join(varied.columns)}")
    if varied.walk is not None:
        _tell(console, trained, varied.walk)


def draw_walk(console: Console, trained: Trained, walk: Walk, name: str, pictures: Path) -> None:
    """A page of a walk, and the same as a film; beside others of its name, under a number."""
    grid = walk.grid()
    path = _draw(pictures / f"{name}.png", grid)
    say(console, f"{name}: {path}, {_film(path, grid).name}")
    _tell(console, trained, walk)


def draw_predictions(console: Console, trained: Trained, pictures: Path, rows: int, seed: int) -> None:
    """A page of masks and, where the method paints, a grid of layers; those of before are replaced.

    Raises:
        NotAvailable: there are no masks to show.
    """
    paints = trained.run.recipe.method.generator is not None
    try:
        page = predictions(trained, rows)
    except NotAvailable as reason:
        folder = trained.run.folder
        advice = f" `lgbench sample {folder}` paints a grid of its images." if paints else ""
        raise NotAvailable(f"{folder} has no predictions to show: {reason}.{advice}") from None
    save_png(pictures / "predictions.png", _sheet(page.grid, page.titles))
    say(console, f"predictions: {pictures / 'predictions.png'}")
    best, median, worst = page.iou.mean(axis=0)
    say(console, f"  IoU of the best {best:.3f}, of the median {median:.3f}, of the worst {worst:.3f}")
    if paints:
        draw_grid(console, trained, pictures, rows, seed)


def draw_grid(console: Console, trained: Trained, pictures: Path, rows: int, seed: int) -> None:
    """A grid of images with their layers; that of before is replaced.

    Raises:
        NotAvailable: the method paints nothing.
    """
    folder, method = trained.run.folder, trained.run.recipe.method
    if method.generator is None:
        raise NotAvailable(
            f"{folder} is a run of {method.name}, which paints nothing. `lgbench sample {folder} --predictions` shows "
            "the masks that it predicts."
        )
    save_png(pictures / "grid.png", grid_of(trained, rows, seed))
    say(console, f"grid: {pictures / 'grid.png'}")


def draw_neighbours(console: Console, trained: Trained, pictures: Path, rows: int) -> None:
    """A page of samples and what they are nearest to; that of before is replaced."""
    page = neighbours(trained, rows)
    save_png(pictures / "neighbours.png", _sheet(page.grid, page.titles))
    say(console, f"neighbours: {pictures / 'neighbours.png'}")
    nearest, median, farthest = page.similarity.mean(axis=0)
    say(console, f"  cosine of the nearest {nearest:.3f}, of the median {median:.3f}, of the farthest {farthest:.3f}")


def _draw(path: Path, grid: np.ndarray, titles: Sequence[str] = ()) -> Path:
    """Write a grid of pictures; beside another picture of the name, under another."""
    pixels = _sheet(grid, titles)
    path = _free(path, pixels)
    save_png(path, pixels)
    return path


def _film(page: Path, grid: np.ndarray) -> Path:
    """Write a grid's columns one after the other beside the page that shows them."""
    path = page.with_suffix(".gif")
    save_gif(path, [_sheet(grid[:, [i]]) for i in range(grid.shape[1])])
    return path


def _sheet(grid: np.ndarray, titles: Sequence[str] = ()) -> np.ndarray:
    """A grid of pictures as one, small pictures enlarged."""
    return sheet(grid, enlargement(grid.shape[-1]), titles)


def _free(path: Path, pixels: np.ndarray) -> Path:
    """`path`, or with a number behind its name where that holds another picture."""
    others = (path.with_name(f"{path.stem}-{number}{path.suffix}") for number in itertools.count(2))
    return next(place for place in itertools.chain([path], others) if not place.exists() or holds(place, pixels))


def _tell(console: Console, trained: Trained, walk: Walk) -> None:
    """Per frame, how well a judge reads what was asked for, and how much the rest of the picture changes."""
    _, evidence = evidence_of(trained, "spatial-consistency")
    consistency = walk.consistency(evidence["judge"][0], trained.run.runtime).mean(axis=0)
    change = walk.change().mean(axis=0)
    rows = [
        (f"{i + 1}", f"{consistency[i]:.3f}", f"{change[i - 1]:.4f}" if i else "") for i in range(walk.images.shape[1])
    ]
    print_table(console, ("frame", "consistency", "change outside"), rows, right=(0, 1, 2))
    say(
        console,
        "consistency: share of pixels in which a judge reads the class map that was asked for. change outside: mean "
        "difference to the frame before, from 0 to 1, where neither frame shows anything but background.",
    )
