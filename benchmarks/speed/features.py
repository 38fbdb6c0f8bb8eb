"""How much faster does a network describe images a few at a time, on a CPU, than a hundred at a time?

    LGBENCH_SQUEEZENET=FILE.pth uv run python benchmarks/speed/features.py
    uv run python benchmarks/speed/features.py --extractor random --images 2000

Rounds of the two alternate; what a busy machine takes from one it takes from the other.
"""

from __future__ import annotations

import statistics
import time

import click
import numpy as np
import torch

from lgbench.features import EXTRACTORS, load_extractor


@click.command()
@click.option("--extractor", type=click.Choice([*EXTRACTORS]), default="squeezenet", show_default=True)
@click.option("--images", "count", type=click.IntRange(min=1), default=100, show_default=True)
@click.option("--side", type=click.IntRange(min=8), default=64, show_default=True, help="Pixels.")
@click.option("--rounds", type=click.IntRange(min=1), default=5, show_default=True)
def main(extractor: str, count: int, side: int, rounds: int) -> None:
    """Time both, and say by how much their features differ."""
    torch.set_num_threads(1)
    network = load_extractor(extractor)
    images = np.random.default_rng(0).integers(0, 256, (count, 3, side, side), dtype=np.uint8)
    ratios, apart = [], 0.0
    for _ in range(rounds):
        seconds, seen = [], []
        for batch in (100, network.batch):
            begun = time.process_time()
            seen.append(network.describe(images, batch)[0])
            seconds.append(time.process_time() - begun)
        ratios.append(seconds[0] / seconds[1])
        apart = max(apart, float(np.abs(seen[0] - seen[1]).max() / np.abs(seen[0]).max()))
        click.echo(f"100 at a time: {seconds[0]:.2f} s; {network.batch}: {seconds[1]:.2f} s")
    click.echo(f"{statistics.median(ratios):.2f} times as fast ({min(ratios):.2f} to {max(ratios):.2f})")
    click.echo(f"largest difference of a feature, of the largest feature: {apart:.1e}")


if __name__ == "__main__":
    main()
