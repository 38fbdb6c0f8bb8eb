"""Which pictures two data sets share, as a table says."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from lgbench.errors import BadData

from .names import composed, few, last, without_ending
from .split import Split
from .table import table_rows

__all__ = ["told_of_copies"]

HEADING = ("scored", "train")
"""What columns may be called that say whose they are."""

Pair = tuple[Sequence[int], Sequence[int]]
"""The scored pictures that a row's name fits, and the training pictures that its other name fits."""


def told_of_copies(scored: Split, train: Split, table: Path, leave_out: bool) -> Split:
    """The pictures with masks of a split, told which of them are copies of training pictures (`Split.copies`).

    The table has a heading, or none, and in the first two columns of each row one picture of either data set. Which
    column is whose, the heading tells where it is `HEADING`, else the names. A name is a file's path below its data
    set, or the last part of it, with its ending or without, or the number that such a name ends in.

    Args:
        scored: what masks are predicted on.
        train: what was learnt from.
        leave_out: whether those that were trained on are no part of the split that is returned.

    Raises:
        BadData: the table cannot be read, names no picture of the two, fits several of them, or both of its columns
            may be either's; or none is left to score.
    """
    scored, rows = scored.scored(), _rows(table)
    pairs = _paired(rows, scored.names, train.names, table)
    known, trained = _chosen(pairs)
    if not known:
        raise BadData(
            f"{table} names no picture that is scored (say {scored.names[0]}): its first two columns hold names or "
            "numbers of pictures, one data set each, below a heading."
        )
    for row, (ours, theirs) in zip(rows, pairs, strict=True):
        for found, names in ((ours, scored.names), (theirs if ours else (), train.names)):
            if len(found) > 1:
                raise BadData(
                    f"{table}: the row {row[0]},{row[1]} fits several pictures, "
                    f"{few([names[i] for i in found])}. Write the path that a picture has in its data set."
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


def _rows(table: Path) -> list[tuple[str, str]]:
    """A table's first two columns; its heading too, which is no picture's name, or is one where it is none."""
    try:
        rows = list(table_rows(table.read_bytes(), str(table)))
    except OSError as error:
        raise _unreadable(table, str(error)) from error
    if not rows:
        raise _unreadable(table, "it is empty")
    if short := [number for number, row in enumerate(rows, start=1) if len(row) < 2]:
        raise _unreadable(table, f"row {short[0]} has one column")
    return [(_folded(row[0].strip()), _folded(row[1].strip())) for row in rows]


def _unreadable(table: Path, reason: str) -> BadData:
    return BadData(
        f"{table} cannot be read as a table of copies ({reason}): a CSV file whose first two columns hold a picture of "
        "either data set, below a heading."
    )


def _paired(rows: Sequence[tuple[str, str]], names: Sequence[str], learnt: Sequence[str], table: Path) -> list[Pair]:
    """The pictures of each row, in the order of columns that more of them fit.

    Raises:
        BadData: both orders fit as many, and choose other pictures.
    """
    first, second = zip(*rows, strict=True)
    straight = list(zip(_meant(first, names), _meant(second, learnt), strict=True))
    turned = list(zip(_meant(second, names), _meant(first, learnt), strict=True))
    if {*rows[0]} == {*HEADING}:
        return straight if rows[0] == HEADING else turned
    if _met(straight) == _met(turned) and _chosen(straight) != _chosen(turned):
        raise BadData(
            f"{table} does not tell which of its columns is of the scored pictures: {rows[-1][0]} and {rows[-1][1]} "
            f"may be either's. Call the columns {' and '.join(HEADING)} in a first row."
        )
    return max((straight, turned), key=_met)


def _met(pairs: Sequence[Pair]) -> tuple[int, int]:
    """How many pairs are of these pictures: both of them, and the scored one."""
    return sum(bool(ours and theirs) for ours, theirs in pairs), sum(bool(ours) for ours, _ in pairs)


def _chosen(pairs: Sequence[Pair]) -> tuple[set[int], set[int]]:
    """The scored pictures that pairs name, and those of them that were trained on."""
    return {i for ours, _ in pairs for i in ours}, {i for ours, theirs in pairs if theirs for i in ours}


def _meant(column: Sequence[str], names: Sequence[str]) -> list[Sequence[int]]:
    """The pictures that each cell fits: by the whole path, else by its last part, else by the number at its end.

    Where a cell with folders is a picture's whole path, folders are as the data set has them: a cell with others is
    then of no picture here, whatever its last part is.
    """
    whole = _found(column, names, (_folded, _bare))
    placed = any(found and "/" in cell for cell, found in zip(column, whole, strict=True))
    part = _found(column, names, (_last, _last_bare))
    number = _found(column, names, (_number,))
    return [
        found or (() if placed and "/" in cell else its_part) or (its_number if cell.isdecimal() else ())
        for cell, found, its_part, its_number in zip(column, whole, part, number, strict=True)
    ]


def _found(column: Sequence[str], names: Sequence[str], keys: Sequence[Callable[[str], str]]) -> list[Sequence[int]]:
    """Indices of those of `names` that share the first of `keys` that any shares with a cell."""
    found: list[Sequence[int]] = [()] * len(column)
    for key in keys:
        places: dict[str, list[int]] = {}
        for index, name in enumerate(names):
            places.setdefault(key(name), []).append(index)
        found = [its or places.get(key(cell), ()) for cell, its in zip(column, found, strict=True)]
    return found


def _folded(name: str) -> str:
    return composed(name).casefold()


def _bare(name: str) -> str:
    return without_ending(_folded(name))


def _last(name: str) -> str:
    return last(_folded(name))


def _last_bare(name: str) -> str:
    return last(_bare(name))


def _number(name: str) -> str:
    """The number that a name ends in, without leading zeros; the name itself where there is none."""
    number = re.search(r"\d+$", _last_bare(name))
    return str(int(number[0])) if number else name
