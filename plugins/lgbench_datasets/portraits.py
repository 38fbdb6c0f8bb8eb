"""What the photographs of faces share: tables of 68 landmarks, and the class maps that are drawn from them.

A face comes out as it is trained on: its picture cut to the middle and reduced, its landmarks moved along, and its
regions filled at that side, since class maps lose thin regions when they are reduced.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
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

POINTS = 68
SMALLEST = 2  # pixels that a face spans: landmarks as shares of the side span less


@dataclass(frozen=True, slots=True)
class Landmarks:
    """Landmarks of one picture.

    Attributes:
        points: x and y in pixels of the picture, 0 is the centre of the first, (68, 2) float32.
        cells: the other columns of the table, by their headings in lower case, with `_` for blanks.
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


def read_landmarks(data: bytes, where: str, pictures: Iterable[str], folder: str = "") -> dict[str, Landmarks]:
    """The landmarks of pictures in a table as archives have it, with 68 of them; a face with empty cells has none.

    Args:
        data: bytes of the table.
        where: which it is, for errors.
        pictures: names of files; what else the table has is passed over.
        folder: that the table lies in, with "/" behind it, which its names may leave out.

    Raises:
        BadData: it is malformed.
    """
    from lgbench.data.landmarks import marked_rows
    from lgbench.data.table import check_once, files_called

    called, faces = [], []
    for row in marked_rows(data, where):
        if (count := len(row.numbers) // 2) < POINTS:
            raise BadData(f"{where} has no column 'x{count + 1}', or no 'y{count + 1}'; x1 to y{POINTS} are needed.")
        cells = row.numbers[: 2 * POINTS]
        if any(cells):
            called.append(row.called)
            faces.append(Landmarks(_points(cells, f"{where}: the landmarks of {row.called!r}"), row.others))
    files = files_called(called, where, folder, pictures)
    check_once(files, where)
    return dict(zip(files, faces, strict=True))


def _points(cells: Sequence[str], which: str) -> np.ndarray:
    """A row's landmarks, (68, 2) float32, in pixels."""
    import numpy as np

    from lgbench.data.landmarks import within_reach

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
    from lgbench.data.landmarks import LANDMARKS
    from lgbench.data.names import folder_of, last
    from lgbench.data.store import listed, read_file

    tables = [name for name in listed(package.root)[1] if last(name).lower() == LANDMARKS]
    if not tables:
        raise BadData(f"{package.where} has no {LANDMARKS}, so that there are no class maps of its faces.")
    table = min(tables, key=len)
    pictures, where = [item.image for item in package.items], f"{table} in {package.where}"
    found = read_landmarks(read_file(package.root, table), where, pictures, folder_of(table))
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
