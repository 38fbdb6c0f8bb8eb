"""Pictures with optional masks and labels that lie together: in a folder, or in a zip, the portable archive.

Either way a table at the top says what belongs together (see `table`), and the names of files say the rest (see
`layout`).
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from lgbench.errors import BadData, DataMissing
from lgbench.offers import Dataset, Lazy

from .checks import sound
from .division import draw_splits, draw_val
from .home import DataHome
from .landmarks import LANDMARKS, add_landmarks
from .layout import SPLITS, Item, arrange
from .masks import VOID, WHITE, MaskConfig, Meaning, Seen, meaning
from .names import ENDINGS, few, folder_of, last
from .pictures import decode_picture, decode_values
from .samples import RawDataset, Sample
from .store import Root, is_utf8, listed, opened_root, read_file
from .table import OURS, TABLES, add_table, names_pictures

__all__ = [
    "Package",
    "archive_columns",
    "archive_dataset",
    "build_package",
    "folder_dataset",
    "open_package",
    "origin_of",
    "takes_archive",
]


READER = 2  # raised whenever the same files would be read otherwise; 1 divided pictures by their order
READING = 2  # raised where what was read wrongly is mended: it is prepared again, and keeps its protocol


@dataclass(frozen=True)
class Package:
    """Pictures that are not read yet.

    Attributes:
        root: the folder, or the top of the zip.
        items: its pictures, in order.
        masked: whether it has masks; then every picture needs one.
        classes: class names in the order of the labels, empty where it has no labels.
        attribute_names: in order, empty where it has none.
        drawn: the splits that nothing tells, so that they were drawn by names.
        notes: what a user should be told of it, a sentence each.
    """

    root: Root
    items: Sequence[Item]
    masked: bool = False
    classes: tuple[str, ...] = ()
    attribute_names: tuple[str, ...] = ()
    drawn: frozenset[str] = frozenset()
    notes: tuple[str, ...] = ()

    @property
    def where(self) -> str:
        """Which package, for error messages."""
        return str(self.root).rstrip("/")

    @property
    def provides(self) -> frozenset[str]:
        """What it has of `PARTS`."""
        parts = {
            "masks": self.masked,
            "labels": self.classes,
            "attributes": self.attribute_names,
            "landmarks": bool(self.items) and self.items[0].landmarks is not None,
        }
        return frozenset(part for part, here in parts.items() if here)

    @property
    def counts(self) -> dict[str, int]:
        """Pictures in each split."""
        return {split: len(self._items(split)) for split in ("train", "val", "test") if self._items(split)}

    @cached_property
    def mask_values(self) -> dict[int, str]:
        """All values that occur in its masks, each with the first file that has it, in the order of appearance.

        Unreadable masks are passed over here and named when they are read.
        """
        return self._seen.values

    @cached_property
    def _seen(self) -> Seen:
        seen = Seen()
        for item in self.items:
            if item.mask is not None:
                with contextlib.suppress(BadData):
                    seen.add(decode_values(read_file(self.root, item.mask), item.mask), item.mask)
        return seen

    def raw(self, origin: str, config: MaskConfig) -> RawDataset:
        """The data set that a builder hands over; files are read when it is iterated over.

        Masks that do not fit `config` raise `BadData` then. Splits that were drawn by names are told in `origin`.
        """
        provides = self.provides | ({"ignored"} if self.masked and config.ignore else set())
        masked = {split: [bool(item.mask) for item in self._items(split)] for split in self.counts}
        bare = [split for split, here in masked.items() if not any(here)]
        of_masks = frozenset({"masks", "ignored"})
        drawn = [split for split in ("val", "test") if split in self.drawn]  # the rest is train
        return RawDataset(
            splits={split: partial(self._samples, split, config) for split in self.counts},
            counts=self.counts,
            origin=origin + (f", {' and '.join(drawn)} by hash" if drawn else ""),
            provides=provides,
            classes=self.classes,
            attribute_names=self.attribute_names,
            crop=config.crop,
            ignore=config.ignore if self.masked else "",
            lacks=dict.fromkeys(bare, of_masks) if self.masked else {},
            partial=of_masks if any(any(here) and not all(here) for here in masked.values()) else frozenset(),
            backdrop=config.behind,
            drawn=self.drawn,
            notes=self.notes,
            reading=READING,
        )

    def problems(self) -> list[str]:
        """What is wrong with its files, at most `checks.MOST_PROBLEMS`, after reading every one."""
        found: list[str] = []
        stands_for = Meaning(np.arange(256, dtype=np.uint8)) if self.masked else None
        samples = map(partial(self._sample, stands_for, WHITE), self.items)
        for _ in sound(samples, self.raw("", MaskConfig()), self.provides - {"masks"}, found):
            pass
        return found

    def _items(self, split: str) -> list[Item]:
        return [item for item in self.items if item.split == split]

    def _samples(self, split: str, config: MaskConfig) -> Iterable[Sample]:
        # what a value means can only be told by looking at all the masks
        stands_for = meaning(self._seen, config, self.where) if self.masked else None
        read = partial(self._sample, stands_for, config.behind)
        return map(read, self._items(split))  # a map goes on after a file that fails

    def _sample(self, stands_for: Meaning | None, behind: tuple[int, int, int], item: Item) -> Sample:
        picture = decode_picture(read_file(self.root, item.image), item.image, behind)
        mask = ignored = None
        remarks = picture.remarks
        if stands_for and item.mask:
            values = decode_values(read_file(self.root, item.mask), item.mask).values
            mask = stands_for.foreground[values]
            ignored = None if stands_for.ignored is None else stands_for.ignored[values]
            if stands_for.doubt and (values == VOID).any():
                remarks = (*remarks, stands_for.doubt)
        return Sample(
            image=picture.pixels,
            mask=mask,
            ignored=ignored,
            label=item.label,
            name=item.image,
            attributes=item.attributes,
            landmarks=item.landmarks,
            remarks=remarks,
        )


def open_package(path: Path, columns: Collection[str] = ()) -> Package:
    """The pictures of a folder or a zip, not read yet.

    Args:
        columns: of its tables that the caller reads besides; of the others that are not read, notes are made.

    Raises:
        BadData: there are none, or none to train on; a table is malformed; a zip holds unsafe names or absurd sizes.
    """
    root = opened_root(path)
    pictures, others = listed(root)
    layout = arrange(pictures)
    tables = _tables(pictures, others)
    for table in (tables[name] for name in TABLES if name in tables):
        content = read_file(root, table)
        if last(table).lower() in OURS or names_pictures(content):
            layout = add_table(layout, content, table, str(path), pictures, columns)
            break
    else:
        table = None
    if marks := tables.get(LANDMARKS):
        layout = add_landmarks(layout, read_file(root, marks), marks, str(path), columns)
    if layout.unpaired:
        raise BadData(f"{path} has pictures and masks, but {layout.unpaired}.")
    if layout.undivided:
        raise BadData(f"{path}: {layout.undivided}. Rename this folder, remove it, or say splits in {OURS[0]}.")
    items, drawn = _divided(layout.items, path)
    rest = [name for name in others if name not in (table, marks)]
    mute = [] if table else [name for name in rest if _may_be_a_table(root, name)]
    named = [f"{name}, which has a column of pictures: call it {OURS[0]} to have it read" for name in mute]
    unread = [*layout.unread, *named, *_by_kind([name for name in rest if name not in mute])]
    notes = (f"Not read of {path}: {'; '.join(unread)}.",) if unread else ()
    lists = [name for name in rest if name.lower().endswith(".txt") and last(name)[: -len(".txt")].lower() in SPLITS]
    if lists and drawn:
        notes += (
            f"{few(lists)} may list splits, which are not read: {' and '.join(sorted(drawn))} of {path} are drawn by "
            f"names. To have others, say them in {OURS[0]}, in the columns `file` and `split`, or in folders.",
        )
    return Package(root, items, layout.masked, layout.classes, layout.attribute_names, drawn, notes)


def _may_be_a_table(root: Root, name: str) -> bool:
    """Whether a file that is called otherwise than tables here are names pictures all the same."""
    if not name.lower().endswith((".csv", ".tsv")) or last(name).lower() in (*TABLES, LANDMARKS):
        return False
    try:
        return names_pictures(read_file(root, name))
    except BadData:  # nobody asked for it
        return False


def _divided(items: Sequence[Item], path: Path) -> tuple[list[Item], frozenset[str]]:
    """The same pictures, each in a split, and which splits were drawn by names because nothing tells them."""
    if not items:
        raise BadData(f"There are no pictures ({', '.join(sorted(ENDINGS))}) in {path}.")
    drawn = set()
    if not all(item.split for item in items):
        splits = draw_splits([item.image for item in items])
        items, drawn = [replace(item, split=splits[item.image]) for item in items], {"train", "test"}
    train = [item.image for item in items if item.split == "train"]
    if not train:
        splits = " and ".join(sorted({item.split for item in items}))
        raise BadData(
            f"All pictures of {path} are {splits}: there is nothing to train on. Say which are train, or do not say "
            "splits at all to have them divided by their names."
        )
    if not any(item.split == "val" for item in items) and (val := draw_val(train)):
        items, drawn = [replace(item, split="val") if item.image in val else item for item in items], drawn | {"val"}
    return list(items), frozenset(drawn)


def _tables(pictures: Sequence[str], others: Sequence[str]) -> dict[str, str]:
    """Tables by what they are called, at the top, or at the top of a folder that all pictures lie in."""
    found: dict[str, str] = {}
    for name in sorted(others, key=len):
        called = last(name).lower()
        if called in (*TABLES, LANDMARKS) and all(picture.startswith(folder_of(name)) for picture in pictures):
            found.setdefault(called, name)
    return found


def _by_kind(names: Sequence[str]) -> list[str]:
    """Files that are not read: by name where they are few of an ending, else their number."""
    endings: dict[str, list[str]] = {}
    for name in names:
        endings.setdefault(PurePosixPath(name).suffix.lower() or last(name), []).append(name)
    return [
        few(files) if len(files) <= 3 else f"{len(files):,} files ending in {ending} ({few(files, 1)})"
        for ending, files in endings.items()
    ]


def folder_dataset(path: str | Path) -> Dataset:
    """The record "folder:<basename>" of a folder of pictures, or of a portable archive where `path` is a zip.

    Raises:
        DataMissing: there is nothing at `path`.
        BadData: there are no pictures below it, or the zip is not a portable archive.
    """
    path = Path(path).expanduser().absolute()
    if ".." in path.parts:  # whose last part would be no name
        path = path.resolve()
    if not is_utf8(str(path)):
        raise BadData(
            f"folder:{ascii(str(path))[1:-1]}: its name is not UTF-8. Rename it, or give it a link with another."
        )
    if path.is_file() and path.suffix.lower() == ".zip":
        return archive_dataset(f"folder:{path.stem}", path)
    if not path.is_dir():
        raise DataMissing(f"folder:{path}: there is no such folder, nor a .zip of this name.")
    return _dataset(f"folder:{path.name}", path, f"pictures in {path}", "as the pictures")


def archive_dataset(name: str, path: Path) -> Dataset:
    """The record of a portable archive; only the zip's table is read here.

    Raises:
        BadData: `path` is not such an archive.
    """
    return _dataset(name, path, f"archive {path.name}", "as the archive's pictures")


def _dataset(name: str, path: Path, what: str, licence: str) -> Dataset:
    package = open_package(path)
    counts = ", ".join(f"{count:,} {split}" for split, count in package.counts.items())
    return Dataset(
        name=name,
        summary=f"{what}: {counts}",
        build=partial(build_package, path),
        config=MaskConfig,
        licence=licence,
        provides=package.provides,
        offline=True,
        version=READER,
    )


def build_package(path: Path, config: MaskConfig, resolution: int, home: DataHome) -> RawDataset:
    """Builder of a folder or an archive as it is."""
    return open_package(path).raw(origin_of(path, home), config)


def origin_of(path: Path, home: DataHome) -> str:
    """Which folder or archive this is, by what it holds.

    "archive:<first 12 of the zip's SHA-256>", or "folder:<first 12 of the SHA-256 over names and contents>".
    """
    if not path.is_dir():
        return f"archive:{home.checksum(path, 'sha256')[:12]}"
    pictures, others = listed(path)
    return f"folder:{home.content(path, sorted([*pictures, *_tables(pictures, others).values()]))[:12]}"


def takes_archive(record: Dataset) -> bool:
    """Whether `lgbench data add` may keep an archive under the name of this installed data set.

    Its builder says so with an attribute `accepts_archive = True`, and then looks into `home.archives()`. What it reads
    of its tables besides what every data set does, its attribute `archive_columns` names.
    """
    return getattr(_builder(record), "accepts_archive", False)


def archive_columns(record: Dataset | None) -> frozenset[str]:
    """Columns of an archive's tables that the builder of an installed data set reads itself, in lower case."""
    return frozenset(getattr(_builder(record), "archive_columns", ())) if record else frozenset()


def _builder(record: Dataset) -> Any:
    return record.build.found if isinstance(record.build, Lazy) else record.build
