"""How pictures, and what lies on them, become square and of one size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

__all__ = ["CROPS", "Square", "central_square"]

CROPS = ("center", "pad", "squeeze")
"""Ways in which a picture that is not square becomes so, besides a data set's own."""


@dataclass(frozen=True, slots=True)
class Square:
    """How a data set's pictures become square.

    Attributes:
        crop: "center" cuts the largest square out of the middle, "pad" adds to the shorter side, "squeeze" loses the
            aspect ratio; anything else says that they are square.
        side: pixels.
        backdrop: red, green and blue of what is added.
    """

    crop: str
    side: int
    backdrop: tuple[int, int, int] = (255, 255, 255)

    def image(self, pixels: np.ndarray) -> np.ndarray:
        """A picture, (H, W) or (H, W, 3) uint8, by Pillow's antialiased bilinear filter; one of the side as it is."""
        if self.crop == "pad" and pixels.shape[0] != pixels.shape[1] and pixels.ndim == 2 and len({*self.backdrop}) > 1:
            pixels = np.repeat(pixels[..., None], 3, axis=2)
        outside = self.backdrop if pixels.ndim == 3 else self.backdrop[0]
        return self._resized(self.whole(pixels, outside))

    def mask(self, opacity: np.ndarray, ignored: np.ndarray | None) -> tuple[np.ndarray, np.ndarray | None]:
        """A mask, (H, W) uint8, and what is left out of it, (H, W) bool.

        What is left out has no part in the opacity of a pixel; a pixel is left out where more than half of it is.
        """
        square = self.whole(opacity, 0)
        if ignored is None:
            return self._resized(square), None
        known = (~self.whole(ignored, False)).astype(np.float32)
        share = self._resized(known)
        opaque = self._resized(square.astype(np.float32) * known) / np.maximum(share, 1e-6)
        left_out = share < 0.5
        return np.where(left_out, 0, opaque.clip(0, 255) + 0.5).astype(np.uint8), left_out

    def nearest(self, values: np.ndarray, outside: int) -> np.ndarray:
        """A map, (H, W) uint8, each pixel of which takes the nearest value."""
        return self._resized(self.whole(values, outside), nearest=True)

    def landmarks(self, points: np.ndarray, size: Sequence[int]) -> np.ndarray:
        """x and y, (P, 2), of points of a picture of `size` (height, width), where the square shows them."""
        height, width = size
        shape = np.array([width, height])
        corner, scale = np.zeros(2), self.side / shape
        if self.crop != "squeeze":
            square = max(size) if self.crop == "pad" else min(size)
            corner, scale = (shape - square) // 2, np.full(2, self.side / square)
        return ((points - corner + 0.5) * scale - 0.5).astype("<f4")

    def whole(self, array: np.ndarray, outside: int | bool | Sequence[int]) -> np.ndarray:
        """An array, (H, W) or (H, W, 3), as square as it is to be, in its own resolution."""
        height, width = array.shape[:2]
        if self.crop == "center":
            return central_square(array)
        if self.crop != "pad" or height == width:
            return array
        side = max(height, width)
        # floored as the square of a crop is, so that landmarks move alike
        top, left = -((height - side) // 2), -((width - side) // 2)
        padded = np.empty((side, side, *array.shape[2:]), dtype=array.dtype)
        padded[...] = outside
        padded[top : top + height, left : left + width] = array
        return padded

    def _resized(self, array: np.ndarray, nearest: bool = False) -> np.ndarray:
        from PIL import Image

        if array.shape[:2] == (self.side, self.side):
            return array
        how = Image.Resampling.NEAREST if nearest else Image.Resampling.BILINEAR  # Pillow's bilinear is antialiased
        image = Image.fromarray(np.ascontiguousarray(array))
        return np.asarray(image.resize((self.side, self.side), how, reducing_gap=None))


def central_square(pixels: np.ndarray) -> np.ndarray:
    """The largest square in the middle of a picture or mask, (H, W) or (H, W, 3); a square one as it is."""
    height, width = pixels.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return pixels[top : top + side, left : left + side]
