"""What every metric says to evidence that it can say nothing of: a reason that names it, never a wrong number."""

from __future__ import annotations

import math

import numpy as np
import pytest
from test_metric_records import METRICS, OF_EVERY_EVALUATION, evidence

from lgbench import Metric, NotAvailable
from lgbench.evaluation import Evidence
from lgbench.evaluation.scores import sound
from lgbench.score import Moments, Score

RANDOM = np.random.default_rng(1)
SEEN = {
    f"{kind}/{name}": (RANDOM.normal(size=(1100, 4)).astype(np.float32), RANDOM.dirichlet(np.ones(5), size=1100))
    for kind in ("seen", "reals")
    for name in ("inception", "squeezenet", "vgg16", "random")
}
COMPARED = {
    name: metric
    for name, metric in METRICS.items()
    if metric.needs and all(need.partition("/")[0] in ("seen", "reals", "manifolds") for need in metric.needs)
}


REMEDIES = ("evaluation.", "train it", "see ari", "object")
"""What to set, what to run again, what to look at instead; or what the pictures would have to show."""


def whole(metric: Metric, **changes: object) -> Evidence:
    parts = {"predicted_parts": evidence()["instances"]} if "predicted_parts" in metric.needs else {}
    return evidence(**{**parts, **SEEN, **changes})


def broken(array: np.ndarray) -> np.ndarray:
    """Not a number here and there, where an array can hold that."""
    if array.dtype.kind != "f":
        return array
    spoilt = array.copy()
    spoilt.flat[:: max(1, spoilt.size // 7)] = np.nan
    return spoilt


def one(array: np.ndarray) -> np.ndarray:
    return array[:1]


def none(array: np.ndarray) -> np.ndarray:
    return array[:0]


def equal(array: np.ndarray) -> np.ndarray:
    return np.repeat(array[:1], len(array), axis=0)


def spoilt(value: object, how) -> object:
    if isinstance(value, Moments):
        if how is broken:
            return Moments(value.mean * np.nan, value.covariance, value.count)
        return Moments(value.mean, value.covariance * 0, value.count) if how is equal else value
    if isinstance(value, tuple):
        return tuple(spoilt(each, how) for each in value)
    return how(value) if isinstance(value, np.ndarray) else value


def outcome(metric: Metric, given: Evidence) -> Score | str:
    """A number, or the reason why there is none."""
    try:
        given.require(metric.needs)
        return sound(metric.compute(given))
    except NotAvailable as reason:
        return str(reason)


@pytest.mark.parametrize("how", [broken, one, none, equal])
@pytest.mark.parametrize("name", sorted({*OF_EVERY_EVALUATION, *COMPARED}))
def test_a_number_within_its_range_or_a_reason_and_never_an_accident(name: str, how):
    metric, given = METRICS[name], whole(METRICS[name])
    known = {part: value for part, value in given.made.items() if not isinstance(value, NotAvailable)}
    changed = {part: spoilt(value, how) for part, value in known.items()}
    read = [changed[need] for need in metric.needs if need in changed]
    found = outcome(metric, whole(metric, **changed))
    if isinstance(found, str):
        assert "failed:" not in found
        assert any(remedy in found for remedy in REMEDIES)
        return
    low, high = metric.range
    assert math.isfinite(found.value)
    assert low - 1e-9 <= found.value <= high + 1e-9
    assert how is not none or all(isinstance(value, tuple) for value in read)  # moments are of some images
    assert how is not broken or not any(_holds_nan(value) for value in read)


def _holds_nan(value: object) -> bool:
    if isinstance(value, Moments):
        return bool(np.isnan(value.mean).any())
    if isinstance(value, tuple):
        return any(map(_holds_nan, value))
    return isinstance(value, np.ndarray) and value.dtype.kind == "f" and bool(np.isnan(value).any())
