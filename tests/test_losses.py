import math

import pytest
import torch
from torch.nn import functional as F
from torch.testing import assert_close

from lgbench.losses import (
    bce_fake,
    bce_real,
    gradient_penalty,
    hinge_fake,
    hinge_real,
    multi_label,
    segmentation,
)
from lgbench.nn import one_hot
from lgbench_milgan.game import gaussian_code
from lgbench_regularizers.masks import at_the_border, binary_entropy, binary_min, too_small

pytestmark = pytest.mark.usefixtures("seeded")


def test_real_and_fake_are_binary_cross_entropies_of_logits():
    logits = 3 * torch.randn(50)
    assert_close(bce_real(logits), F.binary_cross_entropy_with_logits(logits, torch.ones(50)))
    assert_close(bce_fake(logits), F.binary_cross_entropy_with_logits(logits, torch.zeros(50)))


def test_an_undecided_critic_costs_the_logarithm_of_two():
    assert bce_real(torch.zeros(4)).item() == pytest.approx(math.log(2))
    assert bce_fake(torch.zeros(4)).item() == pytest.approx(math.log(2))


@pytest.mark.parametrize("loss", [bce_real, bce_fake])
def test_extreme_logits_stay_finite(loss):
    logits = torch.tensor([-1e4, 1e4], requires_grad=True)
    loss(logits).backward()
    assert loss(logits).item() == pytest.approx(5e3)
    assert logits.grad.isfinite().all()


def test_the_generators_loss_does_not_saturate_where_the_critic_is_sure():
    logits = torch.full((1,), -20.0, requires_grad=True)
    bce_real(logits).backward()
    assert_close(logits.grad, -torch.ones(1))


def test_entropy_is_one_bit_for_a_grey_mask_and_nothing_for_a_saturated_one():
    assert binary_entropy(torch.full((2, 1, 4, 4), 0.5)).item() == 1
    assert binary_entropy(torch.tensor([0.0, 1.0])) < 1e-4


def test_entropy_of_a_quarter_is_what_information_theory_says():
    expected = 0.25 * 2 + 0.75 * math.log2(4 / 3)
    assert binary_entropy(torch.tensor([0.25, 0.75])).item() == pytest.approx(expected, rel=1e-5)


def test_entropy_of_a_saturated_sigmoid_has_no_nan_in_value_or_gradient():
    logits = torch.tensor([-200.0, -17, 0, 17, 200], requires_grad=True)
    value = binary_entropy(logits.sigmoid())
    value.backward()
    assert value.isfinite()
    assert logits.grad.isfinite().all()
    alone = torch.tensor([0.0, 1.0], requires_grad=True)
    binary_entropy(alone).backward()
    assert alone.grad.isfinite().all()


def test_the_gradients_of_entropy_are_those_of_its_formula():
    m = torch.tensor([0.01, 0.2, 0.5, 0.9], requires_grad=True)
    (slope,) = torch.autograd.grad(binary_entropy(m), m)
    assert_close(4 * slope, ((1 - m) / m).log2().detach(), atol=1e-5, rtol=1e-5)
    logits = torch.tensor([-3.0, -1, 0, 2], requires_grad=True)
    (slope,) = torch.autograd.grad(binary_entropy(logits.sigmoid()), logits)
    m = logits.sigmoid()
    assert_close(4 * slope, (-logits * m * (1 - m) / math.log(2)).detach(), atol=1e-5, rtol=1e-5)


def test_distance_to_the_nearer_end_is_a_half_at_grey_and_zero_at_the_ends():
    assert binary_min(torch.full((2, 1, 4, 4), 0.5)).item() == 0.5
    assert binary_min(torch.tensor([0.0, 1.0])).item() == 0
    m = torch.tensor([0.1, 0.8], requires_grad=True)
    binary_min(m).backward()
    assert binary_min(m).item() == pytest.approx(0.15)
    assert_close(m.grad, torch.tensor([0.5, -0.5]))


@pytest.mark.parametrize("loss", [bce_real, bce_fake, binary_entropy, binary_min, hinge_real, hinge_fake])
def test_losses_of_half_precision_tensors_are_float32_scalars(loss):
    value = loss(torch.rand(3, 1, 8, 8).bfloat16())
    assert value.dtype == torch.float32
    assert value.shape == ()


def test_a_critic_that_says_nothing_costs_two_in_hinges():
    assert hinge_real(torch.zeros(5)) + hinge_fake(torch.zeros(5)) == 2


def test_hinges_end_at_one_and_minus_one_and_are_linear_before():
    scores = torch.tensor([-3.0, -1, 0.5, 1, 2], requires_grad=True)
    (slope,) = torch.autograd.grad(hinge_real(scores), scores)
    assert_close(5 * slope[[0, 1, 2, 4]], torch.tensor([-1.0, -1, -1, 0]))
    (slope,) = torch.autograd.grad(hinge_fake(scores), scores)
    assert_close(5 * slope[[0, 2, 3, 4]], torch.tensor([0.0, 1, 1, 1]))
    assert hinge_real(scores).item() == pytest.approx((4 + 2 + 0.5) / 5)
    assert hinge_fake(scores).item() == pytest.approx((1.5 + 2 + 3) / 5)


def test_an_empty_mask_is_short_of_the_whole_share_and_a_large_one_of_nothing():
    assert too_small(torch.zeros(3, 1, 4, 4), 0.25).item() == 0.25
    assert too_small(torch.full((3, 1, 4, 4), 0.25), 0.25).item() == 0
    assert too_small(torch.ones(3, 1, 4, 4), 0.25).item() == 0


def test_small_foregrounds_are_pushed_to_grow_at_every_pixel_and_large_ones_left_alone():
    alpha = torch.stack([torch.full((1, 4, 4), 0.1), torch.full((1, 4, 4), 0.6)]).requires_grad_()
    too_small(alpha, 0.25).backward()
    assert_close(alpha.grad[0], torch.full((1, 4, 4), -1 / 32))  # mean of 16 pixels and two images
    assert alpha.grad[1].count_nonzero() == 0


def test_a_foreground_at_the_border_pays_for_what_is_beyond_its_share_and_no_other_image_does():
    alpha = torch.zeros(2, 1, 4, 6)
    alpha[0, :, 0] = 1  # one side: 6 of 16 pixels
    alpha[1, :, 1:-1, 1:-1] = 1
    alpha.requires_grad_()
    assert at_the_border(alpha, 0.25).item() == pytest.approx((6 / 16 - 0.25) / 2)
    assert at_the_border(alpha, 0.375).item() == 0
    at_the_border(alpha, 0.25).backward()
    assert_close(alpha.grad[0, 0, 0], torch.full((6,), 1 / 32))  # mean of 16 pixels and two images
    assert alpha.grad[0, 0, 1:-1, 1:-1].count_nonzero() == 0
    assert alpha.grad[1].count_nonzero() == 0


def test_one_large_foreground_does_not_pay_for_a_missing_one():
    alpha = torch.stack([torch.zeros(1, 4, 4), torch.ones(1, 4, 4)])
    assert too_small(alpha, 0.25).item() == 0.125


def test_a_real_valued_code_costs_its_negative_log_likelihood_without_the_constant():
    predicted, code = torch.randn(6, 4), torch.randn(6, 4)
    likelihood = torch.distributions.Normal(predicted, 1).log_prob(code).sum(dim=1).mean()
    constant = 4 / 2 * math.log(2 * math.pi)
    assert gaussian_code(predicted, code).item() == pytest.approx(-likelihood.item() - constant, rel=1e-5)


def linear(weight):
    return lambda x: (x * weight).sum(dim=(1, 2, 3))


@pytest.mark.parametrize("norm", [1.0, 3.0])
def test_the_gradient_penalty_of_a_linear_critic_is_the_squared_distance_of_its_norm_from_one(norm):
    weight = torch.randn(3, 8, 8)
    critic = linear(norm * weight / weight.norm())
    penalty = gradient_penalty(critic, torch.randn(4, 3, 8, 8), torch.randn(4, 3, 8, 8))
    assert penalty.item() == pytest.approx((norm - 1) ** 2, abs=1e-5)


def test_the_gradient_penalty_looks_between_real_and_painted_images():
    seen = []

    def critic(x):
        seen.append(x.detach())
        return x.square().sum(dim=(1, 2, 3))

    gradient_penalty(critic, torch.ones(50, 1, 2, 2), torch.zeros(50, 1, 2, 2))
    mix = seen[0].flatten(1)
    assert mix.min() >= 0
    assert mix.max() <= 1
    assert_close(mix, mix[:, :1].expand_as(mix))  # one weight a sample
    assert mix.std() > 0.1  # and another for the next


def test_the_gradient_penalty_teaches_the_critic_and_not_the_painter():
    weight = torch.randn(3, 8, 8, requires_grad=True)
    images, painted = torch.randn(4, 3, 8, 8), torch.randn(4, 3, 8, 8, requires_grad=True)
    gradient_penalty(linear(weight), images, painted).backward()
    assert_close(weight.grad, (2 * (weight.norm() - 1) * weight / weight.norm()).detach(), atol=1e-4, rtol=1e-4)
    assert painted.grad is None


@pytest.mark.parametrize("side", [2, 16])
def test_reading_every_class_alike_costs_the_logarithm_of_their_number_at_any_side(side):
    segments = torch.randint(7, (3, side, side), dtype=torch.uint8)
    assert segmentation(torch.zeros(3, 7, side, side), segments).item() == pytest.approx(1.9459, abs=1e-4)
    total = segmentation(torch.zeros(3, 7, side, side), segments, "sum")
    assert total.item() == pytest.approx(math.log(7) * side**2, rel=1e-5)


def test_reading_every_class_right_costs_nothing():
    segments = torch.randint(7, (3, 8, 8), dtype=torch.uint8)
    assert segmentation(100 * one_hot(segments, 7), segments) < 1e-6


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_ignored_pixels_cost_nothing_and_do_not_count(reduction):
    segments = torch.randint(3, (2, 4, 4), dtype=torch.uint8)
    logits = torch.randn(2, 3, 4, 4)
    cut = segmentation(logits[:, :, :, :2], segments[:, :, :2], reduction)
    segments[:, :, 2:] = 255
    assert_close(segmentation(logits, segments, reduction), cut)
    logits.requires_grad_()
    segmentation(logits, segments, reduction).backward()
    assert logits.grad[..., 2:].abs().sum() == 0
    assert segmentation(logits, torch.full_like(segments, 255), reduction) == 0


def test_attributes_are_summed_over_and_images_averaged():
    logits, attributes = torch.randn(6, 5), torch.randint(2, (6, 5)).float()
    expected = 5 * F.binary_cross_entropy_with_logits(logits, attributes)
    assert_close(multi_label(logits, attributes), expected)
    assert multi_label(torch.zeros(6, 5), attributes).item() == pytest.approx(5 * math.log(2))


def test_attributes_that_exclude_each_other_are_one_softmax():
    logits, classes = torch.randn(6, 17), torch.randint(17, (6,))
    attributes = F.one_hot(classes, 17).float()
    assert_close(multi_label(logits, attributes, "ce"), F.cross_entropy(logits, classes))
