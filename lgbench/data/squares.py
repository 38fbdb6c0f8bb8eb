"""How pictures and what lies on them become square."""

from __future__ import annotations

import numpy as np

__all__ = ["central_square"]


def central_square(pixels: np.ndarray) -> np.ndarray:
    """The largest square in the middle of a picture or mask, (H, W) or (H, W, 3); a square one as it is."""
    height, width = pixels.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return pixels[top : top + side, left : left + side]
