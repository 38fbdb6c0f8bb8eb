"""What is done to painted pictures before a segmenter learns from them, so that photographs are no surprise to it.

The finest of what a generator's layers paint, ripples that no photograph has, gives the layers away: a segmenter that
sees it learns little else. Blurred and made noisy, pictures leave it their colours and shapes.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from lgbench.nn import jitter_colours

from .config import ObjectsConfig, UNetConfig

__all__ = ["blurred", "varied"]


def varied(images: Tensor, config: UNetConfig | ObjectsConfig) -> Tensor:
    """Painted images (N, 3, H, W) in [-1, 1] as a segmenter sees them; the result may leave that range."""
    n = len(images)
    if config.blur:
        images = blurred(images, config.blur * torch.rand(n, device=images.device))
    if config.noise:
        images = images + config.noise * torch.rand(n, 1, 1, 1, device=images.device) * torch.randn_like(images)
    return jitter_colours(images) if config.colours else images


def blurred(images: Tensor, sigmas: Tensor) -> Tensor:
    """Each image through a Gaussian of its own, mirrored at the frame.

    Args:
        images: (N, C, H, W).
        sigmas: standard deviations in pixels, (N,); 0 leaves an image as it is.

    Returns:
        (N, C, H, W), float32.
    """
    n, channels, height, width = images.shape
    reach = min(math.ceil(2 * float(sigmas.max())), height - 1, width - 1)
    away = torch.arange(-reach, reach + 1, device=images.device)
    weights = torch.exp(-(away**2) / (2 * sigmas[:, None].clamp(min=1e-3) ** 2))
    weights = (weights / weights.sum(dim=1, keepdim=True)).repeat_interleave(channels, dim=0)[:, None]
    with torch.autocast(images.device.type, enabled=False):  # eight bits would be seen
        planes = F.pad(images.float(), [reach] * 4, mode="reflect").reshape(1, n * channels, height + 2 * reach, -1)
        planes = F.conv2d(planes, weights[..., None], groups=n * channels)
        planes = F.conv2d(planes, weights[:, :, None], groups=n * channels)
    return planes.reshape(n, channels, height, width)
