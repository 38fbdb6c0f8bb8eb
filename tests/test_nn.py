import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.testing import assert_close

from lgbench.nn import (
    BNTrunk,
    CodeConv,
    Critic,
    Res,
    Same,
    Stem,
    Sub,
    UNetL,
    UNetS,
    Up,
    count_parameters,
    dcgan_,
    image_head,
    mask_head,
    orthogonal_,
    warp,
)
from lgbench_regularizers.codes import CodeCritic

pytestmark = pytest.mark.usefixtures("seeded")

IDENTITY = torch.eye(2, 3)[None]


def count(build):
    with torch.device("meta"):  # shapes without weights: instant at full width
        return count_parameters(build())


@pytest.mark.parametrize(
    ("build", "glu", "relu"),
    [
        (lambda act: Same(5, 7, act), 18 * 5 * 7 + 4 * 7, 9 * 5 * 7 + 2 * 7),
        (lambda act: Up(5, 7, act), 18 * 5 * 7 + 4 * 7, 9 * 5 * 7 + 2 * 7),
        (lambda act: Res(6, act), 27 * 36 + 6 * 6, 18 * 36 + 4 * 6),
        (lambda act: Stem(10, 6, act), 32 * 6 * 12, 16 * 6 * 12),
        (lambda act: image_head(6), 27 * 6, 27 * 6),
        (lambda act: mask_head(6), 9 * 6, 9 * 6),
    ],
    ids=["Same", "Up", "Res", "Stem", "image head", "mask head"],
)
def test_blocks_have_the_parameters_of_their_formulas(build, glu, relu):
    assert count(lambda: build("glu")) == glu
    assert count(lambda: build("relu")) == relu


@pytest.mark.parametrize(
    ("build", "parameters"),
    [
        (lambda: nn.Sequential(Sub(16, 32, 16, 3), image_head(16)), 102_576),
        (lambda: nn.Sequential(Sub(16, 32, 16, 0), mask_head(16)), 18_768),
        (lambda: nn.Sequential(Sub(64, 128, 16, 1), mask_head(16)), 628_176),
        (lambda: nn.Sequential(Sub(64, 128, 16, 2, classes=200), image_head(16)), 1_532_400),
        (lambda: Critic(64), 1_284_993),
        (lambda: Critic(128), 2_334_081),
        (lambda: Critic(64, channels=1), 1_283_969),
        (lambda: Critic(128, channels=1), 2_333_057),
        (lambda: CodeCritic(64, 200), 9_116_616),
        (lambda: CodeCritic(128, 200), 13_311_944),
        (UNetL, 34_527_041),
        (UNetS, 13_395_394),
        (lambda: UNetS(logits=1), 13_395_329),
    ],
    ids=["F", "M", "DS M", "DS F", "D 64", "D 128", "D_m 64", "D_m 128", "D_f 64", "D_f 128", "L", "S", "S, 1 logit"],
)
def test_networks_have_the_published_parameter_counts(build, parameters):
    assert count(build) == parameters


def test_each_class_costs_a_sub_network_2304_parameters():
    assert count(lambda: Sub(64, 128, 16, 2, classes=7)) - count(lambda: Sub(64, 128, 16, 2, classes=6)) == 2304


def test_no_convolution_before_a_batch_norm_has_a_bias():
    for block in (Same(4, 4), Same(4, 4, classes=3), Res(4), Stem(4, 4), BNTrunk(32, 4)):
        assert all(part.bias is None for part in block.modules() if isinstance(part, nn.Conv2d | nn.Linear))


def test_a_residual_block_ends_without_an_activation():
    block, h = Res(4), torch.randn(8, 4, 6, 6)
    assert_close(block(h) - h, block.norm(block.conv(block.same(h))), atol=1e-5, rtol=0)
    nn.init.zeros_(block.norm.weight)
    assert_close(block(h), h)  # its branch silenced, it is the identity, negative values included


def test_gated_blocks_multiply_one_half_of_the_channels_with_the_sigmoid_of_the_other():
    block, h = Same(3, 5), torch.randn(4, 3, 6, 6)
    a, b = block.norm(block.conv(h)).chunk(2, dim=1)
    assert_close(block(h), a * b.sigmoid())


def test_a_stem_makes_four_by_four_and_up_doubles():
    h = Stem(10, 6)(torch.randn(3, 10))
    assert h.shape == (3, 6, 4, 4)
    assert Up(6, 2)(h).shape == (3, 2, 8, 8)


def test_heads_keep_images_and_masks_in_range():
    h = 100 * torch.randn(2, 6, 8, 8)
    image, mask = image_head(6)(h), mask_head(6)(h)
    assert image.shape == (2, 3, 8, 8)
    assert mask.shape == (2, 1, 8, 8)
    assert -1 <= image.min() < -0.99 < 0.99 < image.max() <= 1
    assert 0 <= mask.min() < 0.01 < 0.99 < mask.max() <= 1


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last], ids=str)
@pytest.mark.parametrize("size", [(2, 2), (3, 5), (8, 8)], ids=str)
def test_code_convolution_is_the_convolution_over_the_tiled_code(size, layout):
    layer, code = CodeConv(6, 4, 5).to(memory_format=layout), torch.tensor([0, 5, 2])
    h = torch.randn(3, 4, *size).contiguous(memory_format=layout).requires_grad_()
    tiled = F.one_hot(code, 6).float()[:, :, None, None].expand(-1, -1, *size)
    ours, plain = layer(h, code), F.conv2d(torch.cat([tiled, h], dim=1), layer.weight, padding=1)
    assert_close(ours, plain, atol=1e-6, rtol=0)
    assert ours.is_contiguous(memory_format=layout)
    incoming = torch.randn_like(plain) / plain.numel()
    for mine, theirs in zip(
        torch.autograd.grad(ours, (h, layer.weight), incoming),
        torch.autograd.grad(plain, (h, layer.weight), incoming),
        strict=True,
    ):
        assert theirs.abs().max() > 1e-4
        assert_close(mine, theirs, atol=1e-6, rtol=0)


@pytest.mark.parametrize("resolution", [32, 64, 128])
def test_trunks_end_at_four_by_four_and_critics_in_one_score(resolution):
    x = torch.randn(2, 3, resolution, resolution)
    assert BNTrunk(resolution, 4)(x).shape == (2, 32, 4, 4)
    assert Critic(resolution, 4)(x).shape == (2,)
    assert CodeCritic(resolution, 7, 4)(x).shape == (2, 7)


def test_trunk_widths_double_up_to_eight_times_the_base():
    def of(resolution):
        return [layer.out_channels for layer in BNTrunk(resolution, 4) if isinstance(layer, nn.Conv2d)]

    assert of(128) == [4, 8, 16, 32, 32, 32]
    assert of(64) == [4, 8, 16, 32, 32]


def test_the_first_convolution_of_a_trunk_has_no_batch_norm():
    kinds = [type(layer).__name__ for layer in BNTrunk(32, 4)]
    assert kinds == ["Conv", "LeakyReLU", *["Conv", "BatchNorm2d", "LeakyReLU"] * 3]
    assert {layer.negative_slope for layer in BNTrunk(32, 4) if isinstance(layer, nn.LeakyReLU)} == {0.2}


@pytest.mark.parametrize("network", [UNetS, UNetL])
@pytest.mark.parametrize("size", [(16, 16), (32, 48)], ids=str)
def test_u_nets_return_one_logit_per_pixel(network, size):
    assert network(4)(torch.randn(2, 3, *size)).shape == (2, 1, *size)


def test_two_logits_are_read_as_the_softmax_of_class_one():
    network, raw = UNetS(4), []
    network.last.register_forward_hook(lambda part, given, logits: raw.append(logits))
    probability = network(torch.randn(2, 3, 16, 16)).sigmoid()
    assert raw[0].shape[1] == 2
    assert_close(probability, raw[0].softmax(dim=1)[:, 1:])


@pytest.mark.parametrize("network", [UNetS, UNetL])
def test_a_u_net_learns_which_pixels_are_bright(network):
    net, x = network(4), torch.randn(4, 3, 16, 16)
    target = (x.mean(dim=1, keepdim=True) > 0).float()
    optimizer = torch.optim.Adam(net.parameters(), 1e-2)
    losses = []
    for _ in range(40):
        loss = F.binary_cross_entropy_with_logits(net(x), target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.6 * losses[0]


def test_orthogonal_weights_are_orthogonal():
    network = orthogonal_(nn.Sequential(nn.Conv2d(3, 8, 3), nn.Linear(20, 6), nn.ConvTranspose2d(8, 4, 2)))
    for part in network:
        rows = part.weight.flatten(1)
        small = rows @ rows.T if len(rows) <= rows.shape[1] else rows.T @ rows
        assert_close(small, torch.eye(len(small)), atol=1e-5, rtol=0)
        assert part.bias.count_nonzero() == 0


def test_dcgan_weights_have_a_standard_deviation_of_two_hundredths():
    for part in dcgan_(nn.Sequential(nn.Conv2d(32, 64, 4), nn.Linear(200, 100), nn.ConvTranspose2d(64, 32, 4))):
        assert part.weight.mean().abs() < 1e-3
        assert part.weight.std().item() == pytest.approx(0.02, rel=0.05)
        assert part.bias.count_nonzero() == 0


@pytest.mark.parametrize("init", [orthogonal_, dcgan_])
def test_batch_norm_scales_start_around_one(init):
    norm = init(nn.Sequential(nn.BatchNorm2d(4000), nn.BatchNorm1d(4000)))[0]
    assert norm.weight.mean().item() == pytest.approx(1, abs=2e-3)
    assert norm.weight.std().item() == pytest.approx(0.02, rel=0.1)
    assert norm.bias.count_nonzero() == 0


@pytest.mark.parametrize("align_corners", [True, False])
def test_the_identity_warp_changes_nothing(align_corners):
    x = torch.rand(2, 4, 32, 32)
    assert (warp(x, IDENTITY.expand(2, 2, 3), align_corners) - x).abs().max() < 1e-5


@pytest.mark.parametrize(("scale", "covered"), [(1.2, 0.691), (2.0, 0.250)])
def test_a_scale_shrinks_the_picture_to_its_inverse(scale, covered):
    mask = warp(torch.ones(1, 1, 32, 32), scale * IDENTITY)
    assert mask.mean().item() == pytest.approx(covered, abs=5e-4)
    assert mask.mean().item() == pytest.approx(1 / scale**2, abs=5e-3)
    assert_close(mask, mask.flip(2, 3), atol=1e-5, rtol=0)  # it stays in the middle
    assert mask[0, 0, 16, 16] > 0.999
    assert mask[0, 0, 0, 0] == 0


def test_a_pose_maps_output_to_source_in_the_order_x_y():
    x = torch.rand(1, 2, 9, 9)
    pose = IDENTITY.clone()
    pose[0, 0, 2] = 2 * 3 / 8  # read three pixels further right: the picture moves left
    moved = warp(x, pose)
    assert_close(moved[..., :6], x[..., 3:], atol=1e-5, rtol=0)
    assert moved[..., 6:].abs().max() < 1e-5
    quarter_turn = torch.tensor([[[0.0, 1, 0], [-1, 0, 0]]])
    assert_close(warp(x, quarter_turn), x.rot90(-1, (2, 3)), atol=1e-5, rtol=0)


def test_a_picture_moved_off_the_canvas_is_zero():
    pose = 1.2 * IDENTITY
    pose[0, 0, 2] = 2.3
    assert warp(torch.ones(1, 4, 32, 32), pose).count_nonzero() == 0


def test_border_pixels_are_centred_on_one_or_end_there():
    """Read at x = 1 exactly: the last pixel with aligned corners, half of it without."""
    at_the_right_edge = torch.tensor([[[0.0, 0, 1], [0, 0, 0]]])
    x = torch.ones(1, 1, 5, 5)
    assert_close(warp(x, at_the_right_edge, align_corners=True), torch.ones(1, 1, 5, 5))
    assert_close(warp(x, at_the_right_edge, align_corners=False), torch.full((1, 1, 5, 5), 0.5))


def test_a_warp_of_half_precision_pictures_is_computed_in_float32():
    with torch.autocast("cpu", torch.bfloat16):
        x = torch.rand(1, 1, 32, 32).bfloat16()
        warped = warp(x, math.sqrt(2) * IDENTITY.bfloat16())
    assert warped.dtype == torch.float32
