"""Moving foregrounds over a background that stays (PerturbGAN, ELGAN): what the eye can see, and where gradients go."""

import math

import pytest
import torch
from torch.testing import assert_close

from lgbench.layers import Layers
from lgbench.nn import shift, warp
from lgbench_regularizers.moves import move, pose
from lgbench_regularizers.ranges import AffineRange, jitter_contrast

pytestmark = pytest.mark.usefixtures("seeded")

SIDE = 32


def scene(alpha=None, n=2, k=1, side=SIDE):
    b, f = torch.rand(n, 3, side, side) * 2 - 1, torch.rand(n, k, 3, side, side) * 2 - 1
    alphas = torch.rand(n, k, 1, side, side) if alpha is None else torch.full((n, k, 1, side, side), float(alpha))
    return Layers.compose(b, f, alphas, codes={"z": torch.zeros(n, 1)})


def poses_of(n=2, k=1, x=0.0, y=0.0, angle=0.0, log2_scale=0.0):
    values = (torch.full((n * k,), float(value)) for value in (x, y, math.radians(angle), log2_scale))
    return pose(*values).unflatten(0, (n, k))


def by(*offset, n=2, k=1):
    return torch.tensor(offset).expand(n, k, 2)


def disc(side=64, radius=0.4):
    axis = (torch.arange(side) + 0.5) / side * 2 - 1
    return (axis[:, None] ** 2 + axis**2 < radius**2).float()[None, None]


MOVES = {
    "shift": lambda layers: shift(layers, by(5, -3)),
    "far": lambda layers: shift(layers, by(SIDE, 2)),
    "translation": lambda layers: move(layers, poses_of(x=0.3, y=-0.2)),
    "rotation and scale": lambda layers: move(layers, poses_of(angle=15, log2_scale=0.2)),
}
STILL = {
    "shift": lambda layers: shift(layers, by(0, 0, k=2)),
    "affine": lambda layers: move(layers, poses_of(k=2)),
}


@pytest.mark.parametrize("transform", STILL)
def test_the_identity_returns_its_input_bit_by_bit(transform):
    layers = scene(k=2)
    moved = STILL[transform](layers)
    assert torch.equal(moved.foregrounds, layers.foregrounds)
    assert torch.equal(moved.alphas, layers.alphas)
    assert torch.equal(moved.image, layers.image)


def test_the_identity_stands_beside_other_maps_in_one_batch():
    layers = scene()
    moved = move(layers, torch.cat([poses_of(1), poses_of(1, x=0.5)]))
    assert torch.equal(moved.image[0], layers.image[0])
    assert not torch.equal(moved.image[1], layers.image[1])


@pytest.mark.parametrize("transform", MOVES)
def test_an_empty_mask_shows_the_background_under_every_transform(transform):
    layers = scene(alpha=0)
    assert torch.equal(MOVES[transform](layers).image, layers.background)


@pytest.mark.parametrize("transform", MOVES)
def test_the_background_and_the_codes_stay(transform):
    layers = scene()
    moved = MOVES[transform](layers)
    assert moved.background is layers.background
    assert moved.codes is layers.codes
    assert_close(moved.image, Layers.compose(moved.background, moved.foregrounds, moved.alphas).image)


def test_a_full_mask_that_is_translated_leaves_a_strip_of_background():
    layers = scene(alpha=1)
    moved = move(layers, poses_of(x=2 * 4 / SIDE)).image  # four pixels to the right
    assert torch.equal(moved[..., :4], layers.background[..., :4])
    assert_close(moved[..., 4:], layers.foregrounds[:, 0, ..., :-4], atol=1e-4, rtol=0)


@pytest.mark.parametrize("offset", [(4, 0), (-3, 5), (0, -7), (16, 16)], ids=str)
def test_a_full_mask_that_is_shifted_shows_exactly_the_background_it_left(offset):
    layers = scene(alpha=1)
    moved = shift(layers, by(*offset))
    dx, dy = (abs(v) / SIDE for v in offset)
    uncovered = 1 - moved.alphas[:, 0].expand(-1, 3, -1, -1)
    assert uncovered.mean().item() == pytest.approx(1 - (1 - dx) * (1 - dy), abs=1e-6)
    assert torch.equal(moved.image[uncovered.bool()], layers.background[uncovered.bool()])


def test_a_shift_goes_right_and_down():
    layers = scene()
    moved = shift(layers, by(3, 2))
    assert torch.equal(moved.foregrounds[..., 2:, 3:], layers.foregrounds[..., :-2, :-3])
    assert torch.equal(moved.alphas[..., 2:, 3:], layers.alphas[..., :-2, :-3])
    assert moved.alphas[..., :2, :].count_nonzero() == moved.alphas[..., :3].count_nonzero() == 0


def test_a_shift_there_and_back_restores_the_interior_and_clears_the_border():
    layers = scene()
    back = shift(shift(layers, by(3, -2)), by(-3, 2))
    assert torch.equal(back.alphas[..., 2:, :-3], layers.alphas[..., 2:, :-3])
    assert torch.equal(back.foregrounds[..., 2:, :-3], layers.foregrounds[..., 2:, :-3])
    assert back.alphas[..., :2, :].count_nonzero() == back.alphas[..., -3:].count_nonzero() == 0


def test_a_shift_by_the_whole_side_leaves_the_background_alone():
    layers = scene()
    assert torch.equal(shift(layers, by(0, -SIDE)).image, layers.background)


def test_each_foreground_of_each_image_goes_its_own_way():
    layers = scene(k=2)
    offsets = torch.tensor([[[1, 0], [0, 4]], [[-2, 0], [0, 0]]])
    moved = shift(layers, offsets)
    for i in range(2):
        for j in range(2):
            x, y = offsets[i, j].tolist()
            expected = layers.alphas[i, j, 0].roll((y, x), (0, 1))[8:-8, 8:-8]
            assert torch.equal(moved.alphas[i, j, 0, 8:-8, 8:-8], expected)
    maps = torch.stack([torch.stack([poses_of(1)[0, 0], poses_of(1, x=0.25)[0, 0]]), poses_of(1, 2, y=0.125)[0]])
    moved = move(layers, maps)
    assert torch.equal(moved.alphas[0, 0], layers.alphas[0, 0])
    assert_close(moved.alphas[0, 1, ..., 4:], layers.alphas[0, 1, ..., :-4], atol=1e-4, rtol=0)
    assert_close(moved.alphas[1, ..., 2:, :], layers.alphas[1, ..., :-2, :], atol=1e-4, rtol=0)


@pytest.mark.parametrize(("unit", "pixels"), [("grid", 4), ("side", 8)])
def test_an_eighth_moves_64_pixels_by_four_in_grid_coordinates_and_by_eight_as_a_share_of_the_side(unit, pixels):
    layers = scene(side=64, n=1)
    ranges = AffineRange(translate=0.125, shrink=0, grow=0, unit=unit)
    moved = move(layers, ranges.poses(torch.tensor([[1.0, -1.0]]))[:, None])
    expected = layers.alphas[..., pixels:, :-pixels]  # right and up
    assert_close(moved.alphas[..., :-pixels, pixels:], expected, atol=1e-4, rtol=0)


def test_a_scale_of_a_fifth_of_an_octave_enlarges_a_discs_area_by_two_fifths():
    ranges = AffineRange(translate=0, shrink=0.2, grow=0.2)
    for eps, octaves in ((1.0, 0.4), (-1.0, -0.4)):
        moved = warp(disc(), ranges.poses(torch.tensor([[eps]])), align_corners=False)
        assert (moved.sum() / disc().sum()).item() == pytest.approx(2**octaves, rel=0.05)


def test_a_rotation_there_and_back_restores_a_smooth_picture():
    axis = torch.linspace(-2, 2, 64)
    x = (axis[:, None].sin() * (2 * axis).cos())[None, None]
    turned = warp(x, poses_of(1, angle=15)[:, 0], align_corners=False)
    back = warp(turned, poses_of(1, angle=-15)[:, 0], align_corners=False)
    inside = (..., slice(16, 48), slice(16, 48))
    assert (turned - x)[inside].abs().mean() > 0.05
    assert (back - x)[inside].abs().mean() < 0.02


def test_a_positive_angle_turns_clockwise_on_the_screen():
    dot = torch.zeros(1, 1, 33, 33)
    dot[0, 0, 16, 28] = 1  # right of the centre
    turned = warp(dot, poses_of(1, angle=90)[:, 0], align_corners=False)
    assert turned[0, 0, 28, 16] > 0.9  # y points down: below it


def test_a_pose_scales_then_turns_then_moves():
    x, y, angle, octaves = (torch.tensor([v]) for v in (0.3, -0.1, 0.4, 0.5))
    p = torch.tensor([0.2, -0.5])
    turn = torch.tensor([[angle.cos(), -angle.sin()], [angle.sin(), angle.cos()]])
    moved = turn @ (2**octaves * p) + torch.cat([x, y])
    back = pose(x, y, angle, octaves)[0] @ torch.cat([moved, torch.ones(1)])
    assert_close(back, p)


@pytest.mark.parametrize(
    ("ranges", "size"),
    [
        (AffineRange(), 3),
        (AffineRange(rotate=15), 4),
        (AffineRange(shrink=0, grow=0), 2),
        (AffineRange(shrink=0.2, grow=-0.2), 2),  # always the same scale
        (AffineRange(translate=0, shrink=0, grow=0), 0),
    ],
)
def test_only_what_varies_is_a_number_of_a_map(ranges, size):
    assert ranges.size == size
    assert ranges.sample(5, torch.device("cpu")).shape == (5, 2, 3)


def test_translations_alone_keep_scale_one_and_angle_zero_exactly():
    maps = AffineRange(shrink=0, grow=0).sample(100, torch.device("cpu"))
    assert torch.equal(maps[:, :, :2], torch.eye(2).expand(100, 2, 2))
    assert maps[:, :, 2].abs().max() <= 0.25
    assert maps[:, :, 2].abs().max() > 0.2


def test_a_negative_growth_always_shrinks():
    maps = AffineRange(translate=0, shrink=0.5, grow=-0.1).sample(500, torch.device("cpu"))
    octaves = -maps[:, 0, 0].log2()
    assert octaves.max() <= -0.1 + 1e-5
    assert octaves.min() >= -0.5 - 1e-5
    assert octaves.max() - octaves.min() > 0.35
    constant = AffineRange(translate=0, shrink=0.3, grow=-0.3).sample(4, torch.device("cpu"))
    assert_close(constant[:, 0, 0], torch.full((4,), 2**0.3))


def test_scales_and_angles_are_uniform_over_their_ranges():
    maps = AffineRange(translate=0, rotate=15).sample(4000, torch.device("cpu"))
    octaves = -maps[:, :, :2].det().log2() / 2
    degrees = torch.atan2(maps[:, 0, 1], maps[:, 0, 0]).rad2deg()
    for found, reach in ((octaves, 0.2), (degrees, 15)):
        counts = torch.histc(found, 10, -reach, reach)
        assert counts.sum() == 4000
        assert (counts - 400).square().sum() / 400 < 27.9  # chi-square with 9 degrees, p = 0.001


@pytest.mark.parametrize("transform", MOVES)
def test_foreground_and_mask_move_together(transform):
    """A foreground of one colour, moved: what it paints depends on the moved mask alone."""
    layers = scene()
    plain = layers.recompose(torch.full_like(layers.foregrounds, 0.7), layers.alphas.round())
    moved = MOVES[transform](plain)
    inside = (moved.alphas == 1).expand_as(moved.foregrounds)
    assert_close(moved.foregrounds[inside], torch.full_like(moved.foregrounds[inside], 0.7))


def test_the_slope_at_a_mask_is_the_difference_of_its_layers_times_the_slope_at_the_image():
    layers = scene()
    alphas = layers.alphas.requires_grad_()
    image = Layers.compose(layers.background, layers.foregrounds, alphas).image
    image.retain_grad()
    (image.sin() * torch.randn_like(image)).sum().backward()
    expected = (image.grad * (layers.foregrounds[:, 0] - layers.background)).sum(dim=1, keepdim=True)
    assert_close(alphas.grad[:, 0], expected, atol=1e-6, rtol=1e-5)


def slope_at_alpha(colour, transform):
    layers = scene()
    same = layers.background if colour is None else torch.full_like(layers.background, colour)
    alphas = layers.alphas.clone().requires_grad_()
    image = transform(Layers.compose(same, same[:, None], alphas)).image
    (image * torch.randn_like(image)).sum().backward()
    return alphas.grad


def test_where_both_layers_are_equal_only_moving_them_tells_the_mask_anything():
    """The trivial solution that perturbation is against: identical layers under any mask."""
    assert slope_at_alpha(None, lambda layers: layers).abs().max() < 1e-6
    assert slope_at_alpha(None, MOVES["shift"])[..., 8:-8, 8:-8].abs().max() > 0.1
    assert slope_at_alpha(None, MOVES["translation"])[..., 8:-8, 8:-8].abs().max() > 0.1
    assert slope_at_alpha(0.3, MOVES["shift"]).abs().max() < 1e-6  # one plain colour has nothing to show


def test_contrast_times_one_changes_nothing():
    x = torch.rand(3, 3, 8, 8) * 2 - 1
    assert_close(jitter_contrast(x, torch.ones(3)), x, atol=1e-6, rtol=0)


def test_contrast_leaves_plain_backgrounds_alone():
    x = torch.rand(3, 3, 1, 1).expand(-1, -1, 8, 8)
    assert_close(jitter_contrast(x, torch.tensor([0.5, 1.3, 9.0])), x, atol=1e-6, rtol=0)


def test_contrast_never_leaves_the_channels_own_range():
    x = torch.rand(3, 3, 8, 8) * 2 - 1
    louder = jitter_contrast(x, torch.tensor([0.7, 1.3, 9.0]))
    assert (louder.amin(dim=(2, 3)) >= x.amin(dim=(2, 3))).all()
    assert (louder.amax(dim=(2, 3)) <= x.amax(dim=(2, 3))).all()
    quieter = jitter_contrast(x, torch.full((3,), 0.7))
    assert_close(quieter.std(dim=(2, 3)), 0.7 * x.std(dim=(2, 3)))
    assert_close(quieter.mean(dim=(2, 3)), x.mean(dim=(2, 3)), atol=1e-6, rtol=0)
    assert (louder[2] - x[2]).abs().max() > 0.5
