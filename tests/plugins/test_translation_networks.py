"""The networks of pix2pix and CycleGAN are those of the authors' code."""

from collections.abc import Callable

import pytest
import torch
from torch import nn

from lgbench.nn import count_parameters
from lgbench_translation.networks import PatchCritic, ResNet, UNet


def count(build: Callable[[], nn.Module]) -> int:
    with torch.device("meta"):  # shapes without weights: instant at full width
        return count_parameters(build())


@pytest.mark.parametrize(("side", "parameters"), [(128, 41_833_091), (64, 29_248_131), (32, 16_663_171)])
def test_pix2pix_has_the_parameters_of_the_authors_unet(side, parameters):
    assert count(lambda: UNet(7, 3, side)) == parameters


def test_cyclegan_has_the_parameters_of_the_authors_resnets():
    assert count(lambda: ResNet(7, 3)) == 7_850_243
    assert count(lambda: ResNet(3, 7)) == 7_850_247


@pytest.mark.parametrize(
    ("channels", "norm", "parameters"),
    [
        (10, nn.BatchNorm2d, 2_772_801),
        (3, nn.InstanceNorm2d, 2_764_737),
        (7, nn.InstanceNorm2d, 2_768_833),
    ],
)
def test_critics_have_the_parameters_of_the_authors_patchgan(channels, norm, parameters):
    assert count(lambda: PatchCritic(channels, 64, norm)) == parameters


@pytest.mark.parametrize(("side", "sides"), [(256, [4, 8, 16]), (128, [4, 8]), (64, [4]), (32, []), (16, [])])
def test_dropout_is_where_the_authors_have_it(side, sides):
    with torch.device("meta"):
        assert UNet(7, 3, side).noisy == [(512, s, s) for s in sides]


def test_the_unet_goes_down_to_one_pixel_and_has_no_norm_at_its_ends_and_innermost():
    network, sides = UNet(4, 3, 32, g=4), []
    for down in network.downs:
        down.register_forward_hook(lambda module, inputs, output: sides.append(output.shape[-1]))
    network(torch.randn(2, 4, 32, 32))
    assert sides == [16, 8, 4, 2, 1]
    normed = [[isinstance(part, nn.BatchNorm2d) for part in block.modules()] for block in network.downs]
    assert [any(block) for block in normed] == [False, True, True, True, False]
    normed = [[isinstance(part, nn.BatchNorm2d) for part in block.modules()] for block in network.ups]
    assert [any(block) for block in normed] == [True, True, True, True, False]


def test_a_score_of_the_critic_looks_at_seventy_pixels_a_side():
    critic = PatchCritic(1, 2, nn.BatchNorm2d).eval()  # by running statistics no pixel reaches another patch's score
    for part in critic.modules():
        if isinstance(part, nn.Conv2d):
            nn.init.constant_(part.weight, 0.1)
    x = torch.rand(1, 1, 128, 128, requires_grad=True)
    scores = critic(x)
    assert scores.shape == (1, 1, 14, 14)
    scores[0, 0, 7, 7].backward()
    assert x.grad is not None
    seen = x.grad[0, 0] != 0
    assert (seen.any(dim=0).sum(), seen.any(dim=1).sum(), seen.sum()) == (70, 70, 70 * 70)
