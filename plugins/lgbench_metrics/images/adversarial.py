"""What a classifier learns from generators of one class each (Yang et al., ICLR 2017, section 5.1)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from lgbench import NotAvailable, lessons
from lgbench.data import DataHome, Split
from lgbench.evaluation import Evidence
from lgbench.files import sha256_of_json
from lgbench.score import Score
from lgbench_metrics.images.classifiers import adversarial_accuracy, adversarial_divergence
from lgbench_metrics.images.contextual import judge_width, lesson_of, posteriors

__all__ = ["class_posteriors", "class_samples", "said", "score_accuracy", "score_divergence"]


def class_samples(evidence: Evidence) -> list[Callable[[], Split]]:
    """As many labelled samples of every class as it has training images, once for each repeat: what an aggregate has.

    Raises:
        NotAvailable: always: one run has no generators of all classes.
    """
    raise NotAvailable(
        "needs a generator of each class: train one with training.category=0, 1, ... and so on, and join them with "
        "`lgbench aggregate RUN...`"
    )


def class_posteriors(evidence: Evidence) -> dict[str, Any]:
    """log p(class | image) by classifiers of one architecture that learn from real images, and from samples.

    Repeat by repeat (R of them), the two begin with equal weights. "real" and "generated", (R, N, K) float64, are what
    the classifiers of either kind say of the N training images, whose classes are "labels", (N,); "of_samples",
    (R, M, K), is what those of real images say of the samples they have not seen, of the classes "sampled", (M,).
    "weights" is a hash of those of real images.

    Raises:
        NotAvailable: there are no generators of all classes.
    """
    drawn, run, train = evidence["class-samples"], evidence.run, evidence.splits["train"]
    assert train.labels is not None
    kept_here, images = replace(run, home=DataHome(run.folder), aside=[]), train.rgb(slice(None))
    found: dict[str, list[np.ndarray]] = {"real": [], "generated": [], "of_samples": []}
    weights, sampled = [], np.empty(0, np.int32)
    for repeat, draw in enumerate(drawn):
        samples = draw()
        assert samples.labels is not None
        sampled = np.asarray(samples.labels)
        of_reals, of_samples = (_lesson(evidence, repeat, kind) for kind in ("classes", "classes, of samples"))
        weights.append(lessons.teach(of_reals, train, run))
        lessons.teach(of_samples, samples, kept_here)  # nobody else needs it
        found["real"].append(posteriors(of_reals.network, images, evidence))
        found["generated"].append(posteriors(of_samples.network, images, evidence))
        found["of_samples"].append(posteriors(of_reals.network, samples.images, evidence))
    arrays: dict[str, Any] = {name: np.stack(rows) for name, rows in found.items()}
    return arrays | {"labels": np.asarray(train.labels), "sampled": sampled, "weights": sha256_of_json(weights)}


def _lesson(evidence: Evidence, repeat: int, of: str):
    labels, config = evidence.splits["train"].labels, evidence.config
    assert labels is not None
    width, side = judge_width(evidence), evidence.run.recipe.resolution
    return lesson_of(int(labels.max()) + 1, side, config.judge_epochs, f"classifier of {of}, {width}", width, repeat)


def said(evidence: Evidence) -> dict[str, object]:
    """Which classifiers learn, how often, and on what they are tried."""
    config, repeats = evidence.config, len(evidence["class-samples"])
    told = f"contextual-{judge_width(evidence)}, {config.judge_epochs} epochs, {repeats} repeats"
    return {"split": "train", "extractor": told}


def score_accuracy(evidence: Evidence) -> Score:
    """How often classifiers that learnt from samples are right about the training images, mean over repeats.

    Details: `std` over the repeats; `real`, of classifiers that learnt from those images themselves; and the other
    direction, `reverse`: how often these are right about the samples; each with a `_std` of its own.
    """
    found = evidence["class-posteriors"]
    labels = found["labels"]
    return _over_repeats(
        {
            "value": [adversarial_accuracy(log_p, labels) for log_p in found["generated"]],
            "real": [adversarial_accuracy(log_p, labels) for log_p in found["real"]],
            "reverse": [adversarial_accuracy(log_p, found["sampled"]) for log_p in found["of_samples"]],
        },
        len(labels),
    )


def score_divergence(evidence: Evidence) -> Score:
    """KL(P_real || P_generated) between the two classifiers' posteriors of the training images, mean over repeats.

    Details: `std` over the repeats, and the other direction, `reverse`, KL(P_generated || P_real), with its own.
    """
    found = evidence["class-posteriors"]
    pairs = list(zip(found["real"], found["generated"], strict=True))
    forward = [adversarial_divergence(real, generated) for real, generated in pairs]
    backward = [adversarial_divergence(real, generated, "generated_to_real") for real, generated in pairs]
    return _over_repeats({"value": forward, "reverse": backward}, len(found["labels"]))


def _over_repeats(numbers: Mapping[str, list[float]], n: int) -> Score:
    means = {name: float(np.mean(each)) for name, each in numbers.items()}
    spreads = {f"{name}_std": float(np.std(each)) for name, each in numbers.items()}
    value, details = means.pop("value"), means | spreads
    return Score(value, details={"std": details.pop("value_std"), **details}, n=n)
