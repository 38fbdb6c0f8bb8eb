"""Configurations in plain values, as recipes, protocols and prepared folders hold them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

__all__ = ["dotted", "later", "plain"]

T = TypeVar("T")


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
    return {name: value for name, value in dataclasses.asdict(config).items() if name not in unsaid}


def dotted(table: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """The values of tables in tables by their dotted names, as `--set` says them."""
    for name, value in table.items():
        if isinstance(value, Mapping):
            yield from dotted(value, f"{above}{name}.")
        else:
            yield above + name, value
