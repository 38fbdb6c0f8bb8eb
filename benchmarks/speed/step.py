"""How much faster is a training step with one setting than with another? Both are timed in turn, in one process.

    uv run python benchmarks/speed/step.py dscomgan training.channels_last=false training.channels_last=true
    uv run python benchmarks/speed/step.py lrgan training.precision=bf16 training.precision=fp32 --resolution 32
    uv run python benchmarks/speed/step.py scgan method.n_repeat=1 method.n_repeat=5 --dataset faces

Steps of the two alternate, so that a busy machine slows both; the ratio of the medians is what to quote.
"""

from __future__ import annotations

import statistics
import time

import click
import torch

from lgbench.cli.dry_run import noise
from lgbench.data import DataHome
from lgbench.lookup import look_up
from lgbench.recipe import Request, parse_setting
from lgbench.run import runtime_of, spec_of
from lgbench.runtime import choose_device
from lgbench.stages import build_game
from lgbench.training import Schedule
from lgbench.training.player import Player
from lgbench.training.stream import Stream


def stepper(request: Request, device: str):
    """A function that plays as many steps as it takes until every phase has moved, and returns the seconds of one."""
    home = DataHome()
    recipe = look_up(request, home)
    runtime = runtime_of(recipe, choose_device(device))
    runtime.set_up()
    raw = recipe.dataset.build(recipe.data_config, recipe.resolution, home)  # painted: nothing is read
    spec, batch = spec_of(recipe, raw), recipe.training.batch
    player = Player(build_game(recipe, spec), Schedule(10**9, batch), runtime)
    stream = Stream(noise(2 * batch, spec), Schedule(10**9, batch, flip=False), runtime, player.reads)
    number = 0

    def step() -> float:
        nonlocal number
        began = time.perf_counter()
        for _ in range(player.period):
            player.play(number, stream(number), looking=False)
            number += 1
        if runtime.device.type == "cuda":
            torch.cuda.synchronize(runtime.device)
        return (time.perf_counter() - began) / player.period

    return step


@click.command()
@click.argument("method")
@click.argument("setting_a")
@click.argument("setting_b")
@click.option("--dataset", default="flora", show_default=True, help="Of painted pictures.")
@click.option("--preset", default="smoke", show_default=True)
@click.option("--resolution", default=64, show_default=True)
@click.option("--device", default="auto", show_default=True)
@click.option("--steps", default=12, show_default=True)
def main(
    method: str, setting_a: str, setting_b: str, dataset: str, preset: str, resolution: int, device: str, steps: int
) -> None:
    """Time a training step of METHOD with SETTING_A against SETTING_B."""
    settings = [dict([parse_setting(setting)]) for setting in (setting_a, setting_b)]
    a, b = (stepper(Request(method, dataset, preset, 0, resolution, each), device) for each in settings)
    a(), b()
    times = [(a(), b()) for _ in range(steps)]
    median_a, median_b = (statistics.median(column) for column in zip(*times, strict=True))
    ratios = sorted(tb / ta for ta, tb in times)
    click.echo(f"{setting_a}: {median_a:.4f} s   {setting_b}: {median_b:.4f} s")
    click.echo(f"ratio {median_b / median_a:.2f} (single pairs {ratios[0]:.2f} to {ratios[-1]:.2f})")


if __name__ == "__main__":
    main()
