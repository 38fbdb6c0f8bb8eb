"""How much faster is a training step with one setting than with another? Both are timed in turn, in one process.

    uv run python benchmarks/speed/step.py dscomgan training.channels_last=false training.channels_last=true
    uv run python benchmarks/speed/step.py lrgan training.precision=bf16 training.precision=fp32 --resolution 32

Steps of the two alternate, so that a busy machine slows both; the ratio of the medians is what to quote.
"""

from __future__ import annotations

import statistics
import time

import click
import numpy as np

from lgbench.plugins import registry
from lgbench.recipe import parse_setting, resolve
from lgbench.run import runtime_of, spec_of
from lgbench.runtime import choose_device
from lgbench.segmenters import SEGMENTERS
from lgbench.stages import build_game
from lgbench.training import Schedule
from lgbench.training.player import Player
from lgbench.training.stream import Stream


def stepper(method: str, setting: str, preset: str, side: int, device: str):
    """A function that plays one step and returns its seconds."""
    found = registry()
    chosen = found.get("methods", method)
    recipe = resolve(
        chosen,
        found.get("generators", chosen.generator),
        found.get("datasets", "flora"),
        found.regularizers,
        SEGMENTERS,
        preset=preset,
        resolution=side,
        overrides=dict([parse_setting(setting)]),
    )
    runtime = runtime_of(recipe, choose_device(device))
    runtime.set_up()
    game, terms = build_game(recipe, spec_of(recipe, classes=0))
    batch = recipe.training.batch
    player = Player(game, terms, Schedule(10**9, batch), runtime)
    noise = np.random.default_rng(0).integers(0, 256, (2 * batch, 3, side, side), dtype=np.uint8)
    stream = Stream(noise, Schedule(10**9, batch, flip=False), runtime)

    def step() -> float:
        began = time.perf_counter()
        values = player.play(player.step, stream(player.step), looking=False)
        sum(float(value) for value in values.values())  # waits for the device
        return time.perf_counter() - began

    return step


@click.command()
@click.argument("method")
@click.argument("setting_a")
@click.argument("setting_b")
@click.option("--preset", default="smoke", show_default=True)
@click.option("--resolution", default=64, show_default=True)
@click.option("--device", default="auto", show_default=True)
@click.option("--steps", default=12, show_default=True)
def main(method: str, setting_a: str, setting_b: str, preset: str, resolution: int, device: str, steps: int) -> None:
    """Time a training step of METHOD with SETTING_A against SETTING_B."""
    a, b = (stepper(method, setting, preset, resolution, device) for setting in (setting_a, setting_b))
    a(), b()
    times = [(a(), b()) for _ in range(steps)]
    median_a, median_b = (statistics.median(column) for column in zip(*times, strict=True))
    ratios = sorted(tb / ta for ta, tb in times)
    click.echo(f"{setting_a}: {median_a:.4f} s   {setting_b}: {median_b:.4f} s")
    click.echo(f"ratio {median_b / median_a:.2f} (single pairs {ratios[0]:.2f} to {ratios[-1]:.2f})")


if __name__ == "__main__":
    main()
