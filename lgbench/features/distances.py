"""Distances between sets of features, from their moments."""

from __future__ import annotations

import numpy as np

from lgbench.errors import NotAvailable
from lgbench.score import Moments

__all__ = ["frechet_distance"]


def frechet_distance(a: Moments, b: Moments) -> float:
    """|m_a - m_b|^2 + tr(C_a + C_b - 2 (C_a C_b)^(1/2)): the square of the Frechet distance, as FID is.

    Heusel et al., NeurIPS 2017. The trace of the root is that of (R C_b R)^(1/2), R^2 = C_a: symmetric, with
    eigenvalues of at least 0 but for rounding, whatever the rank.

    Args:
        a: moments of one set of features.
        b: moments of the other; the order does not matter.

    Returns:
        At least 0; rounding below is cut off.

    Raises:
        NotAvailable: the moments are not finite.
    """
    if a.mean.shape != b.mean.shape:
        raise ValueError(f"Moments of {a.mean.size} and {b.mean.size} features cannot be compared.")
    if not all(np.isfinite(part).all() for part in (a.mean, a.covariance, b.mean, b.covariance)):
        raise NotAvailable("moments that are not finite: broken images; train it with another seed")
    values, vectors = np.linalg.eigh(a.covariance)
    root = vectors * np.sqrt(values.clip(min=0))  # R = root vectors^T; an orthogonal factor changes no eigenvalue
    shared = np.sqrt(np.linalg.eigvalsh(root.T @ b.covariance @ root).clip(min=0)).sum()
    shift = a.mean - b.mean
    return max(0.0, float(shift @ shift + np.trace(a.covariance) + np.trace(b.covariance) - 2 * shared))
