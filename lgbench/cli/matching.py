"""Pairs of images from two sets that look most alike, for comparing two generators side by side."""

from __future__ import annotations

import numpy as np

from lgbench.errors import BadData

__all__ = ["match_samples", "pixel_distances"]

CHUNK = 4096  # values of each image per step; 1,000 images of them are 33 MB in float64


def match_samples(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pair the images of two sets so that the mean distance in a pair is least (Yang et al., ICLR 2017, section 4.4).

    Args:
        a: (N, C, H, W), uint8, or floats in [0, 1].
        b: the same shape and type.

    Returns:
        `permutation`, (N,) int, with which `a[i]` goes with `b[permutation[i]]`; and the pairs' L2 distances over
        pixels in [0, 1], (N,) float64.

    Raises:
        BadData: the sets differ in number or size of images.
    """
    from scipy.optimize import linear_sum_assignment

    if np.shape(a) != np.shape(b):
        raise BadData(
            f"Images can be paired between sets of one shape, not {np.shape(a)} and {np.shape(b)}. "
            "Sample both with the same count and resolution."
        )
    distances = pixel_distances(a, b)
    rows, permutation = linear_sum_assignment(distances)
    return permutation, distances[rows, permutation]


def pixel_distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """L2 distance over flattened pixels in [0, 1] of every image in one set to every image in another.

    Exact: equal images are at distance 0. Floats are subtracted pair by pair. Of uint8 the squares come from a matrix
    product, which is exact too, and far faster: all its sums are integers below 2^53.

    Args:
        a: (N, C, H, W), uint8, or floats in [0, 1].
        b: (M, C, H, W), likewise.

    Returns:
        (N, M) float64.
    """
    x, y = (np.asarray(images).reshape(len(images), -1) for images in (a, b))
    integers = x.dtype == y.dtype == np.uint8
    if not integers:
        x, y = (v / np.float64(255) if v.dtype == np.uint8 else v for v in (x, y))
    squares = np.zeros((len(x), len(y)))
    for start in range(0, x.shape[1], CHUNK):
        part = slice(start, start + CHUNK)
        u, v = x[:, part].astype(np.float64), y[:, part].astype(np.float64)
        squares += _integer_squares(u, v) if integers else _float_squares(u, v)
    return np.sqrt(squares) / 255 if integers else np.sqrt(squares)


def _integer_squares(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return np.square(u).sum(axis=1)[:, None] + np.square(v).sum(axis=1) - 2 * (u @ v.T)


def _float_squares(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    from scipy.spatial.distance import cdist

    return cdist(u, v, "sqeuclidean")
