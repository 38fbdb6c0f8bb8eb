"""The shape of the faces of `faces`: 68 landmarks in iBUG's order, and how a head is turned and seen.

Points are (N, P, 3) in shares of the picture's side: x to the right, y down, z to the viewer, from between nose and
eyes. Only +, -, *, /, square roots and rounding are used, which every machine computes alike, and every formula is
symmetric, so that a face turned the other way is the mirrored one to the last bit.
"""

from __future__ import annotations

import numpy as np

from .face_regions import GRID
from .faces_scene import People

__all__ = ["EYE", "JAW_END", "column", "cosine", "depth_at", "head_points", "landmarks_of", "pixels", "seen", "sine"]

JAW_END = -0.02  # y of the jaw's two ends, where the skull begins
EYE = (0.12, -0.035)  # middle of an eye, right or left
MOUTH = 0.18  # y of the mouth's middle


def landmarks_of(people: People, side: int) -> np.ndarray:
    """Landmarks of N faces in pixels, (N, 68, 2) float32; 0 is the centre of the first pixel.

    They lie on a grid of 1/1024 pixel, so that a map drawn from them is the same wherever they have been stored.
    """
    return pixels(seen(people, head_points(people)), side).astype(np.float32)


def pixels(points: np.ndarray, side: int) -> np.ndarray:
    """Points (N, P, 2) of the picture, in shares of its side from its middle, as pixels on the grid of 1/1024 pixel."""
    return np.rint(((side - 1) / 2 + points * side) * GRID) / GRID


def seen(people: People, points: np.ndarray) -> np.ndarray:
    """Where points of the head (N, P, 3) are in the picture, from its middle, (N, P, 2): turned, scaled and shifted."""
    x, y, z = points[..., 0], points[..., 1], points[..., 2]
    cos, sin = cosine(column(people.yaw)), sine(column(people.yaw))
    x, z = cos * x + sin * z, cos * z - sin * x
    cos, sin = cosine(column(people.pitch)), sine(column(people.pitch))
    y = cos * y - sin * z
    cos, sin = cosine(column(people.roll)), sine(column(people.roll))
    x, y = cos * x - sin * y, cos * y + sin * x
    return np.stack([x, y], axis=-1) * people.scale[:, None, None] + people.shift[:, None]


def head_points(people: People) -> np.ndarray:
    """The 68 landmarks on the head before it turns, (N, 68, 3): the mean shape, then identity and smile."""
    parts = [_jaw(people), _brows(people), _nose(people), _eyes(people), _mouth(people)]
    points = np.concatenate(parts, axis=1)
    depth = depth_at(points[..., 0])
    depth[:, 27:31] += np.array([0.02, 0.04, 0.06, 0.08])
    depth[:, 31:36] += 0.03
    return np.concatenate([points, depth[..., None]], axis=-1)


def depth_at(x: np.ndarray) -> np.ndarray:
    """Depth z of the face's surface at x."""
    return 0.25 * np.sqrt(np.maximum(1 - (x / 0.33) * (x / 0.33), 0)) - 0.12


def _jaw(people: People) -> np.ndarray:
    angle = 90 * (np.arange(17) - 8) / 8
    x = column(people.jaw_width) * (0.27 * sine(angle))
    return np.stack([x, JAW_END + column(people.jaw_height) * (0.33 * cosine(angle))], axis=-1)


def _brows(people: People) -> np.ndarray:
    k = np.arange(5)
    x, arch = -0.205 + 0.035 * k, -0.105 - 0.022 * sine(36 * (k + 0.5))
    x, arch = np.concatenate([x, -x[::-1]]), np.concatenate([arch, arch[::-1]])
    return np.stack(np.broadcast_arrays(x, arch + column(people.brow_lift)), axis=-1)


def _nose(people: People) -> np.ndarray:
    """Bridge from top to tip, then the nostrils from left to right."""
    top, wing = -0.05, np.array([-1, -0.5, 0, 0.5, 1])
    x = np.concatenate([np.zeros(4), 0.05 * wing])
    y = np.concatenate([top + np.array([0, 0.035, 0.07, 0.105]), 0.08 + 0.012 * (1 - wing * wing)])
    return np.stack(np.broadcast_arrays(x, top + column(people.nose_length) * (y - top)), axis=-1)


def _eyes(people: People) -> np.ndarray:
    """The left one from its outer corner, the right one from its inner corner, both over the upper lid."""
    angle = np.array([180, 120, 60, 0, -60, -120])
    size = column(people.eye_size)
    x = size * (0.045 * cosine(angle))
    y = EYE[1] - size * (0.022 - 0.005 * column(people.smile)) * sine(angle)
    middle = EYE[0] * column(people.eye_distance)
    return np.concatenate([np.stack([x - middle, y], axis=-1), np.stack([x + middle, y], axis=-1)], axis=1)


def _mouth(people: People) -> np.ndarray:
    """Outer line of the lips, then the inner one; a smile widens both, raises the corners and parts the lips."""
    smile = column(people.smile)
    outer, inner = 180 - 30 * np.arange(12), 180 - 45 * np.arange(8)
    across = np.concatenate([0.085 * cosine(outer), 0.066 * cosine(inner)])
    opening = (0.006 + 0.016 * smile) * sine(inner)
    y = MOUTH - np.concatenate([np.broadcast_to(0.036 * sine(outer), (len(smile), 12)), opening], axis=1)
    u = across / 0.085
    x = column(people.mouth_width) * (1 + 0.25 * smile) * across
    return np.stack([x, y - smile * (0.04 * u * u - 0.01)], axis=-1)


def column(values: np.ndarray) -> np.ndarray:
    """(N,) as (N, 1), to stand beside points."""
    return values[:, None]


def sine(degrees: np.ndarray | float) -> np.ndarray:
    """Sine of an angle, off by 1e-9 at most, the same on every machine, and exactly odd."""
    angle = np.asarray(degrees, np.float64)
    angle = angle - 360 * np.rint(angle / 360)
    angle = np.where(np.abs(angle) > 90, np.where(angle < 0, -180.0, 180.0) - angle, angle)
    x = angle * (np.pi / 180)
    square, series = x * x, np.ones_like(x)
    for n in (12, 10, 8, 6, 4, 2):  # Taylor's series up to x^13
        series = 1 - square / (n * (n + 1)) * series
    return x * series


def cosine(degrees: np.ndarray | float) -> np.ndarray:
    """Cosine of an angle, off by 1e-9 at most, the same on every machine, and exactly even."""
    return sine(90 - np.abs(np.asarray(degrees, np.float64)))
