"""ELGAN's equivariance: an offset of the latent must paint what moving the foreground paints."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torch.testing import assert_close

import lgbench_regularizers
from lgbench import ImageSpec, LgbenchError
from lgbench.game import Step
from lgbench.layers import Batch, Layers, Painter
from lgbench.nn import count_parameters, warp
from lgbench_regularizers.config import EquivarianceConfig
from lgbench_regularizers.equivariance import Offset, standard_normal
from lgbench_regularizers.moves import pose

pytestmark = pytest.mark.usefixtures("seeded")

NZ, SIDE = 12, 32


class Glider(Painter):
    """Layers from one linear map of the latent; no batch statistics, so that a code always paints the same."""

    def __init__(self, side=8):
        super().__init__()
        self.side = side
        self.map = nn.Linear(NZ, 7 * side * side)
        self.seen = []

    def codes(self, n, batch=None):
        return {"z": torch.randn(n, NZ), "c": torch.zeros(n, dtype=torch.int64)}

    def forward(self, codes):
        self.seen.append(codes)
        x = self.map(codes["z"]).view(-1, 7, self.side, self.side)
        b, f, alpha = x[:, :3].tanh(), x[:, None, 3:6].tanh(), x[:, None, 6:].sigmoid()
        return Layers.compose(b, f, alpha, codes=codes)


def build(painter, **settings):
    found = {record.name: record for record in lgbench_regularizers.regularizers()}
    config = EquivarianceConfig(**{"distance": "pixel", **settings})
    return found["equivariance"].build(config, painter, ImageSpec(SIDE))


def step_of(painted, number=0, features=None):
    return Step(number, Batch(painted.image), painted, painted, paint=lambda: (painted, painted), features=features)


def penalty(term, painted, number=0, **step):
    torch.manual_seed(1)  # the same transforms every time
    return term.penalty(step_of(painted, number, **step))


def silence(term):
    """Phi, exactly zero."""
    last = term.networks["phi"].map[-1]
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)


def no_transform(monkeypatch):
    """eps = 0, the middle of every range."""
    monkeypatch.setattr("lgbench_regularizers.equivariance.torch.rand", lambda *size, **_: torch.full(size, 0.5))


@pytest.mark.parametrize("k", [1, 2])
def test_no_transform_and_no_offset_paint_the_same_picture_bit_by_bit(monkeypatch, k):
    painter = Glider()
    term = build(painter, zero=True, reg_weight=0.0)
    painted = painter(painter.codes(3))
    no_transform(monkeypatch)
    assert term.penalty(step_of(painted)).item() == 0
    unforced = build(painter, reg_weight=0.0)
    assert unforced.penalty(step_of(painted)).item() > 0  # Phi(0) is not 0 by itself


class Mover(Painter):
    """Its latent's first two numbers are where the foreground lies."""

    def __init__(self):
        super().__init__()
        self.b, self.f = (nn.Parameter(torch.rand(1, 3, SIDE, SIDE) * 2 - 1) for _ in range(2))
        alpha = torch.zeros(1, 1, SIDE, SIDE)
        alpha[..., 8:20, 10:24] = 1
        self.alpha = nn.Parameter(alpha)

    def codes(self, n, batch=None):
        return {"z": torch.zeros(n, NZ)}

    def forward(self, codes):
        z = codes["z"]
        where = pose(z[:, 0], z[:, 1], torch.zeros(len(z)), torch.zeros(len(z)))
        both = warp(torch.cat([self.f, self.alpha], dim=1).expand(len(z), -1, -1, -1), where, align_corners=False)
        b = self.b.expand(len(z), -1, -1, -1)
        return Layers.compose(b, both[:, None, :3], both[:, None, 3:], codes=codes)


def test_a_generator_that_moves_its_foreground_as_phi_says_pays_nothing():
    painter = Mover()
    term = build(painter, shrink=0.0, grow=0.0, reg_weight=0.0, dims=2)
    painted = painter(painter.codes(6))
    assert penalty(term, painted) > 0.1
    right = nn.Linear(2, 2, bias=False)
    right.weight.data = 0.25 * torch.eye(2)  # an eighth of the side, in grid coordinates
    term.networks["phi"].map = right
    assert penalty(term, painted) < 1e-5
    wrong = nn.Linear(2, 2, bias=False)
    wrong.weight.data = -0.25 * torch.eye(2)
    term.networks["phi"].map = wrong
    assert penalty(term, painted) > 0.1


@pytest.mark.parametrize(("d", "parameters"), [(2, 9162), (3, 9226), (4, 9290)])
def test_phi_has_the_specified_size(d, parameters):
    assert count_parameters(Offset(d, 10, 100)) == parameters


def test_phi_changes_the_first_ten_numbers_only():
    painter = Glider()
    term = build(painter)
    painted = painter(painter.codes(4))
    penalty(term, painted)
    moved = painter.seen[-1]["z"] - painted.codes["z"]
    assert (moved[:, :10] != 0).all()
    assert moved[:, 10:].count_nonzero() == 0
    assert painter.seen[-1]["c"] is painted.codes["c"]  # the other codes stay


@pytest.mark.parametrize(
    ("settings", "size"), [({}, 3), ({"rotate": 15.0}, 4), ({"shrink": 0.0, "grow": 0.0}, 2), ({"translate": 0.0}, 1)]
)
def test_phi_is_told_the_transforms_that_are_on(settings, size):
    assert build(Glider(), **settings).networks["phi"].map[0].in_features == size


def test_gradients_reach_the_generator_from_both_sides_and_phi():
    painter = Glider()
    term = build(painter, reg_weight=0.0)
    parts = [x.detach().requires_grad_() for x in (painter(painter.codes(4)).foregrounds, torch.rand(4, 1, 1, 8, 8))]
    painted = Layers.compose(torch.zeros(4, 3, 8, 8), *parts, codes=painter.codes(4))
    penalty(term, painted).backward()
    assert painter.map.weight.grad.abs().max() > 0  # the side of the latent
    assert all(x.grad.abs().max() > 0 for x in parts)  # the side of the transform
    assert all(p.grad.abs().max() > 0 for p in term.networks["phi"].parameters())


def test_the_transformed_side_can_be_held():
    painter = Glider()
    term = build(painter, reg_weight=0.0, stop_gradient=True)
    f, alpha = torch.rand(4, 1, 3, 8, 8, requires_grad=True), torch.rand(4, 1, 1, 8, 8, requires_grad=True)
    penalty(term, Layers.compose(torch.zeros(4, 3, 8, 8), f, alpha, codes=painter.codes(4))).backward()
    assert painter.map.weight.grad.abs().max() > 0
    assert f.grad is None
    assert alpha.grad is None


@pytest.mark.parametrize(("number", "share"), [(0, 0), (10, 0.5), (20, 1), (500, 1)])
def test_the_term_grows_to_its_weight_over_its_ramp(number, share):
    painter = Glider()
    term, painted = build(painter, ramp=20, reg_weight=0.0), painter(painter.codes(4))
    full = penalty(term, painted, number=10**6)
    assert full > 0
    assert_close(penalty(term, painted, number=number), share * full)


def test_without_a_ramp_it_counts_in_full_at_once():
    painter = Glider()
    painted = painter(painter.codes(4))
    term = build(painter, reg_weight=0.0)
    assert_close(penalty(term, painted, number=0), penalty(term, painted, number=9))


def test_moments_of_shifted_latents_are_those_of_a_normal_up_to_the_batch():
    """3 * 10 / N for N draws: 10 / N from the means and 20 / N from the squares."""
    values = torch.stack([standard_normal(torch.randn(32, 10)) for _ in range(100)])
    assert values.mean().item() == pytest.approx(30 / 32, abs=0.15)
    assert standard_normal(torch.randn(32, 10) + 1) > 10
    assert standard_normal(2 * torch.randn(32, 10)) > 10
    assert standard_normal(torch.tensor([[1.0], [-1.0]])).item() == 0


def test_the_term_holds_the_regularized_latents_by_its_relative_weight():
    painter = Glider()
    painted = painter(painter.codes(32))
    term = build(painter, reg_weight=3.0, ramp=10)
    silence(term)  # at step 0 of a ramp only L_reg is left
    assert_close(penalty(term, painted), 3 * standard_normal(painted.codes["z"][:, :10]))


class Wide(Glider):
    def codes(self, n, batch=None):
        return {**super().codes(n), "z": 4 * torch.randn(n, NZ)}


@pytest.mark.parametrize("kind", [Glider, Wide])
def test_latents_are_held_to_what_the_method_draws(kind):
    """With Phi = 0 the expectation of L_reg is 3 * 10 / N, for latents of any size."""
    painter = kind()
    term = build(painter, reg_weight=1.0, ramp=10**9)
    silence(term)
    losses = [term.penalty(step_of(painter(painter.codes(64)))).item() for _ in range(60)]
    assert sum(losses) / 60 == pytest.approx(3 * 10 / 64, rel=0.2)


def test_the_moments_teach_phi_and_not_the_generator():
    painter = Glider()
    term, painted = build(painter, reg_weight=1.0, ramp=10), painter(painter.codes(8))
    of_painter, of_phi = (list(network.parameters()) for network in (painter, term.networks["phi"]))
    slopes = torch.autograd.grad(penalty(term, painted), [*of_painter, *of_phi])
    assert all(slope.count_nonzero() == 0 for slope in slopes[: len(of_painter)])
    assert slopes[-1].abs().max() > 0


def test_what_a_mask_hides_does_not_count():
    painter = Mover()
    term = build(painter, dims=2, reg_weight=0.0)
    before = penalty(term, painter(painter.codes(4)))
    with torch.no_grad():
        hidden = torch.ones(1, 1, SIDE, SIDE)
        hidden[..., 6:22, 8:26] = 0  # two pixels around the mask: bilinear sampling looks at neighbours
        painter.f += 5 * hidden
    assert_close(penalty(term, painter(painter.codes(4))), before)
    with torch.no_grad():
        painter.f += 0.5 * (1 - hidden)
    assert penalty(term, painter(painter.codes(4))) != before


def test_the_critics_view_joins_the_pixels():
    painter = Glider()
    painted = painter(painter.codes(4))
    conv = nn.Conv2d(3, 5, 3).requires_grad_(False)
    pixel = penalty(build(painter, reg_weight=0.0), painted)
    torch.manual_seed(2)
    disc = build(painter, reg_weight=0.0, distance="disc")
    again = build(painter, reg_weight=0.0)
    again.networks["phi"].load_state_dict(disc.networks["phi"].state_dict())
    seen = penalty(disc, painted, features=lambda x: [conv(x), conv(x).relu()])
    assert seen > penalty(again, painted) > 0
    assert pixel > 0


def refusal(painter, **settings):
    with pytest.raises(LgbenchError) as caught:
        build(painter, **settings)
    return str(caught.value)


@pytest.mark.parametrize(
    "codes",
    [{"c": torch.zeros(2)}, {"z": torch.zeros(2, 9)}, {"z": torch.zeros(2, 3, 10)}, {"z": torch.zeros(2, 12).long()}],
    ids=["no z", "too short", "several latents", "a class"],
)
def test_a_generator_without_a_latent_vector_is_refused(codes):
    message = refusal(SimpleNamespace(codes=lambda n: codes))
    assert "first 10 numbers of a latent vector" in message
    assert "Leave it out" in message


def test_no_transform_at_all_is_refused():
    still = {"translate": 0.0, "shrink": 0.0, "grow": 0.0}
    assert "set its translate, shrink, grow or rotate" in refusal(Glider(), **still)
    assert build(Glider(), **{**still, "rotate": 5.0})


def test_a_critic_that_shows_no_features_is_refused_with_the_way_out():
    painter = Glider()
    term, painted = build(painter, distance="disc"), painter(painter.codes(2))
    with pytest.raises(LgbenchError, match="distance=pixel"):
        penalty(term, painted)


def test_by_default_it_is_the_papers():
    config = EquivarianceConfig()
    assert (config.dims, config.translate, config.shrink, config.grow, config.rotate) == (10, 0.125, 0.2, 0.2, 0.0)
    assert replace(config, distance="pixel").stop_gradient is False
