"""Convolutions of small maps with many channels, as matrix products, are torch's convolutions with their gradients."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm
from torch.testing import assert_close

from lgbench.nn import Conv, upsampled_conv

KERNELS = [(3, 2, 1), (4, 2, 1), (2, 1, 0), (3, 1, 1), (1, 1, 0)]
LAYOUTS = {"channels last": torch.channels_last, "plain": torch.contiguous_format}
each_layout = pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS.keys())
each_width = pytest.mark.parametrize("width", [3, 100], ids=["fewer channels than pixels", "more"])


def drawn(shape: tuple[int, ...], layout: torch.memory_format) -> Tensor:
    return torch.randn(shape, dtype=torch.float64).to(memory_format=layout).requires_grad_()


def of(width: int, kernel: tuple[int, int, int], layout: torch.memory_format) -> Conv:
    conv = Conv(5, width, *kernel).double()
    return conv.to(memory_format=layout)  # pyright: ignore[reportCallIssue]


def assert_same(ours: Callable[[], Tensor], theirs: Callable[[], Tensor], given: list[Tensor]) -> None:
    """Values, their gradients, and the gradients of those: a penalty differentiates twice."""
    right, made = theirs(), ours()
    assert_close(made, right)
    read = torch.randn_like(right)
    slopes = [torch.autograd.grad((each * read).square().sum(), given, create_graph=True) for each in (made, right)]
    assert_close(*slopes)
    curves = [torch.autograd.grad(sum(slope.square().sum() for slope in each), given) for each in slopes]
    assert_close(*curves)


@each_layout
@each_width
@pytest.mark.parametrize("kernel", KERNELS)
def test_a_product_of_patches_is_the_convolution(layout, width: int, kernel: tuple[int, int, int]):
    conv, x = of(width, kernel, layout), drawn((2, 5, 6, 8), layout)
    assert_same(lambda: conv(x), lambda: nn.Conv2d.forward(conv, x), [x, *conv.parameters()])


@each_layout
@each_width
def test_upsampling_and_convolution_in_one_are_those_in_two(layout, width: int):
    h, weight = drawn((2, 5, 3, 4), layout), drawn((width, 5, 3, 3), layout)
    large = F.interpolate(h, scale_factor=2, mode="nearest")
    assert_same(lambda: upsampled_conv(h, weight), lambda: F.conv2d(large, weight, padding=1), [h, weight])


def test_a_spectrally_normalised_convolution_makes_one_power_iteration_a_pass():
    ours, theirs = spectral_norm(of(100, (3, 1, 1), torch.channels_last)), spectral_norm(nn.Conv2d(5, 100, 3, 1, 1))
    theirs.double().load_state_dict(ours.state_dict())
    x = drawn((2, 5, 3, 4), torch.channels_last)
    for _ in range(2):
        assert_close(ours(x), theirs(x))
