import math
from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.testing import assert_close

import lgbench_regularizers
from lgbench import ImageSpec, LgbenchError
from lgbench.game import Game, Phase, Step, Weighted
from lgbench.layers import Batch, Layers, Painter
from lgbench.nn import count_parameters
from lgbench.runtime import Runtime
from lgbench.training import Schedule
from lgbench.training.player import Player
from lgbench_regularizers.config import BinarizationConfig, MIRecoveryConfig
from lgbench_regularizers.masks import binary_entropy, binary_min
from lgbench_regularizers.terms import binarization, layer, mi_recovery

pytestmark = pytest.mark.usefixtures("seeded")

SPEC = ImageSpec(32)
CODED = SimpleNamespace(recoverable={"f": ("foreground", 5), "b": ("background", 7)})


def step_of(layers):
    return Step(0, Batch(layers.image), layers, layers, paint=lambda: (layers, layers))


def scene(n=4, k=1, side=32, **codes):
    background, foregrounds = torch.rand(n, 3, side, side) * 2 - 1, torch.rand(n, k, 3, side, side) * 2 - 1
    return Layers.compose(background, foregrounds, torch.rand(n, k, 1, side, side), codes=codes)


def records():
    return {record.name: record for record in lgbench_regularizers.regularizers()}


@pytest.mark.parametrize(("form", "loss"), [("entropy", binary_entropy), ("min", binary_min)])
def test_binarization_penalises_every_alpha(form, loss):
    layers = scene(k=2)
    term = records()["binarization"].build(BinarizationConfig(form), None, SPEC)
    assert_close(term.penalty(step_of(layers)), loss(layers.alphas))
    assert not term.networks
    assert term.compose is None


@pytest.mark.parametrize(("form", "grey"), [("entropy", 1.0), ("min", 0.5)])
def test_a_grey_mask_costs_most_and_a_sharp_one_nothing(form, grey):
    layers, term = scene(), binarization(BinarizationConfig(form), None, None)
    alphas = torch.full_like(layers.alphas, 0.5)
    assert term.penalty(step_of(layers.recompose(layers.foregrounds, alphas))).item() == pytest.approx(grey)
    alphas = (layers.alphas > 0.5).float()
    assert term.penalty(step_of(layers.recompose(layers.foregrounds, alphas))) < 1e-4


def test_binarization_by_default_is_comgans_entropy():
    assert BinarizationConfig().form == "entropy"


def test_a_layer_is_the_background_or_the_last_foreground_unmasked():
    layers = scene(k=2)
    assert layer(layers, "background") is layers.background
    assert torch.equal(layer(layers, "foreground"), layers.foregrounds[:, 1])


def test_each_code_has_a_critic_of_its_own():
    with torch.device("meta"):
        ds = SimpleNamespace(recoverable={"f": ("foreground", 200), "b": ("background", 200)})
        term = records()["mi-recovery"].build(MIRecoveryConfig(), ds, ImageSpec(64))
    assert {name: count_parameters(network) for name, network in term.networks.items()} == {
        "code-critic-f": 9_116_616,
        "code-critic-b": 9_116_616,
    }


def test_recovery_is_the_cross_entropy_of_each_code_on_its_unmasked_layer():
    layers = scene(f=torch.tensor([0, 1, 2, 4]), b=torch.tensor([6, 0, 3, 3]))
    term = mi_recovery(MIRecoveryConfig(2), CODED, SPEC)
    for critic in term.networks.values():
        critic.eval()
    expected = F.cross_entropy(
        term.networks["code-critic-f"](layers.foregrounds[:, 0]), layers.codes["f"]
    ) + F.cross_entropy(term.networks["code-critic-b"](layers.background), layers.codes["b"])
    assert_close(term.penalty(step_of(layers)), expected)
    invisible = layers.recompose(layers.foregrounds, torch.zeros_like(layers.alphas))
    assert_close(term.penalty(step_of(invisible)), expected)  # the mask does not matter


def test_only_the_wanted_codes_are_recovered():
    config = MIRecoveryConfig(width=2, codes="b")
    term = records()["mi-recovery"].build(config, CODED, SPEC)
    assert set(term.networks) == {"code-critic-b"}
    layers = scene(b=torch.tensor([6, 0, 3, 3]))
    assert term.penalty(step_of(layers)).isfinite()


@pytest.mark.parametrize("n", [5, 200])
def test_a_prediction_that_ignores_its_input_is_no_better_than_chance(n):
    """Over a batch that holds each class once: ln n for the uniform prediction, and more for any other."""
    painter = SimpleNamespace(recoverable={"f": ("foreground", n)})
    term = mi_recovery(MIRecoveryConfig(2), painter, ImageSpec(16))
    last = term.networks["code-critic-f"].head[-1]
    nn.init.zeros_(last.weight)  # only the bias is left
    layers = scene(n=n, side=16, f=torch.arange(n))
    nn.init.constant_(last.bias, 0.3)
    assert term.penalty(step_of(layers)).item() == pytest.approx(math.log(n), rel=1e-5)
    for spread in (0.1, 1, 5):
        nn.init.normal_(last.bias, 0, spread)
        assert term.penalty(step_of(layers)).item() > math.log(n)


@pytest.mark.parametrize(("painter", "codes"), [(SimpleNamespace(recoverable={}), ()), (CODED, ("f", "g"))])
def test_recovering_a_code_that_is_not_there_says_what_is(painter, codes):
    with pytest.raises(LgbenchError, match=r"regularizers\.mi-recovery\.codes"):
        mi_recovery(MIRecoveryConfig(2, ",".join(codes)), painter, SPEC)


def test_recovery_needs_codes_and_binarization_layers():
    assert records()["mi-recovery"].needs == {"layers", "codes"}
    assert records()["binarization"].needs == {"layers"}


class Swatches(Painter):
    """A painter of plain colours: the foreground's tells its class."""

    recoverable = {"f": ("foreground", 3)}  # noqa: RUF012

    def __init__(self):
        super().__init__()
        self.colours = nn.Embedding(3, 3)
        self.opacity = nn.Parameter(torch.zeros(()))

    def codes(self, n, batch=None):
        return {"f": torch.randint(3, (n,))}

    def forward(self, codes):
        noise = torch.randn(len(codes["f"]), 3, 16, 16)
        f = (self.colours(codes["f"])[:, :, None, None] + 0.5 * noise).tanh()
        return Layers.compose(
            noise.tanh(), f[:, None], self.opacity.sigmoid().expand(len(f), 1, 1, 16, 16), codes=codes
        )


def test_painter_and_code_critic_learn_together_to_show_a_code():
    painter = Swatches()
    nn.init.zeros_(painter.colours.weight)  # at first no colour tells anything
    term = mi_recovery(MIRecoveryConfig(4), painter, ImageSpec(16))
    nothing = Phase("generator", ["generator"], lambda step: {}, regularized=True, lr=1e-2)
    player = Player(
        Game(painter, {"generator": painter}, [nothing], terms=[Weighted("mi-recovery", 1.0, term)]),
        Schedule(1, 16),
        Runtime(torch.device("cpu")),
    )
    images = torch.zeros(16, 3, 16, 16)
    losses = [float(player.play(number, Batch(images), False)["mi-recovery"]) for number in range(60)]
    assert losses[0] > 0.7 * math.log(3)
    assert sum(losses[-5:]) / 5 < 0.3
    assert painter.colours.weight.std(dim=0).max() > 0.1  # it painted the classes apart


def test_a_term_counts_with_its_weight():
    painter = Swatches()
    phase = Phase("generator", ["generator"], lambda step: {}, regularized=True)
    term = Weighted("binarization", 3.0, binarization(BinarizationConfig("min"), None, None))
    game = Game(painter, {"generator": painter}, [phase], terms=[term])
    player = Player(game, Schedule(1, 4), Runtime(torch.device("cpu")))
    values = player.play(0, Batch(torch.zeros(4, 3, 16, 16)), False)
    assert float(values["binarization"]) == pytest.approx(3 * 0.5)
