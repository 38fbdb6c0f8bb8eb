"""What the photographs of faces share: tables of 68 landmarks, and the class maps that are drawn from them.

A face comes out as it is trained on: its picture cut to the middle and reduced, its landmarks moved along, and its
regions filled at that side, since class maps lose thin regions when they are reduced.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from lgbench.errors import BadData

from .photographs import read_bytes

if TYPE_CHECKING:
    import numpy as np

    from lgbench.data import RawDataset, Sample
    from lgbench.data.package import Package
    from lgbench.data.store import Root

__all__ = ["Landmarks", "Portrait", "landmarks_of", "portraits", "read_landmarks"]

TABLE = "landmarks.csv"
POINTS = 68
SMALLEST = 2  # pixels that a face spans: landmarks as shares of the side span less


@dataclass(frozen=True, slots=True)
class Landmarks:
    """Landmarks of one picture.

    Attributes:
        points: x and y in pixels of the picture, 0 is the centre of the first, (68, 2) float32.
        cells: the other columns of the table, by their headings.
    """

    points: np.ndarray
    cells: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Portrait:
    """A face that is not read yet, and what is known about it.

    Attributes:
        name: of its file, below the top of what holds the pictures.
        landmarks: (68, 2), None where there are none.
        attributes: 0 or 1 each, (A,), None where there are none.
        segments: file of its class map, which is taken as it is; None where it is drawn from the landmarks.
    """

    name: str
    landmarks: np.ndarray | None = None
    attributes: np.ndarray | None = None
    segments: Path | None = None


def read_landmarks(data: bytes, where: str) -> dict[str, Landmarks]:
    """A table of `file`, x1, y1, ... x68, y68 and perhaps other columns, by file; a face with empty cells has none.

    Raises:
        BadData: it is malformed.
    """
    wanted = [f"{axis}{point}" for point in range(1, POINTS + 1) for axis in "xy"]
    try:
        rows = csv.DictReader(io.StringIO(data.decode("utf-8-sig")))
        heading = [name.strip() for name in rows.fieldnames or ()]
        rows.fieldnames = heading
        if lacking := [name for name in ("file", *wanted) if name not in heading]:
            raise BadData(f"{where} has no column {lacking[0]!r}; it needs file, x1, y1, ... x{POINTS}, y{POINTS}.")
        found = {}
        for row in rows:
            cells, file = [row[name] or "" for name in wanted], (row["file"] or "").strip()
            if any(cells):
                if file in found:
                    raise BadData(f"{where} names {file!r} more than once.")
                others = {name: row[name] or "" for name in heading if name not in wanted and name != "file"}
                found[file] = Landmarks(_points(cells, f"{where}: the landmarks of {file!r}"), others)
    except (UnicodeDecodeError, csv.Error) as error:
        raise BadData(f"{where} is not a table of {POINTS} landmarks a face ({error}).") from error
    return found


def _points(cells: Sequence[str], which: str) -> np.ndarray:
    """A row's landmarks, (68, 2) float32, in pixels."""
    import numpy as np

    from lgbench.data.table import within_reach

    try:
        points = np.array(cells, dtype=np.float64).reshape(POINTS, 2)
    except ValueError as error:
        raise BadData(f"{which} are not {POINTS} points ({error}).") from error
    if not within_reach(points).all():
        raise BadData(f"{which} are not finite, or far beyond any picture.")
    if np.ptp(points, axis=0).max() < SMALLEST:
        raise BadData(f"{which} lie within {SMALLEST} pixels; are they shares of the side? Pixels are needed.")
    return points.astype(np.float32)


def landmarks_of(package: Package) -> dict[str, Landmarks]:
    """The landmarks of an archive's pictures, by the pictures' names.

    Raises:
        BadData: it has no table of 68 landmarks, or that lacks a picture.
    """
    from lgbench.data.names import folder_of, last
    from lgbench.data.store import listed, read_file

    tables = [name for name in listed(package.root)[1] if last(name) == TABLE]
    if not tables:
        raise BadData(f"{package.where} has no {TABLE}, so that there are no class maps of its faces.")
    table = min(tables, key=len)
    read = read_landmarks(read_file(package.root, table), f"{table} in {package.where}")
    found = {folder_of(table) + file: face for file, face in read.items()}
    if lacking := [item.image for item in package.items if item.image not in found]:
        raise BadData(f"{table} in {package.where} has no landmarks of {lacking[0]} (and {len(lacking) - 1:,} more).")
    return found


def portraits(
    root: Root, splits: Mapping[str, Sequence[Portrait]], side: int, origin: str, names: Sequence[str] = ()
) -> RawDataset:
    """The data set that a builder hands over; its samples are squares of `side` pixels.

    It provides landmarks, and class maps, where the faces have them.

    Args:
        root: what holds the pictures.
        splits: split -> its faces, in order.
        side: pixels.
        origin: which copy this is, for the protocol.
        names: of the attributes, in order.
    """
    from lgbench.data import RawDataset

    from .face_regions import REGIONS

    faces = [face for chosen in splits.values() for face in chosen]
    parts = {
        "attributes": bool(names),
        "landmarks": all(face.landmarks is not None for face in faces),
        "segments": all(face.landmarks is not None or face.segments for face in faces),
    }
    return RawDataset(
        # a map goes on after a file that fails, so all of them are named
        splits={split: partial(map, partial(_sample, root, side), chosen) for split, chosen in splits.items()},
        counts={split: len(chosen) for split, chosen in splits.items()},
        origin=origin,
        provides=frozenset(part for part, here in parts.items() if here),
        segment_names=REGIONS if parts["segments"] else (),
        attribute_names=tuple(names),
    )


def _sample(root: Root, side: int, face: Portrait) -> Sample:
    from lgbench.data import Sample, decode_image
    from lgbench.data.samples import IGNORED
    from lgbench.data.squares import Square
    from lgbench.data.store import read_file

    from .face_regions import rasterise

    square = Square("center", side)
    image = decode_image(read_file(root, face.name), face.name)
    points = None if face.landmarks is None else square.landmarks(face.landmarks, image.shape[:2])
    segments = None if points is None else rasterise(points, side)
    if face.segments:
        segments = square.nearest(_given_map(face.segments, image.shape[:2]), IGNORED)
    return Sample(
        image=square.image(image), name=face.name, segments=segments, attributes=face.attributes, landmarks=points
    )


def _given_map(path: Path, size: Sequence[int]) -> np.ndarray:
    """A class map of the picture's size, or of the square in its middle."""
    from lgbench.data import decode_mask

    found = decode_mask(read_bytes(path, path.name), path.name)
    if found.shape != tuple(size) and found.shape[0] != found.shape[1]:
        height, width = found.shape
        raise BadData(f"{path}: {width} x {height} pixels, which is neither a square nor the size of its picture")
    return found
