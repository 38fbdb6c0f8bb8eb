"""Every number of a capsule, derived again from what lies beside it."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from operator import itemgetter
from pathlib import Path
from typing import Any, Literal

import numpy as np

from .capsule import BadCapsule, members, read_npz
from .contradictions import contradictions
from .errors import LgbenchError
from .evaluation.collapse import coverage, flags, prediction_flags, saturated
from .evaluation.scores import SHARED
from .evaluation.taught import LEARNT
from .offers import Metric
from .recipe import learnt
from .record import RECORD_FILE, Measured, Missing, Record, read_record
from .rescore import Files, again, differences, evidence_of
from .settings import dotted

__all__ = ["Check", "verify"]

ROUNDING = 1e-6
"""Relative: eigenvalues and sums come out so differently on another processor; counts of pixels do not."""

WRITTEN = {"recipe.json": learnt, "identity.json": itemgetter("settings")}
"""What a run writes of itself, and what of that is what it has learnt by."""


@dataclass(frozen=True, slots=True)
class Check:
    """What was found of a number, or of the record as a whole; `told` says more."""

    name: str
    outcome: Literal["match", "mismatch", "not derived"]
    told: str = ""


def verify(
    path: Path, metrics: Mapping[str, Metric], opened: Callable[[Record, bytes], Any] | None = None
) -> list[Check]:
    """Hold a capsule's record against what is stored with it; nothing in the file is believed but that.

    Args:
        metrics: all that are installed, by name.
        opened: gives the record's data set, where the truth is to be read from that instead of the capsule; it is
            handed the run's request.

    Raises:
        BadCapsule: the file is no capsule, damaged, or made to do harm.
        BadRecord: its record is none.
    """
    held = members(path)
    record = _record(held[RECORD_FILE])
    checks = [Check("record", "mismatch", told) for told in contradictions(record)]
    for name, sha256 in sorted(record.artefacts.items()):
        if name in held and hashlib.sha256(held[name]).hexdigest() != sha256:
            checks.append(Check(name, "mismatch", "is not the file that the record was scored from"))
        elif name not in held and not name.endswith(".safetensors"):
            checks.append(Check(name, "mismatch", "is not in the capsule, and the record was scored from it"))

    @cache
    def files(name: str) -> dict[str, np.ndarray]:
        if name not in held:
            raise BadCapsule(f"{path} lacks {name}, which its evidence names. Ask for it again.")
        return read_npz(name, held[name])

    checks += [*_together(record), *_hidden(record, {*record.artefacts} & {*held}, files), *_written(record, held)]
    splits = opened(record, held.get("request.json", b"")) if opened else None
    wanted = {v.protocol.metric if isinstance(v, Measured) else n.partition("@")[0] for n, v in record.values.items()}
    chosen = {name: metric for name, metric in metrics.items() if name in wanted}
    found = again(record, evidence_of(record, files, chosen, splits), chosen)
    return checks + [
        _check(name, value, found[name], chosen)
        for name, value in record.values.items()
        if isinstance(value, Measured) or "value" in found[name]
    ]


def _check(name: str, value: Measured | Missing, now: Mapping[str, Any], metrics: Mapping[str, Metric]) -> Check:
    if isinstance(value, Missing):
        told = f"is said to be not available ({value.not_available}), and by what is stored it is {now['value']:.9g}"
        return Check(name, "mismatch", told)
    if "not_available" in now:
        return Check(name, "not derived", str(now["not_available"]).removeprefix("not rescored: "))
    metric, version = metrics.get(value.protocol.metric), value.protocol.metric_version
    if metric and version != metric.version:
        told = f"version {version}, which said {value.value:.9g}, is not the installed {metric.version}"
        return Check(name, "not derived", f"{told}, which says {now['value']:.9g}")
    told = differences(value, now, ROUNDING)
    return Check(name, "mismatch" if told else "match", told or f"{value.value:.9g}")


def _together(record: Record) -> Iterator[Check]:
    """Where a record's numbers say that they are of different pictures, or go by the name of another metric."""
    told = {name: value.protocol for name, value in record.values.items() if isinstance(value, Measured)}
    for name, protocol in told.items():
        if name.partition("@")[0] != protocol.metric:
            yield Check(name, "mismatch", f"is called by another name than its metric, {protocol.metric}")
        if "@" in name and name.partition("@")[2] != protocol.split:
            yield Check(name, "mismatch", f"is called by another split than it is of, {protocol.split}")
    for field in SHARED:
        said = [getattr(protocol, field) for protocol in told.values()]
        if differing := [each for each in said if each != said[0]]:
            yield Check("record", "mismatch", f"its numbers are of {field} {said[0]!s} and {differing[0]!s}")


def _hidden(record: Record, names: set[str], files: Files) -> Iterator[Check]:
    """Flags that what is stored shows, and a finished run's record does not have."""
    if record.status != "done":
        return
    for name in sorted(names):
        try:
            shown = _flags(name, record, files)
        except (KeyError, TypeError, ValueError, IndexError, OverflowError) as error:
            shown = []
            yield Check(name, "mismatch", f"does not hold what a run stores ({type(error).__name__}: {error})")
        for flag in sorted({*shown} - {*record.training.flags}):
            yield Check("flags", "mismatch", f"{name} shows {flag}, and the record does not say so")


def _written(record: Record, held: Mapping[str, bytes]) -> Iterator[Check]:
    """Where what a run wrote of itself says otherwise than its record, but for what a later scoring writes anew."""
    for name, read in WRITTEN.items():
        if name not in held:
            yield Check(name, "not derived", "is not in the capsule: the record's word is taken")
            continue
        try:
            ours, theirs = (dict(dotted(table)) for table in (learnt(record.recipe), read(json.loads(held[name]))))
        except (AttributeError, KeyError, TypeError, ValueError, RecursionError) as error:
            yield Check(name, "mismatch", f"does not hold what a run writes ({type(error).__name__}: {error})")
            continue
        for key in sorted(ours.keys() | theirs.keys()):
            if ours.get(key) != theirs.get(key):
                yield Check(name, "mismatch", f"has {key}={theirs.get(key)}, and the record's recipe {ours.get(key)}")


def _flags(name: str, record: Record, files: Files) -> list[str]:
    """The collapses that a stored file shows (`lgbench.evaluation.collapse`)."""
    kind = name.rpartition("-")[0]
    arrays = files(name) if kind in ("samples", "predictions", "taught") else {}
    if "alphas" in arrays:
        covered = coverage(arrays["alphas"])
        return flags(float(covered.mean()), *saturated(covered), float(arrays["difference"].mean()))
    if "bits" in arrays:
        side = min(int(arrays["side"]), arrays["bits"].shape[-1] * 8)  # what its maker says may be vast
        masks = np.unpackbits(arrays["bits"], axis=-1, count=side)
        return prediction_flags(*saturated(masks.mean(axis=(1, 2))))
    taught = kind == "taught" and record.segmentation is not None and record.segmentation.steps > 0
    return ["untaught"] if taught and float(arrays["iou"].mean()) < LEARNT else []


def _record(content: bytes) -> Record:
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / RECORD_FILE
        place.write_bytes(content)
        try:
            return read_record(place, "Ask for the capsule again.")
        except LgbenchError as error:
            raise BadCapsule(str(error).replace(str(place), RECORD_FILE)) from None
