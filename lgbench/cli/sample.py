"""`lgbench sample`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    import numpy as np

    from lgbench.trained import Trained

    from .walks import Walk

__all__ = ["sample"]

RUN = click.Path(exists=True, file_okay=False, path_type=Path)


@click.command()
@click.argument("runs", nargs=-1, required=True, type=RUN, metavar="RUN...")
@click.option(
    "--vary", "codes", multiple=True, metavar="CODE", help="A row an image, a column a value: z, c, s, f, b ..."
)
@click.option("--interpolate", "walks", multiple=True, metavar="WALK", help="pose, smile or landmarks, frame by frame.")
@click.option("--rows", default=6, show_default=True, type=click.IntRange(min=1), help="Images.")
@click.option("--columns", default=10, show_default=True, type=click.IntRange(min=2), help="Values, or frames.")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0, 2**31 - 1), help="Of what is drawn.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or cuda:N.")
def sample(
    runs: tuple[Path, ...],
    codes: tuple[str, ...],
    walks: tuple[str, ...],
    rows: int,
    columns: int,
    seed: int,
    device: str,
) -> None:
    """Paint what finished runs do with their codes, into each RUN's folder `pictures`."""
    from rich.console import Console

    from lgbench.trained import load_run
    from lgbench.training.pictures import save_png

    from .printing import say
    from .progress import reporting
    from .walks import interpolate, save_gif, sheet, vary

    if not codes and not walks:
        raise click.UsageError("Say what to paint: --vary CODE, or --interpolate WALK; both may be repeated.")
    console = Console()
    for folder in runs:
        with reporting() as reporter:
            trained = load_run(folder, device, reporter)
        scale = max(1, 64 // trained.run.recipe.resolution)
        for code in codes:
            path = folder / "pictures" / f"vary-{code}.png"
            save_png(path, sheet(vary(trained, code, rows, columns, seed), scale))
            say(console, f"{code} varied: {path}")
        for name in walks:
            walk = interpolate(trained, name, rows, columns, seed)
            path = folder / "pictures" / f"{name}.png"
            frames = _frames(walk)
            save_png(path, sheet(frames, scale))
            save_gif(path.with_suffix(".gif"), [sheet(frames[:, [i]], scale) for i in range(columns)])
            say(console, f"{name}: {path}, {path.with_suffix('.gif').name}")
            _tell(console, trained, walk)


def _frames(walk: Walk) -> np.ndarray:
    """Each row's class maps, and below them what was painted."""
    import numpy as np
    import torch

    from lgbench.painting import uint8
    from lgbench.training.pictures import coloured

    rows, frames, side, _ = walk.segments.shape
    maps = uint8((coloured(torch.from_numpy(walk.segments.reshape(-1, side, side))) + 1) / 2)
    pairs = np.stack([maps.reshape(walk.images.shape), walk.images], axis=1)
    return pairs.reshape(2 * rows, frames, 3, side, side)


def _tell(console, trained: Trained, walk: Walk) -> None:
    """Per frame, how well a judge reads what was asked for, and how much the rest of the picture changes."""
    from .printing import print_table

    consistency, change = (
        walk.consistency(_judge(trained), trained.run.runtime).mean(axis=0),
        walk.change().mean(axis=0),
    )
    rows = [
        (f"{i + 1}", f"{consistency[i]:.3f}", f"{change[i - 1]:.4f}" if i else "") for i in range(walk.images.shape[1])
    ]
    print_table(console, ("frame", "consistency", "change outside"), rows, right=(0, 1, 2))


def _judge(trained: Trained):
    """The network that judges the run's spatial consistency."""
    from lgbench.evaluation import Evidence, parts_of
    from lgbench.plugins import registry

    metric = registry().get("metrics", "spatial-consistency")
    evidence = Evidence(trained.run, trained.game, trained.segmenter, trained.splits(), parts_of({metric.name: metric}))
    return evidence["judge"][0]
