"""`lgbench run --dry-run`: what would be done, by which networks, and about how long it would take here."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace

from rich.console import Console

from lgbench.data import DataHome, RawDataset
from lgbench.game import Game
from lgbench.lookup import look_up
from lgbench.nn import count_parameters
from lgbench.recipe import FOR_CPUS, Recipe
from lgbench.run import runtime_of, spec_of
from lgbench.runtime import Runtime, choose_device
from lgbench.stages import build_game, build_segmenter
from lgbench.training import Schedule

from .cost import Cost, ceiling, cost_of, emulated, too_large
from .printing import print_table, say

__all__ = ["show"]


LONG = 3 * 3600.0
"""Seconds that a run on the CPU may take before another preset is looked for."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a recipe's stages cost here.

    Attributes:
        rows: of each stage: name, networks, steps, seconds a step, and altogether.
        costs: stage -> what a step of it costs.
        seconds: of all stages together.
        grows: whether networks grow while they train, so that the estimate is an upper bound.
    """

    rows: tuple[tuple[str, ...], ...]
    costs: Mapping[str, Cost]
    seconds: float
    grows: bool


def show(recipe: Recipe, home: DataHome, device: str) -> None:
    """Print the recipe, parameter counts, and the time of its steps as measured on noise for a few of them."""
    console = Console()
    console.print_json(json.dumps(recipe.as_dict()))
    runtime = runtime_of(recipe, choose_device(device))
    if remark := too_large(recipe, runtime.device):
        say(console, remark)
    say(console, "A few steps are measured now.")
    found = _estimate(recipe, home, runtime)
    title = f"cost on {runtime.device} in {runtime.arithmetic}, measured over a few steps on noise"
    print_table(console, ("stage", "networks", "steps", "s/step", "about"), found.rows, title)
    _tell(console, found.costs, runtime)
    if found.grows:
        say(console, "The networks grow while they train and were timed full-grown: the estimate is an upper bound.")
    scored = f"{recipe.evaluation.samples:,} samples" if recipe.method.generator else "the masks"
    say(console, f"In all about {_duration(found.seconds)}, and the evaluation of {scored}.")
    if remark := emulated(recipe, runtime.device):
        say(console, remark)
    if runtime.device.type == "cpu" and found.seconds > LONG:
        say(console, _advice(recipe, home, runtime))


def _estimate(recipe: Recipe, home: DataHome, runtime: Runtime) -> Estimate:
    runtime.set_up()
    spec = spec_of(recipe, _unprepared(recipe, home))
    game = build_game(recipe, spec)
    for _, _, term in game.terms:
        for lesson in term.lessons:  # untaught here: it costs a step the same
            runtime.place(lesson.network).eval()
    t, s = recipe.training, recipe.segmentation
    stages = []
    if game.phases:
        stages.append(("train", game, Schedule(t.steps, t.batch, t.ema, accumulate=t.accumulate)))
    segmenter = build_segmenter(recipe, game.networks.get(game.result, game.painter), spec)
    if segmenter is not None and segmenter.phases:
        stages.append(("segment", segmenter, Schedule(s.all_steps(max(t.rounds, t.as_rounds)), s.batch, s.ema)))
    rows, costs, total = [], {}, 0.0
    for name, stage, schedule in stages:
        networks = ", ".join(f"{n} {count_parameters(m):,}" for n, m in stage.every_network.items())
        costs[name] = cost_of(_grown_up(stage, schedule.steps), schedule, spec, runtime)
        seconds, steps = costs[name].seconds, schedule.steps
        total += seconds * steps
        rows.append((name, networks, f"{steps:,}", f"{seconds:.3f}", _duration(seconds * steps)))
    return Estimate(tuple(rows), costs, total, game.begin is not None)


def _advice(recipe: Recipe, home: DataHome, runtime: Runtime) -> str:
    """Which of the method's smaller presets ends in time on this machine."""
    for preset in reversed(FOR_CPUS):
        if preset == recipe.preset or preset not in recipe.method.presets:
            continue
        other = look_up(replace(recipe.request, preset=preset), home)
        seconds = _estimate(other, home, runtime_of(other, runtime.device)).seconds
        if seconds <= LONG:
            return f"Too long for this machine? --preset {preset} takes about {_duration(seconds)} here."
    return "Too long for this machine? No preset of the method takes less than three hours here; it wants a GPU."


def _grown_up(game: Game, steps: int) -> Game:
    """The game with networks that grow as they are at its last step: the first ones tell nothing of the others."""
    if game.begin is None:
        return game
    begin = game.begin
    return replace(game, begin=lambda number: begin(steps - 1))


def _unprepared(recipe: Recipe, home: DataHome) -> RawDataset | None:
    """The data set as it lies there, without preparing it; None where it would have to be fetched."""
    added = recipe.dataset.name in home.archives()
    here = recipe.dataset.offline or added or home.locate(recipe.dataset) is not None
    return recipe.dataset.build(recipe.data_config, recipe.resolution, home) if here else None


def _tell(console: Console, costs: Mapping[str, Cost], runtime: Runtime) -> None:
    """Where the time of a step goes, and how far that is from what the machine can do."""
    limit = ceiling(runtime)
    for name, cost in costs.items():
        rate = cost.flops / cost.seconds
        phases = ", ".join(f"{phase} {seconds:.3f} s" for phase, seconds in cost.phases.items())
        say(console, f"{name}: {phases}. It takes {cost.memory}.")
        say(
            console,
            f"{cost.flops / 1e9:,.1f} GFLOP a step, {rate / 1e9:,.0f} GFLOP/s: {rate / limit:.0%} of the "
            f"{limit / 1e9:,.0f} GFLOP/s that this device reaches in {runtime.arithmetic}. The slowest parts: "
            + "; ".join(f"{share:.0%} {part}" for part, share in cost.slowest),
        )


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
