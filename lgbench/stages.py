"""From data to a trained generator and a taught segmenter: one round of both, or several that alternate."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from .data import DataHome, Split
from .errors import BadRecipe
from .evaluation import real_moments
from .game import Game, Term
from .metrics.features import load_extractor, moments_of
from .metrics.frechet import frechet_distance
from .progress import Reporter
from .recipe import Recipe, TrainingConfig
from .records import World
from .runtime import Runtime
from .training import Fitted, Schedule, fit
from .training.checkpoint import load_weights

__all__ = ["Learned", "build_game", "build_segmenter", "learn", "round_ends"]

EXTRACTOR = {"fid": "inception", "fid-squeezenet": "squeezenet", "fid-random": "random"}


@dataclass(frozen=True, slots=True)
class Learned:
    """What stages 1 and 2 leave: networks that are evaluated, and how they were fitted.

    Attributes:
        segmenter: None where the recipe has none; `taught` is None where it needs no training.
        teaching_seconds: spent on segmenters, over all rounds.
    """

    fitted: Fitted
    segmenter: Game | None
    taught: Fitted | None
    teaching_seconds: float


def build_game(recipe: Recipe, world: World) -> tuple[Game, list]:
    """The networks of the training stage, with initial weights that depend on the seed alone, and its terms."""
    torch.manual_seed(recipe.seed)
    painter = recipe.generator.build(recipe.generator_config, world)
    game = recipe.method.build(recipe.method_config, painter, world)
    needy = [c.record.name for c in recipe.regularizers if "layers" in c.record.needs]
    if needy and not getattr(painter, "layered", True):
        raise BadRecipe(f"With these settings {recipe.generator.name} paints no layers, which {needy} need.")
    if game.begin:
        _grown(game, recipe.training.steps, world.resolution)
    terms = [(c.record.name, c.weight, c.record.build(c.config, painter, world)) for c in recipe.regularizers]
    return game, terms


def _grown(game: Game, steps: int, resolution: int) -> None:
    """Refuse a training that ends before its networks are grown."""
    assert game.begin
    game.begin(steps - 1)
    with torch.no_grad():
        side = game.painter(game.painter.codes(2)).image.shape[-1]
    game.begin(0)
    if side != resolution:
        raise BadRecipe(
            f"After training.steps={steps} this generator paints {side} px, not {resolution}. Give it more steps, or "
            "shorter phases (method.phase_steps)."
        )


def build_segmenter(recipe: Recipe, painter: Any, world: World) -> Game | None:
    """The game of the segmentation stage, or None where the method has none."""
    if recipe.segmenter is None or not getattr(painter, "layered", True):
        return None
    torch.manual_seed(recipe.seed + 1)
    return recipe.segmenter.build(recipe.segmenter_config, painter, world)


def round_ends(training: TrainingConfig) -> list[int]:
    """After which training step each round ends."""
    rest, rounds = training.steps * (1 - training.first_round), training.rounds
    return [training.steps - round(rest * (rounds - k) / max(rounds - 1, 1)) for k in range(1, rounds)] + [
        training.steps
    ]


def learn(
    recipe: Recipe,
    game: Game,
    terms: list,
    world: World,
    splits: Mapping[str, Split],
    runtime: Runtime,
    home: DataHome,
    folder: Path,
    reporter: Reporter,
) -> Learned:
    """Train, then teach a segmenter; with several rounds, each after the first reads the segmenter before it.

    Generator, critics and optimizers carry over between rounds; of the segmenter, its weights do.
    """
    torch.manual_seed(recipe.seed)
    judge = _judge(recipe, splits, runtime, home) if recipe.training.select != "last" else None
    previous: Game | None = None
    seconds = 0.0
    *middle, _ = round_ends(recipe.training)
    for number, end in enumerate(middle, start=1):
        fitted = _train(recipe, game, terms, splits, runtime, folder, reporter, judge, previous, stop=end)
        if fitted.status == "diverged":
            break
        name = f"segment-{number}"
        previous, taught = _teach(recipe, game, terms, world, splits, runtime, folder, name, reporter, previous)
        seconds += taught.seconds if taught else 0.0
    fitted = _train(recipe, game, terms, splits, runtime, folder, reporter, judge, previous)
    segmenter, taught = _teach(recipe, game, terms, world, splits, runtime, folder, "segment", reporter, previous)
    return Learned(fitted, segmenter, taught, seconds + (taught.seconds if taught else 0.0))


def _train(
    recipe: Recipe,
    game: Game,
    terms: list,
    splits: Mapping[str, Split],
    runtime: Runtime,
    folder: Path,
    reporter: Reporter,
    judge: Callable[[nn.Module], float] | None,
    previous: Game | None,
    stop: int = 0,
) -> Fitted:
    t = recipe.training
    schedule = Schedule(
        *(t.steps, t.batch, t.ema, t.flip, t.log_every, t.grid_every, t.checkpoint_seconds, recipe.seed),
        crop=t.crop,
        crop_ratio=t.crop_ratio,
        stop=stop,
        judge_every=t.select_every,
    )
    segment, judge = previous.predict if previous else None, None if stop else judge
    images, train = splits["train"].images, folder / "train"
    fitted = fit(game, terms, images, schedule, runtime, train, reporter, "train", judge=judge, segment=segment)
    for name in (game.result, *game.kept):
        load_weights(train / f"{name}.safetensors", game.networks[name])
        runtime.place(game.networks[name]).eval()
    return fitted


def _teach(
    recipe: Recipe,
    game: Game,
    terms: list,
    world: World,
    splits: Mapping[str, Split],
    runtime: Runtime,
    folder: Path,
    name: str,
    reporter: Reporter,
    previous: Game | None,
) -> tuple[Game | None, Fitted | None]:
    painter = game.networks[game.result]
    painter.requires_grad_(False)
    segmenter = build_segmenter(recipe, painter, world)
    if segmenter is None or not segmenter.phases:
        return segmenter, None
    segmenter = _with_features(segmenter, game)
    network = segmenter.networks[segmenter.result]
    if previous:
        network.load_state_dict(previous.networks[previous.result].state_dict())
    s, t = recipe.segmentation, recipe.training
    steps = s.steps if name == "segment" else s.round_steps or max(s.steps // 3, 1)
    schedule = Schedule(steps, s.batch, s.ema, s.flip, t.log_every, 0, t.checkpoint_seconds, recipe.seed + 1)
    moves = [(term, weight, Term(compose=made.compose)) for term, weight, made in terms if s.perturbed]
    taught = fit(segmenter, moves, splits["train"].images, schedule, runtime, folder / name, reporter, name)
    load_weights(folder / name / f"{segmenter.result}.safetensors", network)
    runtime.place(network).eval().requires_grad_(False)
    return segmenter, taught


def _with_features(segmenter: Game, game: Game) -> Game:
    """Segmenters may compare pictures as the trained critic sees them."""
    for name in game.kept:
        game.networks[name].requires_grad_(False)
    return replace(segmenter, features=segmenter.features or game.features)


def _judge(
    recipe: Recipe, splits: Mapping[str, Split], runtime: Runtime, home: DataHome
) -> Callable[[nn.Module], float]:
    """The Frechet distance of a painter's samples to the training images; the same codes at every look."""
    t = recipe.training
    extractor = load_extractor(EXTRACTOR[t.select], device=runtime.device)
    real = real_moments([splits["train"]], extractor, home.root / "moments")

    @torch.no_grad()
    def judge(painter: nn.Module) -> float:
        torch.manual_seed(recipe.seed + 3)
        images = []
        for start in range(0, t.select_samples, recipe.evaluation.batch):
            n = max(min(recipe.evaluation.batch, t.select_samples - start), 2)
            with runtime.autocast():
                image: Tensor = painter(painter.codes(n)).image  # pyright: ignore[reportCallIssue]
            images.append((((image.float() + 1) / 2).clamp(0, 1) * 255).round().byte().cpu().numpy())
        return frechet_distance(real, moments_of(np.concatenate(images), extractor))

    return judge
