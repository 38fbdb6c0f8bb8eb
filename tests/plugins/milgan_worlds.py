"""milgan, ELGAN and both PerturbGANs as their presets compose them, small enough to play in a blink."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from torch.testing import assert_close
from toy import SQUARES

from lgbench import ImageSpec
from lgbench.data import DataHome, resolve_dataset
from lgbench.game import Step
from lgbench.layers import Batch
from lgbench.plugins import registry
from lgbench.progress import Quiet
from lgbench.recipe import Recipe, Request, resolve
from lgbench.run import Place, chosen_metrics, run
from lgbench.runtime import Runtime
from lgbench.stages import build_game
from lgbench.training import Schedule
from lgbench.training.player import Player

CODES = 8
CPU = Runtime(torch.device("cpu"), channels_last=False)
DATASETS = ("flora", "digits-one", "mnist-one", "mnist-two")
TINY = {
    "milgan": {"generator.g": 4, "generator.n_codes": CODES, "method.d": 4, "method.gamma_mi": 1.0},
    "elgan": {"generator.g": 4, "generator.n_codes": CODES, "generator.group": 4, "method.d": 4},
    "perturbgan": {"generator.g": 8, "method.d": 4},
    "perturbgan-full": {"generator.width": 8, "generator.nz": 8, "method.d": 8, "method.phase_steps": 2},
}

SHORT = {
    "training.batch": 4,
    "training.log_every": 1,
    "training.grid_every": 0,
    "training.checkpoint_seconds": 0,
    "segmentation.batch": 4,
    "evaluation.samples": 8,
    "evaluation.metrics": "iou,nmi,coverage",
}


def recipe_of(
    method: str,
    settings: Mapping[str, object] | None = None,
    *,
    preset: str = "smoke",
    dataset: str = "flora",
    without: Sequence[str] = (),
) -> Recipe:
    """What a command would run, with the user's settings on top."""
    known = registry()
    chosen = known.get("methods", method)
    return resolve(
        chosen,
        known.get("generators", chosen.generator),
        resolve_dataset(dataset, known.datasets, DataHome()),
        known.regularizers,
        registry().segmenters,
        Request(method, dataset, preset, settings=settings or {}, without=tuple(without)),
    )


def composed(method, settings=None, *, side=16, preset="smoke", without=(), seed=0):
    """Game and terms, tiny, with all that the preset says but the sizes."""
    recipe = recipe_of(method, {**TINY[method], **(settings or {})}, preset=preset, without=without)
    game = build_game(replace(recipe, seed=seed), ImageSpec(side))
    return game, game.terms


def images(n=4, side=16):
    return torch.rand(n, 3, side, side) * 2 - 1


def step_of(game, terms=(), x=None, *, number=0, segment=None):
    """A step as the engine would hand it to a game's phases."""
    real = images() if x is None else x

    def paint():
        painted = layers = game.painter(game.painter.codes(len(real)))
        for _, _, term in terms:
            layers = term.compose(layers) if term.compose else layers
        return painted, layers

    return Step(number, Batch(real), *paint(), paint, game.features, segment)


def player(game, terms=(), phases=None, *, steps=1, batch=4, ema=0.0, segment=None):
    """The engine's player of a game, or of some of its phases; terms come with a phase that they join."""
    chosen = [phase for phase in game.phases if phases is None or phase.name in phases]
    joined = list(terms) if any(phase.regularized for phase in chosen) else []
    played = replace(game, phases=chosen, terms=joined, segment=segment)
    return Player(played, Schedule(steps, batch, ema=ema), CPU)


def phase_of(game, name):
    (found,) = (phase for phase in game.phases if phase.name == name)
    return found


def term_of(terms, name):
    (found,) = (term for known, _, term in terms if known == name)
    return found


@torch.no_grad()
def painted(painter, codes):
    """Layers without a graph, in eval mode."""
    return painter.eval()(codes)


def check_layers(painter, side):
    """Layers of three samples have their shapes and ranges, and compose the image; they are given back."""
    layers = painted(painter, painter.codes(3))
    f, b, pi = layers.foregrounds[:, 0], layers.background, layers.alphas[:, 0]
    assert layers.image.shape == f.shape == b.shape == (3, 3, side, side)
    assert pi.shape == (3, 1, side, side)
    assert max(f.abs().max(), b.abs().max(), layers.image.abs().max()) <= 1
    assert 0 <= pi.min() < pi.max() <= 1
    assert_close(layers.image, pi * f + (1 - pi) * b, atol=1e-6, rtol=0)
    return layers


def silent(network):
    """Whether no gradient has come to any of the network's weights."""
    return all(p.grad is None or p.grad.count_nonzero() == 0 for p in network.parameters())


def carry_out(folder, method, resolution=None, **settings):
    """A whole run on the toy squares; the record."""
    known = registry()
    chosen = known.get("methods", method)
    generator = known.get("generators", chosen.generator)
    dotted = {**TINY[method], **SHORT, **{name.replace("__", "."): value for name, value in settings.items()}}
    if "segmentation.name" not in dotted:
        dotted["segmenter.width"] = 4
    request = Request(method, "squares", "smoke", resolution=resolution, settings=dotted)
    recipe = resolve(chosen, generator, SQUARES, known.regularizers, registry().segmenters, request)
    metrics = chosen_metrics(recipe.evaluation.metrics, known.metrics)
    place = Place(folder, DataHome(folder.parent / "home"), CPU.device)
    path = run(recipe, place, metrics, known.plugins, Quiet())
    return json.loads(path.read_text())
