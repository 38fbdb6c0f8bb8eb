"""R1 and spectral norm: what holds a critic back, in any game whose critic gives each image a score."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from test_resume import recipe
from torch import nn
from toy import ToyConfig, ToyPainter, toy_game

import lgbench_regularizers
from lgbench import ImageSpec
from lgbench.errors import BadRecipe
from lgbench.game import Game, Phase, Step
from lgbench.layers import Batch
from lgbench.nn import Critic
from lgbench.plugins import registry
from lgbench.runtime import Runtime
from lgbench.stages import build_game
from lgbench.training import Schedule
from lgbench.training.player import Player
from lgbench_perturbgan.config import PerturbGANMethod
from lgbench_perturbgan.game import PerturbGANGame
from lgbench_regularizers.config import R1Config, SpectralConfig
from lgbench_regularizers.critics import slope

pytestmark = pytest.mark.usefixtures("seeded")

SPEC = ImageSpec(16)
RECORDS = {record.name: record for record in lgbench_regularizers.regularizers()}


class Linear(nn.Module):
    """D(x) = <w, x>."""

    def __init__(self) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.randn(3, 16, 16))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return (x * self.w).sum(dim=(1, 2, 3))


def game_of(critic: nn.Module, every: int = 1) -> Game:
    """The toy method with a critic whose own losses are nothing."""
    game = toy_game(None, ToyPainter(ToyConfig(), SPEC), SPEC)
    phase = Phase("critic", ["critic"], lambda step: {"critic": 0 * critic(step.images).sum()}, every=every)
    networks = {"generator": game.painter, "critic": critic}
    return replace(game, networks=networks, phases=[phase, game.phases[1]], critic=critic)


def step_of(game: Game, number: int = 0, side: int = 16) -> Step:
    layers = game.painter(game.painter.codes(4))
    return Step(number, Batch(torch.rand(4, 3, side, side) * 2 - 1), layers, layers, lambda: (layers, layers))


def joined(name: str, config: object, game: Game, weight: float = 1.0) -> Game:
    term = RECORDS[name].build(config, game.painter, SPEC)
    return term.join(game, weight)


def test_a_linear_critics_slope_is_its_weights_and_a_quadratic_ones_is_the_image():
    critic, x = Linear(), torch.randn(5, 3, 16, 16)
    assert slope(critic, x).item() == pytest.approx(critic.w.square().sum().item(), rel=1e-5)
    squares = x.square().sum(dim=(1, 2, 3))
    assert slope(lambda x: x.square().sum(dim=(1, 2, 3)) / 2, x).item() == pytest.approx(
        squares.mean().item(), rel=1e-5
    )


def test_it_is_half_gamma_times_the_slope_and_moves_the_critic_by_gamma_times_its_weights():
    critic = Linear()
    game = joined("r1", R1Config(every=1), game_of(critic), weight=0.6)
    loss = game.phases[0].loss(step_of(game))["r1"]
    loss.backward()
    assert loss.item() == pytest.approx(0.3 * critic.w.square().sum().item(), rel=1e-5)
    torch.testing.assert_close(critic.w.grad, 0.6 * critic.w.detach())


@pytest.mark.parametrize(("every", "turn"), [(4, 1), (3, 1), (4, 5)])
def test_one_move_in_so_many_weighs_as_much_as_all_of_them_on_average(every: int, turn: int):
    critic = Linear()
    lazy, eager = (joined("r1", R1Config(n), game_of(critic, every=turn)).phases[0] for n in (every, 1))
    moves = [number for number in range(2 * every * turn) if (number + 1) % turn == 0]
    losses = [[phase.loss(step_of(game_of(critic), number)) for number in moves] for phase in (lazy, eager)]
    totals = [sum(loss["r1"].item() for loss in each if "r1" in loss) for each in losses]
    assert ["r1" in loss for loss in losses[0]] == [index % every == 0 for index in range(len(moves))]
    assert totals[0] == pytest.approx(totals[1], rel=1e-5)


def test_only_the_critics_phase_has_it_and_a_critic_becomes_flatter():
    def flatness(weight: float) -> float:
        torch.manual_seed(1)
        critic = Critic(16, 4)
        game = game_of(critic)
        game = joined("r1", R1Config(every=2), game, weight) if weight else game
        player = Player(game, Schedule(12, 4), Runtime(torch.device("cpu"), channels_last=False))
        for number in range(12):
            values = player.play(number, step_of(game).real, looking=False)
            assert ("r1" in values) == (weight > 0 and number % 2 == 0)
        return slope(critic, torch.rand(16, 3, 16, 16) * 2 - 1).item()

    assert flatness(10.0) < 0.8 * flatness(0.0)


def test_images_are_brought_to_the_side_that_a_growing_critic_reads():
    made = recipe("perturbgan-full", **{"regularizers.r1.weight": 1.0})
    game = build_game(made, ImageSpec(32))
    assert game.begin
    game.begin(0)
    step = step_of(game, side=32)
    assert step.layers.image.shape[-1] == 8
    assert game.phases[0].loss(step)["r1"] > 0


def test_what_is_differentiated_twice_is_not_called_through_a_compiler():
    critic = Critic(16, 4, norm=False)
    critic.compile(backend="aot_eager")
    step = step_of(game_of(critic))
    joined("r1", R1Config(), game_of(critic)).phases[0].loss(step)["r1"].backward()
    own = PerturbGANGame(PerturbGANMethod(gan_loss="wgan-gp", d=4), ToyPainter(ToyConfig(), SPEC), SPEC)
    own.critic.compile(backend="aot_eager")
    own.critic_loss(step)["critic/penalty"].backward()
    assert all(weight.grad is not None for weight in own.critic.parameters() if weight.dim() > 1)


def test_spectral_norm_replaces_batch_norm_by_biases_and_stretches_nothing():
    critic = Critic(16, 4)
    game = joined("spectral-norm", SpectralConfig(), game_of(critic))
    names = {name for name, _ in critic.named_modules()}
    assert game.critic is critic
    assert not any(isinstance(part, nn.BatchNorm2d) for part in critic.modules())
    for _ in range(30):
        critic(torch.randn(4, 3, 16, 16))  # each is a power iteration
    convolutions = [part for part in critic.modules() if isinstance(part, nn.Conv2d)]
    assert len(convolutions) == sum(name.endswith("parametrizations") for name in names) == 4
    for convolution in convolutions:
        assert convolution.bias is not None
        assert torch.linalg.svdvals(convolution.weight.flatten(1))[0].item() == pytest.approx(1, abs=0.02)
    assert len(critic.features(torch.randn(4, 3, 16, 16))) == 3


def test_batch_norm_may_stay_and_linear_maps_are_normalised_too():
    trunk, last = Critic(16, 4).trunk, nn.Linear(512, 1)
    critic = nn.Sequential(trunk, nn.Flatten(), last)
    joined("spectral-norm", SpectralConfig(batch_norm="kept"), game_of(critic))
    assert any(isinstance(part, nn.BatchNorm2d) for part in critic.modules())
    assert torch.linalg.svdvals(last.weight)[0].item() == pytest.approx(1, abs=0.02)
    assert trunk[0].bias is None


SCORELESS = {"scgan", "acwgan", "wgan-gp", "pix2pix", "cyclegan", "slot-attention", "genesis-v2"}
REFUSED = {"r1": SCORELESS, "spectral-norm": SCORELESS | {"milgan", "elgan", "perturbgan", "perturbgan-full"}}
PAINTING = sorted(name for name, method in registry().methods.items() if method.generator)


@pytest.mark.parametrize("method", PAINTING)
def test_each_method_is_held_back_or_says_why_not(method: str):
    spec = ImageSpec(32, classes=10, segments=8, attributes=5, landmarks=68)
    for term, refused in REFUSED.items():
        made = recipe(method, **{f"regularizers.{term}.weight": 1.0})
        if method in refused:
            with pytest.raises(BadRecipe, match=f"--without {term}"):
                build_game(made, spec)
        else:
            assert [one.name for one in build_game(made, spec).terms].count(term) == 1


def test_nobodys_preset_has_them():
    for method in registry().methods.values():
        switched_on = {*method.regularizers, *(name for preset in method.presets.values() for name in preset)}
        assert not any(term in name for term in REFUSED for name in switched_on)
