"""From evidence to numbers, each under its protocol, and to the names of what went wrong."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from lgbench.data import Split
from lgbench.errors import NotAvailable
from lgbench.files import canonical_json
from lgbench.game import Game
from lgbench.intervals import interval, within
from lgbench.offers import Metric, Part
from lgbench.record import Measured, parsed, protocol_id
from lgbench.runtime import Run
from lgbench.score import Score

from .collapse import flags_of
from .evidence import Evidence
from .parts import PARTS
from .stored import keep

__all__ = ["SHARED", "Scores", "computed", "evaluate", "number", "parts_of", "shared_protocol", "sound"]

log = logging.getLogger(__name__)

UNSAID = dict.fromkeys(("split", "polarity", "aggregation", "threshold", "samples", "extractor", "weights", "sampling"))
"""What a protocol says nothing of until a part or a metric does."""

SHARED = ("dataset", "dataset_config", "origin", "crop", "resolution", "dataset_version")
"""What the protocols of all numbers of a run say alike."""


@dataclass(frozen=True, slots=True)
class Scores:
    """What an evaluation found.

    Attributes:
        values: metric -> its number with interval, details and protocol, or why there is none; of several splits,
            "metric@split" where a number is of one of them.
        flags: names of the collapses that samples and predictions show.
        stored: names of the files in the run's folder that hold what was scored.
    """

    values: dict[str, dict[str, Any]]
    flags: tuple[str, ...]
    stored: tuple[str, ...]


def evaluate(
    run: Run, game: Game, segmenter: Game | None, splits: Mapping[str, Split], metrics: Mapping[str, Metric]
) -> Scores:
    """Let every metric read the evidence of a run.

    Args:
        game, segmenter: trained; see `lgbench.stages.Learned`.
    """
    # Where the test split is among them it comes first: what is of no split has the protocol that it always has.
    first, *others = sorted(run.recipe.evaluation.splits, key=lambda split: split != "test")
    evidence = Evidence(run, game, segmenter, splits, parts_of(metrics), split=first)
    found = _on_split(evidence, metrics)
    if not others:
        return found
    of_split = {name: metric for name, metric in metrics.items() if f"metrics/{name}" in evidence.of_split}
    found = _named(found, of_split, first)
    for split in others:
        further = _named(_on_split(evidence.on(split), of_split), of_split, split)
        flags = tuple(dict.fromkeys(found.flags + further.flags))
        found = Scores(found.values | further.values, flags, further.stored)
    return found


def _on_split(evidence: Evidence, metrics: Mapping[str, Metric]) -> Scores:
    protocol = shared_protocol(evidence)
    for stored in ("painted", "predicted_masks"):  # with every run, whatever reads them
        evidence.get(stored)
    values = {name: number(metric, evidence, protocol) for name, metric in metrics.items()}
    keep(evidence, metrics, values)
    return Scores(values, tuple(flags_of(evidence)), tuple(evidence.files))


def _named(found: Scores, of_split: Container[str], split: str) -> Scores:
    """The scores, in which numbers of the split say so."""
    values = {f"{name}@{split}" if name in of_split else name: score for name, score in found.values.items()}
    return replace(found, values=values)


def parts_of(metrics: Mapping[str, Metric]) -> dict[str, Part]:
    """The parts of every evaluation, and those that metrics bring; of one name, the last."""
    return {part.name: part for metric in metrics.values() for part in metric.parts} | PARTS


def shared_protocol(evidence: Evidence) -> dict[str, Any]:
    """What the numbers of a run have in common."""
    recipe, own = evidence.run.recipe, evidence.splits.get(evidence.split) or evidence.splits["train"]
    category = recipe.training.category
    return {
        "dataset": recipe.dataset.name,
        "dataset_config": recipe.data_settings | ({"category": category} if category >= 0 else {}),
        "origin": own.origin,
        "resolution": recipe.resolution,
        "crop": own.crop,
        "dataset_version": recipe.dataset.version if recipe.dataset.version != 1 else None,
    }


def number(metric: Metric, evidence: Evidence, shared: Mapping[str, Any]) -> dict[str, Any]:
    """A metric's value under its protocol, or why there is none.

    Args:
        shared: what all numbers of the run say (`shared_protocol`).
    """
    with evidence.noting(f"metrics/{metric.name}"):
        try:
            if taken := sorted(part.name for part in metric.parts if evidence.parts.get(part.name, part) != part):
                raise NotAvailable(f"the metric brings parts named {taken}, which are taken: mend {_maker(metric)}")
            return computed(metric, evidence, lambda: {**shared, **UNSAID, **evidence.protocol(metric.needs)})
        except NotAvailable as error:
            return {"not_available": str(error)}


def computed(metric: Metric, evidence: Evidence, known: Callable[[], Mapping[str, Any]]) -> dict[str, Any]:
    """A metric's value as a record holds it. One plugin's fault costs its own number, not those of a day's training.

    Args:
        known: tells its protocol, but for what the metric itself says, once it has read its evidence.

    Raises:
        NotAvailable: there is none, and why.
    """
    if unknown := sorted(metric.needs - evidence.parts.keys()):
        raise NotAvailable(f"the metric needs {unknown}, which nobody brings: mend {_maker(metric)}")
    evidence.require(metric.needs)
    try:
        return _measured(metric, sound(metric.compute(evidence)), known())
    except NotAvailable:
        raise
    except (Exception, SystemExit) as error:
        log.exception("the metric %s failed", metric.name)
        raise NotAvailable(f"the metric failed: {type(error).__name__}: {error} ({_maker(metric)})") from error


def _measured(metric: Metric, score: Score, known: Mapping[str, Any]) -> dict[str, Any]:
    """A value as a record holds it.

    Args:
        known: its protocol, but for what the metric itself says.

    Raises:
        BadRecord, ValueError, TypeError: no record can hold it.
    """
    if said := sorted(score.protocol.keys() & {*SHARED}):
        raise TypeError(f"its protocol says {said[0]!r}, which is the run's to say")
    protocol = {**known, **score.protocol, "metric": metric.name, "metric_version": metric.version}
    found = {
        "value": float(score.value),
        "details": {name: float(value) for name, value in score.details.items()},
        "n": score.n or (0 if score.per_image is None else len(score.per_image)),
        **_intervals(metric, score, protocol["aggregation"]),
        "protocol": protocol,
        "protocol_id": protocol_id(protocol),
    }
    parsed(canonical_json(found), Measured, "the score")
    return found


def _maker(metric: Metric) -> str:
    """The module that a metric's function stands in."""
    compute = getattr(metric.compute, "func", metric.compute)  # a partial's own module is functools
    return getattr(compute, "where", None) or getattr(compute, "__module__", "its plugin")


def sound(score: object) -> Score:
    """What a metric returned, if it can stand in a record.

    Raises:
        TypeError: it is no score of plain numbers, or its numbers of each image are no list.
        NotAvailable: it is not finite.
    """
    if not isinstance(score, Score):
        raise TypeError(f"it returned {type(score).__name__}, not lgbench.evaluation.Score")
    if score.per_image is not None and np.ndim(score.per_image) != 1:
        raise TypeError(f"per_image has the shape {np.shape(score.per_image)}, not one number an image")
    for name, value in {"value": score.value, **score.details}.items():
        if not isinstance(name, str) or not isinstance(value, int | float | np.number) or value is True:
            raise TypeError(f"{name} is {value!r}, not a number" if isinstance(name, str) else f"{name!r} is no name")
        if not math.isfinite(value):
            told = "a diverged generator (train it with another seed) or a bad metric"
            raise NotAvailable(f"not a finite number ({name} is {value}): {told}")
    return score


def _intervals(metric: Metric, score: Score, aggregation: str | None) -> dict[str, Any]:
    """The value's interval, and those of its variants where they have their own; none leaves the metric's range."""
    variants = {name: list(within(ends, metric.range)) for name, ends in score.intervals.items()}
    own = variants.get(aggregation or "")
    if own is None and score.per_image is not None and len(score.per_image) > 1:
        own = list(within(interval(score.per_image), metric.range))
    return {"interval": own, **({"intervals": variants} if variants else {})}
