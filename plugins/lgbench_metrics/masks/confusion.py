"""Scores of binary masks from confusion counts: pooled or per image, with committed polarity or an oracle's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from lgbench import NotAvailable
from lgbench.errors import BadRecipe
from lgbench.evaluation import Evidence
from lgbench.intervals import interval
from lgbench.score import Score

from .jackknife import jackknife_interval

__all__ = ["Confusion", "accuracy", "confusion", "dice", "iou", "mean_iou", "score_masks", "score_overlap"]


@dataclass(frozen=True, slots=True)
class Confusion:
    """Pixels of each image by what was predicted and what is true, (N,) int64 each."""

    true_positive: np.ndarray
    false_positive: np.ndarray
    false_negative: np.ndarray
    true_negative: np.ndarray

    def flipped(self, where: np.ndarray | bool = True) -> Confusion:
        """The counts of the complementary predictions, for the images at which `where`, (N,) bool, holds."""
        return Confusion(
            np.where(where, self.false_negative, self.true_positive),
            np.where(where, self.true_negative, self.false_positive),
            np.where(where, self.true_positive, self.false_negative),
            np.where(where, self.false_positive, self.true_negative),
        )

    def pooled(self) -> Confusion:
        """One confusion matrix of all pixels of all images; arrays of shape (1,)."""
        return Confusion(
            self.true_positive.sum(keepdims=True),
            self.false_positive.sum(keepdims=True),
            self.false_negative.sum(keepdims=True),
            self.true_negative.sum(keepdims=True),
        )

    def without_each(self) -> Confusion:
        """Pooled counts of all images but one, for each that is left out; arrays of shape (N,)."""
        return Confusion(
            self.true_positive.sum() - self.true_positive,
            self.false_positive.sum() - self.false_positive,
            self.false_negative.sum() - self.false_negative,
            self.true_negative.sum() - self.true_negative,
        )


def confusion(predicted: np.ndarray, true: np.ndarray, ignored: np.ndarray | None = None) -> Confusion:
    """Count, for each image, how the pixels of two sets of masks meet.

    Args:
        predicted: (N, H, W) bool.
        true: (N, H, W) bool.
        ignored: pixels that are not counted, whatever is predicted there, (N, H, W) bool; None where all are.

    Raises:
        ValueError: the shapes differ, or are not (N, H, W).
    """
    predicted, true = np.asarray(predicted, dtype=bool), np.asarray(true, dtype=bool)
    if predicted.shape != true.shape or predicted.ndim != 3:
        raise ValueError(f"Masks must be two arrays of one shape (N, H, W), not {predicted.shape} and {true.shape}.")
    if ignored is not None and np.shape(ignored) != true.shape:
        raise ValueError(f"What is ignored must have the masks' shape {true.shape}, not {np.shape(ignored)}.")
    # image by image: they stay in the cache, and counting a whole array is much faster than counting along its axes
    rows = [
        _counts(*pair, None if ignored is None else ignored[i])
        for i, pair in enumerate(zip(predicted, true, strict=True))
    ]
    return Confusion(*np.array(rows, np.int64).reshape(-1, 4).T)


def _counts(predicted: np.ndarray, true: np.ndarray, ignored: np.ndarray | None) -> tuple[int, int, int, int]:
    """True and false positives, false and true negatives of one image."""
    known = true.size
    if ignored is not None:
        kept = ~np.asarray(ignored, bool)
        predicted, true, known = predicted & kept, true & kept, int(np.count_nonzero(kept))
    both, found, there = (int(np.count_nonzero(mask)) for mask in (predicted & true, predicted, true))
    return both, found - both, there - both, known - found - there + both


def iou(counts: Confusion) -> np.ndarray:
    """Intersection over union of the foregrounds (the Jaccard index), (N,) in [0, 1]; 1 where both are empty."""
    union = counts.true_positive + counts.false_positive + counts.false_negative
    return _share(counts.true_positive, union)


def dice(counts: Confusion) -> np.ndarray:
    """2 TP / (2 TP + FP + FN) of the foregrounds (the F1 score), (N,) in [0, 1]; 1 where both are empty."""
    twice = 2 * counts.true_positive
    return _share(twice, twice + counts.false_positive + counts.false_negative)


def accuracy(counts: Confusion) -> np.ndarray:
    """Share of pixels whose side is right, (N,) in [0, 1]."""
    right = counts.true_positive + counts.true_negative
    return _share(right, right + counts.false_positive + counts.false_negative)


def mean_iou(counts: Confusion) -> np.ndarray:
    """Mean of the foreground's and the background's IoU, (N,) in [0, 1]; a side that neither mask has counts as 1."""
    background = Confusion(
        counts.true_negative, counts.false_negative, counts.false_positive, counts.true_positive
    )  # seen from the background, misses and false alarms change places
    return (iou(counts) + iou(background)) / 2


MEASURES = {"iou": iou, "dice": dice, "acc": accuracy, "miou": mean_iou}
"""The measure of each metric."""


def score_masks(
    measure: Callable[[Confusion], np.ndarray],
    predicted: np.ndarray,
    true: np.ndarray,
    aggregation: str = "per_image",
    ignored: np.ndarray | None = None,
) -> Score:
    """A mask score with everything that stands beside it.

    The value is that of the committed polarity. The two oracles peek at the annotation: `oracle_dataset` flips all
    predictions or none, `oracle_image` flips each image whose complement scores higher (as the public evaluation of
    ComGAN does). Flipping image by image need not maximise a pooled score, so `oracle_image` is at least
    `oracle_dataset`, whose two choices were open to it too.

    Args:
        measure: `iou`, `dice`, `accuracy` or `mean_iou`.
        predicted: (N, H, W) bool, committed polarity.
        true: (N, H, W) bool.
        aggregation: "per_image" for the mean over images, "pooled" for the score of one confusion matrix.
        ignored: pixels that are not counted, (N, H, W) bool; None where all are.

    Returns:
        Score with `per_image` (N,), intervals of `pooled` and of `per_image` (of two images or more), and the details
        `pooled`, `per_image`, `oracle_dataset`, `oracle_image` and `gap`, which is `oracle_image` minus the value; the
        oracles are in the chosen aggregation.

    Raises:
        NotAvailable: there are no images.
        BadRecipe: `aggregation` is neither of the two.
    """
    counts = confusion(predicted, true, ignored)
    if not len(counts.true_positive):
        raise NotAvailable("no test images: name a split that has some (evaluation.split)")
    aggregate = {"pooled": lambda c: float(measure(c.pooled())[0]), "per_image": lambda c: float(measure(c).mean())}
    if aggregation not in aggregate:
        raise BadRecipe(
            f'Mask scores are aggregated "pooled" or "per_image", not {aggregation!r}; choose one of the two.'
        )
    chosen, flipped = aggregate[aggregation], counts.flipped()
    value = chosen(counts)
    oracle_dataset = max(value, chosen(flipped))
    oracle_image = max(oracle_dataset, chosen(counts.flipped(measure(flipped) > measure(counts))))
    details = {name: of(counts) for name, of in aggregate.items()}
    details |= {"oracle_dataset": oracle_dataset, "oracle_image": oracle_image, "gap": oracle_image - value}
    return Score(value, measure(counts), details, intervals=_intervals(measure, counts))


def score_overlap(metric: str, evidence: Evidence) -> Score:
    """`score_masks` of the predicted masks by a metric's measure, aggregated as the recipe says."""
    aggregation = evidence.config.aggregation
    predicted, true, ignored = (evidence[part] for part in ("predicted_masks", "true_masks", "ignored"))
    score = score_masks(MEASURES[metric], predicted, true, aggregation, ignored)
    return replace(score, protocol={"aggregation": aggregation})


def _intervals(measure: Callable[[Confusion], np.ndarray], counts: Confusion) -> dict[str, tuple[float, float]]:
    """How sure the score is in either aggregation; nothing where one image says nothing of others."""
    each = measure(counts)
    if len(each) < 2:
        return {}
    pooled = float(measure(counts.pooled())[0])
    return {"pooled": jackknife_interval(pooled, measure(counts.without_each())), "per_image": interval(each)}


def _share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.where(whole > 0, part / np.maximum(whole, 1), 1.0)
