"""Scores that are means over images."""

from __future__ import annotations

import numpy as np

from lgbench import NotAvailable
from lgbench.score import Score

__all__ = ["mean_of_images"]


def mean_of_images(per_image: np.ndarray, aggregation: str = "", **details: float) -> Score:
    """The mean of one number an image.

    Args:
        per_image: (N,).
        aggregation: stands in the protocol where the recipe could have said something else: "per_image".

    Raises:
        NotAvailable: there are no images.
    """
    if not len(per_image):
        raise NotAvailable("no images: raise evaluation.samples, or name another evaluation.split")
    protocol = {"aggregation": aggregation} if aggregation else {}
    return Score(float(per_image.mean()), per_image, details, protocol=protocol)
