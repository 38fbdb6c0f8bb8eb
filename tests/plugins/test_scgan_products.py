"""SCGAN's convolutions as matrix products are torch's convolutions, with their gradients."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.testing import assert_close

from lgbench.nn import upsampled_conv
from lgbench_scgan import products

KERNELS = [(3, 2, 1), (4, 2, 1), (2, 1, 0), (3, 1, 1), (1, 1, 0)]
LAYOUTS = {"channels last": torch.channels_last, "plain": torch.contiguous_format}
each_layout = pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS.keys())
each_width = pytest.mark.parametrize("width", [3, 100], ids=["fewer channels than pixels", "more"])


def drawn(shape: tuple[int, ...], layout: torch.memory_format) -> Tensor:
    return torch.randn(shape, dtype=torch.float64).to(memory_format=layout).requires_grad_()


def assert_same(ours: Callable[..., Tensor], theirs: Callable[..., Tensor], given: tuple[Tensor, ...]) -> None:
    """Values, their gradients, and the gradients of those: a penalty differentiates twice."""
    right, made = theirs(*given), ours(*given)
    assert_close(made, right)
    read = torch.randn_like(right)
    slopes = [torch.autograd.grad((each * read).square().sum(), given, create_graph=True) for each in (made, right)]
    assert_close(*slopes)
    curves = [torch.autograd.grad(sum(slope.square().sum() for slope in each), given) for each in slopes]
    assert_close(*curves)


@each_layout
@each_width
@pytest.mark.parametrize(("k", "stride", "padding"), KERNELS)
def test_a_product_of_patches_is_the_convolution(layout, width: int, k: int, stride: int, padding: int):
    given = drawn((2, 5, 6, 8), layout), drawn((width, 5, k, k), layout), drawn((width,), torch.contiguous_format)
    how = {"stride": stride, "padding": padding}
    assert_same(lambda *x: products.conv(*x, **how), lambda *x: F.conv2d(*x, **how), given)


@each_layout
@each_width
@pytest.mark.parametrize(("k", "stride", "padding"), KERNELS[1:])
def test_its_transpose_is_the_transposed_convolution(layout, width: int, k: int, stride: int, padding: int):
    given = drawn((2, width, 3, 4), layout), drawn((width, 5, k, k), layout)
    how = {"stride": stride, "padding": padding}
    assert_same(lambda *x: products.conv_transpose(*x, **how), lambda *x: F.conv_transpose2d(*x, **how), given)


@each_layout
@each_width
def test_taps_that_fall_on_a_pixel_are_summed_after_the_product_as_before_the_convolution(layout, width: int):
    given = drawn((2, 5, 3, 4), layout), drawn((width, 5, 3, 3), layout)
    assert_same(products.upsampled_conv, upsampled_conv, given)
