"""Agreement of two partitions of an image: adjusted Rand index and segmentation covering, as GENESIS computes them.

Engelcke et al., GENESIS-V2, NeurIPS 2021. Partitions are integer label maps, (N, H, W); a mask is one with labels 0
and 1. Every function returns one number per image, (N,); a data set's value is their mean.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lgbench import NotAvailable
from lgbench.evaluation import Evidence
from lgbench.score import Score
from lgbench_metrics.scores import mean_of_images

__all__ = [
    "Agreement",
    "agreement",
    "agreement_of",
    "ari",
    "ari_fg",
    "msc",
    "msc_fg",
    "sc_weighted",
    "score_ari",
    "score_ari_fg",
    "score_msc",
    "true_segments",
]

BLOCK = 256  # images at a time
MANY = 32  # labels; a table an image of so many by so many costs half of the pixels of 64 x 64


@dataclass(frozen=True, slots=True)
class Agreement:
    """Scores of partitions by image, (N,) each."""

    ari: np.ndarray
    msc: np.ndarray
    msc_fg: np.ndarray
    sc_weighted: np.ndarray


def ari(predicted: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Adjusted Rand index over all pixels, the background a cluster like any other (Hubert & Arabie, 1985).

    Pixels with a negative true label are ignored. It does not detect an inverted mask: exchanging labels leaves it as
    it is.

    Returns:
        (N,) in [-0.5, 1]: 1 for equal partitions, 0 for a constant prediction where the truth has several clusters.
    """
    return agreement(predicted, truth).ari


def ari_fg(predicted: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Adjusted Rand index over the pixels whose true label is above 0.

    Predictions are not relabelled: background predicted on an object is one more cluster. On an image of one object it
    can only be 0 or 1, and says nothing worth ranking.

    Returns:
        (N,) in [-0.5, 1]; 1 for an image without objects, as the usual libraries have it.
    """
    return agreement(predicted, truth, np.asarray(truth) == 0).ari


def msc(predicted: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Mean segmentation covering: the mean over true segments, background included, of the best IoU with a prediction.

    Segments weigh the same whatever their size, and two of them may pick the same prediction. Pixels with a negative
    true label are ignored, inside predicted segments too. An image without a true segment scores 0.

    Returns:
        (N,) in [0, 1].
    """
    return agreement(predicted, truth).msc


def msc_fg(predicted: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """`msc` over the true segments other than 0; an image that has none scores 0. (N,) in [0, 1]."""
    return agreement(predicted, truth).msc_fg


def sc_weighted(predicted: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """`msc` with each true segment weighted by its area. (N,) in [0, 1]."""
    return agreement(predicted, truth).sc_weighted


def agreement(predicted: np.ndarray, truth: np.ndarray, ignored: np.ndarray | None = None) -> Agreement:
    """Every score of this module, from one table of pixels an image.

    Args:
        predicted: (N, H, W) int or bool; labels are names only.
        truth: (N, H, W) int or bool; 0 is the background, and negative pixels are ignored.
        ignored: pixels that are ignored besides, (N, H, W) bool.
    """
    predicted, truth = np.asarray(predicted), np.asarray(truth)
    if predicted.shape != truth.shape or predicted.ndim != 3:
        raise ValueError(f"Label maps must share one shape (N, H, W), not {predicted.shape} and {truth.shape}.")
    parts = [Agreement(*np.zeros((4, 0)))]
    for start in range(0, len(truth), BLOCK):
        here = slice(start, start + BLOCK)
        table = _tables(predicted[here], truth[here], None if ignored is None else ignored[here])
        parts.append(Agreement(_adjusted_rand(table), *_coverings(table)))
    return Agreement(*(np.concatenate([getattr(part, name) for part in parts]) for name in Agreement.__slots__))


def _tables(predicted: np.ndarray, truth: np.ndarray, ignored: np.ndarray | None) -> np.ndarray:
    """Pixels of each true label (rows) under each predicted one (columns), (N, T, P); names without pixels too."""
    predicted, truth = _few(predicted, signed=False), _few(truth, signed=True)
    width, height = int(predicted.max(initial=0)) + 1, int(truth.max(initial=0)) + 2
    tables = np.empty((len(truth), height * width), np.int64)
    for i, (one, other) in enumerate(zip(predicted, truth, strict=True)):  # one by one, they stay in the cache
        rows = other.astype(np.intp) + 1  # the first is that of ignored pixels
        if ignored is not None:
            rows[ignored[i]] = 0
        tables[i] = np.bincount((rows * width + one).ravel(), minlength=height * width)
    return tables.reshape(len(truth), height, width)[:, 1:]


def _few(labels: np.ndarray, signed: bool) -> np.ndarray:
    """The same label maps with names from 0 (from -1, if the sign says what is ignored) to fewer than `MANY`."""
    if labels.dtype == np.bool_:
        return labels.view(np.uint8)
    lowest = int(labels.min(initial=0))
    if labels.max(initial=0) < MANY and (lowest == 0 or (signed and lowest == -1)):
        return labels
    renamed = np.empty(labels.shape, np.intp)
    for old, new in zip(labels, renamed, strict=True):
        named = old > 0 if signed else np.ones(old.shape, bool)
        new[:] = -1 * (old < 0) if signed else 0
        new[named] = np.unique(old[named], return_inverse=True)[1].ravel() + signed
    return renamed


def _adjusted_rand(tables: np.ndarray) -> np.ndarray:
    pairs = [
        (counts * (counts - 1) // 2).reshape(len(tables), -1).sum(axis=1).tolist()
        for counts in (tables, tables.sum(axis=2), tables.sum(axis=1), tables.sum(axis=(1, 2)))
    ]
    return np.array([_rand(*counts) for counts in zip(*pairs, strict=True)], np.float64)


def _rand(together: int, true: int, guessed: int, pairs: int) -> float:
    """The index of counts of pairs, as Python's integers: the product of two of them may leave int64."""
    if 2 * true * guessed == pairs * (true + guessed):
        return 1.0  # M = E: one cluster in both, or every pixel its own
    expected = true * guessed / pairs
    return (together - expected) / ((true + guessed) / 2 - expected)


def _coverings(tables: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Covering of all true segments, of those but the first, and of all by their area."""
    area = tables.sum(axis=2)
    union = area[:, :, None] + tables.sum(axis=1)[:, None] - tables
    best = (tables / np.maximum(union, 1)).max(axis=2, initial=0)  # 0 where nobody has the label
    there = (area > 0).astype(np.float64)
    weighted = [(best * weight).sum(axis=1) / _or_one(weight.sum(axis=1)) for weight in (there, area)]
    return weighted[0], (best * there)[:, 1:].sum(axis=1) / _or_one(there[:, 1:].sum(axis=1)), weighted[1]


def _or_one(counts: np.ndarray) -> np.ndarray:
    return np.where(counts > 0, counts, 1)


def score_ari(evidence: Evidence) -> Score:
    """`ari` of the predicted masks."""
    return mean_of_images(evidence["agreement"].ari, "per_image")


def score_ari_fg(evidence: Evidence) -> Score:
    """`ari_fg` of predicted parts, where images hold several objects."""
    # of parts, not of masks: the perfect union of two objects would score 0, and one of them alone 1
    predicted, instances, ignored = (evidence[part] for part in ("predicted_parts", "instances", "ignored"))
    instances = np.where(ignored, 0, instances)
    objects = np.array([len(np.unique(one[one > 0])) for one in instances])
    if not (objects >= 2).any():
        raise NotAvailable("degenerate: no test image has two objects, so ari-fg is 0 or 1; see ari")
    several = float((objects >= 2).mean())
    return mean_of_images(ari_fg(predicted, instances), "per_image", share_of_several_objects=several)


def score_msc(evidence: Evidence) -> Score:
    """`msc` of the predicted masks, with its companions."""
    found = evidence["agreement"]
    details = {name: float(getattr(found, name).mean()) for name in ("msc_fg", "sc_weighted") if len(found.msc)}
    return mean_of_images(found.msc, "per_image", **details)


def agreement_of(evidence: Evidence) -> Agreement:
    """How predictions, in parts where there are any, agree with instance maps where there are any, else with masks."""
    true, parts, segments = evidence["true_masks"], evidence.get("predicted_parts"), evidence["true_segments"]
    found = evidence["predicted_masks"] if parts is None else parts
    return agreement(found, true if segments is None else segments, evidence["ignored"])


def true_segments(evidence: Evidence) -> np.ndarray | None:
    """Instance maps, (N, R, R); None where the data set has none.

    Raises:
        NotAvailable: the data set is not here, so that nobody knows.
    """
    instances = evidence.get("instances")
    if instances is None and evidence.shown.instances is not None:  # not to be had is not the same as none
        return evidence["instances"]
    return instances
