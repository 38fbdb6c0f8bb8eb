"""What a record says against itself, or against what its metrics can be.

An id shows that a record was altered after it was written. Whoever writes it anew can claim anything, but not all at
once: this is what does not go together.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta

from .plugins import registry
from .recipe import LARGEST_SEED
from .record import Measured, Protocol, Record
from .settings import dotted
from .stage_configs import ELSEWHERE

__all__ = ["contradictions"]

VARIANTS = ("pooled", "per_image", "oracle_dataset", "oracle_image")
"""Details of a value that are values of the same metric."""

IN_RECIPE = {"method": "method.name", "dataset": "data.name"}
"""What a record's fields are called in its recipe, where it is otherwise."""

SLACK = 1e-6  # what was computed in single precision may miss an end by so much
AHEAD = timedelta(days=1)  # clocks differ

Range = tuple[float, float]


def contradictions(record: Record) -> list[str]:
    """Everything in a record that cannot be, as phrases; none where it holds together.

    Of metrics that are not installed nobody knows what they can be.
    """
    ranges = {name: metric.range for name, metric in registry().metrics.items()}
    recipe = dict(dotted(record.recipe))
    found = [*_of_recipe(record, recipe), *_of_run(record)]
    for name, value in sorted(record.values.items()):
        if isinstance(value, Measured):
            limits = ranges.get(value.protocol.metric)
            found += [f"values.{name}: {fault}" for fault in _of_value(record, value, limits)]
            found += [f"values.{name}: {fault}" for fault in _of_protocol(value.protocol, recipe)]
    for mask, values in sorted(record.baselines.items()):
        for name, number in sorted(values.items()):
            if not _within(number, ranges.get(name.partition("@")[0])):
                found.append(f"baselines.{mask}.{name} is {number:g}, which {name} cannot be")
    return found


def _of_recipe(record: Record, recipe: Mapping[str, object]) -> Iterator[str]:
    for name in ("seed", "preset", "resolution", "method", "dataset"):
        said, resolved = getattr(record, name), recipe.get(IN_RECIPE.get(name, name))
        if said != resolved:
            yield f"its {name} is {said!r}, its recipe's {resolved!r}"
    if not 0 <= record.seed <= LARGEST_SEED:
        yield f"its seed {record.seed} is none: seeds are 0 to {LARGEST_SEED}"
    steps = recipe.get("training.steps")
    if record.status == "done" and isinstance(steps, int) and steps != record.training.steps:
        yield f"it is done after {record.training.steps} steps, and its recipe has {steps}"


def _of_run(record: Record) -> Iterator[str]:
    if datetime.fromisoformat(record.created) > datetime.now(UTC) + AHEAD:
        yield f"it was created at {record.created}, which has not come yet (or this machine's clock is wrong)"
    if record.status == "done" and not record.artefacts:
        yield "it is done and has no artefacts"
    if record.data.fingerprints.keys() != record.data.counts.keys():
        yield "its fingerprints and counts are of different splits"
    hashes = {f"data.fingerprints.{name}": value for name, value in record.data.fingerprints.items()}
    hashes |= {f"artefacts.{name}": value for name, value in record.artefacts.items()}
    for name, value in sorted(hashes.items()):
        if set(value) == {"0"}:
            yield f"{name} is no hash of anything"
    if record.status == "done" and "diverged" in record.training.flags:
        yield "it is done, and its flags have diverged"


def _of_value(record: Record, value: Measured, limits: Range | None) -> Iterator[str]:
    protocol, metric = value.protocol, value.protocol.metric
    variants = {name: value.details[name] for name in VARIANTS if name in value.details}
    for name, number in {"it": value.value, **variants}.items():
        if not _within(number, limits):
            yield f"{name} is {number:g}, which {metric} cannot be"
    chosen = variants.get(protocol.aggregation or "")
    if chosen is not None and not math.isclose(chosen, value.value, abs_tol=SLACK):
        yield f"it is {value.value:g}, and {chosen:g} as it was aggregated ({protocol.aggregation})"
    if value.interval:
        yield from _of_interval("it", value.value, value.interval)
    for name, ends in value.intervals.items():
        if name not in value.details:
            yield f"it has an interval of {name}, and no such value"
            continue
        yield from _of_interval(name, value.details[name], ends)
        if not all(_within(end, limits) for end in ends):
            yield f"the interval of {name} is {ends[0]:g} .. {ends[1]:g}, which {metric} cannot be"
        if name == protocol.aggregation and ends != value.interval:
            yield f"its interval is not that of {name}, as it was aggregated"
    if value.interval and value.n < 2:
        yield f"it is of {value.n} images and has an interval"
    if protocol.resolution not in (None, record.resolution):
        yield f"it was measured at {protocol.resolution} px, the run's are {record.resolution}"
    if protocol.samples is not None and protocol.samples != value.n:
        yield f"it is of {value.n} images, and its protocol has {protocol.samples} samples"
    scored = (ELSEWHERE if protocol.scored_on else "") + (protocol.split or "")
    known = sum(record.data.counts.values()) if protocol.split == "all" else record.data.counts.get(scored)
    if protocol.samples is None and known is not None and value.n > known:
        yield f"it is of {value.n} images, and there are {known}"


def _of_protocol(protocol: Protocol, recipe: Mapping[str, object]) -> Iterator[str]:
    """What a number says of its data and threshold otherwise than the run's recipe, which may say less; its version."""
    installed = registry().metrics.get(protocol.metric)
    if protocol.metric_version < 1 or (installed and protocol.metric_version > installed.version):
        yield f"{protocol.metric} has no version {protocol.metric_version} here"
    for name, said in dotted({"data": protocol.dataset_config, "evaluation": {"threshold": protocol.threshold}}):
        if said not in (None, recipe.get(name, said)):
            yield f"its protocol has {name}={said}, its recipe {recipe[name]}"


def _of_interval(name: str, number: float, ends: Range) -> Iterator[str]:
    if not _within(number, ends):
        yield f"{name} is {number:g}, outside its own interval {ends[0]:g} .. {ends[1]:g}"


def _within(number: float, limits: Range | None) -> bool:
    return limits is None or limits[0] - SLACK <= number <= limits[1] + SLACK
