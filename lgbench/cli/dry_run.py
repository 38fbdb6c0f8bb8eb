"""`lgbench run --dry-run`: what would be done, by which networks, and about how long it would take here."""

from __future__ import annotations

import json
import statistics
import time
from dataclasses import replace

import numpy as np
import torch
from rich.console import Console

from lgbench import ImageSpec
from lgbench.data import DataHome, RawDataset, Split
from lgbench.game import Game
from lgbench.nn import count_parameters
from lgbench.recipe import Recipe
from lgbench.run import runtime_of, spec_of
from lgbench.runtime import Runtime, choose_device
from lgbench.stages import build_game, build_segmenter
from lgbench.training import Schedule
from lgbench.training.player import Player
from lgbench.training.stream import Stream

from .printing import print_table, say

__all__ = ["noise", "show"]

MEASURED, PATIENCE = 8, 10.0


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
    rows, total = [], 0.0
    for name, stage, steps, batch in stages:
        networks = ", ".join(f"{n} {count_parameters(m):,}" for n, m in stage.every_network.items())
        seconds = _seconds_per_step(_grown_up(stage, steps), batch, spec, runtime)
        total += seconds * steps
        rows.append((name, networks, f"{steps:,}", f"{seconds:.3f}", _duration(seconds * steps)))
    title = f"cost on {runtime.device}, measured over a few steps on noise"
    print_table(console, ("stage", "networks", "steps", "s/step", "about"), rows, title)
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


def _seconds_per_step(game: Game, batch: int, spec: ImageSpec, runtime: Runtime) -> float:
    """Time of a step after the first, over `MEASURED` steps or as many as fit into `PATIENCE` seconds.

    Where some phases are played at some steps only, it is the mean over one round of steps of their medians.
    """
    if game.frozen:
        runtime.place(game.painter).eval()
    player = Player(game, Schedule(MEASURED, batch), runtime)
    stream = Stream(noise(2 * batch, spec), Schedule(MEASURED, batch, flip=False), runtime, player.reads)
    began, spent = time.monotonic(), []
    period = player.period
    for number in range(max(MEASURED, period) + 1):
        start = time.monotonic()
        player.play(number, stream(number), looking=False)
        if runtime.device.type == "cuda":
            torch.cuda.synchronize(runtime.device)
        spent.append(time.monotonic() - start)
        if number >= period and time.monotonic() - began > PATIENCE:
            break
    return statistics.mean(statistics.median(spent[1 + offset :: period]) for offset in range(period))


def _unprepared(recipe: Recipe, home: DataHome) -> RawDataset | None:
    """The data set as it lies there, without preparing it; None where it would have to be fetched."""
    here = recipe.dataset.offline or home.locate(recipe.dataset) is not None
    return recipe.dataset.build(recipe.data_config, recipe.resolution, home) if here else None


def noise(count: int, spec: ImageSpec) -> Split:
    """Pictures of noise, with everything that may be known of pictures."""
    random, side = np.random.default_rng(0), spec.resolution
    return Split(
        images=random.integers(0, 256, (count, 3, side, side), dtype=np.uint8),
        masks=random.integers(0, 256, (count, side, side), dtype=np.uint8),
        labels=random.integers(0, max(spec.classes, 1), count, dtype=np.int32),
        segments=random.integers(0, max(spec.segments, 1), (count, side, side), dtype=np.uint8),
        attributes=random.integers(0, 2, (count, spec.attributes), dtype=np.uint8),
    )


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
