import math

import pytest
import torch
from torch.nn import functional as F
from torch.testing import assert_close

from lgbench.losses import bce_fake, bce_real, binary_entropy, binary_min


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


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


@pytest.mark.parametrize("loss", [bce_real, bce_fake, binary_entropy, binary_min])
def test_losses_of_half_precision_tensors_are_float32_scalars(loss):
    value = loss(torch.rand(3, 1, 8, 8).bfloat16())
    assert value.dtype == torch.float32
    assert value.shape == ()
