"""Kernel distance between samples and real images (Binkowski et al., ICLR 2018)."""

from __future__ import annotations

import numpy as np

from lgbench.evaluation import Evidence
from lgbench.score import Score

from .reals import both_sides, checked

__all__ = ["kernel_distance", "score_kid"]

SUBSETS, SIZE, SEED = 100, 1000, 2020  # torch-fidelity's


def kernel_distance(
    generated: np.ndarray, real: np.ndarray, subsets: int = SUBSETS, size: int = SIZE
) -> tuple[float, float]:
    """Squared maximum mean discrepancy under the kernel (x y / D + 1)^3, unbiased, over random subsets of both sides.

    Args:
        generated: features, (N, D).
        real: features, (M, D).
        subsets, size: how many are drawn, and of how many images each; always the same for the same N and M.

    Returns:
        Mean over the subsets, below 0 at times where both sides are alike, and population standard deviation.

    Raises:
        NotAvailable: fewer than `size` images on a side, or features that are not finite.
    """
    checked("kid", generated, real, size)
    random = np.random.RandomState(SEED)  # torch-fidelity's draws: equal numbers
    found = []
    for _ in range(subsets):
        x, y = (side[random.choice(len(side), size, replace=False)].astype(np.float64) for side in (generated, real))
        within = sum(_sum_of_pairs(_kernel(one, one)) for one in (x, y))
        found.append(within / (size * (size - 1)) - 2 * _kernel(x, y).mean())
    return float(np.mean(found)), float(np.std(found))


def _sum_of_pairs(kernel: np.ndarray) -> float:
    return float(kernel.sum() - np.trace(kernel))


def _kernel(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return (x @ y.T / x.shape[1] + 1) ** 3


def score_kid(extractor: str, evidence: Evidence) -> Score:
    """`kernel_distance` of the samples, with its spread over subsets."""
    generated, real = both_sides(extractor, evidence)
    mean, std = kernel_distance(generated, real)
    return Score(mean, details={"std": std, "real": float(len(real))}, n=len(generated))
