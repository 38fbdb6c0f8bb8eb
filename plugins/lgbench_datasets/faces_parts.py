"""Which part of a face of `faces` is seen where: outlines laid over one another at points finer than pixels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from . import faces_outlines as outlines
from .face_regions import EYES, INNER_MOUTH, LIPS, NOSE, SKIN, Area, brow_areas, brow_radius, filled
from .faces_config import ATTRIBUTES
from .faces_scene import People
from .faces_shape import head_points, pixels, seen

__all__ = ["BODY", "FINE", "PARTS", "map_parts", "shares"]

FINE = 4  # points of a pixel across
PARTS = (
    "nothing",
    "locks",
    "side",
    "skin",
    "face",
    "nose",
    "nostrils",
    "lips",
    "mouth",
    "teeth",
    "white",
    "iris",
    "pupil",
    "brows",
    "beard",
    "hair",
    "rims",
)
"""What the front layer is made of: "face" is the class map's skin, "skin" that above it; behind nothing is `BODY`."""
BODY = ("background", "clothes", "neck")


class Canvas:
    """A map of parts, (N, 4 R, 4 R) uint8, on which outlines are laid."""

    def __init__(self, count: int, side: int, names: tuple[str, ...]) -> None:
        self.side, self.names = FINE * side, names
        self.parts = np.zeros((count, self.side, self.side), np.uint8)

    def inside(self, *lines: np.ndarray) -> Area:
        """Points inside closed lines, whose corners (N, P, 2) are shares of the picture's side from its middle."""
        return filled([pixels(line, self.side) for line in lines], self.side)

    def lay(self, part: str, area: Area, over: Sequence[str] = (), where: np.ndarray | None = None) -> None:
        """Lay a part: only `over` some parts, if they are named, and only on the faces `where` (N,) says so."""
        inside = area.inside
        if over:
            allowed = np.array([name in over for name in self.names])
            inside = inside & allowed[self.parts[:, area.rows, area.columns]]
        if where is not None:
            inside = inside & where[:, None, None]
        Area(area.rows, area.columns, inside).lay(self.parts, self.names.index(part))


def map_parts(people: People, landmarks: np.ndarray, side: int) -> tuple[np.ndarray, np.ndarray]:
    """Which of `PARTS`, and behind them which of `BODY`, is seen at each point of N pictures.

    Args:
        people: N faces.
        landmarks: theirs, in pixels, (N, 68, 2).
        side: of the pictures, pixels.

    Returns:
        Two maps (N, 4 R, 4 R) uint8.
    """
    has = dict(zip(ATTRIBUTES, people.attributes.T.astype(bool), strict=True))
    points = head_points(people)
    marks = seen(people, points)
    body, front = (Canvas(len(landmarks), side, names) for names in (BODY, PARTS))
    dress, throat = body.inside(outlines.shoulders(people)), body.inside(outlines.neck(people))
    body.lay("clothes", dress)
    body.lay("neck", throat)

    front.lay("locks", front.inside(outlines.locks(people, marks)), where=has["long_hair"])
    for area in (dress, throat):
        front.lay("nothing", area)
    crown = outlines.crown(people)
    front.lay("hair", front.inside(crown))  # behind the head, so that nothing shines through beside it
    for line in (outlines.side(people), *outlines.ears(people)):
        front.lay("side", front.inside(line))
    front.lay("skin", front.inside(outlines.head(people, points)))
    lay_features(front, people, points, landmarks)
    front.lay("beard", front.inside(outlines.beard(people, points, marks)), ["face"], has["beard"])
    cap = front.inside(np.concatenate([crown, outlines.hairline(people)], axis=1))
    front.lay("hair", cap, ["nothing", "locks", "side", "skin"])
    for lines in (*outlines.rims(people), [outlines.bridge(people)]):
        over = ["nothing", "locks", "side", "skin", "face", "nose", "beard", "hair"]
        front.lay("rims", front.inside(*lines), over, has["glasses"])
    return front.parts, body.parts


def lay_features(front: Canvas, people: People, points: np.ndarray, landmarks: np.ndarray) -> None:
    """Skin, nose, mouth, eyes and brows, of the same outlines as the class map's regions."""
    exact = landmarks.astype(np.float64) * FINE + (FINE - 1) / 2
    fine, marks = front.side, seen(people, points)

    def region(line: Sequence[int]) -> Area:
        return filled([exact[:, line]], fine)

    front.lay("face", region(SKIN))
    front.lay("nose", region(NOSE))
    for dot in outlines.nostrils(people, points):
        front.lay("nostrils", front.inside(dot), ["nose"])
    front.lay("lips", region(LIPS))
    front.lay("mouth", region(INNER_MOUTH))
    front.lay("teeth", front.inside(outlines.teeth(marks)), ["mouth"], people.smile > 0.5)
    for eye in EYES:
        front.lay("white", region(eye))
        corners = marks[:, [eye[0], eye[3]]]
        front.lay("iris", front.inside(outlines.disc(people, corners, 0.021)), ["white"])
        front.lay("pupil", front.inside(outlines.disc(people, corners, 0.011)), ["iris"])
    for area in brow_areas(exact, fine, FINE * brow_radius(fine // FINE)):
        front.lay("brows", area)


def shares(parts: np.ndarray, count: int) -> np.ndarray:
    """How many of each pixel's 16 points show each of `count` parts, (count, N, R, R) float32."""
    faces, fine, _ = parts.shape
    side = fine // FINE
    pixel = np.arange(fine) // FINE
    cell = (np.arange(faces)[:, None, None] * side + pixel[:, None]) * side + pixel
    cells = faces * side * side
    counts = np.bincount((parts.astype(np.int64) * cells + cell).reshape(-1), minlength=count * cells)
    return counts.reshape(count, faces, side, side).astype(np.float32)
