"""What is done to every image before a critic sees it, real and painted alike."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["add_noise", "jitter_colours"]


def add_noise(x: Tensor, std: float) -> Tensor:
    """Gaussian noise of standard deviation `std` (Soenderby et al., ICLR 2017); the image itself where it is 0."""
    return x + std * torch.randn_like(x) if std else x


def jitter_colours(x: Tensor) -> Tensor:
    """The colour part of DiffAugment (Zhao et al., NeurIPS 2020), a draw for each image; differentiable.

    Brightness +-0.5, saturation times U(0, 2), contrast times U(0.5, 1.5).

    Args:
        x: (N, 3, H, W) in [-1, 1]; the result may leave that range.
    """
    brightness, saturation, contrast = torch.rand(3, len(x), 1, 1, 1, device=x.device, dtype=x.dtype)
    x = x + (brightness - 0.5)
    grey = x.mean(dim=1, keepdim=True)
    x = (x - grey) * (2 * saturation) + grey
    mean = x.mean(dim=(1, 2, 3), keepdim=True)
    return (x - mean) * (contrast + 0.5) + mean
