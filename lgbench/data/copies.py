"""Which pictures two data sets share, as a table says."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from lgbench.errors import BadData

from .names import composed, last, without_ending
from .split import Split
from .table import table_rows

__all__ = ["told_of_copies"]

Pair = tuple[str, str]


def told_of_copies(scored: Split, train: Split, table: Path, leave_out: bool) -> Split:
    """The pictures with masks of a split, told which of them are copies of training pictures (`Split.copies`).

    The table has a heading, or none, and in the first two columns of each row one picture of either data set; which
    column is whose, the names tell. A name is a file's, without folders and ending, or the number that such a name
    ends in.

    Args:
        scored: what masks are predicted on.
        train: what was learnt from.
        leave_out: whether those that were trained on are no part of the split that is returned.

    Raises:
        BadData: the table cannot be read, names no picture of the two, or leaves none to score.
    """
    scored, pairs = scored.scored(), _pairs(table)
    names, learnt = (_spellings(split.names) for split in (scored, train))
    pairs = max((pairs, [(b, a) for a, b in pairs]), key=lambda each: _met(each, names, learnt))
    known = {i for ours, _ in pairs for i in names.get(ours, ())}
    trained = {i for ours, theirs in pairs if theirs in learnt for i in names.get(ours, ())}
    if not known:
        raise BadData(
            f"{table} names no picture that is scored (say {scored.names[0]}): its first two columns hold names or "
            "numbers of pictures, one data set each, below a heading."
        )
    copies = {"scored": len(scored), "known": len(known), "trained_on": len(trained)}
    if leave_out:
        if len(trained) == len(scored):
            raise BadData(
                f"All {len(scored)} pictures with masks were trained on, says {table}: none is left to score."
            )
        scored = scored.without(trained)
        copies["left_out"] = len(trained)
    return replace(scored, copies=copies)


def _pairs(table: Path) -> list[Pair]:
    """A table's first two columns; its heading too, which is no picture's name, or is one where it is none."""
    try:
        rows = list(table_rows(table.read_bytes(), str(table)))
    except OSError as error:
        raise _unreadable(table, str(error)) from error
    if not rows:
        raise _unreadable(table, "it is empty")
    if short := [number for number, row in enumerate(rows, start=1) if len(row) < 2]:
        raise _unreadable(table, f"row {short[0]} has one column")
    return [(_spelt(row[0]), _spelt(row[1])) for row in rows]


def _unreadable(table: Path, reason: str) -> BadData:
    return BadData(
        f"{table} cannot be read as a table of copies ({reason}): a CSV file whose first two columns hold a picture of "
        "either data set, below a heading."
    )


def _spelt(name: str) -> str:
    """A picture's name as tables and data sets share it; numbers without leading zeros."""
    name = last(composed(without_ending(name.strip()))).casefold()
    return str(int(name)) if name.isdecimal() else name


def _spellings(names: Sequence[str]) -> dict[str, list[int]]:
    """Where each picture is, by its name and by the number that it ends in."""
    found: dict[str, list[int]] = {}
    for index, name in enumerate(map(_spelt, names)):
        number = re.search(r"\d+$", name)
        for spelling in {name} | ({_spelt(number[0])} if number else set()):
            found.setdefault(spelling, []).append(index)
    return found


def _met(pairs: Sequence[Pair], names: dict[str, list[int]], learnt: dict[str, list[int]]) -> tuple[int, int]:
    """How many pairs are of these pictures: both of them, and the scored one."""
    ours = [theirs for name, theirs in pairs if name in names]
    return sum(theirs in learnt for theirs in ours), len(ours)
