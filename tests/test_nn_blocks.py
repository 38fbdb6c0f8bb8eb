"""The two short cuts of the FineGAN family compute what the long way does."""

import pytest
import torch
from torch.nn import functional as F
from torch.testing import assert_close

from lgbench.nn import CodeConv, Next, Up
from lgbench.nn.blocks import upsampled_conv
from lgbench.nn.gate import Gate

pytestmark = pytest.mark.usefixtures("seeded")


def long_way(h, weight):
    return F.conv2d(F.interpolate(h, scale_factor=2.0, mode="nearest"), weight, padding=1)


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (8, 8)], ids=str)
def test_upsampling_and_convolution_in_one_are_both_in_turn(size):
    h, weight = torch.randn(2, 3, *size, requires_grad=True), torch.randn(5, 3, 3, 3, requires_grad=True)
    ours, plain = upsampled_conv(h, weight), long_way(h, weight)
    assert ours.shape == (2, 5, 2 * size[0], 2 * size[1])
    assert_close(ours, plain, atol=1e-5, rtol=0)  # the border too, where the padding takes taps away
    incoming = torch.randn_like(plain)
    for mine, theirs in zip(
        torch.autograd.grad(ours, (h, weight), incoming),
        torch.autograd.grad(plain, (h, weight), incoming),
        strict=True,
    ):
        assert_close(mine, theirs, atol=1e-4, rtol=1e-5)


def test_up_is_nearest_upsampling_convolution_batch_norm_and_activation():
    block, h = Up(3, 4), torch.randn(4, 3, 5, 5)
    expected = F.glu(block.same.norm(long_way(h, block.same.conv.weight)), dim=1)
    assert_close(block(h), expected, atol=1e-5, rtol=0)


def test_up_keeps_its_weights_under_the_names_of_the_long_way():
    state = Up(3, 4).state_dict()
    learned = {name: tuple(value.shape) for name, value in state.items() if "running" not in name}
    assert learned.pop("same.norm.num_batches_tracked") == ()
    assert learned == {"same.conv.weight": (8, 3, 3, 3), "same.norm.weight": (8,), "same.norm.bias": (8,)}


def test_a_one_hot_code_and_its_class_index_are_the_same_code():
    layer, h, code = CodeConv(6, 4, 5), torch.randn(3, 4, 6, 6), torch.tensor([0, 5, 2])
    assert_close(layer(h, F.one_hot(code, 6).float()), layer(h, code))


@pytest.mark.parametrize("size", [(2, 2), (3, 5), (8, 8)], ids=str)
def test_a_real_valued_code_is_convolved_as_if_it_were_tiled(size):
    layer, h = CodeConv(6, 4, 5), torch.randn(3, 4, *size)
    code = torch.randn(3, 6, requires_grad=True)
    tiled = code[:, :, None, None].expand(-1, -1, *size)
    ours, plain = layer(h, code), F.conv2d(torch.cat([tiled, h], dim=1), layer.weight, padding=1)
    assert_close(ours, plain, atol=1e-5, rtol=0)
    incoming = torch.randn_like(plain)
    (mine,), (theirs,) = (torch.autograd.grad(y, code, incoming) for y in (ours, plain))
    assert_close(mine, theirs, atol=1e-4, rtol=1e-5)


def test_the_next_stage_halves_the_channels_keeps_the_side_and_shows_the_code():
    stage, h = Next(8, 5), torch.randn(1, 8, 6, 6).expand(2, -1, -1, -1)
    painted = stage(h, torch.tensor([1, 4]))
    assert painted.shape == (2, 4, 6, 6)
    assert not torch.allclose(painted[0], painted[1])


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last], ids=str)
def test_a_gate_is_a_gated_linear_unit_whose_gradient_keeps_the_layout(layout, dtype):
    h = (3 * torch.randn(2, 8, 5, 6)).to(dtype).contiguous(memory_format=layout).requires_grad_()
    ours, plain = Gate()(h), F.glu(h, dim=1)
    incoming = torch.randn_like(plain).contiguous(memory_format=layout)
    (mine,), (theirs,) = (torch.autograd.grad(y, h, incoming) for y in (ours, plain))
    assert ours.is_contiguous(memory_format=layout)
    assert mine.is_contiguous(memory_format=layout)
    tolerance = {"atol": 1e-6, "rtol": 1e-6} if dtype == torch.float32 else {"atol": 0.03, "rtol": 0.02}
    assert_close(ours, plain, **tolerance)
    assert_close(mine, theirs, **tolerance)


def test_a_gate_of_vectors_is_a_gated_linear_unit_too():
    h = torch.randn(3, 8)
    assert torch.equal(Gate()(h), F.glu(h, dim=1))
