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
    from rich.table import Table

    from lgbench.compare import compare as hold

    picture = picture or run_a / f"pairs-with-{run_b.name}.png"
    result = hold(run_a, run_b, picture, samples)
    console = Console()
    table = Table("metric", run_a.name, run_b.name, "difference")
    for name, (a, b) in result.shared.items():
        table.add_row(name, f"{a:.4g}", f"{b:.4g}", f"{b - a:+.4g}")
    console.print(table)
    for name, why in result.unshared.items():
        console.print(f"{name}: {why}", highlight=False, markup=False)
    pairs = Table("pixel L2 of matched pairs", "")
    for name, value in result.statistics.items():
        pairs.add_row(name, f"{value:.4g}")
    console.print(pairs)
    console.print(f"pairs, nearest to farthest: {picture}", highlight=False, soft_wrap=True)
