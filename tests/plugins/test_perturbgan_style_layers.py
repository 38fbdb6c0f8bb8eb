import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.testing import assert_close

from lgbench_perturbgan.style_layers import (
    AdaIN,
    Blur,
    EqualConv2d,
    EqualLinear,
    FusedDown,
    FusedUp,
    pixel_norm,
    style_widths,
)

pytestmark = pytest.mark.usefixtures("seeded")


def test_widths_halve_from_64_pixels_and_scale_together():
    assert style_widths(512, 1024) == [512, 512, 512, 512, 256, 128, 64, 32, 16]
    assert style_widths(32, 128) == [32, 32, 32, 32, 16, 8]
    assert style_widths(2, 512) == [2, 2, 2, 2, 1, 1, 1, 1]  # never none


def test_equalised_layers_scale_unit_inputs_by_the_root_of_two():
    for layer, shape in ((EqualConv2d(64, 64, 3), (8, 64, 16, 16)), (EqualLinear(64, 256), (512, 64))):
        assert layer(torch.randn(shape)).std().item() == pytest.approx(math.sqrt(2), rel=0.05)


def test_equalised_weights_are_stored_as_unit_normals():
    for layer in (EqualConv2d(32, 32, 3), EqualLinear(128, 128), FusedUp(32, 32), FusedDown(32, 32)):
        assert layer.weight.std().item() == pytest.approx(1, rel=0.05)
        assert not layer.bias.any()


def test_pixel_norm_leaves_the_direction_and_a_root_mean_square_of_one():
    z = 7 * torch.randn(5, 16)
    assert_close(pixel_norm(z).square().mean(dim=1), torch.ones(5))
    assert_close(F.cosine_similarity(pixel_norm(z), z), torch.ones(5))


def test_blur_is_a_binomial_kernel_that_sums_to_one():
    x = torch.zeros(1, 2, 5, 5)
    x[:, 1, 2, 2] = 16
    y = Blur()(x)
    assert_close(y[0, 1, 1:4, 1:4], torch.tensor([[1.0, 2, 1], [2, 4, 2], [1, 2, 1]]))
    assert y.sum() == x.sum()
    assert not y[0, 0].any()


def test_fused_layers_are_a_convolution_before_pooling_or_a_quarter_of_one_after_upsampling():
    up, down, x = FusedUp(3, 5), FusedDown(3, 5), torch.randn(2, 3, 8, 8)
    nn.init.normal_(up.bias)
    nn.init.normal_(down.bias)
    enlarged = F.interpolate(x, scale_factor=2, mode="nearest")
    kernel = up.gain * up.weight.transpose(0, 1).flip(2, 3) / 4
    assert_close(up(x), F.conv2d(enlarged, kernel, up.bias, padding=1), atol=1e-5, rtol=0)
    convolved = F.conv2d(x, down.gain * down.weight, down.bias, padding=1)
    assert_close(down(x), F.avg_pool2d(convolved, 2), atol=1e-5, rtol=0)


def test_adain_of_a_constant_style_is_instance_normalisation():
    h = 3 + 5 * torch.randn(2, 6, 8, 8)
    y = AdaIN(6, 16)(h, torch.zeros(2, 16))  # the style's biases alone: scale 1, shift 0
    assert_close(y, F.instance_norm(h))


def test_adain_gives_each_channel_the_mean_and_deviation_of_its_style():
    adain, w = AdaIN(6, 16), torch.randn(2, 16)
    y = adain(3 + 5 * torch.randn(2, 6, 8, 8), w)
    scale, shift = adain.style(w).chunk(2, dim=1)
    assert_close(y.mean(dim=(2, 3)), shift, atol=1e-5, rtol=0)
    assert_close(y.std(dim=(2, 3), unbiased=False), scale.abs(), atol=1e-4, rtol=1e-4)
