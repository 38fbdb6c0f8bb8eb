"""Markdown of boards: text that nothing can break out of, tables, notes, and pages by their templates."""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from lgbench.plain import plain

if TYPE_CHECKING:
    from jinja2 import Environment

__all__ = ["Grid", "Notes", "escape", "unmarked", "written"]


@dataclass(frozen=True, slots=True)
class Grid:
    """A table under its heading, as cells of text."""

    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]

    def __str__(self) -> str:
        lines = [f"| {' | '.join(cells)} |" for cells in (self.head, ["---"] * len(self.head), *self.rows)]
        return f"## {self.title}\n\n" + "\n".join(lines)


@dataclass(slots=True)
class Notes:
    """The notes of a page, numbered as they come."""

    texts: list[str] = field(default_factory=list)

    def mark(self, text: str) -> str:
        """The mark of a note, which is taken down as a sentence if it is new; "" for no text."""
        if not text:
            return ""
        sentence = f"{text.rstrip('.')}."
        if sentence not in self.texts:
            self.texts.append(sentence)
        return f"[^{self.texts.index(sentence) + 1}]"

    def __str__(self) -> str:
        return "\n".join(f"[^{number}]: {escape(text)}" for number, text in enumerate(self.texts, 1))


def escape(text: str) -> str:
    """Text of others on one line, so that it cannot break a table, link anywhere or call anybody."""
    text = re.sub(r"([\\`*_\[\]<>|~])", r"\\\1", plain(" ".join(text.split())))
    return re.sub(r"(?i)@(?=\w)|#(?=\d)|://|\bwww\.", lambda found: f"{found[0][0]}<!-- -->{found[0][1:]}", text)


def written(template: str, **told: object) -> str:
    """A page as a file of `templates` says."""
    return _templates().get_template(template).render(told).rstrip() + "\n"


@functools.cache
def _templates() -> Environment:
    """All of them, with the filters that they use."""
    from jinja2 import Environment, FileSystemLoader

    folder = FileSystemLoader(Path(__file__).parent / "templates")
    pages = Environment(loader=folder, trim_blocks=True, lstrip_blocks=True)
    pages.filters["escaped"] = escape
    pages.filters["one_line"] = lambda text: " ".join(text.split()) + "\n"
    pages.filters["ending"] = lambda end: f"{end:g}" if math.isfinite(end) else "unbounded"
    return pages


MARKUP = re.compile(r"\\(.)|<!-- -->|\[`(\w+)`\]\([^)]*\)|\[\^(\d+)\]")
"""What `escape`, `Notes.mark` and the links of records write."""


def unmarked(text: str) -> str:
    """Text without the markup that was put into it; a note's mark is `[3]`."""
    return MARKUP.sub(lambda found: f"[{found[3]}]" if found[3] else found[1] or found[2] or "", text)
