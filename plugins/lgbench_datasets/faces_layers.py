"""How `faces` is painted: parts into colours, colours into layers, layers into pictures.

How much of a pixel each part covers is counted at 16 points; colours and their shading are mixed by these shares. As in
`flora`, only +, -, *, /, square roots and rounding are used, so that the same seed gives the same bytes everywhere.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .face_regions import rasterise
from .faces_config import ATTRIBUTES, Faces, Given
from .faces_parts import BODY, FINE, PARTS, map_parts, shares
from .faces_scene import CHUNK, People, draw_people, given, pick, spread
from .faces_shape import landmarks_of, seen
from .flora_layers import lay, pixel_centers, rotated

__all__ = ["Painting", "paint_images", "walk_landmarks"]

BATCH = 8  # pictures at once: their planes stay in the cache
SHADED = ("side", "skin", "face", "nose", "nostrils", "lips", "beard")  # by the depth of the face
COMBED = ("locks", "hair")  # by the hair's sheen


@dataclass(frozen=True, slots=True)
class Painting:
    """N pictures of side R, the layers that they are made of, and what they show.

    `images` is alphas * foregrounds + (1 - alphas) * backgrounds, rounded.

    Attributes:
        images: (N, R, R, 3) uint8.
        alphas: opacity of the head with its hair, (N, R, R) float32 in [0, 1], in sixteenths.
        masks: the same as uint8, 255 for opaque.
        backgrounds: what is behind, neck and shoulders too, (N, R, R, 3) float32 in [0, 255].
        foregrounds: the head with its hair, (N, R, R, 3) float32 in [0, 255]; without meaning where alphas is 0.
        segments: class of each pixel, an index into `face_regions.REGIONS`, (N, R, R) uint8.
        attributes: 0 or 1 for each of `faces.ATTRIBUTES`, (N, 5) uint8.
        landmarks: x and y in pixels, 0 is the centre of the first, (N, 68, 2) float32.
        yaw, pitch, roll: degrees, (N,) float64.
        smile: (N,) float64 in [0, 1].
        shift: of the head from the middle, right and down, shares of the side, (N, 2) float64.
    """

    images: np.ndarray
    alphas: np.ndarray
    masks: np.ndarray
    backgrounds: np.ndarray
    foregrounds: np.ndarray
    segments: np.ndarray
    attributes: np.ndarray
    landmarks: np.ndarray
    yaw: np.ndarray
    pitch: np.ndarray
    roll: np.ndarray
    smile: np.ndarray
    shift: np.ndarray


def paint_images(config: Faces, side: int, split: str, start: int, count: int, wanted: Given) -> Painting:
    """Paint `count` pictures from index `start` on; settings are taken to be checked (see `faces.paint`)."""
    shape, wanted = (count, side, side), spread(wanted, count)
    painting = Painting(
        images=np.empty((*shape, 3), np.uint8),
        alphas=np.empty(shape, np.float32),
        masks=np.empty(shape, np.uint8),
        backgrounds=np.empty((*shape, 3), np.float32),
        foregrounds=np.empty((*shape, 3), np.float32),
        segments=np.empty(shape, np.uint8),
        attributes=np.empty((count, len(ATTRIBUTES)), np.uint8),
        landmarks=np.empty((count, 68, 2), np.float32),
        yaw=np.empty(count),
        pitch=np.empty(count),
        roll=np.empty(count),
        smile=np.empty(count),
        shift=np.empty((count, 2)),
    )
    for chunk in range(start // CHUNK, -(-(start + count) // CHUNK)):
        drawn, first = draw_people(config.seed, split, chunk), chunk * CHUNK
        for low in range(max(start, first), min(start + count, first + CHUNK), BATCH):
            high = min(low + BATCH, start + count, first + CHUNK)
            target = slice(low - start, high - start)
            people = given(pick(drawn, slice(low - first, high - first)), wanted, target)
            paint_batch(painting, target, people, side)
    return painting


def walk_landmarks(config: Faces, side: int, index: int, frames: int, wanted: Given) -> np.ndarray:
    """Landmarks (frames, 68, 2) of test face `index`, once for each of the values that it is given."""
    chunk, row = divmod(index, CHUNK)
    people = pick(draw_people(config.seed, "test", chunk), np.full(frames, row))
    return landmarks_of(given(people, spread(wanted, frames), slice(frames)), side)


def paint_batch(painting: Painting, target: slice, people: People, side: int) -> None:
    for name in ("attributes", "yaw", "pitch", "roll", "smile", "shift"):
        getattr(painting, name)[target] = getattr(people, name)
    painting.landmarks[target] = landmarks = landmarks_of(people, side)
    painting.segments[target] = rasterise(landmarks, side)
    parts, body = map_parts(people, landmarks, side)
    background = paint_behind(people, shares(body, len(BODY)), side)
    foreground, alpha = paint_head(people, shares(parts, len(PARTS)), side)
    image = background + alpha * (foreground - background)
    painting.images[target] = np.moveaxis(np.rint(image), 0, -1)
    painting.alphas[target] = alpha
    painting.masks[target] = np.rint(255 * alpha)
    painting.backgrounds[target] = np.moveaxis(background, 0, -1)
    painting.foregrounds[target] = np.moveaxis(foreground, 0, -1)


def paint_behind(people: People, covered: np.ndarray, side: int) -> np.ndarray:
    """Backgrounds (3, N, R, R) in [0, 255]: a gradient with soft blobs, then clothes and neck."""
    colors = people.colors
    along, _ = rotated(side, np.float32(0.5), np.float32(0.5), colors.ground_turn[:, None, None])
    color = np.empty((3, len(along), side, side), np.float32)
    color[:] = colors.ground[:, 0].T[:, :, None, None]
    lay(color, np.clip(np.float32(0.5) + np.float32(0.8) * along, 0, 1), colors.ground[:, 1])
    grid = pixel_centers(side)
    for b in range(colors.blobs.shape[1]):
        x, y, radius = (colors.blobs[:, b, i, None, None] for i in range(3))
        radius = np.float32(0.15) + np.float32(0.25) * radius
        dx, dy = (grid - x) / radius, (grid[:, None] - y) / radius
        near = np.maximum(1 - (dx * dx + dy * dy), 0)
        lay(color, np.float32(0.7) * near * near, colors.ground[:, 2 + b])
    share = covered * np.float32(1 / FINE**2)
    lay(color, share[BODY.index("clothes")], colors.clothes)
    lay(color, share[BODY.index("neck")], np.float32(0.78) * chosen(colors.skin, people, "dark_skin"))
    return color


def paint_head(people: People, counts: np.ndarray, side: int) -> tuple[np.ndarray, np.ndarray]:
    """Colour (3, N, R, R) in [0, 255] and alpha (N, R, R) of heads whose parts cover `counts` points of a pixel."""
    tint = tints(people)
    flat, face, hair = (np.zeros((3, *counts.shape[1:]), np.float32) for _ in range(3))
    for number, part in enumerate(PARTS[1:], start=1):
        planes = face if part in SHADED else hair if part in COMBED else flat
        for plane, color in zip(planes, tint[part].T, strict=True):
            plane += counts[number] * color[:, None, None]
    face *= face_shade(people, side)
    hair *= hair_shade(people, side)
    points = FINE**2 - counts[0]
    color = (flat + face + hair) / np.maximum(points, 1)
    return np.clip(color, 0, 255, out=color), points * np.float32(1 / FINE**2)


def tints(people: People) -> dict[str, np.ndarray]:
    """Colour of each part before shading, (N, 3) in [0, 255]."""
    colors, one = people.colors, np.ones((len(people.yaw), 1), np.float32)
    skin, hair = chosen(colors.skin, people, "dark_skin"), chosen(colors.hair, people, "dark_hair")
    has_dark = people.attributes[:, :1] == 1
    dark_brow, fair_brow = np.array([[0.75] * 3, [0.43, 0.33, 0.34]], np.float32)  # darker than any skin
    return {
        "locks": hair * np.float32(0.8),
        "side": skin * np.float32(0.88),
        "skin": skin,
        "face": skin,
        "nose": skin * np.array([0.9, 0.84, 0.82], np.float32),
        "nostrils": skin * np.float32(0.5),
        "lips": colors.lips,
        "mouth": one * np.array([92, 24, 30], np.float32),
        "teeth": one * np.array([246, 243, 236], np.float32),
        "white": one * np.array([250, 250, 250], np.float32),
        "iris": colors.iris,
        "pupil": one * np.array([14, 12, 14], np.float32),
        "brows": hair * np.where(has_dark, dark_brow, fair_brow),
        "beard": hair * np.float32(0.9),
        "hair": hair,
        "rims": colors.rims,
    }


def chosen(pair: np.ndarray, people: People, attribute: str) -> np.ndarray:
    """Of two colours (N, 2, 3) the one that an attribute says, (N, 3)."""
    return np.where(people.attributes[:, ATTRIBUTES.index(attribute), None] == 1, pair[:, 1], pair[:, 0])


def face_shade(people: People, side: int) -> np.ndarray:
    """Brightness (N, R, R) of what lies on the face: it falls with the surface's depth, and towards the dark side."""
    x, y = from_point(people, (0.0, 0.03, 0.13), side)
    x, y = x * np.float32(1 / 0.36), y * np.float32(1 / 0.42)
    depth = np.sqrt(np.maximum(1 - (x * x + y * y), 0))
    light = people.colors.light[:, :, None, None]
    return np.float32(0.76) + np.float32(0.26) * depth + np.float32(0.12) * (light[:, 0] * x + light[:, 1] * y)


def hair_shade(people: People, side: int) -> np.ndarray:
    """Brightness (N, R, R) of hair: a sheen across the top on the lit side, darker further down."""
    x, y = from_point(people, (0.0, -0.2, 0.05), side)
    light = people.colors.light[:, :, None, None]
    x = x - np.float32(0.12) * light[:, 0]
    ring = 1 - np.float32(9) * x * x - np.float32(120) * np.square(y + np.float32(0.05) - np.float32(1.2) * x * x)
    return np.float32(0.92) + np.float32(0.35) * np.maximum(ring, 0) - np.float32(0.3) * np.clip(y, -0.1, 0.5)


def from_point(people: People, point: tuple[float, float, float], side: int) -> tuple[np.ndarray, np.ndarray]:
    """Pixel centres from where a point of the head is seen, in units of the head: x (N, 1, R) and y (N, R, 1)."""
    middle = seen(people, np.broadcast_to(point, (len(people.yaw), 1, 3)))[:, 0] + 0.5
    scale, grid = people.scale[:, None], pixel_centers(side)
    x, y = (((grid - middle[:, i, None]) / scale).astype(np.float32) for i in (0, 1))
    return x[:, None, :], y[:, :, None]
