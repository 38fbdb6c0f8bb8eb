"""Whether runs had the settings of the preset that a board shows them by."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lgbench.benchmark import Benchmark
from lgbench.errors import LgbenchError
from lgbench.files import canonical_json
from lgbench.lookup import look_up
from lgbench.recipe import CATEGORY, LOOKING, Request
from lgbench.record import Record
from lgbench.settings import dotted

__all__ = ["changed_since", "unlike_preset"]

HARMLESS = {f"training.{name}" for name in (*LOOKING, "compile", "channels_last")}
"""Settings that change no number, or none beyond the last digits. Those of `evaluation` are in the protocol."""

ELSEWHERE = ("data.", "evaluation.", CATEGORY)
"""Settings that stand in the protocol of every number, and tables of them; of an aggregate, the class is a list."""

NOT_ASKED = ("resolution", CATEGORY)
"""Overrides of a record that are no settings of its request, or are compared elsewhere."""


def unlike_preset(board: Benchmark, record: Record) -> str:
    """The user's settings beyond the preset's and the board's: "other settings than the preset's: ...", or "".

    What the preset says today by itself is none of them: a run with the settings that became the preset is one of its.
    """
    variant = board.variant_of(record)
    expected = {f"data.{key}" for key in board.dataset_config} | (variant.settings if variant else {}).keys()
    others = record.overrides.keys() - expected - HARMLESS
    asked = sorted(key for key in others if not key.startswith("evaluation."))
    had, preset = (dict(dotted(record.recipe)), _today(record, {})) if asked else ({}, {})
    differing = [key for key in asked if key not in preset or preset[key] != had.get(key)]
    told = [f"{key} {canonical_json(record.overrides[key])}" for key in differing]
    return f"other settings than the preset's: {'; '.join(told)}" if told else ""


def changed_since(record: Record) -> str:
    """What the preset sets otherwise today: "the preset has changed since: method.lr was 0.0, is 0.004", or "".

    Settings that came later have no value in older records and are not compared; nor is what nobody can tell: a method,
    data set or setting that is not installed.
    """
    today = _today(record, {key: value for key, value in record.overrides.items() if key not in NOT_ASKED})
    then = {key: value for key, value in dotted(record.recipe) if key in today and not key.startswith(ELSEWHERE)}
    told = [
        f"{key} was {canonical_json(value)}, is {canonical_json(today[key])}"
        for key, value in sorted(then.items())
        if key not in HARMLESS and value != today[key] and "auto" not in (value, today[key])  # "auto" may be either
    ]
    return f"the preset has changed since: {'; '.join(told)}" if told else ""


def _today(record: Record, settings: Mapping[str, object]) -> dict[str, Any]:
    """What the record's request, with these settings, resolves to with the installed plugins; {} where it does not."""
    request = Request(record.method, record.dataset, record.preset, record.seed, record.resolution, settings)
    try:
        return dict(dotted(look_up(request, None).as_dict()))
    except LgbenchError:
        return {}
