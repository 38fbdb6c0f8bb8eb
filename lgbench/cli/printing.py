"""The one place that prints what users and plugins named: no markup in it, no control characters, never cut off."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping, Sequence
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
    right: Collection[int] = (),
    framed: bool = True,
    keys: int = 0,
) -> None:
    """Print a table; where it does not fit, as several that do, or one line a value, in full.

    Args:
        head: the columns' headings; the first names a row.
        rows: cells, which may be empty.
        right: columns of numbers.
        framed: draw lines between cells.
        keys: the first columns, which each of several tables begins with; 0 where rows are read one by one.
    """
    from rich.cells import cell_len
    from rich.table import Table
    from rich.text import Text

    head = [plain(text) for text in head]
    lines = [[plain(text) for text in row] for row in rows]
    widths = [max(map(cell_len, column)) + 3 for column in zip(head, *lines, strict=True)]
    needed = max(sum(widths) + 1, cell_len(plain(title)))
    width = _width(console, needed)
    bands = [[*range(len(head))]] if needed <= width else _bands(widths, keys, width)
    if not bands:
        _print_values(console, head, lines, title)
        return
    if len(bands) > 1 and title:
        say(console, title, "italic")
    before, console.width = console.width, width
    for band in bands:
        table = Table(title=Text(plain(title)) if title and len(bands) == 1 else None, title_justify="left")
        table.box, table.pad_edge = table.box if framed else None, framed
        for index in band:
            table.add_column(Text(head[index]), justify="right" if index in right else "left", no_wrap=True)
        for line in lines:
            table.add_row(*(Text(line[index]) for index in band))
        console.print(table)
    console.width = before


def _bands(widths: Sequence[int], keys: int, width: int) -> list[list[int]]:
    """Columns of tables that fit, each with the keys first; none where there are no keys, or one column is too wide."""
    room = width - 1 - sum(widths[:keys])
    if not keys or max(widths[keys:], default=0) > room:
        return []
    bands: list[list[int]] = []
    for column in range(keys, len(widths)):
        if not bands or sum(widths[i] for i in [*bands[-1][keys:], column]) > room:
            bands.append([*range(keys)])
        bands[-1].append(column)
    return bands


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
