"""Nearest neighbours by cosine similarity: how good features are without labels, and what a generator memorised."""

from __future__ import annotations

import hashlib

import numpy as np
import torch

from lgbench import NotAvailable
from lgbench.data import Split
from lgbench.evaluation import Evidence
from lgbench.painting import real_batches
from lgbench.score import Score
from lgbench.training.pictures import save_png

__all__ = [
    "critic_neighbours",
    "nearest_classes",
    "nearest_neighbours",
    "neighbours",
    "score_critic_neighbours",
    "score_memorisation",
]

MOST = 1000  # samples, and held-out images, that are compared with all training images
SHOWN = 12  # of them in the picture

BLOCK = 2000  # rows of each set per step: 65 MB of 4,096 features in float64, and 32 MB of similarities


def nearest_neighbours(images: np.ndarray, reference: np.ndarray, block: int = BLOCK) -> tuple[np.ndarray, np.ndarray]:
    """The most similar reference image of each image, as a check for memorised training images.

    Args:
        images: (N, C, H, W), uint8, or floats in [0, 1]; may be a memory map, of which one block at a time is read.
        reference: (M, C, H, W), likewise, say the training images.
        block: rows of each set at a time; the result depends on it by rounding only.

    Returns:
        Index of the nearest reference image, (N,) int, the first where several are; and its cosine similarity in
        pixel space, (N,) float64 in [0, 1], 1 for images equal up to their brightness and 0 for a black image.

    Raises:
        NotAvailable: no reference images, or pixels that are not finite.
    """
    for part in (images, reference):
        # the cosine is taken from black: in [-1, 1] it would be taken from grey, and mean something else
        if part.dtype != np.uint8 and len(part) and (part.min() < 0 or part.max() > 1):
            raise ValueError("Images must be uint8 or floats in [0, 1].")
    return _nearest(images, reference, block)


def nearest_classes(
    train_features: np.ndarray, train_labels: np.ndarray, test_features: np.ndarray, block: int = BLOCK
) -> np.ndarray:
    """The class of the training image that is nearest to each test image by cosine similarity (Yang et al., ICLR 2017).

    Args:
        train_features: (M, ...), flattened, say the last block of a critic, (M, 256, 4, 4); need no normalisation,
            and may be a memory map.
        train_labels: (M,) int.
        test_features: (N, ...), likewise.
        block: rows of each set at a time; the result depends on it by rounding only.

    Returns:
        (N,) int.

    Raises:
        NotAvailable: no training or test images, or features that are not finite.
    """
    if len(train_features) != len(train_labels):
        raise ValueError("Every feature vector needs one label.")
    if not len(test_features):
        raise NotAvailable("no test images: name a split that has some (evaluation.split)")
    nearest, _ = _nearest(test_features, train_features, block)
    return np.asarray(train_labels)[nearest]


def neighbours(evidence: Evidence) -> dict[str, np.ndarray]:
    """The nearest training image of the first samples, and how near held-out images have theirs; kept, with a picture.

    The picture, `neighbours.png` in the run's folder, has samples in the upper row, from the one that is nearest to its
    training image to the farthest, and those training images in the lower one.
    """
    samples, train, held_out = evidence["samples"][:MOST], evidence.splits["train"], evidence.test
    prints = [train.fingerprint, held_out.fingerprint, hashlib.sha256(samples.tobytes()).hexdigest()]

    def make() -> dict[str, np.ndarray]:
        reals = train.rgb(slice(None))
        index, similarity = nearest_neighbours(samples, reals)
        _, of_reals = nearest_neighbours(held_out.rgb(slice(0, MOST)), reals)
        return {"index": index, "similarity": similarity, "held_out": of_reals}

    found = evidence.kept("neighbours", prints, make)
    shown = np.argsort(-found["similarity"])[np.linspace(0, len(samples) - 1, min(SHOWN, len(samples))).astype(int)]
    pairs = [samples[shown], np.stack([train.rgb(slice(i, i + 1))[0] for i in found["index"][shown]])]
    sheet = np.concatenate([np.concatenate(list(row), axis=2) for row in pairs], axis=1)
    save_png(evidence.run.folder / "neighbours.png", sheet.transpose(1, 2, 0))
    evidence.files["neighbours.png"] = {}
    return found


def score_memorisation(evidence: Evidence) -> Score:
    """How often a sample is nearer to its training image than a held-out real image to its own; ties count half."""
    from sklearn.metrics import roc_auc_score

    found = evidence["neighbours"]
    of_samples, of_reals = found["similarity"], found["held_out"]
    kinds = np.repeat([1, 0], [len(of_samples), len(of_reals)])
    details = {"beyond_any_real": float((of_samples > of_reals.max()).mean())}
    for name, similarity in (("samples", of_samples), ("held_out", of_reals)):
        spread = np.quantile(similarity, [0.05, 0.5, 0.95])
        details |= {f"{name}_{part}": float(x) for part, x in zip(("low", "median", "high"), spread, strict=True)}
    value, compared = float(roc_auc_score(kinds, np.concatenate([of_samples, of_reals]))), len(of_samples)
    return Score(value, details=details, n=compared, protocol={"samples": compared})  # the first `MOST` alone


def critic_neighbours(evidence: Evidence) -> dict[str, np.ndarray]:
    """Classes of test images, "labels", and of the training image "nearest" to each, (N,), in the critic's features.

    The features are the last that the critic shows.

    Raises:
        NotAvailable: it shows none, or there are no labels.
    """
    train, test = evidence.splits["train"], evidence.test
    if evidence.game.features is None:
        raise NotAvailable("this method's critic does not show its features (Game.features)")
    if train.labels is None or test.labels is None:
        raise NotAvailable("no labels in this data set")
    (of_train, of_test) = (_critic_sees(split, evidence) for split in (train, test))
    return {"nearest": nearest_classes(of_train, train.labels[:], of_test), "labels": np.asarray(test.labels[:])}


def score_critic_neighbours(evidence: Evidence) -> Score:
    """How often the training image that is nearest to a test image in the critic's features is of its class."""
    found = evidence["critic-neighbours"]
    right = found["nearest"] == found["labels"]
    return Score(float(right.mean()), n=len(right), protocol={"split": evidence.split})


@torch.no_grad()
def _critic_sees(split: Split, evidence: Evidence) -> np.ndarray:
    game, run = evidence.game, evidence.run
    assert game.features is not None
    for network in game.networks.values():
        network.eval()
    found = []
    for _, batch in real_batches(split, evidence.config.batch, (), run.runtime):
        found.append(game.features(batch.images)[-1].flatten(1).float().cpu().numpy())
    return np.concatenate(found)


def _nearest(rows: np.ndarray, reference: np.ndarray, block: int) -> tuple[np.ndarray, np.ndarray]:
    if rows.shape[1:] != reference.shape[1:]:
        raise ValueError(f"Vectors of {rows.shape[1:]} and {reference.shape[1:]} have no angle between them.")
    if not len(reference):
        raise NotAvailable("no reference images to be near to")
    index, similarity = np.zeros(len(rows), np.int64), np.full(len(rows), -np.inf)
    for start in range(0, len(rows), block):
        here = slice(start, start + block)
        units = _units(rows[here])
        for first in range(0, len(reference), block):
            cosines = units @ _units(reference[first : first + block]).T
            best = cosines.argmax(axis=1)
            highest = cosines[np.arange(len(best)), best]
            closer = highest > similarity[here]  # strictly: a tie stays with the earlier block
            index[here][closer], similarity[here][closer] = first + best[closer], highest[closer]
    return index, similarity.clip(-1, 1)


def _units(rows: np.ndarray) -> np.ndarray:
    """Rows scaled to length 1, float64; rows of zeros stay, and so are at similarity 0 to everything."""
    # float64: near duplicates differ by less than float32 resolves
    vectors = np.asarray(rows, np.float64).reshape(len(rows), -1)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    if not np.isfinite(lengths).all():
        raise NotAvailable("features are not finite: broken images; train it with another seed")
    return np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0)
