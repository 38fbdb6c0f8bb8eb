"""Slot Attention and GENESIS-V2: sizes, and what their papers promise of any weights."""

from __future__ import annotations

import math

import pytest
import torch
from torch.testing import assert_close

from lgbench import ImageSpec, LgbenchError, NoConfig
from lgbench.layers import Batch, paint_over
from lgbench.nn import count_parameters
from lgbench_slots.config import ComponentsConfig, GenesisConfig, GenesisMethod, SlotsConfig, SlotsMethod
from lgbench_slots.games import Geco, SlotsGame, components, divergence, mixture_error, slots
from lgbench_slots.genesis import Genesis, UNet, straight_clamp
from lgbench_slots.mixture import mixed
from lgbench_slots.slot_attention import SlotAttention, SlotPainter

pytestmark = pytest.mark.usefixtures("seeded")

SPEC = ImageSpec(16)


def images(n: int = 3) -> torch.Tensor:
    return torch.rand(n, 3, 16, 16) * 2 - 1


def slot_painter(k: int = 4) -> SlotPainter:
    return SlotPainter(SlotsConfig(slots=k, width=8, hidden=8), SPEC).eval()


def genesis(k: int = 4) -> Genesis:
    return Genesis(GenesisConfig(slots=k, width=8), SPEC).eval()


PAINTERS = pytest.mark.parametrize("build", [slot_painter, genesis])


SIZES = [(128, 890_308, 224_996), (64, 787_844, 199_364), (32, 685_380, 173_732)]


@pytest.mark.parametrize(("side", "full", "half"), SIZES)
@pytest.mark.parametrize("k", [3, 10])
def test_slot_attention_has_its_parameters_whatever_the_number_of_slots(side: int, full: int, half: int, k: int):
    with torch.device("meta"):
        assert count_parameters(SlotPainter(SlotsConfig(slots=k), ImageSpec(side))) == full
        assert count_parameters(SlotPainter(SlotsConfig(slots=k, width=32, hidden=64), ImageSpec(side))) == half


@pytest.mark.parametrize(("side", "count"), [(64, 2_729_422), (128, 2_840_270)])
def test_genesis_v2_has_the_authors_parameters(side: int, count: int):
    with torch.device("meta"):
        assert count_parameters(Genesis(GenesisConfig(), ImageSpec(side))) == count


# What both paint.


@PAINTERS
def test_shares_sum_to_one_and_the_image_is_the_sum_of_its_components(build):
    layers = build()(build().codes(3, Batch(images())))
    x, m = layers.extras["components"], layers.extras["shares"]
    assert x.shape == (3, 4, 3, 16, 16)
    assert m.shape == (3, 4, 1, 16, 16)
    assert_close(m.sum(dim=1), torch.ones(3, 1, 16, 16))
    assert_close(layers.image, (m * x).sum(dim=1))


@pytest.mark.parametrize("empty", [False, True])
def test_the_layers_of_a_mixture_paint_its_image_with_the_largest_component_at_the_bottom(empty: bool):
    m = torch.randn(2, 5, 1, 8, 8).mul(3).softmax(dim=1)
    if empty:
        m[:, :3] = torch.tensor([0.0, 1.0, 0.0])[:, None, None, None]
        m[:, 3:] = 0
    x = torch.rand(2, 5, 3, 8, 8) * 2 - 1
    layers = mixed(x, m, {})
    assert_close(paint_over(layers.background, layers.foregrounds, layers.alphas), layers.image)
    largest = m.mean(dim=(2, 3, 4)).argmax(dim=1)
    assert torch.equal(layers.background, x[torch.arange(2), largest])
    assert 0 <= layers.alphas.min() <= layers.alphas.max() <= 1
    assert_close(1 - layers.alpha, m[torch.arange(2), largest])


@PAINTERS
@pytest.mark.parametrize("masks", ["attention", "reconstruction"])
def test_an_image_is_divided_alike_alone_and_in_any_batch_whatever_chance_says(build, masks: str):
    painter, x = build(), images(5)
    if build is slot_painter:
        game = slots(NoConfig(), painter, SPEC)
    else:
        game = components(ComponentsConfig(masks=masks), painter, SPEC)
    assert not game.background
    with torch.no_grad():
        together = game.predict(x)
        torch.manual_seed(1)
        alone = torch.cat([game.predict(x[i : i + 1]) for i in range(5)])
    assert together.shape == (5, 4, 16, 16)
    assert_close(together, alone, atol=1e-5, rtol=1e-4)
    assert_close(together.sum(dim=1), torch.ones(5, 16, 16), atol=1e-3, rtol=0)


# Slot Attention.


def test_slot_attention_cannot_sample_and_says_so():
    assert not SlotPainter.samples
    with pytest.raises(LgbenchError, match="cannot sample"):
        slot_painter().codes(2)


def test_slots_have_no_order():
    painter = slot_painter()
    codes = painter.codes(3, Batch(images()))
    order = torch.tensor([2, 0, 3, 1])
    with torch.no_grad():
        one, other = painter(codes), painter({**codes, "noise": codes["noise"][:, order]})
    assert_close(one.image, other.image)
    assert_close(one.extras["shares"][:, order], other.extras["shares"])


def test_slots_that_set_out_from_one_place_stay_one_and_others_part():
    attention = SlotAttention(8, 8, iterations=3)
    inputs, start = torch.randn(2, 30, 8), torch.randn(2, 3, 8)
    start[:, 1] = start[:, 0]
    found = attention(inputs, start)
    assert_close(found[:, 0], found[:, 1])
    assert (found[:, 0] - found[:, 2]).abs().max() > 0.01


def test_starts_that_are_learnt_are_each_slots_own_whatever_chance_says():
    painter = SlotPainter(SlotsConfig(slots=3, width=8, hidden=8, starts="learnt"), SPEC).eval()
    x = images(2)
    shares = [painter({"image": x, "noise": torch.randn(2, 3, 8)}).extras["shares"] for _ in range(2)]
    assert_close(shares[0], shares[1])
    assert not torch.allclose(shares[0][:, 0], shares[0][:, 1])


def test_hes_weights_keep_a_signals_size_where_glorots_lose_it():
    spread = {}
    for weights in ("glorot", "he"):
        painter = SlotPainter(SlotsConfig(slots=3, width=32, hidden=8, weights=weights), ImageSpec(32))
        spread[weights] = painter.encoder[:-1](torch.randn(4, 3, 32, 32)).square().mean().item()
        flat = torch.randn(4, 32, 8, 8)
        spread[weights, "decoder"] = painter.decoder[1:-1](flat).square().mean().item()
    assert 0.5 < spread["he"] < 2
    assert 0.5 < spread["he", "decoder"] < 2
    assert spread["glorot"] < 0.25 * spread["he"]


def test_positions_are_as_much_larger_as_is_asked():
    def first(positions: float) -> torch.Tensor:
        torch.manual_seed(3)
        painter = SlotPainter(SlotsConfig(slots=2, width=8, hidden=8, positions=positions), SPEC)
        return painter.get_parameter("decoder.0.linear.weight")

    assert_close(first(4), 4 * first(1))


def test_pixels_have_no_order_for_slots():
    attention = SlotAttention(8, 8, iterations=2)
    inputs, start = torch.randn(2, 30, 8), torch.randn(2, 3, 8)
    assert_close(attention(inputs, start), attention(inputs[:, torch.randperm(30)], start))


def test_the_rate_warms_up_and_halves():
    playing = SlotsGame(SlotsMethod(warm_up=10, halve_every=100), slot_painter())
    assert playing.rate(0) == pytest.approx(0.1)
    assert playing.rate(4) == pytest.approx(0.5 * 0.5**0.04)
    assert playing.rate(100) == pytest.approx(0.5)
    assert SlotsGame(SlotsMethod(warm_up=0, halve_every=0), slot_painter()).rate(12_345) == 1


# GENESIS-V2.


@pytest.mark.parametrize("side", [16, 32, 64, 128])
def test_the_u_net_turns_round_at_four_pixels_and_returns_to_full_size(side: int):
    network = UNet(side, 8)
    assert network(torch.rand(2, 3, side, side)).shape == (2, 8, side, side)
    assert network.mlp[1].in_features == 4 * 4 * 16


def test_a_seed_that_all_pixels_resemble_takes_what_a_clamp_lets_it_take():
    painter = genesis(3)
    painter.colouring.places.zero_()  # and the gate is closed at first: all pixels are one colour
    _, log_m = painter.attend(images(), torch.rand(3, 1, 16, 16))
    assert_close(log_m.exp()[:, :, 0, 0, 0], torch.tensor([0.99, 0.0099, 0.0001]).expand(3, 3), atol=1e-6, rtol=1e-3)


def test_seeds_are_drawn_by_the_noise_and_masks_lie_around_them_while_the_gate_is_closed():
    painter = genesis(3)
    noise = torch.zeros(1, 1, 16, 16)
    noise[..., 4, 11], noise[..., 12, 3] = 1.0, 0.9
    _, log_m = painter.attend(images(1), noise)
    first, second, rest = log_m.exp()[0, :, 0]
    assert first.flatten().argmax() == 4 * 16 + 11
    assert second.flatten().argmax() == 12 * 16 + 3  # the first has left its own surroundings
    assert rest[0, 0] > 0.5
    sigma = 1 / (3 * math.log(2))
    assert first[4, 13].item() == pytest.approx(math.exp(-((4 / 15) ** 2) / sigma), rel=1e-4)


def test_a_straight_clamp_clamps_and_lets_the_whole_gradient_through():
    x = torch.tensor([-1.0, 0.5, 2.0], requires_grad=True)
    clamped = straight_clamp(x, 0.01, 0.99)
    clamped.sum().backward()
    assert_close(clamped, torch.tensor([0.01, 0.5, 0.99]))
    assert torch.equal(x.grad, torch.ones(3))


def test_what_the_prior_samples_is_what_it_believes():
    painter = genesis()
    codes = painter.codes(5)
    z = painter.prior.sample(codes["z"])
    mean, sigma = painter.prior(z)
    assert_close(mean + sigma * codes["z"], z)
    assert torch.equal(mean[:, 0], torch.zeros(5, 8))
    assert torch.equal(sigma[:, 0], torch.ones(5, 8))
    assert painter(codes).image.shape == (5, 3, 16, 16)


def test_components_have_no_order_in_what_they_paint():
    painter, z = genesis(), torch.randn(2, 4, 8)
    one, other = painter.paint(z, {}), painter.paint(z.flip(1), {})
    assert_close(one.image, other.image)


def test_the_error_of_one_component_is_a_normals_and_no_share_makes_it_infinite():
    x, painted = images(2), images(2)[:, None]
    expected = -torch.distributions.Normal((painted[:, 0] + 1) / 2, 0.7).log_prob((x + 1) / 2).sum(dim=(1, 2, 3))
    assert_close(mixture_error(x, painted, torch.ones(2, 1, 1, 16, 16), 0.7), expected)
    two = torch.cat([painted, painted * 0], dim=1)
    shares = torch.tensor([1.0, 0.0])[None, :, None, None, None].expand(2, 2, 1, 16, 16)
    assert_close(mixture_error(x, two, shares, 0.7), expected)
    assert mixture_error(x, two, shares, 1e-3).isfinite().all()


def test_the_divergence_is_that_of_normals_on_average_and_none_of_a_belief_from_itself():
    mean, sigma = torch.full((20_000, 1, 2), 0.5), torch.full((20_000, 1, 2), 0.6)
    z = mean + sigma * torch.randn_like(mean)
    assert torch.equal(divergence(z, (mean, sigma), (mean, sigma)), torch.zeros(20_000))
    told = divergence(z, (mean, sigma), (torch.zeros_like(mean), torch.ones_like(sigma))).mean()
    assert told.item() == pytest.approx(2 * (-math.log(0.6) + (0.36 + 0.25 - 1) / 2), abs=0.02)


def test_beta_rises_while_the_error_is_below_its_goal_falls_above_and_stays_in_its_clamp():
    geco = Geco(GenesisMethod(), 64)
    goal = 3 * 64**2 * 0.5655
    assert geco.goal == pytest.approx(goal)
    geco.learn(torch.tensor(goal + 100))
    assert geco.beta.item() == pytest.approx(math.exp(-1e-5 * 100))
    below = Geco(GenesisMethod(), 64)
    below.learn(torch.tensor(goal - 100))
    assert below.beta.item() == pytest.approx(math.exp(10 * 1e-5 * 100))  # ten times as fast
    below.learn(torch.tensor(goal - 200))
    assert below.error.item() == pytest.approx(goal - 101, rel=1e-6)
    for error, end in ((-1e12, 1e10), (1e12, 1e-10)):
        extreme = Geco(GenesisMethod(), 64)
        extreme.learn(torch.tensor(error))
        assert extreme.beta.item() == pytest.approx(end)
    assert Geco(GenesisMethod(), 128).rate == pytest.approx(0.25e-5)
