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
@click.option(
    "--prefer",
    metavar="EXTRACTOR",
    help="Of a pair, the sample nearer to a real picture in these features (`lgbench doctor` lists them).",
)
@click.option("--export", type=click.Path(file_okay=False, path_type=Path), help="Write the pairs for people to judge.")
@click.option("--votes", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Read what they answered.")
def compare(
    run_a: Path,
    run_b: Path,
    picture: Path | None,
    samples: int,
    prefer: str | None,
    export: Path | None,
    votes: Path | None,
) -> None:
    """Hold RUN_A and RUN_B side by side: shared metrics, and samples in Hungarian-matched pairs."""
    from rich.console import Console

    from lgbench.features import load_extractor

    from . import preferences
    from .pairs import compare as hold
    from .printing import print_table, say, say_once

    network = load_extractor(prefer) if prefer else None  # before samples are matched, which may take minutes
    picture = picture or run_a / f"pairs-with-{run_b.name}.png"
    result = hold(run_a, run_b, picture, samples)
    console = Console()
    rows = [(name, f"{a:.4g}", f"{b:.4g}", f"{b - a:+.4g}") for name, (a, b) in result.shared.items()]
    if rows:
        print_table(console, ("metric", run_a.name, run_b.name, "difference"), rows, right=(1, 2, 3))
    else:
        say(console, "The runs share no number:")
    say_once(console, result.unshared)
    pairs = [(name, f"{value:.4g}") for name, value in result.statistics.items()]
    print_table(console, ("L2 of matched pairs, over pixels in [0, 1]", ""), pairs, right=(1,))
    say(console, f"pairs, nearest to farthest: {picture}")
    found = {}
    if network:
        found[f"nearer to real pictures ({prefer})"] = preferences.nearer(result, run_a, network)
    if export:
        preferences.export(result, export)
        say(console, f"{len(result.distances)} pairs to judge, and a form for the answers: {export}")
    if votes:
        found["people"] = preferences.by_votes(result, votes)
    preferred = [
        (name, f"{p.share:.3f} [{p.interval[0]:.3f}, {p.interval[1]:.3f}]", str(p.pairs), str(p.undecided))
        for name, p in found.items()
    ]
    if preferred:
        print_table(console, (f"share that prefers {run_a.name}", "", "pairs", "undecided"), preferred, right=(1, 2, 3))
