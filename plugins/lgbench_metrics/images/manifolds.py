"""Do samples lie among real images, and do they cover them? Precision, recall, and the 1-NN test of two samples."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lgbench.evaluation import Evidence
from lgbench.score import Score

from .reals import both_sides, checked

__all__ = ["leave_one_out", "manifolds", "precision_recall", "score_precision", "score_recall", "score_two_sample"]

NEIGHBOURS = 3
BLOCK = 1000  # rows and columns of distances at a time: 8 MB, and 33 MB for 4,096 features of each
ROUNDING = 1e-9  # of a squared distance; equal images must not be apart, nor on the edge of a ball outside it


def precision_recall(generated: np.ndarray, real: np.ndarray, k: int = NEIGHBOURS) -> tuple[float, float]:
    """Improved precision and recall (Kynkaanniemi et al., NeurIPS 2019).

    A set's manifold is the union of balls around its points that reach to their k-th nearest neighbour in the set.
    Precision is the share of samples in the manifold of real images, recall that of real images in the samples'.

    Args:
        generated: features, (N, D).
        real: features, (M, D).

    Returns:
        Both in [0, 1].

    Raises:
        NotAvailable: at most k images on a side, or features that are not finite.
    """
    checked("precision and recall", generated, real, k + 1)
    shift = real.mean(axis=0, dtype=np.float64)  # near 0 squares of distances lose fewer digits
    return _inside(generated, real, k, shift), _inside(real, generated, k, shift)


def _inside(points: np.ndarray, centres: np.ndarray, k: int, shift: np.ndarray) -> float:
    radii = np.full((len(centres), k), np.inf)
    for rows, columns, squares in _squares(centres, centres, shift):
        if rows == columns:
            np.fill_diagonal(squares, np.inf)  # nobody is their own neighbour
        radii[rows] = np.partition(np.concatenate([radii[rows], squares], axis=1), k - 1, axis=1)[:, :k]
    reach, found = radii.max(axis=1) * (1 + ROUNDING), np.zeros(len(points), bool)
    for rows, columns, squares in _squares(points, centres, shift):
        found[rows] |= (squares <= reach[columns]).any(axis=1)
    return float(found.mean())


def _squares(a: np.ndarray, b: np.ndarray, shift: np.ndarray) -> Iterator[tuple[slice, slice, np.ndarray]]:
    """Squared distances of every row of one set to every row of another, a block at a time."""
    for start in range(0, len(a), BLOCK):
        rows = slice(start, start + BLOCK)
        x = a[rows].astype(np.float64) - shift
        for first in range(0, len(b), BLOCK):
            columns = slice(first, first + BLOCK)
            y = b[columns].astype(np.float64) - shift
            lengths = np.square(x).sum(axis=1)[:, None] + np.square(y).sum(axis=1)
            squares = lengths - 2 * (x @ y.T)
            yield rows, columns, np.where(squares <= 1e-12 * lengths, 0.0, squares)


def leave_one_out(generated: np.ndarray, real: np.ndarray) -> tuple[float, float]:
    """How often the nearest other image of both sets together is of the same set (Lopez-Paz & Oquab, ICLR 2017).

    Args:
        generated: features, (N, D).
        real: features, (N, D).

    Returns:
        Of the samples and of the real images, in [0, 1]: 0.5 where nobody can tell them apart, 1 where everybody can,
        less where samples are copies.

    Raises:
        NotAvailable: no image has another of its set, or features are not finite.
    """
    from sklearn.neighbors import NearestNeighbors

    checked("two-sample-1nn", generated, real, 2)
    both, first = np.concatenate([generated, real]), np.arange(len(generated) + len(real)) < len(generated)
    nearest = NearestNeighbors(n_neighbors=1, algorithm="brute").fit(both).kneighbors(return_distance=False)[:, 0]
    same = first[nearest] == first
    return float(same[first].mean()), float(same[~first].mean())


def score_precision(extractor: str, evidence: Evidence) -> Score:
    """Precision of the samples."""
    return _of_manifolds(evidence, extractor, 0)


def score_recall(extractor: str, evidence: Evidence) -> Score:
    """Recall of the samples."""
    return _of_manifolds(evidence, extractor, 1)


def _of_manifolds(evidence: Evidence, extractor: str, which: int) -> Score:
    generated, real = both_sides(extractor, evidence)
    details = {"k": float(NEIGHBOURS), "real": float(len(real))}
    return Score(evidence[f"manifolds/{extractor}"][which], details=details, n=len(generated))


def manifolds(extractor: str, evidence: Evidence) -> tuple[float, float]:
    """Precision and recall: distances are had once for both."""
    return precision_recall(*both_sides(extractor, evidence))


def score_two_sample(extractor: str, evidence: Evidence) -> Score:
    """`leave_one_out` of as many samples as real images: the mean of both sides."""
    generated, real = both_sides(extractor, evidence)
    count = min(len(generated), len(real))
    of_samples, of_reals = leave_one_out(generated[:count], real[:count])
    details = {"of_samples": of_samples, "of_reals": of_reals, "of_each": float(count)}
    return Score((of_samples + of_reals) / 2, details=details, n=len(generated))
