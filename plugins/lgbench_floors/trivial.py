"""Masks that no network was needed for: the floor under every segmentation board."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["TRIVIAL", "centre_ellipse", "commit_by_border", "otsu", "trivial_mask", "two_means"]

STEPS = 50  # of the clusters, at most: they stop when no pixel changes sides
LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)  # ITU-R BT.601
TRIVIAL = ("empty", "full", "centre-ellipse", "otsu", "two-means")
"""Names of the trivial masks."""


def trivial_mask(name: str, images: np.ndarray) -> np.ndarray:
    """Segment images in one of five ways that learn nothing and never see an annotation.

    Args:
        name: one of `TRIVIAL`: "otsu" (grey value) and "two-means" (colour) commit to a polarity by `commit_by_border`.
        images: (N, 3, H, W) uint8.

    Returns:
        (N, H, W) bool.
    """
    n, _, h, w = images.shape
    if name == "otsu":
        return commit_by_border(otsu(images))
    if name == "two-means":
        return commit_by_border(two_means(images))
    one = centre_ellipse(h, w) if name == "centre-ellipse" else np.full((h, w), name == "full")
    return np.repeat(one[None], n, axis=0)


def centre_ellipse(h: int, w: int) -> np.ndarray:
    """An ellipse in the middle whose semi-axes are a third of the sides, (h, w) bool: 35 % of the image."""
    y, x = (np.arange(h) + 0.5) / h - 0.5, (np.arange(w) + 0.5) / w - 0.5
    return np.square(y)[:, None] + np.square(x) <= 1 / 9


def commit_by_border(masks: np.ndarray) -> np.ndarray:
    """Exchange the two sides of each mask, (N, H, W) bool, where the foreground has more of the border than the other.

    Where both have half of it, the smaller side is the foreground.
    """
    border = np.concatenate([masks[:, 0], masks[:, -1], masks[:, 1:-1, 0], masks[:, 1:-1, -1]], axis=1).mean(axis=1)
    area = masks.mean(axis=(1, 2))
    flip = (border > 0.5) | ((border == 0.5) & (area > 0.5))
    return masks ^ flip[:, None, None]


def otsu(images: np.ndarray) -> np.ndarray:
    """The brighter side of the grey threshold that best separates two classes (Otsu, 1979).

    Args:
        images: (N, 3, H, W) uint8.

    Returns:
        (N, H, W) bool; the lowest of equally good thresholds, and nothing where the image is constant.
    """
    grey = np.rint(np.einsum("nchw,c->nhw", images.astype(np.float32), LUMA)).astype(np.int64)
    n, h, w = grey.shape
    offset = 256 * np.arange(n)[:, None, None]
    counts = np.bincount((grey + offset).ravel(), minlength=256 * n).reshape(n, 256).astype(np.float64)
    below = counts.cumsum(axis=1)
    mass = (counts * np.arange(256)).cumsum(axis=1)
    above = h * w - below
    apart = mass * (h * w) - mass[:, -1:] * below  # between-class variance, up to a constant, is its square over both
    between = np.square(apart) / np.maximum(below * above, 1)
    threshold = np.where(between.max(axis=1) > 0, between.argmax(axis=1), 255)
    return grey > threshold[:, None, None]


def two_means(images: np.ndarray) -> np.ndarray:
    """Lloyd's two clusters of each image's colours, started from the halves of their principal axis.

    Args:
        images: (N, 3, H, W) uint8.

    Returns:
        (N, H, W) bool, which of the two clusters; constant where the image is.
    """
    masks = np.zeros((len(images), *images.shape[2:]), bool)
    for image, mask in zip(images, masks, strict=True):
        colours = image.reshape(3, -1).T.astype(np.float64)
        mask[:] = _halves(colours - colours.mean(axis=0)).reshape(mask.shape)
    return masks


def _halves(centred: np.ndarray) -> np.ndarray:
    """Which of two clusters each colour, (pixels, 3) around 0, belongs to; nobody to the second where all are equal."""
    from sklearn.cluster import KMeans

    _, axes = np.linalg.eigh(centred.T @ centred)
    side = centred @ axes[:, -1] > 0
    if not side.any():
        return side
    start = np.stack([centred[~side].mean(axis=0), centred[side].mean(axis=0)])
    lloyd: Any = KMeans  # whose stubs know its default arguments only
    return lloyd(2, init=start, n_init=1, max_iter=STEPS, tol=0).fit(centred).labels_ == 1
