"""Every number of a capsule, derived again from what lies beside it."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from .capsule import BadCapsule, members, read_npz
from .contradictions import contradictions
from .errors import LgbenchError
from .offers import Metric
from .record import RECORD_FILE, Measured, Record, read_record
from .rescore import again, differences, evidence_of

__all__ = ["Check", "verify"]

ROUNDING = 1e-6
"""Relative: eigenvalues and sums come out so differently on another processor; counts of pixels do not."""


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
        if name in held and _sha256(held[name]) != sha256:
            checks.append(Check(name, "mismatch", "is not the file that the record was scored from"))
        elif name not in held and not name.endswith(".safetensors"):
            checks.append(Check(name, "mismatch", "is not in the capsule, and the record was scored from it"))
    read: dict[str, dict[str, np.ndarray]] = {}

    def files(name: str) -> dict[str, np.ndarray]:
        if name not in held:
            raise BadCapsule(f"{path} lacks {name}, which its evidence names. Ask for it again.")
        if name not in read:
            read[name] = read_npz(name, held[name])
        return read[name]

    splits = opened(record, held.get("request.json", b"")) if opened else None
    used = {v.protocol.metric for v in record.values.values() if isinstance(v, Measured)}
    chosen = {name: metric for name, metric in metrics.items() if name in used}
    found = again(record, evidence_of(record, files, chosen, splits), chosen)
    return checks + [
        _check(name, value, found[name], chosen.get(value.protocol.metric))
        for name, value in record.values.items()
        if isinstance(value, Measured)
    ]


def _check(name: str, value: Measured, now: Mapping[str, Any], metric: Metric | None) -> Check:
    if "not_available" in now:
        return Check(name, "not derived", str(now["not_available"]).removeprefix("not rescored: "))
    version = value.protocol.metric_version
    if metric and not 1 <= version <= metric.version:
        return Check(name, "mismatch", f"its metric has no version {version}: installed is {metric.version}")
    if metric and version < metric.version:
        told = f"version {version}, which said {value.value:.9g}, is older than the installed {metric.version}"
        return Check(name, "not derived", f"{told}, which says {now['value']:.9g}")
    told = differences(value, now, ROUNDING)
    return Check(name, "mismatch" if told else "match", told or f"{value.value:.9g}")


def _record(content: bytes) -> Record:
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / RECORD_FILE
        place.write_bytes(content)
        try:
            return read_record(place, "Ask for the capsule again.")
        except LgbenchError as error:
            raise BadCapsule(str(error).replace(str(place), RECORD_FILE)) from None


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
