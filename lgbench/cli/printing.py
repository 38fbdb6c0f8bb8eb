"""The one place that prints what users and plugins named: no markup in it, no control characters, never cut off."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from lgbench.plain import plain

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["print_table", "say", "say_once"]


def say(console: Console, text: str, style: str = "") -> None:
    """Print a line as it is; the terminal wraps it where it must."""
    from rich.text import Text

    console.print(Text(plain(text), style=style), soft_wrap=True)


def say_once(console: Console, reasons: Mapping[str, str]) -> None:
    """Print each reason, behind all names that have it: what is asked for by name -> why it is not there."""
    for why in dict.fromkeys(reasons.values()):
        say(console, f"{', '.join(name for name, reason in reasons.items() if reason == why)}: {why}")


def print_table(
    console: Console,
    head: Sequence[str],
    rows: Iterable[Sequence[str]],
    title: str = "",
    *,
    right: Iterable[int] = (),
    framed: bool = True,
) -> None:
    """Print a table; where it does not fit, one line a value, in full.

    Args:
        head: the columns' headings; the first names a row.
        rows: cells, which may be empty.
        right: columns of numbers.
        framed: draw lines between cells.
    """
    from rich.cells import cell_len
    from rich.table import Table
    from rich.text import Text

    head = [plain(text) for text in head]
    lines = [[plain(text) for text in row] for row in rows]
    widths = [max(map(cell_len, column)) for column in zip(head, *lines, strict=True)]
    needed = max(sum(widths) + 3 * len(widths) + 1, cell_len(plain(title)))
    if needed > (width := _width(console, needed)):
        _print_values(console, head, lines, title)
        return
    table = Table(title=Text(plain(title)) if title else None, title_justify="left", pad_edge=framed)
    table.box = table.box if framed else None
    for index, text in enumerate(head):
        table.add_column(Text(text), justify="right" if index in {*right} else "left", no_wrap=True)
    for line in lines:
        table.add_row(*map(Text, line))
    before, console.width = console.width, width
    console.print(table)
    console.width = before


def _width(console: Console, needed: int) -> int:
    """What there is to write on; a file or a pipe is as wide as it takes, where COLUMNS does not say otherwise."""
    said = os.environ.get("COLUMNS", "").isdecimal()
    return console.width if console.is_terminal or said else max(needed, console.width)


def _print_values(console: Console, head: Sequence[str], lines: Sequence[Sequence[str]], title: str) -> None:
    if title:
        say(console, title, "italic")
    for line in lines:
        say(console, f"{head[0]}: {line[0]}" if head[0] else line[0], "bold")
        for name, value in zip(head[1:], line[1:], strict=True):
            if value:
                say(console, f"  {name}: {value}" if name else f"  {value}")
