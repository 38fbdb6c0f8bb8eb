"""`lgbench run --dry-run`: what would be done, by which networks, and about how long it would take here."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace

from rich.console import Console

from lgbench.data import DataHome, RawDataset
from lgbench.game import Game
from lgbench.nn import count_parameters
from lgbench.recipe import Recipe
from lgbench.run import runtime_of, spec_of
from lgbench.runtime import Runtime, choose_device
from lgbench.stages import build_game, build_segmenter

from .cost import Cost, ceiling, cost_of
from .printing import print_table, say

__all__ = ["show"]


def show(recipe: Recipe, home: DataHome, device: str) -> None:
    """Print the recipe, parameter counts, and the time of its steps as measured on noise for a few of them."""
    console = Console()
    console.print_json(json.dumps(recipe.as_dict()))
    runtime = runtime_of(recipe, choose_device(device))
    runtime.set_up()
    spec = spec_of(recipe, _unprepared(recipe, home))
    game = build_game(recipe, spec)
    for _, _, term in game.terms:
        for lesson in term.lessons:  # untaught here: it costs a step the same
            runtime.place(lesson.network).eval()
    stages = [("train", game, recipe.training.steps, recipe.training.batch)] if game.phases else []
    segmenter = build_segmenter(recipe, game.networks.get(game.result, game.painter), spec)
    if segmenter is not None and segmenter.phases:
        steps = recipe.segmentation.all_steps(max(recipe.training.rounds, recipe.training.as_rounds))
        stages.append(("segment", segmenter, steps, recipe.segmentation.batch))
    rows, costs, total = [], {}, 0.0
    for name, stage, steps, batch in stages:
        networks = ", ".join(f"{n} {count_parameters(m):,}" for n, m in stage.every_network.items())
        costs[name] = cost_of(_grown_up(stage, steps), batch, spec, runtime)
        seconds = costs[name].seconds
        total += seconds * steps
        rows.append((name, networks, f"{steps:,}", f"{seconds:.3f}", _duration(seconds * steps)))
    title = f"cost on {runtime.device} in {runtime.arithmetic}, measured over a few steps on noise"
    print_table(console, ("stage", "networks", "steps", "s/step", "about"), rows, title)
    _tell(console, costs, runtime)
    if game.begin:
        say(console, "The networks grow while they train and were timed full-grown: the estimate is an upper bound.")
    scored = f"{recipe.evaluation.samples:,} samples" if recipe.method.generator else "the masks"
    say(console, f"In all about {_duration(total)}, and the evaluation of {scored}.")


def _grown_up(game: Game, steps: int) -> Game:
    """The game with networks that grow as they are at its last step: the first ones tell nothing of the others."""
    if game.begin is None:
        return game
    begin = game.begin
    return replace(game, begin=lambda number: begin(steps - 1))


def _unprepared(recipe: Recipe, home: DataHome) -> RawDataset | None:
    """The data set as it lies there, without preparing it; None where it would have to be fetched."""
    here = recipe.dataset.offline or home.locate(recipe.dataset) is not None
    return recipe.dataset.build(recipe.data_config, recipe.resolution, home) if here else None


def _tell(console: Console, costs: Mapping[str, Cost], runtime: Runtime) -> None:
    """Where the time of a step goes, and how far that is from what the machine can do."""
    limit = ceiling(runtime)
    for name, cost in costs.items():
        rate = cost.flops / cost.seconds
        phases = ", ".join(f"{phase} {seconds:.3f} s" for phase, seconds in cost.phases.items())
        say(console, f"{name}: {phases}.")
        say(
            console,
            f"{cost.flops / 1e9:,.1f} GFLOP a step, {rate / 1e9:,.0f} GFLOP/s: {rate / limit:.0%} of the "
            f"{limit / 1e9:,.0f} that this device reaches in {runtime.arithmetic}. The slowest parts: "
            + "; ".join(f"{share:.0%} {part}" for part, share in cost.slowest),
        )


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
