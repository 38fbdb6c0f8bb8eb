"""CelebA, aligned faces with attributes (Liu et al., ICCV 2015): official files put by hand, or an added archive."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from lgbench.errors import BadData, BadRecipe, DataMissing

from .mapped import CELEBA
from .photographs import check_choice
from .portraits import Landmarks, Portrait, landmarks_of, portraits, read_landmarks

if TYPE_CHECKING:
    import numpy as np

    from lgbench.data import DataHome, RawDataset
    from lgbench.data.package import Package

__all__ = ["ATTRIBUTES", "CELEBA", "Config", "build"]

SOURCES = CELEBA.sources

ATTRIBUTES = ("Black_Hair", "Blond_Hair", "Brown_Hair", "Male", "Young")
IMAGES = "img_align_celeba"
PARTITION = {"0": "train", "1": "val", "2": "test"}
HELD_OUT = 2_000
DETECTED = "landmarks that a program detected"
BROUGHT = "label maps from a folder, which does not say who made them"
COLUMNS = ("doubtful",)
"""Of landmarks.csv, read where it is there."""


@dataclass(frozen=True, slots=True)
class Config:
    """Settings of CelebA.

    Attributes:
        split: of the official files. "scgan" holds 2,000 pictures out, by the hash of their names, and trains on all
            others; "official" is list_eval_partition.txt. Archives have the splits that their table says, else ones
            drawn by names.
        landmarks: of the official files: table of 68 landmarks, below the data set's own folder; a face that it has
            not, or with empty cells, is left out and counted. Archives have their own, of every face.
        maps: of the official files: folder of label maps to be taken as they are instead, likewise: 000001.png is that
            of 000001.jpg, values as regions are numbered, in the picture's size or that of the square in its middle.
            Scores say that they are from a folder.
        doubtful: keep faces whose landmarks the table calls doubtful.
    """

    split: Literal["scgan", "official"] = "scgan"
    landmarks: str = "landmarks.csv"
    maps: str = ""
    doubtful: bool = False


def build(config: Config, resolution: int, home: DataHome) -> RawDataset:
    """Official files where they are here, else an archive added under the name "celeba".

    Raises:
        BadData: tables and pictures do not fit together.
        BadRecipe: a setting that is not one of the above, or that nothing here would read.
        DataMissing: neither is here, or the folder of label maps is not.
    """
    check_choice("celeba", "split", config.split, ("scgan", "official"))
    archive = home.archives().get("celeba")
    if locate(home) is None and archive:
        return _populated(_archived(archive, config, resolution, home), config)
    if locate(home) is None:
        raise home.missing("celeba", CELEBA.by_hand, _lacking(home))
    return _populated(_official(config, resolution, home), config)


build.archive_columns = COLUMNS  # pyright: ignore[reportFunctionMemberAccess]
build.accepts_archive = True  # pyright: ignore[reportFunctionMemberAccess]  `lgbench data add celeba FILE.zip`


def _archived(path: Path, config: Config, side: int, home: DataHome) -> RawDataset:
    from lgbench.data import open_package, origin_of

    if named := _set_otherwise(config, "split", "landmarks", "maps"):
        raise BadRecipe(
            f"data.{named[0]} of celeba is for the official files only: {path} was added, an archive with splits and a "
            "landmarks.csv of its own. Leave it out."
        )
    package = open_package(path, COLUMNS)
    if lacking := [name for name in ATTRIBUTES if name not in package.attribute_names]:
        raise BadData(_no_bits(package, lacking[0]))
    columns = [package.attribute_names.index(name) for name in ATTRIBUTES]
    found = landmarks_of(package)
    doubtful = _doubtful(found, f"landmarks.csv in {path}")
    kept = [item for item in package.items if config.doubtful or item.image not in doubtful]
    splits: dict[str, list[Portrait]] = {split: [] for split in package.counts}
    for item in kept:
        assert item.attributes is not None
        face = Portrait(item.image, found[item.image].points, item.attributes[columns])
        splits[item.split].append(face)
    raw = portraits(package.root, splits, side, origin_of(path, home), ATTRIBUTES)
    left_out = len(package.items) - len(kept)
    notes = (f"{left_out:,} faces of {path} with doubtful landmarks are left out.",) if left_out else ()
    return replace(raw, drawn=package.drawn, pseudo=_pseudo(raw), notes=notes)


def _no_bits(package: Package, name: str) -> str:
    """Why an archive has no attribute of this name: no table has the column, or which of its cells is no bit."""
    from lgbench.data.names import last
    from lgbench.data.store import listed, read_file
    from lgbench.data.table import BITS, TABLES, table_rows

    for table in (file for file in listed(package.root)[1] if last(file).lower() in TABLES):
        rows = table_rows(read_file(package.root, table), f"{table} in {package.where}")
        heading = [text.strip() for text in next(rows, [])]
        for row in rows if name in heading else ():
            cell = row[heading.index(name)] if len(row) > heading.index(name) else ""
            if cell.strip().casefold() not in BITS:
                return f"{table} in {package.where} has {cell!r} as {name} of {row[0]!r}; 0 or 1 is needed."
    return f"labels.csv in {package.where} has no column of zeros and ones called {name}."


def _official(config: Config, side: int, home: DataHome) -> RawDataset:
    from lgbench.data.store import opened_root

    folder = home.folder("celeba")
    home.fetch("celeba", [source for source in SOURCES if (folder / source.file).is_file()])  # verifies checksums
    packed, unpacked = folder / f"{IMAGES}.zip", folder / IMAGES
    checked = packed.is_file()
    root, above = (opened_root(packed), f"{IMAGES}/") if checked else (unpacked, "")
    attributes = _attributes(folder / "list_attr_celeba.txt")
    division = _division(config.split, folder, attributes)
    faces, which, notes = _faces(config, folder, home, attributes)
    origin = "official" if checked else f"official, unpacked by hand {home.content(unpacked, [*faces])[:12]}"
    splits: dict[str, list[Portrait]] = {split: [] for split in dict.fromkeys(division.values())}
    for name, face in faces.items():
        splits[division[name]].append(replace(face, name=above + name))
    raw = portraits(root, splits, side, ", ".join([origin, *which]), ATTRIBUTES)
    return replace(raw, pseudo=_pseudo(raw, BROUGHT if config.maps else DETECTED), notes=notes)


def _faces(
    config: Config, folder: Path, home: DataHome, attributes: Mapping[str, np.ndarray]
) -> tuple[dict[str, Portrait], list[str], tuple[str, ...]]:
    """Faces by name, which landmarks and maps they have, and what a user should be told."""
    if config.maps and (named := _set_otherwise(config, "landmarks", "doubtful")):
        raise BadRecipe(
            f"data.{named[0]} of celeba is about landmarks, and with data.maps none are read. Leave one of the two out."
        )
    table, maps = folder / config.landmarks, folder / Path(config.maps).expanduser()
    found: dict[str, Landmarks] = {}
    which: list[str] = []
    if table.is_file():
        found = read_landmarks(table.read_bytes(), str(table))
        which.append(f"landmarks {home.checksum(table, 'sha256')[:12]}")
    if config.maps:
        if not maps.is_dir():
            raise DataMissing(f"data.maps of celeba leads to {maps}, which is not a folder. Put 000001.png, ... there.")
        here = {path.stem: path for path in sorted(maps.glob("*.png"))}
        which.append(f"maps {home.content(maps, [path.name for path in here.values()])[:12]}")
        faces = {
            name: Portrait(name, None, bits, here[Path(name).stem])
            for name, bits in attributes.items()
            if Path(name).stem in here
        }
        without = "label maps"
    elif found:
        doubtful = frozenset() if config.doubtful else _doubtful(found, str(table)) & attributes.keys()
        good = found.keys() - doubtful
        faces = {n: Portrait(n, found[n].points, bits) for n, bits in attributes.items() if n in good}
        without = f"landmarks, or with doubtful ones ({len(doubtful):,}),"
    else:
        note = f"celeba has no class maps here: {table} is not there. {CELEBA.by_hand}"
        return {name: Portrait(name, None, bits) for name, bits in attributes.items()}, which, (note,)
    left_out = len(attributes) - len(faces)
    return faces, which, (f"{left_out:,} faces of celeba without {without} are left out.",) if left_out else ()


def _pseudo(raw: RawDataset, regions: str = DETECTED) -> dict[str, str]:
    """Nobody is known to have marked these faces by hand.

    Args:
        regions: what their class maps were made from.
    """
    return {part: by for part, by in (("landmarks", DETECTED), ("segments", regions)) if part in raw.provides}


def _set_otherwise(config: Config, *names: str) -> list[str]:
    """Which of these settings say something else than they do by default."""
    return [name for name in names if getattr(config, name) != getattr(Config(), name)]


def _populated(raw: RawDataset, config: Config) -> RawDataset:
    """The same data set, with a note where all faces of a split were left out, so that it is gone."""
    bare = [split for split, count in raw.counts.items() if not count]
    if not bare:
        return raw
    advice = "" if config.doubtful or config.maps else " data.doubtful=true keeps the doubtful ones."
    return replace(raw, notes=(*raw.notes, f"So celeba has no {' and no '.join(bare)} here.{advice}"))


def _doubtful(found: Mapping[str, Landmarks], table: str) -> frozenset[str]:
    """The faces that a table calls doubtful; an empty cell does not.

    Raises:
        BadData: a cell is neither empty nor a bit.
    """
    from lgbench.data.table import BITS

    cells = {name: face.cells.get("doubtful", "").strip() for name, face in found.items()}
    if odd := [name for name, cell in cells.items() if cell and cell.casefold() not in BITS]:
        raise BadData(f"{table} has {cells[odd[0]]!r} as doubtful of {odd[0]!r}; 0, 1 or nothing is needed.")
    return frozenset(name for name, cell in cells.items() if BITS.get(cell.casefold()))


def _attributes(path: Path) -> dict[str, np.ndarray]:
    """The five attributes of each picture, (5,) of 0 and 1; official ones are -1 and 1.

    Raises:
        BadData: it is not the official table.
    """
    import numpy as np

    try:
        count, heading, *lines = path.read_text().splitlines()
        names = heading.split()
        columns = [1 + names.index(name) for name in ATTRIBUTES]
        rows = [line.split() for line in lines if line.strip()]
        if len(rows) != int(count):
            raise ValueError(f"{len(rows):,} pictures, not {int(count):,}")
        found = {row[0]: np.array([row[column] for column in columns]).astype(int) > 0 for row in rows}
        if len(found) != len(rows):
            raise ValueError(f"{len(rows) - len(found):,} pictures twice")
    except (OSError, UnicodeDecodeError, ValueError, IndexError) as error:
        raise BadData(f"{path} is truncated or malformed ({error}); put the official file there.") from error
    return {name: bits.astype(np.uint8) for name, bits in found.items()}


def _division(split: str, folder: Path, names: Mapping[str, object]) -> dict[str, str]:
    """The split of each picture."""
    if split == "scgan":
        held_out = {*sorted(names, key=lambda name: hashlib.sha256(name.encode()).digest())[: _held_out(len(names))]}
        return {name: "test" if name in held_out else "train" for name in names}
    path = folder / "list_eval_partition.txt"
    if not path.is_file():
        raise DataMissing(f"data.split=official of celeba needs {path}; put the official file there.")
    try:
        found = {name: PARTITION[number] for name, number in map(str.split, path.read_text().splitlines())}
        return {name: found[name] for name in names}
    except (UnicodeDecodeError, ValueError, KeyError) as error:
        raise BadData(f"{path} is truncated or malformed ({error}); put the official file there.") from error


def _held_out(count: int) -> int:
    return min(HELD_OUT, count // 10)  # miniatures have fewer


def locate(home: DataHome) -> Path | None:
    """The folder that has the official pictures, packed or not, and their attributes; None where one is not there."""
    return None if _lacking(home) else home.folder("celeba")


def _lacking(home: DataHome) -> Sequence[str]:
    folder = home.folder("celeba")
    pictures = (folder / IMAGES).is_dir() or (folder / f"{IMAGES}.zip").is_file()
    here = {f"{IMAGES}.zip": pictures, "list_attr_celeba.txt": (folder / "list_attr_celeba.txt").is_file()}
    return [file for file, there in here.items() if not there]
