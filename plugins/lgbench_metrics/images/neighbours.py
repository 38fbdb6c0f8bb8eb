"""Nearest neighbours by cosine similarity: how good features are without labels, and what a generator memorised."""

from __future__ import annotations

import numpy as np

from lgbench import NotAvailable

__all__ = ["nearest_neighbour_accuracy", "nearest_neighbours"]

BLOCK = 2000  # rows of each set per step: 65 MB of 4,096 features in float64, and 32 MB of similarities


def nearest_neighbours(images: np.ndarray, reference: np.ndarray, block: int = BLOCK) -> tuple[np.ndarray, np.ndarray]:
    """The most similar reference image of each image, as a check for memorised training images.

    Args:
        images: (N, C, H, W), uint8, or floats in [0, 1]; may be a memory map, of which one block at a time is read.
        reference: (M, C, H, W), likewise, say the training images.
        block: rows of each set at a time; the result depends on it by rounding only.

    Returns:
        Index of the nearest reference image, (N,) int, the first where several are; and its cosine similarity in
        pixel space, (N,) float64 in [0, 1], 1 for images equal up to their brightness and 0 for a black image.

    Raises:
        NotAvailable: no reference images, or pixels that are not finite.
    """
    for part in (images, reference):
        # the cosine is taken from black: in [-1, 1] it would be taken from grey, and mean something else
        if part.dtype != np.uint8 and len(part) and (part.min() < 0 or part.max() > 1):
            raise ValueError("Images must be uint8 or floats in [0, 1].")
    return _nearest(images, reference, block)


def nearest_neighbour_accuracy(
    train_features: np.ndarray,
    train_labels: np.ndarray,
    test_features: np.ndarray,
    test_labels: np.ndarray,
    block: int = BLOCK,
) -> float:
    """Accuracy of the class of the nearest training image by cosine similarity (Yang et al., ICLR 2017).

    Args:
        train_features: (M, ...), flattened, say the last block of a critic, (M, 256, 4, 4); need no normalisation,
            and may be a memory map.
        train_labels: (M,) int.
        test_features: (N, ...), likewise.
        test_labels: (N,) int.
        block: rows of each set at a time; the result depends on it by rounding only.

    Returns:
        In [0, 1], higher is better.

    Raises:
        NotAvailable: no training or test images, or features that are not finite.
    """
    if len(train_features) != len(train_labels) or len(test_features) != len(test_labels):
        raise ValueError("Every feature vector needs one label.")
    if not len(test_features):
        raise NotAvailable("no test images")
    nearest, _ = _nearest(test_features, train_features, block)
    return float((np.asarray(train_labels)[nearest] == np.asarray(test_labels)).mean())


def _nearest(rows: np.ndarray, reference: np.ndarray, block: int) -> tuple[np.ndarray, np.ndarray]:
    if rows.shape[1:] != reference.shape[1:]:
        raise ValueError(f"Vectors of {rows.shape[1:]} and {reference.shape[1:]} have no angle between them.")
    if not len(reference):
        raise NotAvailable("no reference images to be near to")
    index, similarity = np.zeros(len(rows), np.int64), np.full(len(rows), -np.inf)
    for start in range(0, len(rows), block):
        here = slice(start, start + block)
        units = _units(rows[here])
        for first in range(0, len(reference), block):
            cosines = units @ _units(reference[first : first + block]).T
            best = cosines.argmax(axis=1)
            highest = cosines[np.arange(len(best)), best]
            closer = highest > similarity[here]  # strictly: a tie stays with the earlier block
            index[here][closer], similarity[here][closer] = first + best[closer], highest[closer]
    return index, similarity.clip(-1, 1)


def _units(rows: np.ndarray) -> np.ndarray:
    """Rows scaled to length 1, float64; rows of zeros stay, and so are at similarity 0 to everything."""
    # float64: near duplicates differ by less than float32 resolves
    vectors = np.asarray(rows, np.float64).reshape(len(rows), -1)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    if not np.isfinite(lengths).all():
        raise NotAvailable("features are not finite: the images that they describe are broken")
    return np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0)
