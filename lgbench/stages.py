"""From data to a trained generator and a taught segmenter: one round of both, or several that alternate."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch

from . import lessons
from .data import Split
from .errors import BadPlugin, BadRecipe, NotAvailable, RunFailed
from .features import extractor_of, frechet_distance, load_extractor, moments_of, real_moments
from .game import Game, Studied, Term, Weighted
from .layers import Painter
from .offers import Generator, ImageSpec, Method, Regularizer, Segmenter
from .painting import AT_A_LOOK, painted, uint8
from .recipe import LOOKING, Recipe
from .record import altered
from .runtime import Run, Runtime
from .stage_configs import SegmentationConfig, TrainingConfig
from .training import Fitted, Schedule, Stage, fit
from .training.checkpoint import load_weights

__all__ = ["Learned", "build_game", "build_segmenter", "judged_from", "learn", "restore", "study"]

Kind = TypeVar("Kind")

ESTIMATED = 100
"""Painted batches from which batch norm is estimated again, where a recipe asks for that."""


@dataclass(frozen=True, slots=True)
class Learned:
    """What stages 1 and 2 leave: networks that are evaluated, and how they were fitted.

    Attributes:
        segmenter: None where the recipe has none; `taught` is None where it needs no training.
        teaching_steps, teaching_seconds: of segmenters, over all rounds.
        lessons: SHA-256 of the weights of each network that learnt from real images before.
        studied: how many real images the segmenter learnt from, by kind, where it did.
    """

    fitted: Fitted
    segmenter: Game | None
    taught: Fitted | None
    teaching_steps: int
    teaching_seconds: float
    lessons: Mapping[str, str]
    studied: Mapping[str, int]


def build_game(recipe: Recipe, spec: ImageSpec) -> Game:
    """The game of the training stage with the recipe's terms; initial weights depend on the seed alone."""
    torch.manual_seed(recipe.seed)
    painter = _built(Painter, recipe.generator, recipe.generator_config, spec)
    game = _built(Game, recipe.method, recipe.method_config, painter, spec)
    needy = [c.record.name for c in recipe.regularizers if "layers" in c.record.needs]
    if needy and not painter.layered:
        raise BadRecipe(f"With these settings {recipe.generator.name} paints no layers, which {needy} need.")
    if recipe.training.select != "last" and not painter.samples:
        raise BadRecipe(
            f"training.select={recipe.training.select} judges new images, and {recipe.generator.name} only gives back "
            "those that it is given. Set training.select=last."
        )
    if game.begin:
        _grown(game, recipe.training.steps, spec.resolution)
    chosen = recipe.regularizers
    terms = [Weighted(c.record.name, c.weight, _built(Term, c.record, c.config, painter, spec)) for c in chosen]
    for _, weight, term in terms:
        game = term.join(game, weight) if term.join else game
    return replace(game, terms=terms)


def _built(kind: type[Kind], offer: Generator | Method | Regularizer | Segmenter, *told: Any) -> Kind:
    """What a plugin's record builds, if it is of its kind."""
    if isinstance(found := offer.build(*told), kind):
        return found
    raise BadPlugin(
        f"The builder of {offer.name} returned {type(found).__name__}, not {kind.__name__}: mend its plugin."
    )


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
            "shorter phases of growth."
        )


def build_segmenter(recipe: Recipe, painter: Any, spec: ImageSpec) -> Game | None:
    """The game of the segmentation stage, or None where the method has none."""
    if recipe.segmenter is None or not (painter.layered or recipe.method.generator is None):
        return None
    torch.manual_seed(recipe.seed + 1)
    return _built(Game, recipe.segmenter, recipe.segmenter_config, painter, spec)


def restore(game: Game, folder: Path, runtime: Runtime) -> None:
    """Give a game's networks the weights that its fit stored in `folder`; they are on eval then, and held fixed.

    Raises:
        RunFailed: a file is missing, damaged, of another network, or not what the run's records are of.
    """
    remedy = f"Copy it from where the run was made, or delete {folder.parent} and run its command again to train anew."
    for name in game.stored:
        network, path = game.every_network[name], folder / f"{name}.safetensors"
        load_weights(path, network, remedy)
        if altered(path, folder.parent):
            raise RunFailed(f"{path} holds other weights than those that its run's record is of. {remedy}")
        runtime.place(network).eval().requires_grad_(False)


def study(segmenter: Game | None, splits: Mapping[str, Split], run: Run) -> Studied:
    """Show the training images to a segmenter that learns from them, and what settings are chosen on; never the test's.

    Returns:
        What its phases are played on: the training images as they are where it does not care.
    """
    if segmenter is None or segmenter.study is None:
        return Studied(splits["train"])
    return segmenter.study({name: split for name, split in splits.items() if name in ("train", "val")}, run)


def judged_from(training: TrainingConfig) -> int:
    """After which training step a judge looks: in the last round, or in the last of those that the only one is for."""
    return [0, *training.round_ends(max(training.rounds, training.as_rounds))][-2]


def learn(run: Run, game: Game, spec: ImageSpec, splits: Mapping[str, Split], uncropped: Split) -> Learned:
    """Train, then teach a segmenter; with several rounds, each after the first reads the segmenter before it.

    Generator, critics and optimizers carry over between rounds; of the segmenter, its weights do. A judge
    (`training.select`) looks at the last round only: before it the generator has yet to read its best segmenter.

    Args:
        uncropped: the training images as crops are cut from them, larger than the recipe's resolution; those of
            `splits` where there are no crops.
    """
    recipe = run.recipe
    fixed = {
        f"{name}: {lesson.name}": lessons.teach(lesson, splits["train"], run)
        for name, _, term in game.terms
        for lesson in term.lessons
    }
    torch.manual_seed(recipe.seed)
    judge = _judge(run, splits["train"]) if recipe.training.select != "last" else None
    rounds = _Rounds(run, game, spec, splits, uncropped)
    previous: Game | None = None
    before: list[Fitted] = []
    *middle, _ = recipe.training.round_ends(recipe.training.rounds)
    for number, end in enumerate(middle, start=1):
        name = f"segment-{number}"
        fitted = rounds.train(previous, stop=end)
        if fitted.status == "diverged" and not (run.folder / name / "done.json").exists():  # nor in a later round
            break
        previous, taught, _ = rounds.teach(name, previous)
        before += [taught] if taught else []
    fitted = rounds.train(previous, judge)
    segmenter, taught, studied = rounds.teach("segment", previous)
    each = [*before, *([taught] if taught else [])]
    steps, seconds = sum(t.steps for t in each), sum(t.seconds for t in each)
    return Learned(fitted, segmenter, taught, steps, seconds, fixed, studied)


@dataclass(frozen=True, slots=True)
class _Rounds:
    """What all rounds of a run share."""

    run: Run
    game: Game
    spec: ImageSpec
    splits: Mapping[str, Split]
    uncropped: Split

    def train(self, previous: Game | None, judge: Callable[[Painter], float] | None = None, *, stop: int = 0) -> Fitted:
        """Train the generator, up to the step `stop`; its networks are left as they are stored, on eval."""
        recipe, game = self.run.recipe, self.game
        if not game.phases:
            return Fitted("done", 0, 0.0, 0, ())
        t = recipe.training
        schedule = Schedule(
            **_said(t, "steps", "batch", "accumulate", "ema", "flip", "crop", "crop_ratio", *LOOKING),
            estimate=ESTIMATED if t.ema_statistics == "again" else 0,
            seed=recipe.seed,
            side=recipe.resolution,
            stop=stop,
            judge_every=t.select_every,
            judge_from=judged_from(t),
        )
        played = replace(game, segment=previous.predict if previous else None)
        fitted = fit(played, self.uncropped, schedule, self._stage("train"), judge)
        restore(game, self.run.folder / "train", self.run.runtime)
        return fitted

    def teach(self, name: str, previous: Game | None) -> tuple[Game | None, Fitted | None, Mapping[str, int]]:
        """Teach a segmenter, from the weights of the one before it; None and None where the recipe has none.

        The last tells how many real images it learnt from, where it did.
        """
        run, game = self.run, self.game
        s, t = run.recipe.segmentation, run.recipe.training
        segmenter = build_segmenter(run.recipe, game.networks.get(game.result, game.painter), self.spec)
        studied = study(segmenter, self.splits, run)
        if segmenter is None or not segmenter.phases:
            return segmenter, None, studied.counts
        segmenter = replace(segmenter, features=segmenter.features or game.features)  # as the trained critic sees them
        network = segmenter.networks[segmenter.result]
        if previous:
            network.load_state_dict(previous.networks[previous.result].state_dict())
        schedule = Schedule(
            steps=s.all_steps(t.as_rounds) if name == "segment" else s.earlier_steps,
            **_said(s, "batch", "ema", "flip", "crop"),
            **_said(t, "log_every", "checkpoint_seconds"),
            grid_every=0,
            seed=run.recipe.seed + 1,
            judge_every=studied.look_every,
        )
        moves = [each._replace(term=Term(compose=each.term.compose)) for each in game.terms if s.perturbed]
        taught = fit(replace(segmenter, terms=moves), studied.reals, schedule, self._stage(name), studied.judge)
        restore(segmenter, run.folder / name, run.runtime)
        return segmenter, taught, studied.counts

    def _stage(self, name: str) -> Stage:
        return Stage(name, self.run.folder / name, self.run.runtime, self.run.reporter)


def _said(config: TrainingConfig | SegmentationConfig, *names: str) -> dict[str, Any]:
    """What a schedule has by the same names."""
    return {name: getattr(config, name) for name in names}


def _judge(run: Run, reals: Split) -> Callable[[Painter], float]:
    """The Frechet distance of a painter's samples to the training images; the same codes at every look."""
    recipe, runtime = run.recipe, run.runtime
    t = recipe.training
    try:
        extractor = load_extractor(extractor_of(t.select), device=runtime.device)
    except NotAvailable as error:
        raise BadRecipe(f"training.select={t.select} cannot judge. {error} Or set training.select=last.") from error
    real = real_moments([reals], extractor, run.home.root / "moments", run.reporter)

    @torch.no_grad()
    def judge(painter: Painter) -> float:
        looks = painted(painter, t.select_samples, AT_A_LOOK, reals, recipe.seed + 3, runtime)
        images = [uint8((layers.image.float() + 1) / 2) for layers in looks]
        return frechet_distance(real, moments_of(np.concatenate(images), extractor))

    return judge
