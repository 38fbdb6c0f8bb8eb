"""What an extractor sees in the real images of a data set, kept between runs."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from lgbench.data import Split
from lgbench.errors import RunFailed
from lgbench.files import keep, read_arrays, sha256_of_json
from lgbench.progress import Reporter
from lgbench.score import Moments

from .extractors import Extractor
from .moments import QUIET, MomentStream, stream_features

__all__ = ["real_moments"]

logger = logging.getLogger(__name__)


def real_moments(reals: Sequence[Split], extractor: Extractor, cache: Path, reporter: Reporter = QUIET) -> Moments:
    """Moments of the images of splits together, kept in the folder `cache` under what they depend on.

    What is kept is a convenience: a file that is damaged is made again, and a folder that cannot be written costs
    nothing but the time. `reporter` hears of it where they are looked at.
    """
    prints = [split.fingerprint for split in reals]
    key = sha256_of_json([prints, extractor.name, extractor.weights_hash, "float64"])[:16]
    path = cache / f"{key}.npz"
    if (kept := _load(path, extractor.dim)) is not None:
        return kept
    stream = MomentStream(extractor.dim)
    reporter.stage(f"real pictures, {extractor.name}", sum(map(len, reals)))
    for split in reals:
        stream_features(stream, split.rgb(slice(None)), extractor, reporter=reporter)
    moments = stream.moments()
    arrays = {"mean": moments.mean, "covariance": moments.covariance, "count": moments.count, "check": _check(moments)}
    keep(path, lambda file: np.savez(file, **arrays))  # pyright: ignore[reportArgumentType]
    return moments


def _load(path: Path, dim: int) -> Moments | None:
    """What was kept, or None where nothing was or it is not what was kept, which is told."""
    if not path.exists():
        return None
    try:
        stored = read_arrays(path, "It is made again.")
        moments = Moments(stored["mean"], stored["covariance"], int(stored["count"]))
        if moments.mean.shape == (dim,) and str(stored["check"]) == _check(moments):
            return moments
    except (RunFailed, ValueError, TypeError, KeyError):
        pass
    logger.warning("%s is damaged; it is made again.", path)
    return None


def _check(moments: Moments) -> str:
    return sha256_of_json([moments.count, moments.mean.tobytes().hex(), moments.covariance.tobytes().hex()])
