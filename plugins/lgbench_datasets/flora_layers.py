"""How `flora` is painted: scenes into layers, layers into images.

Only +, -, *, /, square roots and rounding are used, which every machine computes alike, so that the same seed gives the
same bytes everywhere; `wave` and `turns_of` stand in for the sine and the arc tangent. Planes are kept one colour after
the other, (3, N, R, R), and eight images at a time, so that the arithmetic stays in the cache.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TypeVar

import numpy as np

from .flora_config import BACKGROUNDS, Flora
from .flora_scene import CHUNK, Flowers, Grounds, draw_scene

__all__ = ["Painting", "paint_images"]

BATCH = 8
Picked = TypeVar("Picked", Grounds, Flowers)


@dataclass(frozen=True, slots=True)
class Painting:
    """N images of side R and the layers that they are made of.

    `images` is alphas * foregrounds + (1 - alphas) * backgrounds, rounded.

    Attributes:
        images: (N, R, R, 3) uint8.
        alphas: opacity of all flowers together, (N, R, R) float32 in [0, 1].
        masks: the same as uint8, 255 for opaque.
        backgrounds: (N, R, R, 3) float32 in [0, 255].
        foregrounds: what the flowers show, (N, R, R, 3) float32 in [0, 255]; without meaning where alphas is 0.
        instances: the flower that shows most, (N, R, R) uint8: 1 for the first painted, 0 where masks is under 128.
        labels: class of each image, (N,) int64.
    """

    images: np.ndarray
    alphas: np.ndarray
    masks: np.ndarray
    backgrounds: np.ndarray
    foregrounds: np.ndarray
    instances: np.ndarray
    labels: np.ndarray


def paint_images(config: Flora, resolution: int, split: str, start: int, count: int) -> Painting:
    """Paint `count` images from index `start` on; settings are taken to be checked (see `flora.paint`)."""
    shape = (count, resolution, resolution)
    painting = Painting(
        images=np.empty((*shape, 3), np.uint8),
        alphas=np.empty(shape, np.float32),
        masks=np.empty(shape, np.uint8),
        backgrounds=np.empty((*shape, 3), np.float32),
        foregrounds=np.empty((*shape, 3), np.float32),
        instances=np.empty(shape, np.uint8),
        labels=np.empty(count, np.int64),
    )
    for chunk in range(start // CHUNK, -(-(start + count) // CHUNK)):
        scene, first = draw_scene(config, split, chunk), chunk * CHUNK
        for low in range(max(start, first), min(start + count, first + CHUNK), BATCH):
            high = min(low + BATCH, start + count, first + CHUNK)
            source, target = slice(low - first, high - first), slice(low - start, high - start)
            painting.labels[target] = scene.labels[source]
            paint_batch(painting, target, pick(scene.grounds, source), pick(scene.flowers, source), resolution)
    return painting


def paint_batch(painting: Painting, target: slice, grounds: Grounds, flowers: Flowers, side: int) -> None:
    background = paint_grounds(grounds, side)
    foreground, alpha, instances = paint_flowers(flowers, side)
    image = background + alpha * (foreground - background)
    painting.images[target] = np.moveaxis(np.rint(image), 0, -1)
    painting.alphas[target] = alpha
    painting.masks[target] = masks = np.rint(255 * alpha).astype(np.uint8)
    painting.backgrounds[target] = np.moveaxis(background, 0, -1)
    painting.foregrounds[target] = np.moveaxis(foreground, 0, -1)
    painting.instances[target] = instances * (masks >= 128)


def paint_flowers(flowers: Flowers, side: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Colour (3, N, R, R), alpha (N, R, R) and topmost flower (N, R, R) of all flowers, one over the other."""
    color, alpha = paint_flower(flowers, 0, side)
    instances = np.ones(alpha.shape, np.uint8)
    for k in range(1, flowers.shown.shape[1]):
        over, a = paint_flower(flowers, k, side)
        a *= flowers.shown[:, k, None, None]
        alpha = a + alpha * (1 - a)
        share = a / np.maximum(alpha, np.float32(1e-6))  # of what shows of the flowers, this one's
        color += share * (over - color)
        instances[share > 0.5] = k + 1
    return color, alpha, instances


def paint_flower(flowers: Flowers, k: int, side: int) -> tuple[np.ndarray, np.ndarray]:
    """Colour (3, N, R, R) and alpha (N, R, R) of the k-th flowers, with an edge one pixel wide."""
    x, y, radius, petals, turn, depth, point, disc = (
        getattr(flowers, name)[:, k, None, None]
        for name in ("x", "y", "radius", "petals", "turn", "depth", "point", "disc")
    )
    grid, pixels = pixel_centers(side), radius * np.float32(side)
    dx, dy = (grid - x) / radius, (grid[:, None] - y) / radius  # (N, 1, R) and (N, R, 1), in radii
    r = np.sqrt(dx * dx + dy * dy)
    u = petals * turns_of(*np.broadcast_arrays(dx, dy)) + turn
    w = 2 * np.abs(u - np.rint(u))  # 0 along the middle of a petal, 1 between two
    rim = 1 - depth * w * (w + point * (1 - w))
    slope = depth * (2 * w + point * (1 - 2 * w)) * (petals / np.float32(np.pi)) / np.maximum(r, np.float32(0.4))
    alpha = np.clip((rim - r) * pixels / np.sqrt(1 + slope * slope) + np.float32(0.5), 0, 1)

    lx, ly, veins = (flowers.light[:, k, i, None, None] for i in range(3))
    tone = r / rim
    shade = 1 - np.float32(0.4) * w * w * w * (np.float32(1.2) - np.minimum(tone, 1))
    shade -= veins * np.maximum(1 - 5 * w, 0) * np.minimum(tone, 1)
    shade += lx * dx + ly * dy
    seeds = np.clip((disc - r) * pixels + np.float32(0.5), 0, 1)
    grain = np.float32(0.8) + np.float32(0.2) * wave(dx * 6) * wave(dy * 6) + np.float32(0.15) * (disc - r) / disc
    tone = np.clip(tone * tone, 0, 1)
    color = np.empty((3, *r.shape), np.float32)
    for channel in range(3):
        inner, outer, center = (
            layer[:, k, channel, None, None] for layer in (flowers.inner, flowers.outer, flowers.center)
        )
        petal = (inner + (outer - inner) * tone) * shade
        color[channel] = petal + seeds * (center * grain - petal)
    return np.clip(color, 0, 255, out=color), alpha


def paint_grounds(grounds: Grounds, side: int) -> np.ndarray:
    """Backgrounds (3, N, R, R) in [0, 255]."""
    color = np.empty((3, len(grounds.kind), side, side), np.float32)
    for kind, name in enumerate(BACKGROUNDS):
        these = np.flatnonzero(grounds.kind == kind)
        if len(these):
            color[:, these] = PAINTERS[name](pick(grounds, these), side)
    for p in range(grounds.patches.shape[1]):
        x, y, radius, turn, stretch = (grounds.patches[:, p, i, None, None] for i in range(5))
        along, across = rotated(side, x, y, turn)
        r = np.sqrt(along * along + across * across / (stretch * stretch))
        inside = np.clip((radius - r) * side + np.float32(0.5), 0, 1)
        lay(color, inside * (np.float32(0.65) + np.float32(0.35) * (1 - r / radius)), grounds.patch_colors[:, p])
    return np.clip(color, 0, 255, out=color)


def paint_uniform(grounds: Grounds, side: int) -> np.ndarray:
    n = len(grounds.kind)
    return np.broadcast_to(grounds.colors[:, 0].T[:, :, None, None], (3, n, side, side)).astype(np.float32)


def paint_gradient(grounds: Grounds, side: int) -> np.ndarray:
    color = paint_uniform(grounds, side)
    along, _ = rotated(side, np.float32(0.5), np.float32(0.5), grounds.turns[:, 0, None, None])
    t = np.clip(np.float32(0.5) + np.float32(0.8) * along, 0, 1)
    lay(color, t, grounds.colors[:, 1])
    lay(color, (1 - t) * (1 - t), grounds.colors[:, 2])
    return color


def paint_leaves(grounds: Grounds, side: int) -> np.ndarray:
    """Leafy waves: bent ridges for the leaves, finer ones across for their veins."""
    color = paint_uniform(grounds, side)
    turn, phase, bend, fine = (grounds.turns[:, i, None, None] for i in range(4))
    along, across = rotated(side, np.float32(0.5), np.float32(0.5), turn)
    sway = np.float32(0.35) * wave(across * (1 + bend) + bend)
    ridge = wave(along * (2 + 2 * fine) + sway + phase)
    lay(color, np.float32(0.5) - np.float32(0.5) * ridge, grounds.colors[:, 1])
    blades = wave(across * (3 + 2 * bend) + np.float32(0.4) * ridge) * wave(along * (3 + fine) - sway)
    lay(color, np.float32(0.75) * np.maximum(blades, 0), grounds.colors[:, 2])
    veins = np.maximum(wave(across * 9 + along * 4 + ridge * np.float32(0.3)), 0)
    lay(color, np.float32(0.3) * veins * np.abs(ridge), grounds.colors[:, 3])
    return color


def paint_noise(grounds: Grounds, side: int) -> np.ndarray:
    """Value noise: the coarser octaves mix two tones, the finest sprinkles a third."""
    color = paint_uniform(grounds, side)
    octaves = [enlarged(lattice, side) for lattice in grounds.lattices]
    cloud = np.float32(0.35) * octaves[0] + np.float32(0.35) * octaves[1] + np.float32(0.3) * octaves[2]
    lay(color, np.clip(np.float32(0.5) + np.float32(2.5) * (cloud - np.float32(0.5)), 0, 1), grounds.colors[:, 1])
    lay(color, np.float32(0.8) * octaves[3] * octaves[3], grounds.colors[:, 2])
    return color


def paint_structure(grounds: Grounds, side: int) -> np.ndarray:
    """Several colours with hard edges: two half planes, a band, two discs."""
    color, turns = paint_uniform(grounds, side), grounds.turns[:, :, None, None]
    shapes = ((1, "plane"), (2, "band"), (3, "disc"), (1, "band"), (2, "disc"))
    for i, (mix, shape) in enumerate(shapes):
        x, y, turn, size = (turns[:, 4 * i + j] for j in range(4))
        along, across = rotated(side, x, y, turn)
        if shape == "plane":
            inside = along
        elif shape == "band":
            inside = np.float32(0.04) + np.float32(0.08) * size - np.abs(along)
        else:
            inside = np.float32(0.1) + np.float32(0.2) * size - np.sqrt(along * along + across * across)
        lay(color, np.clip(inside * side + np.float32(0.5), 0, 1), grounds.colors[:, mix])
    return color


PAINTERS = {
    "uniform": paint_uniform,
    "gradient": paint_gradient,
    "leaves": paint_leaves,
    "noise": paint_noise,
    "structure": paint_structure,
}


def lay(color: np.ndarray, cover: np.ndarray, over: np.ndarray) -> None:
    """Mix `over` (N, 3) into the planes `color` (3, N, R, R), in place, where `cover` (N, R, R) says."""
    for plane, tint in zip(color, over.T, strict=True):
        plane += cover * (tint[:, None, None] - plane)


def pixel_centers(side: int) -> np.ndarray:
    """(R,) positions of pixel centres as fractions of the side."""
    return ((np.arange(side) + 0.5) / side).astype(np.float32)


def rotated(side: int, x: np.ndarray | np.float32, y: np.ndarray | np.float32, turn: np.ndarray) -> tuple:
    """Coordinates (N, R, R) around (x, y) along and across a direction; `turn` is (N, 1, 1)."""
    grid = pixel_centers(side)
    dx, dy = grid - x, grid[:, None] - y
    cosine, sine = wave(turn + np.float32(0.25)), wave(turn)
    length = np.sqrt(cosine * cosine + sine * sine)
    cosine, sine = cosine / length, sine / length
    return cosine * dx + sine * dy, cosine * dy - sine * dx


def wave(t: np.ndarray) -> np.ndarray:
    """Nearly sin(2 pi t), made of two parabolas: off by 0.056 at most, and the same on every machine."""
    u = t - np.rint(t)
    return 8 * u * (1 - 2 * np.abs(u))


def turns_of(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Direction of (x, y) in turns, off by 0.00004 at most, and the same on every machine."""
    ax, ay = np.abs(x), np.abs(y)
    a = np.minimum(ax, ay) / np.maximum(np.maximum(ax, ay), np.float32(1e-9))
    s = a * a
    t = ((np.float32(-0.0464964749) * s + np.float32(0.15931422)) * s - np.float32(0.327622764)) * s * a + a
    t *= np.float32(0.5 / np.pi)
    t = np.where(ay > ax, np.float32(0.25) - t, t)
    t = np.where(x < 0, np.float32(0.5) - t, t)
    return np.where(y < 0, -t, t)


def enlarged(lattice: np.ndarray, side: int) -> np.ndarray:
    """Bilinear enlargement of (N, s + 1, s + 1) values at the corners of s x s cells to (N, R, R)."""
    cells = lattice.shape[1] - 1
    position = pixel_centers(side) * np.float32(cells)
    corner = np.minimum(position.astype(np.int64), cells - 1)
    f = (position - corner).astype(np.float32)
    rows = lattice[:, corner] + f[:, None] * (lattice[:, corner + 1] - lattice[:, corner])
    return rows[:, :, corner] + f * (rows[:, :, corner + 1] - rows[:, :, corner])


def pick(drawn: Picked, these: slice | np.ndarray) -> Picked:
    """The same record for some of its images."""
    chosen = {}
    for field in fields(drawn):
        value = getattr(drawn, field.name)
        chosen[field.name] = [part[these] for part in value] if isinstance(value, list) else value[these]
    return type(drawn)(**chosen)
