"""Generators judged through a classifier's posteriors: Inception score, adversarial accuracy and divergence."""

from __future__ import annotations

from itertools import pairwise
from typing import Literal

import numpy as np

from lgbench import NotAvailable
from lgbench.evaluation import Evidence
from lgbench.score import Score

__all__ = [
    "adversarial_accuracy",
    "adversarial_divergence",
    "inception_score",
    "score_inception",
    "score_real_inception",
]

SPLITS = 10

NORMALISED = 1e-3  # how far from 1 a sum of float32 or float16 probabilities may lie


def inception_score(probabilities: np.ndarray, splits: int = 10) -> tuple[float, float]:
    """exp(E_x KL(p(y|x) || p(y))), over splits of the samples (Salimans et al., NeurIPS 2016).

    With the softmax of an ImageNet network this is the Inception score; with that of a classifier of the data set's
    own K classes, the contextual one (Yang et al., ICLR 2017). The network's weights and layer are part
    of the result: ports of Inception differ, and the original leaves out the bias of its last layer.

    Args:
        probabilities: p(y|x) of each sample, (N, K), in random order: p(y) is their mean inside a split.
        splits: of consecutive samples, as equal in size as N allows.

    Returns:
        Mean over the splits and population standard deviation between them; each split's score is in [1, K].

    Raises:
        NotAvailable: fewer samples than splits, or probabilities that are not finite.
    """
    if splits < 1:
        raise ValueError(f"A score needs at least one split, not {splits}.")
    p = np.asarray(probabilities, np.float64)
    _check_rows(p, len(p))
    if len(p) < splits:
        raise NotAvailable(
            f"an Inception score over {splits} splits needs at least {splits} samples, not {len(p)}: "
            "raise evaluation.samples"
        )
    if not np.isfinite(p).all():
        raise NotAvailable("probabilities are not finite: broken images; train it with another seed")
    _check_sums(p.sum(axis=1))
    bounds = len(p) * np.arange(splits + 1) // splits
    scores = [_exponential_information(p[start:stop]) for start, stop in pairwise(bounds)]
    return float(np.mean(scores)), float(np.std(scores))


def score_inception(evidence: Evidence) -> Score:
    """The Inception score of the samples, with its spread over the splits."""
    probabilities = evidence["probabilities/inception"]
    mean, std = inception_score(probabilities, SPLITS)
    return Score(mean, details={"std": std, "splits": float(SPLITS)}, n=len(probabilities))


def score_real_inception(evidence: Evidence) -> Score:
    """The Inception score of real images: the row that samples are read beside."""
    probabilities = evidence["reals/inception"][1]
    order = np.random.default_rng(0).permutation(len(probabilities))  # data sets come class by class
    mean, std = inception_score(probabilities[order], SPLITS)
    details = {"std": std, "splits": float(SPLITS), "real_images": float(len(probabilities))}
    return Score(mean, details=details, n=len(evidence["seen/inception"][0]))


def adversarial_accuracy(scores: np.ndarray, labels: np.ndarray) -> float:
    """How often a classifier trained on generated images alone is right about real ones (Yang et al., ICLR 2017).

    Where classes tie for the highest score the true one earns its share, so that a classifier that knows nothing
    gets 1 / K whatever the labels.

    Args:
        scores: of each class, (N, K): probabilities, their logarithms (-inf allowed) or logits.
        labels: true classes, (N,) int in [0, K).

    Returns:
        In [0, 1], higher is better. The same of a classifier trained on the real images is its reference.

    Raises:
        NotAvailable: no images, or a score is NaN.
    """
    _check_rows(scores, len(labels))
    if not len(scores):
        raise NotAvailable("no images to classify")
    if np.isnan(scores).any():
        raise NotAvailable("scores are not numbers: the classifier's training diverged")
    if np.min(labels) < 0 or np.max(labels) >= scores.shape[1]:
        raise ValueError(f"Labels must be in [0, {scores.shape[1]}), not up to {np.max(labels)}.")
    best = scores == scores.max(axis=1, keepdims=True)
    return float((best[np.arange(len(labels)), labels] / best.sum(axis=1)).mean())


def adversarial_divergence(
    log_p_real: np.ndarray,
    log_p_generated: np.ndarray,
    direction: Literal["real_to_generated", "generated_to_real"] = "real_to_generated",
) -> float:
    """Mean KL between posteriors of a classifier of real images and one of generated images (Yang et al., ICLR 2017).

    The paper does not say which way its divergence runs. Logarithms are taken as they are, without clipping: a
    confident mistake costs what it costs, and infinity where a probability is 0 against one that is not.

    Args:
        log_p_real: log-softmax of the classifier trained on real images, (N, K), for real images.
        log_p_generated: the same images, by the classifier trained on generated images, (N, K).
        direction: "real_to_generated" is KL(P_real || P_generated), "generated_to_real" the reverse.

    Returns:
        Nats, 0 where the classifiers agree, lower is better.

    Raises:
        NotAvailable: no images, or a logarithm is NaN.
    """
    if direction not in ("real_to_generated", "generated_to_real"):
        raise ValueError(f"A divergence runs from real_to_generated or generated_to_real, not {direction!r}.")
    real, generated = np.asarray(log_p_real, np.float64), np.asarray(log_p_generated, np.float64)
    _check_rows(real, len(real))
    if real.shape != generated.shape:
        raise ValueError(f"Posteriors of {real.shape} and {generated.shape} cannot be compared.")
    if not len(real):
        raise NotAvailable("no images to classify")
    if np.isnan(real).any() or np.isnan(generated).any():
        raise NotAvailable("posteriors are not numbers: a classifier's training diverged")
    for log_p in (real, generated):
        _check_sums(np.exp(log_p).sum(axis=1))
    log_p, log_q = (real, generated) if direction == "real_to_generated" else (generated, real)
    p = np.exp(log_p)
    gap = np.subtract(log_p, log_q, out=np.zeros_like(p), where=p > 0)  # p log p is 0 at p = 0
    return float((p * gap).sum(axis=1).mean())


def _exponential_information(p: np.ndarray) -> float:
    """exp of the mutual information between image and class; rounding below 1 is cut off."""
    from scipy.special import rel_entr

    return float(np.exp(max(0.0, rel_entr(p, p.mean(axis=0)).sum(axis=1).mean())))


def _check_rows(scores: np.ndarray, count: int) -> None:
    if np.ndim(scores) != 2 or np.shape(scores)[1] < 1 or len(scores) != count:
        raise ValueError(f"Scores must be ({count}, K), not {np.shape(scores)}.")


def _check_sums(sums: np.ndarray) -> None:
    """Logits or logarithms in place of probabilities, or the reverse, would give a number too, and a wrong one."""
    if not np.allclose(sums, 1, rtol=0, atol=NORMALISED):
        raise ValueError("Probabilities must sum to 1 over the classes; take the (log-)softmax of logits first.")
