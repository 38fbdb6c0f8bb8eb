"""What the settings of a configuration are by default, may be and mean, as `lgbench info` tells it."""

from __future__ import annotations

import dataclasses
import inspect
import re
import textwrap
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

__all__ = ["meanings", "told"]


def meanings(config: type) -> dict[str, str]:
    """What its docstring says of each setting, name -> text; an entry may be of several settings.

    Of settings that come from another configuration, that one's docstring says it.
    """
    found = {}
    for each in reversed(config.__mro__):
        _, _, attributes = inspect.cleandoc(each.__doc__ or "").partition("Attributes:\n")
        section = attributes.partition("\n\n")[0]
        entries = re.findall(r"^    (\w+(?:, \w+)*): (.*(?:\n {8}.*)*)", section, re.MULTILINE)
        found |= {name: " ".join(text.split()) for names, text in entries for name in names.split(", ")}
    return found


def told(config: type) -> list[str]:
    """Lines of each setting: its default and what it may be, then what it means."""
    hints, means = get_type_hints(config, include_extras=True), meanings(config)
    lines = []
    for field in dataclasses.fields(config):
        allowed = ", ".join(_allowed(hints[field.name]))
        default = "what you say" if field.default is dataclasses.MISSING else repr(field.default)
        line = f"{field.name} = {default}" + (f"  ({allowed})" if allowed else "")
        lines.append(line)
        lines += textwrap.wrap(means.get(field.name, ""), 100, initial_indent="    ", subsequent_indent="    ")
    return lines


def _allowed(hint: Any) -> list[str]:
    """What a setting may be, beyond its type: choices, bounds."""
    if get_origin(hint) is Literal:
        return [" | ".join(map(str, get_args(hint)))]
    if get_origin(hint) is not Annotated:
        switch = ["True | False"] if get_args(hint)[:1] == (bool,) else []  # of a switch alone, its default says it
        found = switch + [text for each in get_args(hint) for text in _allowed(each)]
        return [" | ".join(found)] if switch else found
    kind, *bounds = get_args(hint)
    signs = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below"}
    words = [
        f"{word} {getattr(each, sign)}"
        for bound in bounds
        for each in ([bound] if not hasattr(bound, "__iter__") else bound)  # an Interval is several
        for sign, word in signs.items()
        if getattr(each, sign, None) is not None
    ]
    return _allowed(kind) + words
