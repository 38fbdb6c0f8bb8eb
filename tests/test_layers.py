import pytest
import torch
from torch.testing import assert_close

from lgbench.layers import Layers, paint_over

pytestmark = pytest.mark.usefixtures("seeded")


def scene(n=3, k=2, side=6):
    background = torch.rand(n, 3, side, side) * 2 - 1
    return background, torch.rand(n, k, 3, side, side) * 2 - 1, torch.rand(n, k, 1, side, side)


def test_one_foreground_is_blended_by_its_alpha():
    b, f, m = scene(k=1)
    assert_close(paint_over(b, f, m), m[:, 0] * f[:, 0] + (1 - m[:, 0]) * b, atol=1e-6, rtol=0)


def test_the_last_foreground_lies_on_top():
    b, f, m = scene()
    assert_close(paint_over(b, f, torch.ones_like(m)), f[:, 1])
    m[:, 1] = 0
    assert_close(paint_over(b, f, m), paint_over(b, f[:, :1], m[:, :1]))


def test_transparent_foregrounds_leave_the_background():
    b, f, m = scene()
    assert torch.equal(paint_over(b, f, torch.zeros_like(m)), b)


def test_a_composite_keeps_the_range_of_its_layers():
    b, f, m = scene(n=20)
    x = paint_over(b.sign(), f.sign(), m)
    assert -1 <= x.min() <= x.max() <= 1


def test_every_foreground_needs_its_alpha():
    b, f, m = scene()
    with pytest.raises(ValueError):  # noqa: PT011 - zip's own words
        paint_over(b, f, m[:, :1])


def test_a_mask_learns_from_the_difference_of_the_layers():
    """dL/dm = sum over channels of dL/dx (x_f - x_b), for any loss on the image."""
    b, f, m = scene(k=1)
    m.requires_grad_()
    layers = Layers.compose(b, f, m)
    layers.image.retain_grad()
    (layers.image.sin() * torch.randn(3, 3, 6, 6)).sum().backward()
    expected = (layers.image.grad * (f[:, 0] - b)).sum(dim=1, keepdim=True)
    assert expected.abs().max() > 0.1
    assert_close(m.grad[:, 0], expected, atol=1e-6, rtol=0)


def test_identical_layers_teach_the_mask_exactly_nothing():
    b, _, m = scene(k=1)
    m.requires_grad_()
    (Layers.compose(b, b[:, None], m).image.sin() * torch.randn(3, 3, 6, 6)).sum().backward()
    assert m.grad.count_nonzero() == 0


def test_alpha_is_what_does_not_show_of_the_background():
    b, f, m = scene()
    white = Layers.compose(torch.ones_like(b), torch.zeros_like(f), m)
    assert_close(1 - white.alpha, white.image[:, :1])
    assert white.alpha.shape == (3, 1, 6, 6)
    assert_close(Layers.compose(*(part[:, :1] if part.dim() == 5 else part for part in (b, f, m))).alpha, m[:, 0])


def test_recomposed_layers_keep_the_background_and_the_codes():
    b, f, m = scene()
    before = Layers.compose(b, f, m, codes={"z": torch.ones(3, 1)})
    after = before.recompose(f.flip(1), m / 2)
    assert torch.equal(after.background, b)
    assert after.codes is before.codes
    assert torch.equal(after.image, paint_over(b, f.flip(1), m / 2))
    assert torch.equal(before.image, paint_over(b, f, m))  # a new record; the old one is as it was


def test_a_whole_image_has_no_foreground():
    image = scene()[0]
    flat = Layers.flat(image)
    assert flat.foregrounds.shape == (3, 0, 3, 6, 6)
    assert flat.alphas.shape == (3, 0, 1, 6, 6)
    assert not flat.layered
    assert torch.equal(flat.image, flat.background)
    assert flat.alpha.count_nonzero() == 0
    assert torch.equal(flat.recompose(flat.foregrounds, flat.alphas).image, image)
    assert Layers.compose(*scene()).layered


def test_detached_layers_hold_the_same_values_and_no_graph():
    b = torch.rand(2, 3, 4, 4, requires_grad=True)
    layers = Layers.compose(b, 2 * b[:, None], b[:, None, :1], codes={"z": torch.ones(2)}, extras={"whole": 3 * b})
    held = layers.detach()
    for name in ("image", "background", "foregrounds", "alphas"):
        assert torch.equal(getattr(held, name), getattr(layers, name))
        assert not getattr(held, name).requires_grad
    assert not held.extras["whole"].requires_grad
    assert held.codes == layers.codes
