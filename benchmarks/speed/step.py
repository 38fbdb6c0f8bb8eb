"""How much faster is a training step with one setting than with another? Both are timed in turn, in one process.

    uv run python benchmarks/speed/step.py dscomgan training.channels_last=false training.channels_last=true
    uv run python benchmarks/speed/step.py lrgan training.precision=bf16 training.precision=fp32 --resolution 32
    uv run python benchmarks/speed/step.py scgan method.n_repeat=1 method.n_repeat=5 --dataset faces
    uv run python benchmarks/speed/step.py dscomgan training.batch=2 reference --preset paper --resolution 128
    uv run python benchmarks/speed/step.py dscomgan reference:look_up,join_up reference --set training.batch=2
    uv run python benchmarks/speed/step.py scgan training.batch=2 reference --dataset faces
    uv run python benchmarks/speed/step.py lrgan training.batch=2 reference:fused_adam

Several settings are separated by commas. `reference` is the method's step as its public code plays it (`reference/`),
with the widths and the batch that the preset says; names behind it are those of its savings. Steps of the two
alternate, so that a busy machine slows both; the ratio of the medians is what to quote. On one thread of a CPU it is
the thread's own time that counts, not what others take from it.
"""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Callable
from dataclasses import replace

import click
import torch
from reference import REFERENCES, Reference

from lgbench.cli.cost import noise
from lgbench.data import DataHome
from lgbench.lookup import look_up
from lgbench.offers import ImageSpec
from lgbench.recipe import Recipe, Request, parse_setting
from lgbench.run import runtime_of, spec_of
from lgbench.runtime import Runtime, choose_device
from lgbench.stages import build_game
from lgbench.training import Schedule
from lgbench.training.player import Player
from lgbench.training.stream import Stream

Step = Callable[[], float]
"""Plays a step, and returns the seconds that it took."""


def stepper(request: Request, device: str) -> Step:
    """A function that plays as many steps as it takes until every phase has moved, and returns the seconds of one."""
    home = DataHome()
    recipe = look_up(request, home)
    runtime = runtime_of(recipe, choose_device(device))
    runtime.set_up()
    raw = recipe.dataset.build(recipe.data_config, recipe.resolution, home)  # painted: nothing is read
    spec, batch = spec_of(recipe, raw), recipe.training.batch
    player = Player(build_game(recipe, spec), Schedule(10**9, batch, recipe.training.ema), runtime)
    stream = Stream(noise(2 * batch, spec), Schedule(10**9, batch, flip=False), runtime, player.reads)
    return turns(runtime.device, player.period, lambda number: player.play(number, stream(number), looking=False))


def reference_stepper(request: Request, savings: list[str], device: str) -> Step:
    """The same for the method's reference, with the widths that its recipe says: fp32 in the plain layout."""
    recipe, runtime = look_up(request, DataHome()), Runtime(choose_device(device), channels_last=False)
    reference, spec, batch = *reference_of(recipe, savings), recipe.training.batch
    for network in (*reference.networks.values(), *reference.averages):
        runtime.place(network)
    stream = Stream(noise(2 * batch, spec), Schedule(10**9, batch, flip=False), runtime, reference.reads)
    return turns(runtime.device, reference.period, lambda number: reference.play(number, stream(number)))


def reference_of(recipe: Recipe, savings: list[str]) -> tuple[Reference, ImageSpec]:
    """The reference with the widths of a recipe, and what it paints."""
    raw = recipe.dataset.build(recipe.data_config, recipe.resolution, DataHome())  # painted: nothing is read
    if recipe.method.name not in REFERENCES:
        raise click.BadParameter(f"There are reference steps of {', '.join(REFERENCES)}, not of {recipe.method.name}.")
    theirs, spec = REFERENCES[recipe.method.name], spec_of(recipe, raw)
    return theirs.ReferenceStep(recipe, spec, theirs.Savings(**dict.fromkeys(savings, True))), spec


def turns(device: torch.device, period: int, play: Callable[[int], object]) -> Step:
    """A function that plays the next `period` steps, by their numbers, and returns the seconds of one."""
    numbers = itertools.count()

    def step() -> float:
        began = _now(device)
        for number in itertools.islice(numbers, period):
            play(number)
        return (_now(device) - began) / period

    return step


def _now(device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.thread_time() if device.type == "cpu" and torch.get_num_threads() == 1 else time.perf_counter()


def contender(request: Request, settings: str, device: str) -> Step:
    """What the command line names: settings of a recipe, or the reference with some savings."""
    name, _, savings = settings.partition(":")
    if name == "reference":
        return reference_stepper(request, [each for each in savings.split(",") if each], device)
    own = dict(parse_setting(setting) for setting in settings.split(","))
    return stepper(replace(request, settings={**request.settings, **own}), device)


@click.command()
@click.argument("method")
@click.argument("setting_a")
@click.argument("setting_b")
@click.option("--dataset", default="flora", show_default=True, help="Of painted pictures.")
@click.option("--preset", default="smoke", show_default=True)
@click.option("--resolution", default=64, show_default=True)
@click.option("--set", "settings", multiple=True, metavar="TABLE.FIELD=VALUE", help="For both; repeatable.")
@click.option("--without", multiple=True, help="A regularizer that both leave out; repeatable.")
@click.option("--device", default="auto", show_default=True)
@click.option("--steps", default=12, show_default=True)
def main(
    method: str,
    setting_a: str,
    setting_b: str,
    dataset: str,
    preset: str,
    resolution: int,
    settings: tuple[str, ...],
    without: tuple[str, ...],
    device: str,
    steps: int,
) -> None:
    """Time a training step of METHOD with SETTING_A against SETTING_B."""
    shared = dict(parse_setting(setting) for setting in settings)
    request = Request(method, dataset, preset, 0, resolution, shared, without)
    a, b = (contender(request, each, device) for each in (setting_a, setting_b))
    a(), b()
    times = [(a(), b()) for _ in range(steps)]
    median_a, median_b = (statistics.median(column) for column in zip(*times, strict=True))
    ratios = sorted(tb / ta for ta, tb in times)
    click.echo(f"{setting_a}: {median_a:.4f} s   {setting_b}: {median_b:.4f} s")
    click.echo(f"ratio {median_b / median_a:.2f} (single pairs {ratios[0]:.2f} to {ratios[-1]:.2f})")


if __name__ == "__main__":
    main()
