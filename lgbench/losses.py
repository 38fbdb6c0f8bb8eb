"""Losses are functions of tensors: no state, no weight, no device. All are minimised; all return float32 scalars."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = [
    "bce_fake",
    "bce_real",
    "gradient_penalty",
    "hinge_fake",
    "hinge_real",
    "multi_label",
    "segmentation",
    "slope_penalty",
]

IGNORED = 255


def bce_real(logits: Tensor) -> Tensor:
    """-mean log sigmoid(logits): taken for real. The critic's on real images, the generator's on its own."""
    return F.softplus(-logits.float()).mean()


def bce_fake(logits: Tensor) -> Tensor:
    """-mean log(1 - sigmoid(logits)): taken for generated. The critic's on generated images."""
    return F.softplus(logits.float()).mean()


def hinge_real(scores: Tensor) -> Tensor:
    """mean max(0, 1 - scores): the critic's on real images."""
    return F.relu(1 - scores.float()).mean()


def hinge_fake(scores: Tensor) -> Tensor:
    """mean max(0, 1 + scores): the critic's on generated images. The generator's own is -mean scores."""
    return F.relu(1 + scores.float()).mean()


def multi_label(logits: Tensor, attributes: Tensor, form: Literal["bce", "ce"] = "bce") -> Tensor:
    """L_cls: each attribute's binary cross-entropy, summed over attributes, mean over images (SCGAN).

    Args:
        logits: (N, A).
        attributes: 0 or 1 each, (N, A).
        form: "ce" for attributes that exclude each other: softmax cross-entropy of the one that is on.
    """
    logits, attributes = logits.float(), attributes.float()
    if form == "ce":
        return -(attributes * F.log_softmax(logits, dim=1)).sum(dim=1).mean()
    return F.binary_cross_entropy_with_logits(logits, attributes, reduction="none").sum(dim=1).mean()


def segmentation(logits: Tensor, segments: Tensor, reduction: Literal["mean", "sum"] = "mean") -> Tensor:
    """L_seg: softmax cross-entropy of each pixel's class, mean over the pixels that are not ignored (SCGAN).

    Args:
        logits: (N, classes, H, W).
        segments: class maps, (N, H, W); 255 is ignored.
        reduction: "sum" is the paper's Eq. 9: summed over pixels, mean over images.
    """
    total = F.cross_entropy(logits.float(), segments.long(), ignore_index=IGNORED, reduction="sum")
    if reduction == "sum":
        return total / len(logits)
    return total / (segments != IGNORED).sum().clamp(min=1)  # 0 where all is ignored


def gradient_penalty(critic: Callable[[Tensor], Tensor], images: Tensor, painted: Tensor) -> Tensor:
    """mean (||grad critic(x)|| - 1)^2 at random mixes x of real and painted images (Gulrajani et al., NeurIPS 2017).

    Args:
        critic: (N, C, H, W) -> (N,) scores, without batch norm.
        images, painted: (N, C, H, W); one mixing weight a sample.
    """

    def slope(x: Tensor) -> Tensor:
        return torch.autograd.grad(critic(x.requires_grad_()).sum(), x, create_graph=True)[0]

    return slope_penalty(slope, images, painted)


def slope_penalty(slope: Callable[[Tensor], Tensor], images: Tensor, painted: Tensor) -> Tensor:
    """`gradient_penalty` of a critic that tells its slope itself, (N, C, H, W) -> grad critic(x), of the same shape."""
    eps = torch.rand(len(images), 1, 1, 1, device=images.device)
    x = (eps * images.detach() + (1 - eps) * painted.detach()).float()
    with torch.autocast(x.device.type, enabled=False):  # the norm is differentiated once more
        return (slope(x).flatten(1).norm(dim=1) - 1).square().mean()
