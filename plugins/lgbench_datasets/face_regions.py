"""From 68 landmarks of a face (iBUG's order) to a map of its regions, the class map that SCGAN is given.

Polygons are filled by the even-odd rule at pixel centres, on a grid of 1/1024 pixel: every decision is between whole
numbers, so all machines agree, and mirrored landmarks give exactly the mirrored map.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lgbench.errors import BadData

__all__ = [
    "EYES",
    "GRID",
    "INNER_MOUTH",
    "LIPS",
    "MIRROR",
    "NOSE",
    "POINTS",
    "REGIONS",
    "SKIN",
    "Area",
    "brow_areas",
    "brow_radius",
    "filled",
    "mirrored",
    "rasterise",
    "stroked",
]

REGIONS = ("background", "skin", "brows", "eyes", "nose", "lips", "inner mouth")
"""Names of the classes 0 to 6; hair and forehead are background, as no landmark says where they are."""

POINTS = 68
GRID = 1024  # steps to a pixel

SKIN = (*range(17), *range(26, 16, -1))
BROWS = (range(17, 22), range(22, 27))
EYES = (range(36, 42), range(42, 48))
NOSE = (27, 31, 32, 33, 34, 35)
LIPS = range(48, 60)
INNER_MOUTH = range(60, 68)
OUTLINES = ((1, (SKIN,)), (2, ()), (3, EYES), (4, (NOSE,)), (5, (LIPS,)), (6, (INNER_MOUTH,)))

MIRROR = np.array(
    [
        *range(16, -1, -1),  # jaw
        *range(26, 16, -1),  # brows
        *range(27, 31),  # bridge
        *range(35, 30, -1),  # nostrils
        *(45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40),  # eyes
        *(54, 53, 52, 51, 50, 49, 48, 59, 58, 57, 56, 55),  # lips
        *(64, 63, 62, 61, 60, 67, 66, 65),  # inner mouth
    ]
)
"""Which point takes the place of each in a mirror: left and right change their names."""


@dataclass(frozen=True, slots=True)
class Area:
    """Pixels of N planes: `inside` (N, h, w) bool within the window of `rows` and `columns`, all others outside."""

    rows: slice
    columns: slice
    inside: np.ndarray

    def lay(self, planes: np.ndarray, value: int) -> None:
        """Write `value` into these pixels of `planes` (N, S, S), in place."""
        np.copyto(planes[:, self.rows, self.columns], value, where=self.inside)


def rasterise(landmarks: np.ndarray, side: int) -> np.ndarray:
    """Map of the `REGIONS` of one face or of many.

    Args:
        landmarks: x and y in pixels of a square of `side` pixels, 0 is the centre of the first, (68, 2) or (N, 68, 2).
            They may lie outside of the picture.
        side: of the map, pixels.

    Returns:
        Class maps (side, side) or (N, side, side), uint8. Later classes lie over earlier ones; brows are the pixels
        within max(side / 64, 0.7) of their line.

    Raises:
        BadData: these are not 68 finite points.
    """
    points = np.asarray(landmarks)
    if points.ndim not in (2, 3) or points.shape[-2:] != (POINTS, 2) or not np.isfinite(points).all():
        raise BadData(f"A face map needs finite landmarks (68, 2) or (N, 68, 2), in iBUG's order, not {points.shape}.")
    faces = points.reshape(-1, POINTS, 2)
    maps = np.zeros((len(faces), side, side), np.uint8)
    block = max(1, 2**20 // side**2)  # faces at once: what stays in the cache
    for start in range(0, len(faces), block):
        _draw_regions(maps[start : start + block], faces[start : start + block], side)
    return maps.reshape(*points.shape[:-2], side, side)


def _draw_regions(maps: np.ndarray, faces: np.ndarray, side: int) -> None:
    for region, outlines in OUTLINES:
        for outline in outlines:
            filled([faces[:, outline]], side).lay(maps, region)
        if region == 2:
            for area in brow_areas(faces, side, brow_radius(side)):
                area.lay(maps, region)


def brow_radius(side: int) -> float:
    """How far a brow reaches from its line, in pixels of a picture of `side`."""
    return max(side / 64, 0.7)


def brow_areas(landmarks: np.ndarray, side: int, radius: float) -> list[Area]:
    """The left and the right brow of faces (N, 68, 2): what lies within `radius` pixels of its line."""
    return [stroked(landmarks[:, brow], radius, side) for brow in BROWS]


def mirrored(landmarks: np.ndarray, side: int) -> np.ndarray:
    """The landmarks (..., 68, 2) of the mirrored picture: x' = side - 1 - x, and left points are called right."""
    turned = np.array(landmarks)[..., MIRROR, :]
    turned[..., 0] = side - 1 - turned[..., 0]
    return turned


def filled(contours: Sequence[np.ndarray], side: int) -> Area:
    """Pixels whose centres lie inside closed contours by the even-odd rule, or exactly on their left or right edges.

    Args:
        contours: corners (N, P, 2) in pixels, of one or more contours; two that lie in each other make a ring.
        side: of the planes, pixels.
    """
    corners = [_on_grid(contour) for contour in contours]
    a = np.concatenate(corners, axis=1)
    b = np.concatenate([np.roll(contour, -1, axis=1) for contour in corners], axis=1)
    upper, lower = np.where(a[..., 1:] <= b[..., 1:], a, b), np.where(a[..., 1:] <= b[..., 1:], b, a)
    rows, columns = _window(a, 0, side)
    heights = np.arange(rows.start, rows.stop) * GRID
    crosses = (upper[..., 1:] <= heights) & (heights < lower[..., 1:])
    face, edge, row = np.nonzero(crosses)
    (x, y), (x_end, y_end) = upper[face, edge].T, lower[face, edge].T
    # the edge crosses the row at x + (x_end - x) (heights - y) / (y_end - y), here over one denominator
    height = y_end - y
    crossing, step = x * height + (x_end - x) * (heights[row] - y), height * GRID
    width = columns.stop - columns.start
    toggles = np.zeros((len(a), len(heights), width + 1), np.uint8)
    line = (face * len(heights) + row) * (width + 1)
    # Bit 0 counts the crossings at or left of a pixel, bit 1 those left of it: on an edge only one is odd, either way
    # round, and so the rule is the same in a mirror.
    for bit, first in ((1, -(-crossing // step)), (2, crossing // step + 1)):
        np.bitwise_xor.at(toggles.reshape(-1), line + np.clip(first - columns.start, 0, width), np.uint8(bit))
    inside = np.bitwise_xor.accumulate(toggles, axis=2)[:, :, :width] != 0
    return Area(rows, columns, inside)


def stroked(line: np.ndarray, radius: float, side: int) -> Area:
    """Pixels whose centres lie within `radius` pixels of an open line through the points (N, P, 2)."""
    points = _on_grid(line).astype(np.float64)  # whole numbers under 2^53: products below are exact
    a, reach = points[:, :-1], points[:, 1:] - points[:, :-1]
    low, high = np.minimum(points[:, :-1], points[:, 1:]), np.maximum(points[:, :-1], points[:, 1:])
    low = np.floor(low / GRID - radius).astype(np.int64).clip(0, side - 1)
    high = np.ceil(high / GRID + radius).astype(np.int64).clip(0, side - 1)
    width, height = (high - low).max(axis=(0, 1), initial=0) + 1
    x = low[..., 0, None, None] + np.arange(width)  # (N, P - 1, 1, width): a small window for each piece of the line
    y = low[..., 1, None, None] + np.arange(height)[:, None]
    dx, dy = x * GRID - a[..., 0, None, None], y * GRID - a[..., 1, None, None]
    ex, ey = reach[..., 0, None, None], reach[..., 1, None, None]
    along, across, length = dx * ex + dy * ey, dx * ey - dy * ex, ex * ex + ey * ey
    past = along > length
    from_end = np.square(dx - past * ex) + np.square(dy - past * ey)
    beside = (along >= 0) & ~past & (length > 0)
    near = np.where(beside, across * across <= (radius * GRID) ** 2 * length, from_end <= (radius * GRID) ** 2)
    rows, columns = _window(points.astype(np.int64), radius, side)
    inside = np.zeros((len(points), rows.stop - rows.start, columns.stop - columns.start), bool)
    shown = near & (x >= columns.start) & (x < columns.stop) & (y >= rows.start) & (y < rows.stop)
    face, piece, row, column = np.nonzero(shown)
    inside[face, y[face, piece, row, 0] - rows.start, x[face, piece, 0, column] - columns.start] = True
    return Area(rows, columns, inside)


def _on_grid(points: np.ndarray) -> np.ndarray:
    """Points in steps of the grid, int64; whatever lies far outside is brought nearer, to where products still fit."""
    return np.rint(np.clip(np.asarray(points, np.float64), -8192, 8192) * GRID).astype(np.int64)


def _window(points: np.ndarray, margin: float, side: int) -> tuple[slice, slice]:
    """Rows and columns of the picture that points on the grid span, all faces together, with a margin in pixels."""
    low = np.floor(points.min(axis=(0, 1)) / GRID - margin).astype(int).clip(0, side)
    high = (np.ceil(points.max(axis=(0, 1)) / GRID + margin).astype(int) + 1).clip(0, side)
    columns, rows = (slice(int(first), int(max(first, last))) for first, last in zip(low, high, strict=True))
    return rows, columns
