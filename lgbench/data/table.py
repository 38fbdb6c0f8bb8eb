"""The table of a package: a CSV that says what belongs together.

It has a column `file` or `image` and, optionally, `mask`, `label` (numbers from any start, or words), `class_name` and
`split` (train, valid or val, test). Without splits the pictures are divided 80 / 20 by the SHA-256 of their names.
"""

from __future__ import annotations

import csv
import io
from collections import Counter

from lgbench.errors import BadData

from .layout import SPLITS, Item, hashed_splits

__all__ = ["TABLES", "read_table"]

TABLES = ("labels.csv", "index.csv")


def read_table(data: bytes, where: str) -> tuple[list[Item], bool, tuple[str, ...]]:
    """The pictures that a table names, in its order.

    Args:
        data: bytes of the table.
        where: which table, for the error.

    Returns:
        The items, whether there are masks, and names of the classes in the order of the labels.

    Raises:
        BadData: it is malformed or names a picture twice.
    """
    rows = _rows(data, where)
    column = "file" if "file" in rows[0] else "image"
    names = [row[column] for row in rows]
    if twice := [name for name, times in Counter(names).items() if times > 1]:
        raise BadData(f"{where} names {twice[0]!r} more than once.")
    splits = [_split(row["split"], where) for row in rows] if "split" in rows[0] else None
    if splits is None:
        hashed = hashed_splits(names)
        splits = [hashed[name] for name in names]
    labels, classes = _labels(rows, where)
    items = [
        Item(image=row[column], split=split, mask=row.get("mask") or None, label=label)
        for row, split, label in zip(rows, splits, labels, strict=True)
    ]
    return items, "mask" in rows[0], classes


def _rows(data: bytes, where: str) -> list[dict[str, str]]:
    try:
        reader = csv.DictReader(io.StringIO(data.decode("utf-8-sig")))
        rows = [{key: (value or "").strip() for key, value in row.items() if key} for row in reader]
    except (UnicodeDecodeError, csv.Error) as error:
        raise BadData(f"{where} is not a UTF-8 table with commas ({error}).") from error
    if not rows or not {"file", "image"} & rows[0].keys():
        raise BadData(f"{where} needs a heading with the column `file` or `image`, and a row per picture.")
    return rows


def _split(text: str, where: str) -> str:
    if text.lower() not in SPLITS:
        raise BadData(f"{where} has the split {text!r}; known are {', '.join(SPLITS)}.")
    return SPLITS[text.lower()]


def _labels(rows: list[dict[str, str]], where: str) -> tuple[list[int | None], tuple[str, ...]]:
    """Class indices from 0 in the order of the sorted distinct labels, and the classes' names."""
    column = next((name for name in ("label", "class_name") if name in rows[0]), None)
    if column is None:
        return [None] * len(rows), ()
    texts = [row[column] for row in rows]
    if "" in texts:
        raise BadData(f"{where} has no {column} for {rows[texts.index('')]}.")
    number = all(text.isdecimal() for text in texts)
    order = sorted(set(texts), key=lambda text: (int(text), text) if number else (0, text))
    index = {text: i for i, text in enumerate(order)}
    names = {row[column]: row.get("class_name") or row[column] for row in reversed(rows)}
    return [index[text] for text in texts], tuple(names[text] for text in order)
