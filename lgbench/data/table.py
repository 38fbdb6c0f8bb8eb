"""The tables of a package: CSV files that say what belongs together.

`labels.csv`, `index.csv` or `metadata.csv` has a column that names each picture and, optionally, its mask, label, class
name and split; columns of zeros and ones are attributes. What a table does not say, the names of files do. A table
`landmarks.csv` names pictures too, and has x1, y1, x2, y2, ... in their pixels.
"""

from __future__ import annotations

import csv
import io
import itertools
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from lgbench.errors import BadData

from .layout import SPLITS, Item, Layout, arrange, like_a_split, meaning
from .names import Index, as_numbers, composed, counted, few, folder_of, in_order, last, without_ending

__all__ = [
    "BITS",
    "HEADINGS",
    "OURS",
    "TABLES",
    "add_table",
    "check_once",
    "column_key",
    "files_called",
    "names_pictures",
    "table_rows",
    "unread_columns",
]

OURS = ("labels.csv", "index.csv")
TABLES = (*OURS, "metadata.csv")  # which may be of anything; it is read where it names pictures

HEADINGS: Mapping[str, tuple[str, ...]] = {
    "file": (
        *("file", "image", "images", "filename", "file_name", "image_file", "image_name", "path", "image_path", "img"),
        *(
            "picture",
            "photo",
            "filepath",
            "file_path",
            "image_filename",
            "imagename",
            "image_id",
            "img_path",
            "img_name",
        ),
    ),
    "mask": (
        *("mask", "masks", "mask_file", "mask_name", "mask_path", "segmentation", "segmentations", "seg", "trimap"),
        *("matte", "ground_truth", "gt", "mask_filename", "maskname", "segmentation_path", "mask_image"),
    ),
    "label": (
        "label",
        "labels",
        "class",
        "classes",
        "class_id",
        "label_id",
        "category",
        "target",
        "category_id",
        "species",
    ),
    "class_name": ("class_name", "classname", "class_names", "label_name", "category_name"),
    "split": ("split", "splits", "set", "subset"),
    "valid": ("valid_mask", "mask_valid"),
}
"""What columns are for, and what they are called, in any case; the first of two is read."""

NOT_ATTRIBUTES = frozenset(
    {"", "number", "id", "index", "identity", "fold", "partition", "train", "val", "test", "is_train", "is_val"}
    | {"is_test", "is_training", "is_training_image", "is_valid", *itertools.chain(*HEADINGS.values())}
)
"""Columns that are no attributes, though they may be 0 and 1 throughout."""
BITS = {"0": 0, "1": 1, "-1": 0, "0.0": 0, "1.0": 1, "false": 0, "true": 1}
MOST_BYTES = 128 << 20  # of a table: the landmarks of 200,000 faces take 110 MB
MOST_ROWS = 1_000_000
MOST_COLUMNS = 2_000
SLACK = 1_000  # rows beyond those of the pictures, which are named one by one


@dataclass(slots=True)
class Table:
    """What was read of a CSV.

    Attributes:
        where: which it is, for errors.
        cells: what a column is for -> its cells, stripped.
        bits: attributes, name -> 0 or 1 for each row.
        unread: headings of the other columns.
        rows: how many there are.
        pictured: cells of columns that may be of masks by what stands in them, though no heading says so.
    """

    where: str
    cells: dict[str, list[str]]
    bits: dict[str, bytearray]
    unread: list[str] = field(default_factory=list)
    rows: int = 0
    pictured: dict[str, list[str]] = field(default_factory=dict)


def add_table(
    layout: Layout, data: bytes, name: str, where: str, names: Sequence[str], elsewhere: Collection[str] = ()
) -> Layout:
    """The pictures that a table names, in its order, with what names tell where it says nothing.

    Args:
        layout: what the names of all files tell.
        data: bytes of the table.
        name: of its file.
        where: the package, for errors.
        names: of all pictures and masks.
        elsewhere: headings of columns that somebody else reads, so that nobody is told they are not.

    Raises:
        BadData: it is malformed or names a picture twice.
    """
    table, folder = _parse(data, f"{name} in {where}", len(names)), folder_of(name)
    table.unread = _without(table.unread, elsewhere)
    known = {item.image: item for item in layout.items}
    found = files_called(table.cells["file"], table.where, folder, known, names)
    check_once(found, table.where)
    masks = [known[file].mask if file in known else None for file in found]
    others = {*names} - {*found}
    _find_masks(table, folder, others)
    if "mask" in table.cells:
        masks = [file or None for file in files_called(table.cells["mask"], table.where, folder, others)]
    none = [mask for mask, valid in zip(masks, _valid(table), strict=True) if mask and not valid]
    masks = [mask if valid else None for mask, valid in zip(masks, _valid(table), strict=True)]
    said = _splits(table)
    splits = said or [known[file].split if file in known else "" for file in found]
    labels, classes = _labels(table)
    are_splits = layout.undivided and any(like_a_split(name) for name in layout.classes)
    if not classes and layout.classes and not are_splits and all(file in known for file in found):
        if not known.keys().isdisjoint(masks):  # names told masks for a class of pictures
            layout = arrange(found)
            known = {item.image: item for item in layout.items}
        labels, classes = [known[file].label for file in found], layout.classes
    bits = [np.frombuffer(column, dtype=np.uint8) for column in table.bits.values()]
    attributes = np.stack(bits, axis=1) if bits else [None] * table.rows
    items = [Item(*row) for row in zip(found, splits, masks, labels, attributes, strict=True)]
    return Layout(
        items,
        masked=any(masks),
        classes=classes,
        attribute_names=tuple(table.bits),
        unread=_unread(table, name, none, {*found, *filter(None, masks)}, names),
        undivided="" if said else layout.undivided,
    )


def check_once(files: Sequence[str], where: str) -> None:
    """Raise `BadData` where a table names a file twice: which of its rows is meant?"""
    if twice := [name for name, times in Counter(files).items() if times > 1]:
        raise BadData(f"{where} names {twice[0]!r} more than once.")


def names_pictures(data: bytes) -> bool:
    """Whether a table has a column of pictures."""
    try:
        heading = next(table_rows(data, ""), [])
    except BadData:
        return False
    return bool({*map(column_key, heading)} & {*HEADINGS["file"]})


def column_key(heading: str) -> str:
    """A heading as it is compared: in one case, with one kind of blank."""
    return "_".join(heading.casefold().replace("-", " ").split())


def table_rows(data: bytes, where: str) -> Iterator[list[str]]:
    """Rows of a CSV, none of them empty; with commas, semicolons or tabs, whichever its heading has most of."""
    if len(data) > MOST_BYTES:
        raise BadData(f"{where} has {len(data):,} bytes; more than {MOST_BYTES:,} are refused.")
    if b"\0" in data:
        raise BadData(f"{where} is not a UTF-8 table with commas (it holds zero bytes).")
    heading = data.partition(b"\n")[0]
    delimiter = max(",;\t", key=lambda mark: heading.count(mark.encode()))
    try:
        text = io.TextIOWrapper(io.BytesIO(data), "utf-8-sig", newline="")
        for number, row in enumerate(csv.reader(text, delimiter=delimiter, skipinitialspace=True)):
            if len(row) > MOST_COLUMNS or number > MOST_ROWS:
                raise BadData(f"{where} has more than {MOST_ROWS:,} rows or {MOST_COLUMNS:,} columns; it is refused.")
            if any(row):
                yield row
    except (UnicodeDecodeError, csv.Error) as error:
        raise BadData(f"{where} is not a UTF-8 table with commas ({error}).") from error


def _parse(data: bytes, where: str, pictures: int) -> Table:
    """What a table says; one of far more pictures than there are is not read to its end."""
    rows = table_rows(data, where)
    heading = [text.strip() for text in next(rows, [])]
    keys = [column_key(text) for text in heading]
    role_of = {}
    for role, words in HEADINGS.items():
        column = next((keys.index(word) for word in words if word in keys), None)
        if column is not None:
            role_of[column] = role
    table = Table(where, {role: [] for role in role_of.values()}, {})
    bits = {i: bytearray() for i, key in enumerate(keys) if i not in role_of and key not in NOT_ATTRIBUTES}
    for row in rows:
        table.rows += 1
        if table.rows > 2 * pictures + SLACK:
            raise BadData(f"{where} has far more rows than there are pictures ({pictures:,}): which of them are meant?")
        if any(row[len(heading) :]):
            raise BadData(
                f"{where} has {len(heading)} headings and {len(row)} cells for {row[0]!r}; quote what has commas."
            )
        if table.rows == 1 and "mask" not in table.cells:
            table.pictured = {
                heading[i]: [] for i in range(len(row)) if role_of.get(i) != "file" and _is_picture(row[i])
            }
        for i, role in role_of.items():
            table.cells[role].append(row[i].strip() if i < len(row) else "")
        for i, text in enumerate(heading):
            if text in table.pictured:
                table.pictured[text].append(row[i].strip() if i < len(row) else "")
        for i in list(bits):
            bit = BITS.get(row[i].strip().casefold()) if i < len(row) else None
            if bit is None:
                del bits[i]
            else:
                bits[i].append(bit)
    if not table.rows or "file" not in table.cells:
        raise BadData(f"{where} needs a heading with the column `file` or `image`, and a row per picture.")
    table.bits = {heading[i]: column for i, column in bits.items()}
    table.unread = [text for i, text in enumerate(heading) if i not in role_of and i not in bits and text]
    return table


def _is_picture(cell: str) -> bool:
    return without_ending(cell.strip()) != cell.strip()


def _find_masks(table: Table, folder: str, others: Iterable[str]) -> None:
    """Where no heading says which column is of masks, take one whose cells are all `others` than the pictures."""
    known = {*map(composed, others)}
    for heading, cells in table.pictured.items():
        if any(cells) and all(not cell or {composed(folder + cell), composed(cell)} & known for cell in cells):
            if table.cells.get("label") == cells:
                del table.cells["label"]
            table.cells["mask"] = cells
            table.unread = [text for text in table.unread if text != heading]
            return


def files_called(called: Iterable[str], where: str, folder: str, *sides: Iterable[str]) -> list[str]:
    """The files that a table means, of the first side that has one; what it calls them where there is none.

    Args:
        called: its cells, stripped; an empty one means no file.
        where: which table it is, for errors.
        folder: that it lies in, with "/" behind it, which its cells may leave out.
        sides: names of files.

    Raises:
        BadData: zeros were taken from a cell that is a number.
    """
    indices = [Index(side) for side in sides]

    def file(name: str) -> str | None:
        found = (index.find(path) for index in indices for path in dict.fromkeys((folder + name, name)))
        return next(filter(None, found), None)

    called = [*called]
    found = {name: file(name) for name in {*called} if name}
    lost = [name for name in called if name and not found[name]]
    _check_zeros(lost, dict.fromkeys(itertools.chain(*(index.names for index in indices))), where)
    return [found.get(name) or name for name in called]


def _check_zeros(lost: Iterable[str], names: Iterable[str], where: str) -> None:
    """Raise `BadData` where a cell that names no file is a number, and a file is called so with zeros before it."""
    numbers = {name: number for name in lost for number in as_numbers([name]).values()}
    if not numbers:
        return
    files: dict[str, list[str]] = {}
    for file in names:
        bare = last(without_ending(composed(file)))
        if bare.startswith("0") and bare.isdecimal():
            files.setdefault(bare.lstrip("0") or "0", []).append(file)
    for name, number in numbers.items():
        if meant := [file for file in files.get(number, ()) if last(without_ending(file)) not in (name, number)]:
            raise BadData(
                f"{where} has {name!r} where {few(meant)} may be meant: spreadsheets take away the zeros that a number "
                f"begins with. Write the names with their endings, as {last(meant[0])}, which they leave alone."
            )


def _valid(table: Table) -> list[bool]:
    """Whether each row's mask is one, as the table itself says."""
    return [BITS.get(text.casefold()) != 0 for text in table.cells.get("valid", [""] * table.rows)]


def unread_columns(headings: Sequence[str], name: str) -> list[str]:
    """That these columns are not read, if there are any."""
    if not headings:
        return []
    return [f"the column{'s' if len(headings) > 1 else ''} {few(headings, 8)} of {name}"]


def _without(headings: Sequence[str], known: Collection[str]) -> list[str]:
    return [text for text in headings if column_key(text) not in known]


def _splits(table: Table) -> list[str] | None:
    cells = table.cells.get("split")
    for text in set(cells or ()):
        if not meaning(text).split:
            raise BadData(f"{table.where} has the split {text!r}; known are {', '.join(SPLITS)}.")
    return [meaning(text).split for text in cells] if cells else None


def _labels(table: Table) -> tuple[list[int | None], tuple[str, ...]]:
    """Class indices from 0 in the order of the distinct labels, and the classes' names."""
    role = next((role for role in ("label", "class_name") if role in table.cells), None)
    if role is None:
        return [None] * table.rows, ()
    cells = table.cells[role]
    if "" in cells:
        raise BadData(f"{table.where} has no {role} for {table.cells['file'][cells.index('')]!r}.")
    numbers = as_numbers(cells)
    cells = [numbers[cell] for cell in cells] if numbers else cells
    order = in_order(cells)
    index = {text: i for i, text in enumerate(order)}
    called = table.cells.get("class_name", cells)
    if role == "label":
        names = _names(cells, called, table.where)
    else:  # 1.0 and 1 are one class, called as it is first
        names = dict(zip(reversed(cells), reversed(called), strict=True))
    return [index[text] for text in cells], tuple(names.get(text, text) for text in order)


def _names(labels: Sequence[str], called: Sequence[str], where: str) -> dict[str, str]:
    """The name of each label that has one; raises `BadData` where one has two. An empty cell names nothing."""
    names: dict[str, str] = {}
    for label, name in zip(labels, called, strict=True):
        if name and names.setdefault(label, name) != name:
            raise BadData(f"{where}: label {label} is {names[label]!r} and {name!r}. Give each label one name.")
    return names


def _unread(table: Table, name: str, none: Sequence[str], used: set[str], names: Sequence[str]) -> list[str]:
    """Columns and files that nobody reads; `none` are masks that are none."""
    unread = unread_columns(table.unread, name)
    kinds: dict[str, list[str]] = {"mask": [], "picture": []}
    for file in names:
        if file not in used and file not in none:
            is_mask = any(meaning(folder).role == "masks" for folder in file.split("/")[:-1])
            kinds["mask" if is_mask else "picture"].append(file)
    for kind, files in kinds.items():
        if files:
            unread.append(f"{counted(len(files), kind)} that no row of {name} names ({few(files)})")
    if none:
        unread.append(f"{counted(len(none), 'mask')} that {name} says are not valid ({few(none)})")
    return unread
