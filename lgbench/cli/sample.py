"""`lgbench sample`."""

from __future__ import annotations

from pathlib import Path

import click

from .run import DEVICE

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
    """Paint what finished runs do with their codes, predict, or have seen, into each RUN's folder `pictures`.

    Without options it is `grid.png`: images and, where there are layers, background, foregrounds and masks beside them.
    """
    from rich.console import Console

    from lgbench.trained import load_run

    from .pages import draw_grid, draw_neighbours, draw_predictions, draw_variation, draw_walk
    from .progress import reporting
    from .walks import interpolate, vary

    console = Console()
    for folder in runs:
        pictures = folder / "pictures"
        with reporting() as reporter:
            trained = load_run(folder, device, reporter)
        for code in codes:
            draw_variation(console, trained, vary(trained, code, rows, columns, seed), code, pictures)
        for name in walks:
            draw_walk(console, trained, interpolate(trained, name, rows, columns, seed), name, pictures)
        if predicted:
            draw_predictions(console, trained, pictures, rows, seed)
        if not (codes or walks or predicted or near):
            draw_grid(console, trained, pictures, rows, seed)
        if near:
            draw_neighbours(console, trained, pictures, rows)
