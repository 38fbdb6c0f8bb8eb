"""A row of an ablation: a method with some settings said, and which records are its runs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, JsonValue, field_validator

from .errors import BadRecipe
from .plugins import registry
from .recipe import CATEGORY, parse_with
from .record import Record
from .settings import dotted, fill, names_of, plain
from .stage_configs import STAGES

__all__ = ["Variant"]

OFFERED = {"method": "methods", "generator": "generators", "data": "datasets", "segmenter": "segmenters"}
UNSAID = object()
"""Stands for a setting that came later and is at its default: recipes do not say it."""
OF_ALL: dict[str, JsonValue] = {CATEGORY: -1}
"""What nothing said of classes means, in rows and in older recipes: a generator of all."""
SHARED = "benchmark.set"
"""Stands for the benchmark's table `set` in each of its variants."""


class Variant(BaseModel):
    """One row of an ablation: a method with some settings said.

    Attributes:
        name: as the board shows it.
        preset: the only one it runs with; the benchmark's presets where empty.
        set: settings, `table.field` or `regularizers.NAME.field`, as `lgbench run --set` takes them. Where
            `training.category` lists classes, each is a run, and the row's records are aggregates of those.
        shared: what the benchmark sets in all its variants.
        added: regularizers to switch on, as `--with` takes them (`with` in the file).
        without: regularizers to switch off.
        paper: the paper's row that it reproduces, by its `method` in the table of reported numbers.
        waits: why it has no runs yet; its row says so until it has.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Field(min_length=1)]
    method: str
    preset: str = ""
    set: dict[str, JsonValue] = {}
    shared: dict[str, JsonValue] = Field(default={}, alias=SHARED)
    added: list[str] = Field(default=[], alias="with")
    without: list[str] = []
    paper: str = ""
    waits: str = ""

    @field_validator("set", "shared")
    @classmethod
    def _dotted(cls, settings: dict[str, JsonValue]) -> dict[str, JsonValue]:
        for key in settings:
            table = key.rpartition(".")[0]
            if not table or table.count(".") != (table.split(".")[0] == "regularizers"):
                raise ValueError(f"{key!r} is not a setting: write table.field, or regularizers.NAME.field")
        return settings

    @field_validator("added")
    @classmethod
    def _readable(cls, added: list[str]) -> list[str]:
        try:
            parse_with(*added)
        except BadRecipe as error:
            raise ValueError(str(error)) from error
        return added

    @property
    def settings(self) -> dict[str, JsonValue]:
        """All that it says, as the overrides of a recipe; `set` wins over `with`, and both over what is shared."""
        return {**self.shared, **parse_with(*self.added), **self.set}

    @property
    def cells(self) -> list[dict[str, JsonValue]]:
        """Its settings, once for each of the classes where `training.category` lists some."""
        said = self.settings
        listed = said.get(CATEGORY)
        return [{**said, CATEGORY: each} for each in listed] if isinstance(listed, list) else [said]

    def matches(self, record: Record) -> bool:
        """Whether a run of this method had these settings; presets are the benchmark's business."""
        if record.method != self.method:
            return False
        on, held = record.recipe.get("regularizers"), OF_ALL | dict(dotted(record.recipe))
        left_out = not isinstance(on, dict) or on.keys().isdisjoint(self.without)
        return left_out and all(_holds(held, key, wanted) for key, wanted in (OF_ALL | self.settings).items())

    def told_apart(self, other: Variant) -> bool:
        """Whether no record can match both."""
        if self.method != other.method or (self.preset and other.preset and self.preset != other.preset):
            return True
        mine, theirs = OF_ALL | self.settings, OF_ALL | other.settings
        if any(not _same(mine[key], theirs[key]) for key in mine.keys() & theirs.keys()):
            return True
        return bool(_on(mine) & set(other.without) or _on(theirs) & set(self.without))


def _on(settings: Mapping[str, JsonValue]) -> set[str]:
    on = (key for key, value in settings.items() if not _off(key, value))
    return {key.split(".")[1] for key in on if key.startswith("regularizers.")}


def _off(key: str, value: JsonValue) -> bool:
    return key.startswith("regularizers.") and key.endswith(".weight") and _same(0, value)


def _holds(held: Mapping[str, JsonValue], key: str, wanted: JsonValue) -> bool:
    """Whether a resolved recipe, flat, has a setting; a regularizer of weight 0 is not in it at all."""
    meant = _meant(_config_of(held, key), key, json.dumps(wanted))
    if key not in held:
        return _off(key, wanted) or meant == (UNSAID,)
    return _same(held[key], wanted) or meant == (held[key],)


def _config_of(held: Mapping[str, JsonValue], key: str) -> type | None:
    """The configuration that a setting is one of, None where it is not known here."""
    table = key.rpartition(".")[0]
    if table in STAGES or table not in OFFERED:
        return STAGES.get(table)
    record = getattr(registry(), OFFERED[table]).get(held.get(f"{table}.name"))
    return record.config_class if record else None


@cache
def _meant(config: type | None, key: str, wanted: str) -> tuple[object, ...]:
    """What a recipe holds where this is said, as the one thing in a tuple; none where nobody can tell."""
    table, _, name = key.rpartition(".")
    if config is None or name not in names_of(config):
        return ()
    try:
        return (plain(fill(config, table, {key: json.loads(wanted)})).get(name, UNSAID),)
    except BadRecipe:
        return ()


def _same(held: JsonValue, wanted: JsonValue) -> bool:
    """Equal, where a text stands for what the command line would read it as: "5" is 5.0."""
    if isinstance(wanted, str) and not isinstance(held, str):
        try:
            wanted = json.loads(wanted)
        except ValueError:
            return False
    return held == wanted
