"""GrabCut (Rother et al., 2004) from a box in the middle of the picture: OpenCV's."""

from __future__ import annotations

from typing import Any

import numpy as np

from lgbench.errors import NotAvailable

from .config import GrabCutConfig

__all__ = ["grabcut", "opencv"]


def opencv() -> Any:
    """The module `cv2`.

    Raises:
        NotAvailable: it is not installed.
    """
    try:
        import cv2
    except ImportError as error:
        raise NotAvailable(
            f"grabcut needs OpenCV, which is not here ({error}). Install it with `pip install 'lgbench[baselines]'` or "
            "`uv sync --extra baselines`; everything else works without."
        ) from None
    return cv2


def grabcut(images: np.ndarray, config: GrabCutConfig) -> np.ndarray:
    """What GrabCut leaves of a box around the middle.

    Args:
        images: (N, 3, H, W) uint8.

    Returns:
        (N, H, W) bool; nothing outside the box.
    """
    cv2 = opencv()
    _, _, h, w = images.shape
    top, left = round(h * config.margin), round(w * config.margin)
    box = (left, top, w - 2 * left, h - 2 * top)
    found = np.zeros((len(images), h, w), bool)
    for index, image in enumerate(images):
        cv2.setRNGSeed(0)  # its mixtures start from k-means at random: each picture on its own
        labels = np.zeros((h, w), np.uint8)
        mixtures = np.zeros((1, 65)), np.zeros((1, 65))
        pixels = np.ascontiguousarray(image.transpose(1, 2, 0)[..., ::-1])
        cv2.grabCut(pixels, labels, box, *mixtures, config.iterations, cv2.GC_INIT_WITH_RECT)
        found[index] = (labels == cv2.GC_FGD) | (labels == cv2.GC_PR_FGD)
    return found
