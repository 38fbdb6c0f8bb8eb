"""What is asked of masks, as functions of tensors: minimised, float32 scalars."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from lgbench.layers import covered_border

__all__ = ["at_the_border", "binary_entropy", "binary_min", "too_small"]


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


def too_small(alpha: Tensor, eta: float) -> Tensor:
    """Mean over images of max(0, eta - coverage): foregrounds smaller than a share eta of the image (PerturbGAN).

    Args:
        alpha: (N, 1, H, W) in [0, 1].
        eta: 0.25 in the paper's documented command; depends on object scale, hence on the data set.
    """
    return F.relu(eta - alpha.float().mean(dim=(1, 2, 3))).mean()


def at_the_border(alpha: Tensor, eta: float) -> Tensor:
    """Mean over images of max(0, share - eta): foregrounds that cover more than eta of the outermost pixels.

    Pictures show things whole more often than cut off, and their surroundings go on outside (Wei et al., Geodesic
    Saliency Using Background Priors, ECCV 2012, section 2).

    Args:
        alpha: (N, 1, H, W) in [0, 1].
        eta: in [0, 1].
    """
    return F.relu(covered_border(alpha) - eta).mean()
