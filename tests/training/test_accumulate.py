"""A step's batch gone over in parts: the whole batch's gradient, the same pictures for every phase, the same bits."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from toy import ToyConfig, ToyPainter, toy_game

from lgbench import ImageSpec
from lgbench.cli.cost import noise
from lgbench.data import DataHome, Split
from lgbench.errors import BadRecipe
from lgbench.game import Game, Term, Weighted
from lgbench.layers import Batch
from lgbench.lookup import look_up
from lgbench.plugins import registry
from lgbench.progress import Quiet
from lgbench.recipe import Recipe, Request
from lgbench.run import spec_of
from lgbench.runtime import Runtime
from lgbench.stages import build_game
from lgbench.training import Schedule, Stage, fit
from lgbench.training.player import Player
from lgbench.training.stream import Stream

CPU = Runtime(torch.device("cpu"), channels_last=False)
SPEC = ImageSpec(16)
REAL = Batch(torch.rand(8, 3, 16, 16, generator=torch.Generator().manual_seed(1)) * 2 - 1)
PAINTING = sorted(name for name, method in registry().methods.items() if method.generator)


def toy(norm: bool = True) -> Game:
    torch.manual_seed(0)
    painter = ToyPainter(ToyConfig(), SPEC)
    game = toy_game(None, painter, SPEC)
    if not norm:
        painter.trunk[1] = nn.Identity()
        game.networks["critic"][2] = nn.Identity()  # pyright: ignore[reportIndexIssue]  of dropout, which draws
    return game


def recipe(method: str, **settings: object) -> Recipe:
    found = registry()
    painted = found.generators[found.methods[method].generator or ""].needs <= found.datasets["flora"].provides
    dataset = "flora" if painted else "faces"
    return look_up(Request(method, dataset, "smoke", 0, 32, {"training.batch": 4, **settings}), DataHome())


def player_of(method: str, parts: int) -> tuple[Player, Stream]:
    made = recipe(method)
    spec = spec_of(made, made.dataset.build(made.data_config, made.resolution, None))
    torch.manual_seed(0)
    game = build_game(made, spec)
    for _, _, term in game.terms:
        for lesson in term.lessons:
            lesson.network.eval()
    schedule = Schedule(10, 4, flip=False, accumulate=parts)
    player = Player(game, schedule, CPU)
    return player, Stream(noise(8, spec), schedule, CPU, player.reads, game.batches)


def gradients(player: Player) -> dict[str, torch.Tensor]:
    return {
        f"{name}.{part}": parameter.grad
        for name, network in player.networks.items()
        for part, parameter in network.named_parameters()
        if parameter.grad is not None
    }


def assert_alike(parts: Player, whole: Player) -> None:
    expected = gradients(whole)
    assert gradients(parts).keys() == expected.keys() != set()
    for name, gradient in gradients(parts).items():
        assert (gradient - expected[name]).norm() <= 1e-5 * expected[name].norm() + 1e-9, name


@pytest.mark.parametrize("parts", [2, 4, 8])
def test_the_parts_of_a_batch_have_the_whole_batchs_gradients_and_losses(parts: int):
    players = []
    for count in (1, parts):
        torch.manual_seed(0)
        player = Player(toy(norm=False), Schedule(9, 8, accumulate=count), CPU)
        players.append((player, player.play(0, REAL, looking=True)))
    (whole, told), (divided, heard) = players
    assert_alike(divided, whole)
    compared = {"critic", "generator", "gradient/alpha", "gradient/trunk", "gradient/paint"}
    assert compared <= heard.keys() == told.keys()
    for name in compared:
        assert float(heard[name]) == pytest.approx(float(told[name]), rel=1e-5), name


def test_a_published_method_without_batch_norm_has_the_whole_batchs_gradients():
    players = []
    for count in (1, 2):
        player, stream = player_of("slot-attention", count)
        torch.manual_seed(3)
        player.play(0, stream(0), looking=False)
        players.append(player)
    assert_alike(*reversed(players))


def test_all_phases_of_a_step_see_the_same_pictures_of_a_part_and_other_parts_other_ones():
    game, seen = toy(norm=False), {"critic": [], "generator": []}

    def shaken(layers):
        return replace(layers, image=layers.image + 0.1 * torch.randn_like(layers.image))

    def watched(phase):
        def loss(step):
            torch.rand(3)  # what a phase draws itself moves no other phase's pictures
            seen[phase.name].append((step.layers.image.detach().clone(), step.images.clone()))
            return phase.loss(step)

        return replace(phase, loss=loss)

    terms = [Weighted("shaken", 1.0, Term(compose=shaken, augment=lambda x: x + 0.1 * torch.randn_like(x)))]
    game = replace(game, phases=[watched(phase) for phase in game.phases], terms=terms)
    Player(game, Schedule(9, 8, accumulate=2), CPU).play(0, REAL, looking=False)
    assert [len(each) for each in seen.values()] == [2, 2]
    for critics, generators in zip(seen["critic"], seen["generator"], strict=True):
        assert all(torch.equal(a, b) for a, b in zip(critics, generators, strict=True))
    (first, _), (second, _) = seen["critic"]
    assert not torch.equal(first, second)


class Dying(Quiet):
    """Dies after some step, when nothing is left to save."""

    def __init__(self, last: int) -> None:
        self.last = last

    def advance(self, step: int, numbers) -> None:
        if step == self.last:
            raise ZeroDivisionError


def test_a_fit_in_parts_that_dies_ends_with_the_bits_of_one_that_does_not(tmp_path: Path):
    images = np.random.default_rng(0).integers(0, 256, (40, 3, 16, 16), dtype=np.uint8)
    schedule = Schedule(12, 8, ema=0.9, log_every=3, grid_every=0, checkpoint_seconds=0, accumulate=2)

    def play(folder: Path, reporter: Quiet) -> None:
        fit(toy(), Split(images), schedule, Stage("train", folder, CPU, reporter))

    play(tmp_path / "whole", Quiet())
    for last in (4, 7, 11):
        with pytest.raises(ZeroDivisionError):
            play(tmp_path / "killed", Dying(last))
    play(tmp_path / "killed", Quiet())
    whole, killed = (tmp_path / name / "generator.safetensors" for name in ("whole", "killed"))
    assert whole.read_bytes() == killed.read_bytes()


@pytest.mark.parametrize("method", PAINTING)
def test_every_method_can_be_trained_in_parts(method: str):
    player, stream = player_of(method, 2)
    for number in range(player.period):
        told = player.play(number, stream(number), looking=True)
    assert told.keys() == player_of(method, 1)[0].play(number, stream(number), looking=True).keys()
    assert all(np.isfinite(float(value)) for value in told.values())


@pytest.mark.parametrize(("batch", "parts"), [(8, 3), (8, 8), (6, 4), (2, 2), (4, 5)])
def test_parts_that_are_not_equal_or_have_one_image_are_refused_with_those_that_fit(batch: int, parts: int):
    fitting = ", ".join(str(count) for count in range(1, batch // 2 + 1) if batch % count == 0)
    with pytest.raises(BadRecipe, match=rf"training\.accumulate may be {fitting}\."):
        recipe("lrgan", **{"training.batch": batch, "training.accumulate": parts})


def test_one_part_is_the_recipe_of_before():
    assert recipe("lrgan", **{"training.accumulate": 1}).hash == recipe("lrgan").hash
    assert recipe("lrgan", **{"training.accumulate": 2}).hash != recipe("lrgan").hash
