"""What segmenters see of painted pictures: blurred, noisy, in other colours; as they are where nothing is asked."""

from __future__ import annotations

import pytest
import torch
from torchvision.transforms.functional import gaussian_blur

from lgbench_segmenters.config import ObjectsConfig, UNetConfig
from lgbench_segmenters.variety import blurred, varied


def images(n: int = 3, side: int = 16) -> torch.Tensor:
    return torch.rand(n, 3, side, side, generator=torch.Generator().manual_seed(0)) * 2 - 1


def test_an_image_is_blurred_as_torchvision_blurs_it_each_by_its_own_sigma():
    x = images()
    seen = blurred(x, torch.tensor([0.5, 1.0, 1.5]))
    for one, sigma, found in zip(x, (0.5, 1.0, 1.5), seen, strict=True):
        torch.testing.assert_close(found, gaussian_blur(one, [7, 7], [sigma, sigma]), atol=1e-5, rtol=1e-5)


def test_no_sigma_is_no_blur_and_small_images_are_blurred_too():
    torch.testing.assert_close(blurred(images(), torch.zeros(3)), images())
    torch.testing.assert_close(blurred(images(), torch.tensor([0.0, 0.0, 2.0]))[:2], images()[:2])
    assert blurred(images(side=2), torch.full((3,), 5.0)).shape == (3, 3, 2, 2)


def test_bf16_images_are_blurred_in_single_precision():
    with torch.autocast("cpu", torch.bfloat16):
        seen = blurred(images().bfloat16(), torch.full((3,), 1.0))
    assert seen.dtype == torch.float32
    torch.testing.assert_close(seen, blurred(images().bfloat16().float(), torch.full((3,), 1.0)))


@pytest.mark.parametrize("config", [UNetConfig, ObjectsConfig])
def test_a_segmenter_sees_what_was_painted_unless_it_is_asked_otherwise(config: type):
    before = torch.get_rng_state()
    torch.testing.assert_close(varied(images(), config()), images(), atol=0, rtol=0)
    assert torch.equal(torch.get_rng_state(), before)  # nor is anything drawn


def test_blur_and_noise_are_drawn_for_each_image():
    x = images(64)
    smooth = varied(x, UNetConfig(blur=1.5)).diff(dim=-1).abs().mean(dim=(1, 2, 3)) / x.diff(dim=-1).abs().mean()
    assert smooth.min() < 0.4
    assert smooth.max() > 0.8
    added = (varied(x, UNetConfig(noise=0.3)) - x).std(dim=(1, 2, 3))
    assert added.min() < 0.05
    assert 0.25 < added.max() < 0.31
