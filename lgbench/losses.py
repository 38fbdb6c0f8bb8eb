"""Losses are functions of tensors: no state, no weight, no device. All are minimised; all return float32 scalars."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

__all__ = ["bce_fake", "bce_real", "binary_entropy", "binary_min"]


def bce_real(logits: Tensor) -> Tensor:
    """-mean log sigmoid(logits): taken for real. The critic's on real images, the generator's on its own."""
    return F.softplus(-logits.float()).mean()


def bce_fake(logits: Tensor) -> Tensor:
    """-mean log(1 - sigmoid(logits)): taken for generated. The critic's on generated images."""
    return F.softplus(logits.float()).mean()


def binary_entropy(alpha: Tensor) -> Tensor:
    """Mean entropy of a mask in bits, 1 at 0.5 and 0 at 0 or 1 (L_binary of ComGAN, as CGN defines it).

    Args:
        alpha: any shape, in [0, 1]; held 1e-6 away from both ends, where the logarithm is not finite.
    """
    m = alpha.float().clamp(1e-6, 1 - 1e-6)
    return -(m * m.log2() + (1 - m) * (1 - m).log2()).mean()


def binary_min(alpha: Tensor) -> Tensor:
    """Mean min(alpha, 1 - alpha), 0.5 at 0.5 and 0 at 0 or 1 (PerturbGAN, milgan, ELGAN)."""
    m = alpha.float()
    return m.minimum(1 - m).mean()
