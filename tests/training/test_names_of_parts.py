"""What would silently replace another part of a game, or never be played, is refused by name."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from test_loop import CPU, images, toy

from lgbench.errors import BadPlugin
from lgbench.game import Phase, Term, Weighted
from lgbench.layers import Batch
from lgbench.training import Schedule
from lgbench.training.player import Player

BATCH = Batch(CPU.images(torch.from_numpy(images(8))))


def play_one(game, *terms: tuple[str, Term]) -> None:
    weighted = [Weighted(name, 1.0, term) for name, term in terms]
    Player(replace(game, terms=weighted), Schedule(1, 8), CPU).play(0, BATCH, looking=True)


def penalty(step) -> torch.Tensor:
    return step.layers.alpha.mean()


def with_loss(name: str, index: int = 1):
    game = toy()
    real = game.phases[index].loss
    phases = list(game.phases)
    phases[index] = replace(phases[index], loss=lambda step: {name: next(iter(real(step).values()))})
    return replace(game, phases=phases)


def test_distinct_names_are_played():
    play_one(toy(), ("size", Term(penalty=penalty)), ("other", Term(penalty=penalty)))


@pytest.mark.parametrize(
    ("game", "terms", "told"),
    [
        (toy, [("generator", Term(penalty=penalty))], "'generator'"),  # the phase's own loss
        (lambda: with_loss("size"), [("size", Term(penalty=penalty))], "'size'"),
        (lambda: with_loss("critic"), [], "'critic'"),  # another phase's
        (toy, [("critic", Term(penalty=penalty))], "'critic'"),
        *((lambda name=name: with_loss(name), [], f"'{name}'") for name in ("coverage", "layer_difference", "step")),
        (toy, [("size", Term(penalty=penalty)), ("size", Term(penalty=penalty))], "Two terms .*'size'"),
        (toy, [("size", Term(networks={"critic": torch.nn.Linear(1, 1)}))], "Two networks .*'critic'"),
        (
            toy,
            [(name, Term(networks={"probe": torch.nn.Linear(1, 1)})) for name in ("a", "b")],
            "Two networks .*'probe'",
        ),
        (
            toy,
            [("size", Term(phases=[Phase("critic", [], lambda step: {"x": penalty(step)})]))],
            "Two phases .*'critic'",
        ),
    ],
)
def test_a_name_that_is_taken_is_refused(game, terms, told):
    with pytest.raises(BadPlugin, match=told):
        play_one(game(), *terms)


@pytest.mark.parametrize("term", [Term(penalty=penalty), Term(networks={"probe": torch.nn.Linear(1, 1)})])
def test_terms_need_a_regularized_phase(term: Term):
    game = toy()
    plain = replace(game, phases=[replace(phase, regularized=False) for phase in game.phases])
    with pytest.raises(BadPlugin, match="No phase of this game is regularized, so size would never be played"):
        play_one(plain, ("size", term))
    play_one(plain)
    play_one(plain, ("moves", Term(compose=lambda layers: layers)))  # it changes what is painted: no phase needed


@pytest.mark.parametrize(
    "change",
    [
        lambda game: replace(game, phases=[replace(game.phases[0], networks=["nope"]), *game.phases[1:]]),
        lambda game: replace(game, result="nope"),
        lambda game: replace(game, kept=["nope"]),
    ],
)
def test_a_network_that_the_game_does_not_have_is_named(change):
    with pytest.raises(BadPlugin, match="'nope': this game has"):
        play_one(change(toy()))


@pytest.mark.parametrize("loss", [None, 0.5, {}, torch.ones(()), {"x": 0.5}, {"x": torch.ones(3)}])
def test_a_loss_that_is_no_scalar_by_name_is_told_with_its_phase(loss: object):
    game = toy()
    with pytest.raises(BadPlugin, match=f"The phase {game.phases[0].name} returns no"):
        play_one(replace(game, phases=[replace(game.phases[0], loss=lambda step: loss), *game.phases[1:]]))
