"""The Frechet distance between moments of real images and of what was painted."""

from __future__ import annotations

from lgbench.evaluation import Evidence
from lgbench.features import frechet_distance
from lgbench.score import Score

__all__ = ["frechet"]


def frechet(part: str, evidence: Evidence) -> Score:
    """The distance of the two sides of a part, with how many images are behind each."""
    real, generated = evidence[part]
    # With fewer images than features a covariance lacks rank, and the distance is biased upwards.
    full_rank = min(real.count, generated.count) > real.mean.size
    details = {"real": float(real.count), "generated": float(generated.count), "full_rank": float(full_rank)}
    return Score(frechet_distance(real, generated), details=details, n=generated.count)
