"""Inpainting-error maximisation: the checks of its specification, on pictures whose object is known."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from lgbench_floors.config import IEMConfig
from lgbench_floors.iem import boundary, first_mask, inpainter, objective, search, slope, smoothed

CONFIG = IEMConfig()


def discs(side: int, count: int = 2, x: float = 0.6, y: float = 0.45, radius: float = 0.3) -> tuple[Tensor, Tensor]:
    """Noisy pictures of one disc, (count, 3, side, side), and its mask, (side, side) bool."""
    at = torch.arange(side) + 0.5
    mask = (at[:, None] - y * side).square() + (at - x * side).square() < (radius * side) ** 2
    colour = torch.tensor([0.4, -0.3, -0.3]).view(3, 1, 1)
    random = torch.Generator().manual_seed(side)
    noise = 0.4 * torch.rand(count, 3, side, side, generator=random) - 0.2
    return (torch.where(mask, colour, -colour) + noise).clamp(-1, 1), mask


def blurred_squares(count: int, side: int = 32) -> Tensor:
    """Pictures of smooth colours, different from each other: (count, 3, side, side)."""
    coarse = torch.rand(count, 3, 6, 6, generator=torch.Generator().manual_seed(1)) * 2 - 1
    return torch.nn.functional.interpolate(coarse, side, mode="bilinear")


def iou(found: Tensor, truth: Tensor) -> Tensor:
    return (found & truth).sum(dim=(1, 2)) / (found | truth).sum(dim=(1, 2))


@pytest.mark.parametrize(("side", "least"), [(32, 0.94), (64, 0.95), (128, 0.95)])
@pytest.mark.parametrize("where", [{"x": 0.5, "y": 0.5, "radius": 0.25}, {}], ids=["central", "aside"])
def test_a_noisy_disc_is_found(side: int, least: float, where: dict):
    images, truth = discs(side, **where)
    assert (iou(search(images, CONFIG), truth) > least).all()


@pytest.mark.parametrize("grey", [-1.0, -0.777, 0.3, 1.0])
def test_a_constant_picture_gives_the_first_square_back(grey: float):
    assert torch.equal(search(torch.full((1, 3, 64, 64), grey), CONFIG)[0], first_mask(64, CONFIG.inset))


def test_pictures_do_not_see_each_other():
    images = blurred_squares(8)
    together = search(images, CONFIG)
    assert torch.equal(together, torch.cat([search(image[None], CONFIG) for image in images]))
    assert torch.equal(together.flip(0), search(images.flip(0), CONFIG))
    assert len({mask.numpy().tobytes() for mask in together}) == 8


@pytest.mark.parametrize(
    "turn",
    [lambda x: x.flip(-1), lambda x: x.flip(-2), lambda x: x.rot90(1, (-2, -1)), lambda x: x.rot90(3, (-2, -1))],
    ids=["mirrored", "upside down", "left", "right"],
)
def test_the_mask_turns_with_the_picture(turn):
    images, _ = discs(32)
    assert torch.equal(search(turn(images), CONFIG), turn(search(images, CONFIG)))


def test_negatives_other_channels_and_brighter_pictures_have_the_same_mask():
    images = 0.7 * discs(32)[0]
    mask = search(images, CONFIG)
    for other in (-images, images[:, [2, 0, 1]], images + 0.2):
        assert torch.equal(search(other, CONFIG), mask)


def test_half_the_contrast_needs_twice_lambda():
    images, _ = discs(32)
    assert torch.equal(search(images / 2 + 0.2, replace(CONFIG, lam=2e-3)), search(images, CONFIG))
    masks = first_mask(32, 0.2).double().expand(2, 1, -1, -1)
    whole, half = objective(images.double(), masks, CONFIG), objective(images.double() / 2 + 0.2, masks, CONFIG)
    for one, other, share in zip(whole, half, (0.5, 0.5, 0.25), strict=True):
        torch.testing.assert_close(other, share * one)


def test_v_by_pixel_does_not_know_the_resolution():
    images, mask = discs(16)
    larger, masks = images.repeat_interleave(2, -1).repeat_interleave(2, -2), mask.float().expand(2, 1, -1, -1)
    small = objective(images, masks, CONFIG)[2] / 16**2
    large = objective(larger, masks.repeat_interleave(2, -1).repeat_interleave(2, -2), CONFIG)[2] / 32**2
    torch.testing.assert_close(large, small)


def test_the_first_boundary_has_the_pixels_of_the_specification():
    mask = first_mask(64, CONFIG.inset)
    assert (mask.nonzero().min(), mask.nonzero().max()) == (12, 51)
    edge, inside = boundary(mask[None], frame=True)[0], boundary(mask[None], frame=False)[0]
    assert int((edge & mask).sum()) == 156
    assert int((inside & ~mask).sum()) == 160
    assert int((edge & ~inside).sum()) == 252
    assert torch.equal(smoothed(mask[None], CONFIG.smooth)[0], mask)


def test_the_sides_can_be_exchanged():
    images, mask = discs(32)
    masks = mask.double().expand(2, 1, -1, -1)

    def j(masks: Tensor) -> Tensor:
        e_f, e_b, v = objective(images.double(), masks, CONFIG)
        return e_f + e_b - CONFIG.lam * v

    torch.testing.assert_close(j(masks), j(1 - masks), atol=1e-6, rtol=0)


@pytest.mark.parametrize("far", [11, 12, 25])
def test_where_the_blur_sees_nothing_the_mean_colour_is_painted(far: int):
    """phi at a pixel farther than 10 px from the visible side is its mean colour: E_B of a single pixel tells it."""
    images = blurred_squares(1, 64).double()
    seen, asked = torch.zeros(1, 1, 64, 64).double(), (30, 40)
    seen[..., asked[0], : asked[1] - far + 1] = 1
    visible = images * seen
    blur = inpainter(CONFIG, 64)
    assert (blur[asked[0]] > 0).sum() == 21
    e = 1e-8 * visible.sum(dim=(2, 3)) / (1e-8 * seen.sum(dim=(2, 3)))
    torch.testing.assert_close(e, visible.sum(dim=(2, 3)) / seen.sum())
    from lgbench_floors.iem import _painted

    phi = _painted(images, seen, blur)[0][0, :, asked[0], asked[1]]
    torch.testing.assert_close(phi, e[0])


@pytest.mark.parametrize("change", [{}, {"diversity": "mean", "lam": 16.4}, {"pool": 2, "sigma": 2.5, "kernel": 7}])
def test_the_slope_is_that_of_the_objective(change: dict):
    config = replace(CONFIG, **change)
    images = blurred_squares(1, 16).double()
    masks = torch.rand(1, 1, 16, 16, generator=torch.Generator().manual_seed(0)).double()
    told, step = slope(images, masks, config, inpainter(config, 16)), 1e-6
    lam = config.lam / (16**2 if config.diversity == "mean" else 1)

    def j(masks: Tensor) -> float:
        e_f, e_b, v = objective(images, masks, config)
        return float(e_f + e_b - lam * v)

    for y, x in ((0, 0), (3, 9), (8, 8), (15, 2)):
        moved = torch.zeros_like(masks)
        moved[..., y, x] = step
        assert (j(masks + moved) - j(masks - moved)) / (2 * step) == pytest.approx(float(told[..., y, x]), rel=1e-5)


@pytest.mark.parametrize("steps", [1, 2, 7, 40, 41, 150, 151])
def test_stopping_early_gives_what_all_steps_would(steps: int):
    """Also where two masks alternate: an even and an odd number of steps end with different ones."""
    images = torch.cat([blurred_squares(6), discs(32)[0]])
    one, mask = replace(CONFIG, steps=1), first_mask(32, CONFIG.inset).expand(8, -1, -1)
    for _ in range(steps):
        mask = search(images, one, mask)
    assert torch.equal(search(images, replace(CONFIG, steps=steps)), mask)


def test_no_steps_give_the_first_square_and_steps_add_up():
    images = blurred_squares(4)
    assert torch.equal(search(images, replace(CONFIG, steps=0)), first_mask(32, 0.2).expand(4, -1, -1))
    first = search(images, replace(CONFIG, steps=5))
    assert torch.equal(search(images, replace(CONFIG, steps=4), first), search(images, replace(CONFIG, steps=9)))


@pytest.mark.parametrize("everything", [False, True])
def test_nothing_and_everything_stay_as_they_are(everything: bool):
    images = blurred_squares(2)
    masks = torch.full((2, 32, 32), everything)
    assert torch.equal(search(images, CONFIG, masks), masks)
