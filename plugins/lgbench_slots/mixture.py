"""A mixture of components as layers: what both methods paint."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from lgbench.layers import Layers

__all__ = ["grid", "mixed"]


def mixed(components: Tensor, shares: Tensor, codes: Mapping[str, Tensor], **extras: Tensor) -> Layers:
    """The image sum_k m_k x_k, and the layers that paint it: the largest component lies at the bottom.

    Which component is the background nobody knows, but layers have a bottom. Painted over each other from the largest
    to the smallest, each with the opacity m_k / sum_{j <= k} m_j, they give the same image.

    Args:
        components: x_k, (N, K, 3, H, W) in [-1, 1] or a little beyond.
        shares: m_k, (N, K, 1, H, W), 1 in sum over K.
        extras: further tensors for the method's losses.

    Returns:
        Layers with the extras "components" and "shares", in the order in which they were given.
    """
    image = (shares * components).sum(dim=1)
    order = shares.detach().mean(dim=(2, 3, 4)).argsort(dim=1, descending=True)[:, :, None, None, None]
    x = components.take_along_dim(order, dim=1)
    m = shares.take_along_dim(order, dim=1)
    alphas = (m / m.cumsum(dim=1).clamp(min=torch.finfo(m.dtype).tiny))[:, 1:]
    return Layers(
        image, x[:, 0], x[:, 1:], alphas, codes, extras={"components": components, "shares": shares, **extras}
    )


def grid(side: int, low: float, high: float) -> Tensor:
    """x and y of each pixel of a square from `low` to `high`, (2, side, side)."""
    line = torch.linspace(low, high, side)
    return torch.stack(torch.meshgrid(line, line, indexing="xy"))
