"""Codes read from the composite and the mask (milgan), where an empty mask hides them."""

import math
from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.testing import assert_close

from lgbench import ImageSpec
from lgbench.game import Step
from lgbench.layers import Batch, Layers
from lgbench_regularizers.config import MIRecoveryConfig
from lgbench_regularizers.terms import mi_recovery

pytestmark = pytest.mark.usefixtures("seeded")

SPEC = ImageSpec(16)
CODED = SimpleNamespace(recoverable={"f": ("foreground", 5), "b": ("background", 7)})
ONE = SimpleNamespace(recoverable={"f": ("foreground", 5)})


def step_of(painted, layers=None):
    return Step(0, Batch(painted.image), painted, layers or painted, paint=lambda: (painted, layers or painted))


def scene(n=5, k=1, **codes):
    b, f = torch.rand(n, 3, 16, 16) * 2 - 1, torch.rand(n, k, 3, 16, 16) * 2 - 1
    return Layers.compose(b, f, torch.rand(n, k, 1, 16, 16), codes=codes)


def term_of(painter=ONE):
    return mi_recovery(MIRecoveryConfig(2, source="image"), painter, SPEC)


def held(term):
    for network in term.networks.values():
        network.eval()
    return term.networks


def test_a_foregrounds_code_has_a_second_critic_for_the_mask_and_a_backgrounds_has_not():
    networks = term_of(CODED).networks
    assert set(networks) == {"code-critic-f", "code-critic-f-mask", "code-critic-b"}
    first = {name: next(m for m in net.modules() if isinstance(m, nn.Conv2d)) for name, net in networks.items()}
    assert {name: conv.in_channels for name, conv in first.items()} == {
        "code-critic-f": 3,
        "code-critic-f-mask": 1,
        "code-critic-b": 3,
    }


def test_by_default_codes_are_read_from_layers():
    assert set(mi_recovery(MIRecoveryConfig(2), CODED, SPEC).networks) == {"code-critic-f", "code-critic-b"}


def test_a_code_is_read_from_the_perturbed_composite_and_the_painted_mask():
    f, b = torch.arange(5), torch.tensor([6, 0, 3, 3, 1])
    painted, perturbed = scene(f=f, b=b, k=2), scene(f=f, b=b, k=2)
    term = term_of(CODED)
    critics = held(term)
    expected = (
        F.cross_entropy(critics["code-critic-f"](perturbed.image), f)
        + F.cross_entropy(critics["code-critic-f-mask"](painted.alphas[:, -1]), f)
        + F.cross_entropy(critics["code-critic-b"](perturbed.image), b)
    )
    assert_close(term.penalty(step_of(painted, perturbed)), expected)


@pytest.mark.parametrize("trial", range(5))
def test_no_critics_read_a_code_from_an_empty_mask_better_than_by_chance(trial):
    """Over a batch that holds each class once on one background: at least ln n from image and from mask."""
    torch.manual_seed(trial)
    layers = scene(f=torch.arange(5))
    one = layers.background[:1].expand(5, -1, -1, -1)
    empty = Layers.compose(one, layers.foregrounds, torch.zeros_like(layers.alphas), codes=layers.codes)
    term = term_of()
    critics = held(term)
    for critic in critics.values():
        nn.init.normal_(critic.head[-1].weight, std=1.0)  # critics with opinions
    assert term.penalty(step_of(empty)).item() > 2 * math.log(5)
    for critic in critics.values():
        nn.init.zeros_(critic.head[-1].weight)
        nn.init.zeros_(critic.head[-1].bias)
    assert term.penalty(step_of(empty)).item() == pytest.approx(2 * math.log(5), rel=1e-5)


def test_masks_that_show_their_code_cost_little():
    """Masks of five heights under a critic that reads the height."""
    layers = scene(f=torch.arange(5))
    alphas = torch.zeros(5, 1, 1, 16, 16)
    for c in range(5):
        alphas[c, ..., : 3 * c + 2, :] = 1
    shown = layers.recompose(layers.foregrounds, alphas)
    term = term_of()
    optimizer = torch.optim.Adam([p for network in term.networks.values() for p in network.parameters()], 1e-2)
    for _ in range(40):
        loss = term.penalty(step_of(shown))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.5 * math.log(5)


def test_both_views_teach_the_mask():
    layers = scene(f=torch.arange(5))
    f, alphas = layers.foregrounds.requires_grad_(), layers.alphas.requires_grad_()
    painted = Layers.compose(layers.background, f, alphas, codes=layers.codes)
    term_of().penalty(step_of(painted)).backward()
    assert f.grad.abs().max() > 0
    assert alphas.grad.abs().max() > 0
