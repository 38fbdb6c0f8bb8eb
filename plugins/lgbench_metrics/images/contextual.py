"""A classifier of the data set's own classes, taught once per data set (Yang et al., ICLR 2017, section 5.1)."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lgbench import NotAvailable, lessons
from lgbench.evaluation import Evidence
from lgbench.game import Lesson
from lgbench.layers import Batch
from lgbench.nn import from_seed
from lgbench.score import Score
from lgbench_metrics.images.classifiers import SPLITS, adversarial_accuracy, inception_score

__all__ = [
    "Contextual",
    "ContextualClassifier",
    "contextual",
    "contextual_posteriors",
    "judge_width",
    "lesson_of",
    "posteriors",
    "said",
    "score_contextual",
]


class ContextualClassifier(nn.Sequential):
    """Which class does an image show? (N, 3, R, R) in [-1, 1] -> (N, classes) logits.

    DCGAN's critic's convolutions 64, 128, 256, ... down to 4 x 4, then fully connected layers of 512 and `classes`.
    """

    def __init__(self, classes: int, side: int, width: int = 64) -> None:
        outs = [width << k for k in range((side // 4).bit_length() - 1)]
        stack: list[nn.Module] = [nn.Conv2d(3, width, 4, 2, 1, bias=False), nn.LeakyReLU(0.2)]
        for i, o in pairwise(outs):
            stack += [nn.Conv2d(i, o, 4, 2, 1, bias=False), nn.BatchNorm2d(o), nn.LeakyReLU(0.2)]
        head = [nn.Linear(16 * outs[-1], 512), nn.LeakyReLU(0.2), nn.Linear(512, classes)]
        super().__init__(*stack, nn.AdaptiveAvgPool2d(4), nn.Flatten(), *head)


@dataclass(frozen=True, slots=True)
class Contextual:
    """A taught classifier: `network` on eval, what it is called, and the SHA-256 of its weights."""

    network: nn.Module
    name: str
    weights: str


def judge_width(evidence: Evidence) -> int:
    """Base width of the classifiers that judge, as `evaluation.judge` says."""
    return 64 if evidence.config.judge == "wide" else 32


def lesson_of(classes: int, side: int, epochs: int, name: str, width: int = 64, seed: int = 0) -> Lesson:
    """How a classifier learns: cross-entropy, Adam 2e-4 (0.5, 0.999), batches of 64, from a seed's weights for all."""
    network = from_seed(seed, lambda: ContextualClassifier(classes, side, width))

    def loss(real: Batch) -> Tensor:
        assert real.labels is not None
        return F.cross_entropy(network(real.images).float(), real.labels.long())

    return Lesson(name, network, loss, frozenset({"labels"}), epochs, batch=64, lr=2e-4)


def contextual(evidence: Evidence) -> Contextual:
    """The classifier of this data set, taught on its training images.

    Raises:
        NotAvailable: there are no labels, or of one class only.
    """
    train, config, recipe = evidence.splits["train"], evidence.config, evidence.run.recipe
    if evidence.run.recipe.method.generator is None:
        raise NotAvailable("the method paints nothing")
    if train.labels is None:
        raise NotAvailable("no labels in this data set")
    if recipe.training.category >= 0:
        raise NotAvailable("this run knows one class of the data set (training.category), and no classifier of all")
    classes, width = int(train.labels.max()) + 1, judge_width(evidence)
    if classes < 2:
        raise NotAvailable("this data set has one class")
    name = f"contextual-{width}, {config.judge_epochs} epochs"
    lesson = lesson_of(classes, recipe.resolution, config.judge_epochs, f"classifier of classes, {width}", width)
    return Contextual(lesson.network, name, lessons.teach(lesson, train, evidence.run))


def said(evidence: Evidence) -> dict[str, object]:
    """Which classifier."""
    taught = evidence["contextual-classifier"]
    return {"extractor": taught.name, "weights": taught.weights}


@torch.no_grad()
def posteriors(network: nn.Module, images: np.ndarray, evidence: Evidence) -> np.ndarray:
    """log p(class | image) of images (N, 3, R, R) uint8: (N, classes) float64."""
    runtime, size = evidence.run.runtime, evidence.config.batch
    batches = (torch.from_numpy(np.array(images[i : i + size])) for i in range(0, len(images), size))
    return np.concatenate(
        [network(runtime.images(batch)).double().log_softmax(dim=1).cpu().numpy() for batch in batches]
    )


def contextual_posteriors(evidence: Evidence) -> dict[str, np.ndarray]:
    """What the classifier says of the samples and of the training images: log p(class | image), float64.

    "of_samples", (M, K), and "of_reals", (N, K), whose classes are "labels", (N,).
    """
    network, train = evidence["contextual-classifier"].network, evidence.splits["train"]
    assert train.labels is not None
    return {
        "of_samples": posteriors(network, evidence["samples"], evidence),
        "of_reals": posteriors(network, train.rgb(slice(None)), evidence),
        "labels": np.asarray(train.labels),
    }


def score_contextual(evidence: Evidence) -> Score:
    """Inception Score of the samples by the classifier of the data set's own classes; details:

    `std` over `splits`, `classes` (the upper bound), `real` (the score of the training images) and `accuracy`, the
    classifier's on what it learnt from.
    """
    found = evidence["contextual-posteriors"]
    of_samples, of_reals, labels = np.exp(found["of_samples"]), found["of_reals"], found["labels"]
    mean, std = inception_score(of_samples, SPLITS)
    order = np.random.default_rng(0).permutation(len(labels))  # data sets come class by class
    real, _ = inception_score(np.exp(of_reals[order]), SPLITS)
    details = {"std": std, "splits": float(SPLITS), "classes": float(of_samples.shape[1]), "real": real}
    details["accuracy"] = adversarial_accuracy(of_reals, labels)
    return Score(mean, details=details, n=len(of_samples))
