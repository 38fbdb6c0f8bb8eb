"""Real images beside the samples, as an extractor sees both."""

from __future__ import annotations

import numpy as np

from lgbench import NotAvailable
from lgbench.data import drawn
from lgbench.evaluation import Evidence
from lgbench.evaluation.parts import reference
from lgbench.features import real_moments
from lgbench.score import Moments

__all__ = ["both_sides", "checked", "real_features", "train_moments"]


def real_features(extractor: str, evidence: Evidence) -> tuple[np.ndarray, np.ndarray | None]:
    """Features (M, D), and class probabilities, of as many real images as there are samples, or of all.

    Where there are more they are drawn without putting back, always the same ones.
    """
    splits = drawn(reference(evidence), evidence.config.samples)
    return evidence[f"extractor/{extractor}"].describe(np.concatenate([split.rgb(slice(None)) for split in splits]))


def train_moments(extractor: str, evidence: Evidence) -> tuple[Moments, Moments]:
    """Moments of the training images, and of the samples."""
    network, cache = evidence[f"extractor/{extractor}"], evidence.run.home.root / "moments"
    reals = real_moments([evidence.splits["train"]], network, cache, evidence.run.reporter)
    return reals, evidence[f"moments/{extractor}"][1]


def both_sides(extractor: str, evidence: Evidence) -> tuple[np.ndarray, np.ndarray]:
    """Features of samples, (N, D), and of real images, (M, D)."""
    return evidence[f"seen/{extractor}"][0], evidence[f"reals/{extractor}"][0]


def checked(metric: str, generated: np.ndarray, real: np.ndarray, least: int) -> None:
    """Refuse features that a metric of samples and real images can say nothing of.

    Raises:
        ValueError: they are not of one network.
        NotAvailable: there are fewer than `least` on a side, which is named, or they are not finite.
    """
    if generated.ndim != 2 or generated.shape[1:] != real.shape[1:]:
        raise ValueError(f"{metric}: features must be (N, D) and (M, D), not {generated.shape} and {real.shape}.")
    lacking = []
    if len(generated) < least:
        lacking.append(f"{least} samples, not {len(generated)}: raise evaluation.samples")
    if len(real) < min(least, len(generated)):  # fewer than there are samples: nothing was drawn, these are all
        lacking.append(
            f"{least} real images, not {len(real)}: take all, evaluation.reference=all and reference_samples=0"
        )
    if lacking:
        raise NotAvailable(f"{metric} needs at least {', and '.join(lacking)}")
    for side, features in (("samples", generated), ("real images", real)):
        if not np.isfinite(features).all():
            raise NotAvailable(
                f"{metric}: features of the {side} are not finite: broken images; train it with another seed"
            )
