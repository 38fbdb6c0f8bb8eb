"""S has the paper's layers, and class maps become numbers without an ignored pixel counting as any class."""

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from lgbench.nn import InstanceNorm, Segmentor, count_parameters, one_hot

pytestmark = pytest.mark.usefixtures("seeded")


def built(*args):
    with torch.device("meta"):
        return Segmentor(*args)


@pytest.mark.parametrize(("kind", "parameters"), [("small", 1_482_279), ("wide", 6_066_048)])
def test_the_segmentor_has_the_papers_parameters(kind, parameters):
    assert count_parameters(built(7, kind)) == parameters


@pytest.mark.parametrize(("kind", "a_class"), [("small", 32 * 9 + 1), ("wide", 64 * 49)])
def test_a_class_more_costs_one_more_filter_of_the_last_convolution(kind, a_class):
    assert count_parameters(built(11, kind)) - count_parameters(built(7, kind)) == 4 * a_class


def test_only_the_small_ones_last_convolution_has_a_bias():
    for kind, biased in (("small", [True]), ("wide", [])):
        convolutions = [m for m in built(7, kind).modules() if isinstance(m, nn.Conv2d | nn.ConvTranspose2d)]
        assert [m.bias is not None for m in convolutions if m.bias is not None] == biased
        assert not any(m.bias is not None for m in convolutions[:-1])


@pytest.mark.parametrize("kind", ["small", "wide"])
@pytest.mark.parametrize("side", [8, 32, 128])
def test_logits_have_the_images_side(kind, side):
    assert Segmentor(5, kind, width=2)(torch.rand(2, 3, side, side)).shape == (2, 5, side, side)


def test_the_residual_blocks_stand_at_a_quarter_of_the_side():
    seen, segmentor = [], Segmentor(5, width=2)
    for part in segmentor:
        if type(part).__name__ == "ResidualBlock":
            part.register_forward_hook(lambda *hooked: seen.append(tuple(hooked[2].shape)))
    segmentor(torch.rand(2, 3, 32, 32))
    assert seen == [(2, 4, 8, 8)] * 4


def test_each_image_is_read_by_itself_in_either_mode():
    segmentor, images = Segmentor(5, width=4), torch.rand(3, 3, 16, 16)
    together = segmentor.train()(images)
    assert_close(segmentor.eval()(images[1:2]), together[1:2])


def test_class_maps_are_one_hot_and_ignored_pixels_nothing():
    segments = torch.tensor([[[0, 1], [2, 255]], [[2, 2], [0, 3]]], dtype=torch.uint8)
    maps = one_hot(segments, 3)
    assert (maps.shape, maps.dtype) == ((2, 3, 2, 2), torch.float32)
    assert maps.argmax(dim=1)[segments < 3].tolist() == segments[segments < 3].tolist()
    assert maps.sum(dim=1).tolist() == [[[1, 1], [1, 0]], [[1, 1], [1, 0]]]  # 3 is no class of three, either


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_groups_of_one_channel_are_torchs_instance_norm_with_its_gradients(layout):
    torch.manual_seed(0)
    ours, theirs = InstanceNorm(6), torch.nn.InstanceNorm2d(6, affine=True)
    for parameter in ours.parameters():
        torch.nn.init.normal_(parameter)
    theirs.load_state_dict(ours.state_dict())
    x = torch.randn(3, 6, 5, 7).contiguous(memory_format=layout).requires_grad_()
    looks, weights = [ours(x), theirs(x)], torch.randn(3, 6, 5, 7)
    assert_close(*looks, rtol=1e-5, atol=1e-5)
    found, expected = (
        torch.autograd.grad((look * weights).sum(), [x, *norm.parameters()])
        for look, norm in zip(looks, (ours, theirs), strict=True)
    )
    assert_close(found, expected, rtol=1e-4, atol=1e-4)
