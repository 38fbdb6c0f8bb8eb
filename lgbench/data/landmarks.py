"""Points of pictures in a table beside them: `landmarks.csv`, with x1, y1, x2, y2 and so on."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from lgbench.errors import BadData

from .layout import Layout
from .names import counted, few, folder_of
from .table import HEADINGS, check_once, column_key, files_called, table_rows, unread_columns

__all__ = ["LANDMARKS", "add_landmarks", "marked_rows", "within_reach"]

LANDMARKS = "landmarks.csv"
FARTHEST = 1e9  # pixels of a landmark from the first; 32 bits hold them, enlarged, too


def add_landmarks(layout: Layout, data: bytes, name: str, where: str, elsewhere: Collection[str] = ()) -> Layout:
    """The same pictures with their landmarks, where the table has those of every one of them; see `table.add_table`.

    Raises:
        BadData: it is malformed or names a picture twice.
    """
    where = f"{name} in {where}"
    called, numbers, others = [], [], {}
    for row in marked_rows(data, where):
        try:
            numbers.append([float(cell) for cell in row.numbers])
        except ValueError as error:
            raise BadData(f"{where} has no numbers for all landmarks of {row.called!r} ({error}).") from error
        called.append(row.called)
        others = row.others
    wide = np.array(numbers, dtype=np.float64).reshape(len(called), -1)
    lost = np.flatnonzero(~within_reach(wide).all(axis=1))
    if len(lost):
        raise BadData(f"{where}: the landmarks of {called[lost[0]]!r} are not finite, or far beyond any picture.")
    landmarks = wide.astype(np.float32).reshape(len(called), -1, 2)
    files = files_called(called, where, folder_of(name), [item.image for item in layout.items])
    check_once(files, where)
    of = dict(zip(files, landmarks, strict=True))
    unread = [*layout.unread, *unread_columns([key for key in others if key not in elsewhere], name)]
    if lacking := [item.image for item in layout.items if item.image not in of]:
        unread.append(f"{name}, which has no landmarks of {counted(len(lacking), 'picture')} ({few(lacking)})")
        return replace(layout, unread=unread)
    return replace(layout, unread=unread, items=[replace(i, landmarks=of[i.image]) for i in layout.items])


class MarkedRow(NamedTuple):
    """A row of a table of landmarks: what it calls the picture, the cells of x1, y1, x2, ..., and the other cells."""

    called: str
    numbers: list[str]
    others: dict[str, str]


def marked_rows(data: bytes, where: str) -> Iterator[MarkedRow]:
    """Rows of a table of landmarks; cells are stripped, missing ones empty, others by `column_key` of their headings.

    Raises:
        BadData: it is malformed, or has no row.
    """
    rows = table_rows(data, where)
    heading = [text.strip().casefold() for text in next(rows, [])]
    keys = [column_key(text) for text in heading]
    column = next((keys.index(word) for word in HEADINGS["file"] if word in keys), None)
    flat: list[int] = []
    for point in itertools.count(1):
        if not {f"x{point}", f"y{point}"} <= {*heading}:
            break
        flat += [heading.index(f"{axis}{point}") for axis in "xy"]
    first = next(rows, None)
    if column is None or not flat or first is None:
        raise BadData(
            f"{where} needs a heading with the column `file` or `image`, and x1, y1, x2, y2 and so on, and a row per "
            "picture."
        )
    others = {key: i for i, key in enumerate(keys) if i not in {column, *flat}}
    for row in itertools.chain([first], rows):
        cells = [text.strip() for text in row] + [""] * (len(heading) - len(row))
        yield MarkedRow(cells[column], [cells[i] for i in flat], {key: cells[i] for key, i in others.items()})


def within_reach(coordinates: np.ndarray) -> np.ndarray:
    """Which of these coordinates, float64, a picture may have: not those that are NaN or infinite, or become so."""
    return np.abs(coordinates) <= FARTHEST
