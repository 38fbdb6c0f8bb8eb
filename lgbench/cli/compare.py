"""`lgbench compare`."""

from __future__ import annotations

from pathlib import Path

import click

__all__ = ["compare"]

RUN = click.Path(exists=True, file_okay=False, path_type=Path)


@click.command()
@click.argument("run_a", type=RUN)
@click.argument("run_b", type=RUN)
@click.option("--picture", type=click.Path(dir_okay=False, path_type=Path), help="Where to draw the pairs.")
@click.option("--samples", default=1000, show_default=True, type=click.IntRange(min=2))
def compare(run_a: Path, run_b: Path, picture: Path | None, samples: int) -> None:
    """Hold RUN_A and RUN_B side by side: shared metrics, and samples in Hungarian-matched pairs."""
    from rich.console import Console

    from .pairs import compare as hold
    from .printing import print_table, say

    picture = picture or run_a / f"pairs-with-{run_b.name}.png"
    result = hold(run_a, run_b, picture, samples)
    console = Console()
    rows = [(name, f"{a:.4g}", f"{b:.4g}", f"{b - a:+.4g}") for name, (a, b) in result.shared.items()]
    print_table(console, ("metric", run_a.name, run_b.name, "difference"), rows, right=(1, 2, 3))
    for name, why in result.unshared.items():
        say(console, f"{name}: {why}")
    pairs = [(name, f"{value:.4g}") for name, value in result.statistics.items()]
    print_table(console, ("pixel L2 of matched pairs", ""), pairs, right=(1,))
    say(console, f"pairs, nearest to farthest: {picture}")
