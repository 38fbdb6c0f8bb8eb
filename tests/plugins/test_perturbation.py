"""Perturbation as a term, and the terms that look at alphas before or after it."""

import pytest
import torch
from torch.testing import assert_close

import lgbench_regularizers
from lgbench import ImageSpec
from lgbench.game import Step
from lgbench.layers import Batch, Layers
from lgbench_regularizers.config import BinarizationConfig, MaskSizeConfig, PerturbationConfig
from lgbench_regularizers.masks import binary_min
from lgbench_regularizers.terms import binarization, mask_size, perturbation

pytestmark = pytest.mark.usefixtures("seeded")

STILL = {"translate": 0.0, "shrink": 0.0, "grow": 0.0}


def build(**settings):
    found = {record.name: record for record in lgbench_regularizers.regularizers()}
    return found["perturbation"].build(PerturbationConfig(**settings), None, ImageSpec(16))


def scene(n=4, k=1, side=16, alpha=None):
    b, f = torch.rand(n, 3, side, side) * 2 - 1, torch.rand(n, k, 3, side, side) * 2 - 1
    alphas = torch.rand(n, k, 1, side, side) if alpha is None else torch.full((n, k, 1, side, side), alpha)
    return Layers.compose(b, f, alphas, codes={"z": torch.randn(n, 4)})


def step_of(painted, layers=None):
    return Step(0, Batch(painted.image), painted, layers or painted, paint=lambda: (painted, layers or painted))


def offsets_of(term, n, k, side=16):
    """Where a dot at the centre went, (n, k, 2)."""
    dots = torch.zeros(n, k, 1, side, side)
    dots[..., side // 2, side // 2] = 1
    moved = term.compose(Layers.compose(torch.zeros(n, 3, side, side), dots.expand(-1, -1, 3, -1, -1), dots)).alphas
    assert torch.equal(moved.sum(dim=(2, 3, 4)), torch.ones(n, k))  # whole pixels: nothing is spread out
    y, x = moved.flatten(2).argmax(dim=2).div(side, rounding_mode="floor"), moved.flatten(2).argmax(dim=2) % side
    return torch.stack([x, y], dim=2) - side // 2


def test_it_composes_and_adds_no_loss_and_no_network():
    term = build()
    assert term.compose is not None
    assert term.penalty is None
    assert not term.networks


def test_shifts_are_whole_pixels_uniform_over_their_range_for_each_of_several_foregrounds():
    """round(U(-4, 4)): nine values, the outermost two half as likely."""
    offsets = offsets_of(build(form="shift", translate=0.25), n=2500, k=4).flatten(0, 1)
    expected = torch.tensor([1, *[2.0] * 7, 1]) / 16 * 10_000
    for axis in range(2):
        counts = torch.bincount(offsets[:, axis] + 4, minlength=9)
        assert len(counts) == 9
        assert ((counts - expected).square() / expected).sum() < 26.1  # chi-square with 8 degrees, p = 0.001


def test_shifts_of_axes_foregrounds_and_images_have_nothing_to_do_with_each_other():
    offsets = offsets_of(build(form="shift", translate=0.25), n=2500, k=2).float()
    columns = torch.cat([offsets.flatten(1), offsets.roll(1, 0)[:, :1, 0]], dim=1)
    correlation = torch.corrcoef(columns.T) - torch.eye(5)
    assert correlation.abs().max() < 0.08


def test_a_share_of_the_side_is_as_far_in_either_form():
    far = offsets_of(build(form="shift", translate=0.125), n=500, k=1)
    assert far.abs().max() == 2
    dots = torch.zeros(500, 1, 1, 16, 16)
    dots[..., 8, 8] = 1
    layers = Layers.compose(torch.zeros(500, 3, 16, 16), dots.expand(-1, -1, 3, -1, -1), dots)
    moved = build(translate=0.125, shrink=0, grow=0).compose(layers).alphas
    reached = moved.sum(dim=(0, 1, 2, 3)).nonzero().flatten() - 8
    assert (reached.min().item(), reached.max().item()) == (-2, 2)


@pytest.mark.parametrize("form", ["affine", "shift"])
def test_every_image_and_every_call_is_perturbed_anew(form):
    layers, term = (
        scene(n=2, side=32).recompose(torch.ones(2, 1, 3, 32, 32), torch.ones(2, 1, 1, 32, 32)),
        build(form=form),
    )
    first, second = term.compose(layers).alphas, term.compose(layers).alphas
    assert not torch.equal(first, second)
    assert not torch.equal(first[0], first[1])
    assert layers.alphas.min() == 1  # what was painted is as it was


@pytest.mark.parametrize("form", ["affine", "shift"])
def test_with_nothing_switched_on_it_returns_what_was_painted(form):
    layers = scene(k=2)
    moved = build(form=form, **STILL).compose(layers)
    assert torch.equal(moved.image, layers.image)
    assert moved.background is layers.background


@pytest.mark.parametrize("form", ["affine", "shift"])
@pytest.mark.parametrize("jitter", ["contrast", "brightness", "noise"])
def test_a_jittered_background_lies_under_the_same_foreground(form, jitter):
    layers = scene()
    moved = build(form=form, **STILL, **{jitter: 0.3}).compose(layers)
    assert not torch.equal(moved.background, layers.background)
    assert torch.equal(moved.foregrounds, layers.foregrounds)
    assert torch.equal(moved.alphas, layers.alphas)
    assert_close(moved.image, Layers.compose(moved.background, moved.foregrounds, moved.alphas).image)
    assert moved.codes is layers.codes


def test_brightness_shifts_a_background_as_a_whole_within_its_bounds():
    layers = scene(n=200)
    b = 0.5 * layers.background
    moved = perturbation(PerturbationConfig(**STILL, brightness=0.4), None, None).compose(  # pyright: ignore
        Layers.compose(b, layers.foregrounds, layers.alphas)
    )
    change = moved.background - b
    assert_close(change, change[:, :1, :1, :1].expand_as(change), atol=1e-6, rtol=0)
    assert 0.35 < change.max() <= 0.4
    assert -0.4 <= change.min() < -0.35
    bright = build(**STILL, brightness=5.0).compose(layers).background
    assert bright.abs().max() <= 1


def test_noise_on_the_background_has_its_standard_deviation():
    layers = scene(n=20)
    noise = build(**STILL, noise=0.2).compose(layers).background - layers.background
    assert noise.std().item() == pytest.approx(0.2, rel=0.05)


def test_gradients_reach_layers_and_masks_through_the_maps():
    layers = scene(n=2, k=2)
    parts = [x.requires_grad_() for x in (layers.background, layers.foregrounds, layers.alphas)]
    build(contrast=0.3, rotate=10).compose(Layers.compose(*parts)).image.square().sum().backward()
    assert all(x.grad.abs().sum() > 0 for x in parts)


def test_mask_size_looks_at_what_the_perturbation_left():
    painted, left = scene(alpha=0.5), scene(alpha=0.1)
    assert mask_size(MaskSizeConfig(), None, None).penalty(step_of(painted, left)).item() == pytest.approx(0.15)
    seen = MaskSizeConfig(on="painted")
    assert mask_size(seen, None, None).penalty(step_of(painted, left)).item() == 0


def test_mask_size_counts_all_foregrounds_together():
    """Two that cover 10 % each, independently: 19 % together."""
    term = mask_size(MaskSizeConfig(eta=0.25), None, None)
    assert term.penalty(step_of(scene(k=2, alpha=0.1))).item() == pytest.approx(0.06)


def test_an_empty_mask_misses_the_whole_share():
    assert mask_size(MaskSizeConfig(eta=0.3), None, None).penalty(step_of(scene(alpha=0.0))).item() == pytest.approx(
        0.3
    )


def test_binarization_looks_at_painted_alphas_or_at_perturbed_ones():
    painted, left = scene(alpha=0.5), scene(alpha=0.1)
    expected = {"painted": binary_min(painted.alphas), "perturbed": binary_min(left.alphas)}
    for on, value in expected.items():
        term = binarization(BinarizationConfig("min", on), None, None)
        assert_close(term.penalty(step_of(painted, left)), value)
    assert BinarizationConfig().on == "painted"
