"""milgan's L_bg: the segmenter of the round before finds nothing in the background layer."""

import math
from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torch.testing import assert_close

import lgbench_regularizers
from lgbench import ImageSpec
from lgbench.game import Step
from lgbench.layers import Batch, Layers
from lgbench_comgan.config import AlignmentConfig
from lgbench_comgan.game import alignment
from lgbench_regularizers.config import BackgroundConfig
from lgbench_segmenters.config import ObjectsConfig, UNetConfig
from lgbench_segmenters.games import unet_l, unet_s
from lgbench_segmenters.objects import unet_objects

pytestmark = pytest.mark.usefixtures("seeded")


RECORD = {record.name: record for record in lgbench_regularizers.regularizers()}["background"]
TERM = RECORD.build(BackgroundConfig(), None, ImageSpec(16))


def scene():
    b, f, alpha = torch.rand(2, 3, 16, 16) * 2 - 1, torch.rand(2, 1, 3, 16, 16) * 2 - 1, torch.rand(2, 1, 1, 16, 16)
    return [x.requires_grad_() for x in (b, f, alpha)]


def step_of(painted, segment=None, layers=None):
    layers = layers or painted
    return Step(0, Batch(painted.image), painted, layers, paint=lambda: (painted, layers), segment=segment)


def test_it_needs_layers_and_rounds():
    assert RECORD.needs == {"layers", "rounds"}


def test_the_first_round_has_no_segmenter_and_costs_nothing():
    penalty = TERM.penalty(step_of(Layers.compose(*scene())))
    assert penalty.shape == ()
    assert penalty.item() == 0


@pytest.mark.parametrize("found", [0.0, 0.25, 0.9])
def test_finding_foreground_in_the_background_costs_minus_the_logarithm_of_not_finding_it(found):
    seen = []

    def segment(images):
        seen.append(images)
        return torch.full((len(images), 1, 16, 16), found)

    painted = Layers.compose(*scene())
    perturbed = Layers.compose(*scene())
    penalty = TERM.penalty(step_of(painted, segment, perturbed))
    assert penalty.item() == pytest.approx(-math.log(1 - found), rel=1e-5)
    (images,) = seen
    assert images is painted.background  # as it was painted, not as a perturbation left it


def test_a_segmenter_that_is_sure_costs_a_finite_amount():
    penalty = TERM.penalty(step_of(Layers.compose(*scene()), lambda x: torch.ones(2, 1, 16, 16)))
    assert penalty.item() == pytest.approx(math.log(1e15), rel=0.01)


def test_where_a_segmenter_is_surest_it_teaches_the_most():
    """-log(1 - sigmoid(l)) has the slope sigmoid(l): about 1 for what looks like foreground beyond doubt."""
    b, f, alpha = scene()
    logits = torch.tensor([-20.0, 0.0, 20.0, 30.0]).view(4, 1, 1, 1).requires_grad_()
    TERM.penalty(step_of(Layers.compose(b, f, alpha), lambda x: logits.double().sigmoid())).backward()
    assert_close(4 * logits.grad.flatten(), torch.tensor([0.0, 0.5, 1.0, 1.0]), atol=1e-3, rtol=0)


SEGMENTERS = {
    "unet-s": (unet_s, UNetConfig(width=4), 0.0),
    "unet-l": (unet_l, UNetConfig(width=4), 0.0),
    "unet-objects": (unet_objects, ObjectsConfig(width=4), math.log(2)),  # the other object is as likely as nothing
    "two-alignment": (alignment, AlignmentConfig(width=4, dm_width=4), 0.0),
}


@pytest.mark.parametrize("name", SEGMENTERS)
def test_every_segmenter_is_asked_for_its_background_and_teaches_the_most_where_it_is_surest(name: str):
    build, config, least = SEGMENTERS[name]
    game = build(config, SimpleNamespace(foregrounds=2), ImageSpec(16))
    for parameter in game.networks["segmenter"].parameters():
        nn.init.zeros_(parameter)
    bias = game.networks["segmenter"].last.bias
    costs, slopes = [], []
    for logit in (-25.0, 25.0):
        nn.init.constant_(bias[-1:], logit)
        bias.grad = None
        cost = TERM.penalty(step_of(Layers.compose(*scene()), game.predict))
        cost.backward()
        costs.append(cost.item())
        slopes.append(bias.grad[-1].item())
    assert costs == pytest.approx([least, 25], abs=1e-3)
    assert slopes == pytest.approx([0, 1], abs=1e-3)


def test_only_the_background_is_taught():
    b, f, alpha = scene()
    network = nn.Conv2d(3, 1, 1).requires_grad_(False)
    TERM.penalty(step_of(Layers.compose(b, f, alpha), lambda x: network(x).sigmoid())).backward()
    assert b.grad.abs().max() > 0
    assert f.grad is None
    assert alpha.grad is None
    assert all(p.grad is None for p in network.parameters())


def test_following_its_slope_empties_the_background_of_foreground():
    b, f, alpha = scene()

    def bright(x):
        return (4 * x.mean(dim=1, keepdim=True)).sigmoid()

    before = TERM.penalty(step_of(Layers.compose(b, f, alpha), bright))
    (slope,) = torch.autograd.grad(before, b)
    after = TERM.penalty(step_of(Layers.compose(b - 100 * slope, f, alpha), bright))
    assert after < 0.9 * before
    assert_close(slope[:, 0], slope[:, 1])  # it looks at the mean of the channels
    assert (slope > 0).all()
