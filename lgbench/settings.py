"""Configurations and their plain values, as recipes, protocols and prepared folders hold them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, TypeVar

from .errors import BadRecipe, did_you_mean

__all__ = ["dotted", "fill", "later", "names_of", "plain", "typed"]

T = TypeVar("T")

MOVED = {"copies": "It is evaluation.copies=FILE, beside evaluation.dataset=NAME."}
"""Settings that one looks for in another table than theirs, and what to say instead."""


def later(default: T) -> T:
    """A field of a configuration that came after runs with it were published.

    At its default it is left out of what is hashed, so that recipes, protocols and prepared data keep their names.
    """
    return dataclasses.field(default=default, metadata={"later": True})  # pyright: ignore[reportReturnType]


def plain(config: Any) -> dict[str, Any]:
    """A configuration, which is a dataclass, by its fields' names; without those that are `later` and at default."""
    unsaid = {
        field.name
        for field in dataclasses.fields(config)
        if "later" in field.metadata and getattr(config, field.name) == field.default
    }
    values = dataclasses.asdict(config).items()
    # -0.0 is 0.0, and is written otherwise
    return {
        name: 0.0 if value == 0 and isinstance(value, float) else value for name, value in values if name not in unsaid
    }


def dotted(table: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """The values of tables in tables by their dotted names, as `--set` says them."""
    for name, value in table.items():
        if isinstance(value, Mapping):
            yield from dotted(value, f"{above}{name}.")
        else:
            yield above + name, value


def names_of(config: type) -> set[str]:
    """What a configuration has to set."""
    return {field.name for field in dataclasses.fields(config)}


def fill(config: type[T], table: str, settings: Mapping[str, object], apart: str = "") -> T:
    """A configuration from the settings below `table`, dotted names and values; the one called `apart` is another's.

    Raises:
        BadRecipe: it has no such setting, or a value does not fit.
    """
    values = {name.rpartition(".")[2]: value for name, value in settings.items() if name.rpartition(".")[0] == table}
    values.pop(apart, None)
    if unknown := sorted(values.keys() - (known := names_of(config))):
        hint = MOVED.get(unknown[0]) or did_you_mean(unknown[0], known, f"It has {sorted(known) or 'nothing to set'}.")
        raise BadRecipe(f"[{table}] has no setting {unknown[0]!r}. {hint}")
    return typed(config, values, table)


def typed(kind: type[T], value: object, name: str) -> T:
    """A setting as its type; a number may stand for its text. Numbers are finite, as JSON has no others, nor any paper.

    Raises:
        BadRecipe: it does not fit.
    """
    from pydantic import ValidationError

    try:
        return _adapter(kind).validate_python({name: value})[name]
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(map(str, problem["loc"]))
        raise BadRecipe(f"{where}={problem['input']!r} does not fit: {problem['msg']}.") from None


@cache
def _adapter(kind: Any) -> Any:
    """What reads such settings by their names; to make it takes longer than to read a thousand."""
    from pydantic import ConfigDict, TypeAdapter

    return TypeAdapter(dict[str, kind], config=ConfigDict(allow_inf_nan=False, coerce_numbers_to_str=True))  # pyright: ignore
