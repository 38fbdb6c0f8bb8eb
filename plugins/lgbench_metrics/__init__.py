"""The metrics that every evaluation computes where it can, a folder for each kind of evidence.

A folder's own file holds its records, and lists them without numpy or torch; the functions stand beside it, in modules
that are imported when a number is computed.
"""

from __future__ import annotations

from lgbench import Metric, hookimpl

from .clusters import CLUSTERS
from .conditional import CONDITIONAL
from .images import IMAGES
from .layers import LAYERS
from .masks import MASKS

__all__ = ["metrics"]

LGBENCH_API = 2


@hookimpl
def metrics() -> list[Metric]:
    """Distances between samples and real images, scores of masks, partitions and clusters, layers, conditions."""
    return [*IMAGES, *MASKS, *CLUSTERS, *LAYERS, *CONDITIONAL]
