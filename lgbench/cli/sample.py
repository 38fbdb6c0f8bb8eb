"""`lgbench sample`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .run import DEVICE

if TYPE_CHECKING:
    import numpy as np

    from lgbench.trained import Trained

    from .walks import Walk

__all__ = ["sample"]

MOST = 200
"""Rows, and columns, of a page; more nobody looks at, and they are painted at once."""

RUN = click.Path(exists=True, file_okay=False, path_type=Path)


@click.command()
@click.argument("runs", nargs=-1, required=True, type=RUN, metavar="RUN...")
@click.option(
    "--vary",
    "codes",
    multiple=True,
    metavar="CODE",
    help="A row an image, a column a value: z, c, s, f, b ...; `lgbench info METHOD` says which there are. z:1 is one "
    "layer's latent, phi:0 a motion that latents follow; c,z is a page of two.",
)
@click.option("--interpolate", "walks", multiple=True, metavar="WALK", help="pose, smile or landmarks, frame by frame.")
@click.option("--predictions", "predicted", is_flag=True, help="Best, median and worst masks by IoU, and a grid.")
@click.option("--neighbours", "near", is_flag=True, help="Samples beside the nearest training pictures.")
@click.option("--rows", default=6, show_default=True, type=click.IntRange(1, MOST), help="Images.")
@click.option("--columns", default=10, show_default=True, type=click.IntRange(2, MOST), help="Values, or frames.")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0, 2**31 - 1), help="Of what is drawn.")
@DEVICE
def sample(
    runs: tuple[Path, ...],
    codes: tuple[str, ...],
    walks: tuple[str, ...],
    predicted: bool,
    near: bool,
    rows: int,
    columns: int,
    seed: int,
    device: str,
) -> None:
    """Paint what finished runs do with their codes, predict, or have seen, into each RUN's folder `pictures`."""
    from rich.console import Console

    from lgbench.trained import load_run

    from .printing import say
    from .progress import reporting
    from .walks import interpolate, vary

    if not codes and not walks and not predicted and not near:
        raise click.UsageError(
            "Say what to paint: --vary CODE or --interpolate WALK (both repeatable), --predictions or --neighbours."
        )
    console = Console()
    for folder in runs:
        with reporting() as reporter:
            trained = load_run(folder, device, reporter)
        for code in codes:
            varied = vary(trained, code, rows, columns, seed)
            file = f"vary-{code.replace(':', '').replace(',', '-')}.png"
            path = _draw(folder / "pictures" / file, varied.images, varied.columns)
            say(console, f"{code} varied: {path}")
            say(console, f"  columns: {', '.join(varied.columns)}")
        for name in walks:
            walk = interpolate(trained, name, rows, columns, seed)
            path = _draw(folder / "pictures" / f"{name}.png", walk.grid(), moving=True)
            say(console, f"{name}: {path}, {path.with_suffix('.gif').name}")
            _tell(console, trained, walk)
        if predicted:
            _draw_predictions(console, trained, folder / "pictures", rows, seed)
        if near:
            _draw_neighbours(console, trained, folder / "pictures", rows)


def _draw_predictions(console, trained: Trained, pictures: Path, rows: int, seed: int) -> None:
    """A page of masks and, where the method paints, a grid of layers; those of before are replaced."""
    from lgbench.training.pictures import save_png

    from .predictions import grid_of, predictions
    from .printing import say

    page = predictions(trained, rows)
    save_png(pictures / "predictions.png", _sheet(page.grid, page.titles))
    say(console, f"predictions: {pictures / 'predictions.png'}")
    best, median, worst = page.iou.mean(axis=0)
    say(console, f"  IoU of the best {best:.3f}, of the median {median:.3f}, of the worst {worst:.3f}")
    if trained.run.recipe.method.generator is not None:
        save_png(pictures / "grid.png", grid_of(trained, rows, seed))
        say(console, f"grid: {pictures / 'grid.png'}")


def _draw_neighbours(console, trained: Trained, pictures: Path, rows: int) -> None:
    """A page of samples and what they are nearest to; that of before is replaced."""
    from lgbench.training.pictures import save_png

    from .predictions import neighbours
    from .printing import say

    page = neighbours(trained, rows)
    save_png(pictures / "neighbours.png", _sheet(page.grid, page.titles))
    say(console, f"neighbours: {pictures / 'neighbours.png'}")
    nearest, median, farthest = page.similarity.mean(axis=0)
    say(console, f"  cosine of the nearest {nearest:.3f}, of the median {median:.3f}, of the farthest {farthest:.3f}")


def _draw(path: Path, grid: np.ndarray, titles: Sequence[str] = (), moving: bool = False) -> Path:
    """Write a grid of pictures, moving from column to column too; beside other pictures of the name, under another."""
    from lgbench.training.pictures import save_png

    from .walks import save_gif

    pixels = _sheet(grid, titles)
    path = _free(path, pixels)
    save_png(path, pixels)
    if moving:
        save_gif(path.with_suffix(".gif"), [_sheet(grid[:, [i]]) for i in range(grid.shape[1])])
    return path


def _sheet(grid: np.ndarray, titles: Sequence[str] = ()) -> np.ndarray:
    """A grid of pictures as one, small pictures enlarged."""
    from .walks import sheet

    return sheet(grid, max(1, 64 // grid.shape[-1]), titles)


def _free(path: Path, pixels: np.ndarray) -> Path:
    """`path`, or with a number behind its name where that holds another picture."""
    import itertools

    from .cutouts import holds

    others = (path.with_name(f"{path.stem}-{number}{path.suffix}") for number in itertools.count(2))
    return next(place for place in itertools.chain([path], others) if not place.exists() or holds(place, pixels))


def _tell(console, trained: Trained, walk: Walk) -> None:
    """Per frame, how well a judge reads what was asked for, and how much the rest of the picture changes."""
    from .printing import print_table, say

    consistency, change = (
        walk.consistency(_judge(trained), trained.run.runtime).mean(axis=0),
        walk.change().mean(axis=0),
    )
    rows = [
        (f"{i + 1}", f"{consistency[i]:.3f}", f"{change[i - 1]:.4f}" if i else "") for i in range(walk.images.shape[1])
    ]
    print_table(console, ("frame", "consistency", "change outside"), rows, right=(0, 1, 2))
    say(
        console,
        "consistency: share of pixels in which a judge reads the class map that was asked for. change outside: mean "
        "difference to the frame before, from 0 to 1, where neither frame shows anything but background.",
    )


def _judge(trained: Trained):
    """The network that judges the run's spatial consistency."""
    from .predictions import evidence_of

    _, evidence = evidence_of(trained, "spatial-consistency")
    return evidence["judge"][0]
