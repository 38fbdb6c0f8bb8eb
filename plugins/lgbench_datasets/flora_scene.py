"""What `flora` shows: every number that describes an image, drawn before anything is painted."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from .flora_config import BACKGROUNDS, SPLITS, Flora, background_kinds, petal_counts

__all__ = ["CHUNK", "Flowers", "Grounds", "Scene", "draw_scene", "rgb"]

CHUNK = 64  # images whose numbers are drawn together; part of what an image looks like, so it never changes
FIRST_HUE, HUES = 0.72, 0.43  # of petals, turns: from violet over red to yellow
LATTICES = (4, 8, 16, 32)  # cells across, from the coarse octave of the noise to the fine one


@dataclass(frozen=True, slots=True)
class Grounds:
    """Backgrounds of N images.

    Attributes:
        kind: index into `BACKGROUNDS`, (N,).
        colors: base colour and three to mix in, (N, 4, 3) in [0, 255].
        turns: free numbers that place waves, edges and patches, (N, 24) in [0, 1).
        lattices: values of the noise, one (N, s + 1, s + 1) array in [0, 1) for each octave.
        patches: clutter: x, y, radius, two axis components, of P discs, (N, P, 5); P is 0 where there is none.
        patch_colors: (N, P, 3) in [0, 255].
    """

    kind: np.ndarray
    colors: np.ndarray
    turns: np.ndarray
    lattices: list[np.ndarray]
    patches: np.ndarray
    patch_colors: np.ndarray


@dataclass(frozen=True, slots=True)
class Flowers:
    """K flowers for each of N images, in painting order; lengths are fractions of the side.

    Attributes:
        shown: whether there is a flower, (N, K) bool.
        x, y, radius: (N, K).
        petals: how many, (N, K).
        turn: rotation in petals, (N, K) in [0, 1).
        depth: how far the outline retreats between petals, as a fraction of the radius, (N, K).
        point: 0 for round petals, 1 for pointed ones, (N, K).
        disc: radius of the centre disc, as a fraction of the flower's, (N, K).
        light: direction (2) and veins (1), (N, K, 3).
        inner, outer, center: colours of the petals at their root, at their tip, and of the disc, (N, K, 3) in [0, 255].
    """

    shown: np.ndarray
    x: np.ndarray
    y: np.ndarray
    radius: np.ndarray
    petals: np.ndarray
    turn: np.ndarray
    depth: np.ndarray
    point: np.ndarray
    disc: np.ndarray
    light: np.ndarray
    inner: np.ndarray
    outer: np.ndarray
    center: np.ndarray


@dataclass(frozen=True, slots=True)
class Scene:
    """Everything that 64 consecutive images show; `labels` is (64,) int64."""

    grounds: Grounds
    flowers: Flowers
    labels: np.ndarray


class Dice:
    """Uniform numbers for one chunk: a counter-based stream that nothing else advances.

    Raw bits are scaled here, since numpy promises that a bit generator's stream never changes, a `Generator`'s not.
    """

    def __init__(self, seed: int, split: str, chunk: int, stream: int) -> None:
        self.bits = np.random.Philox(key=[seed, SPLITS.index(split)], counter=[0, 0, chunk, stream])

    def __call__(self, low: float, high: float, *shape: int) -> np.ndarray:
        """(64, *shape) float32, uniform in [low, high)."""
        raw = self.bits.random_raw(CHUNK * math.prod(shape)) >> np.uint64(40)
        unit = raw.astype(np.float32) * np.float32(2**-24)
        return np.float32(low) + np.float32(high - low) * unit.reshape(CHUNK, *shape)

    def below(self, end: int, *shape: int) -> np.ndarray:
        """(64, *shape) int64, uniform in 0 .. end - 1."""
        return np.minimum((self(0, 1, *shape) * end).astype(np.int64), end - 1)


def draw_scene(config: Flora, split: str, chunk: int) -> Scene:
    """The images 64 * chunk to 64 * chunk + 63 of a split; background and flowers are drawn independently."""
    labels = Dice(config.seed, split, chunk, 0).below(config.classes)
    grounds = draw_grounds(config, split, Dice(config.seed, split, chunk, 1))
    return Scene(grounds, draw_flowers(config, split, labels, Dice(config.seed, split, chunk, 2)), labels)


def draw_grounds(config: Flora, split: str, dice: Dice) -> Grounds:
    allowed = np.array([BACKGROUNDS.index(kind) for kind in background_kinds(config, split)])
    kind = allowed[dice.below(len(allowed))]
    colors = ground_colors(config.difficulty, kind == BACKGROUNDS.index("leaves"), dice)
    turns = dice(0, 1, 24)
    lattices = [dice(0, 1, cells + 1, cells + 1) for cells in LATTICES]
    clutter = {"hard": 7, "wild": 3}.get(config.difficulty, 0)
    angle = dice(0, 1, clutter)
    stretch = dice(0.35, 1, clutter)
    patches = (dice(0, 1, clutter), dice(0, 1, clutter), dice(0.04, 0.13, clutter), angle, stretch)
    hues = dice(0, 1, clutter)
    if config.difficulty == "wild":  # half are fallen petals, of the flowers' hues, half are buds and leaves
        hues = np.where(hues < 0.5, FIRST_HUE + 2 * HUES * hues, 0.2 + 0.2 * (hues - 0.5)).astype(np.float32)
    patch_colors = rgb(hues, dice(0.3, 0.9, clutter), dice(0.5, 1, clutter))
    return Grounds(kind, colors, turns, lattices, np.stack(patches, axis=-1), patch_colors)


def ground_colors(difficulty: str, leafy: np.ndarray, dice: Dice) -> np.ndarray:
    """(64, 4, 3): greens, browns and blues, leaves mostly green; easy ones are darker than any flower."""
    family, u, v = dice(0, 1), dice(0, 1), dice(0, 1)
    green, blue, brown = 0.23 + 0.17 * u, 0.46 + 0.14 * u, 0.055 + 0.05 * u
    share = np.where(leafy, np.float32(0.85), np.float32(0.5))
    is_green, is_blue = family < share, family > (1 + share) / 2
    hue = np.where(is_green, green, np.where(is_blue, blue, brown))
    saturation = np.where(is_green, 0.45 + 0.4 * v, np.where(is_blue, 0.35 + 0.35 * v, 0.4 + 0.3 * v))
    low, high, contrast, spread = {
        "easy": (0.22, 0.46, 0.3, 0.03),
        "medium": (0.22, 0.62, 0.5, 0.08),
        "hard": (0.35, 0.85, 0.6, 0.3),
        "wild": (0.25, 0.62, 0.5, 0.06),
    }[difficulty]
    value = dice(low, high)
    anywhere = dice(0, 1)
    if difficulty == "hard":  # any hue at all, the flowers' among them
        hue = anywhere
    if difficulty == "wild":  # every fourth has the flowers'
        hue = np.where(anywhere < 0.25, FIRST_HUE + 4 * HUES * anywhere, hue).astype(np.float32)
    hues = hue[:, None] + np.concatenate([dice(0, 0, 1), dice(-spread, spread, 3)], axis=1)
    tones = np.stack([np.ones(CHUNK), np.full(CHUNK, 1 - contrast), np.full(CHUNK, 1 + contrast), dice(0.75, 1.3)], 1)
    tones = (tones + dice(-0.1, 0.1, 4)).astype(np.float32)
    return rgb(hues, np.repeat(saturation[:, None], 4, axis=1), np.clip(value[:, None] * tones, 0.06, 1))


def draw_flowers(config: Flora, split: str, labels: np.ndarray, dice: Dice) -> Flowers:
    k = config.flowers
    number = dice.below(k) + 1
    shrink = (1 / np.sqrt(np.arange(1, k + 1, dtype=np.float32)))[number - 1]  # many flowers cover about what one does
    radius = dice(config.size_min, config.size_max, k) * shrink[:, None]
    shifted = config.shift if split == "test" else "none"
    if shifted == "size":
        radius = radius / 2
    x, y = place(radius, shifted == "position", dice)
    inner, outer, center = petal_colors(config, labels, shifted == "hue", dice)
    return Flowers(
        shown=np.arange(k) < number[:, None],
        x=x,
        y=y,
        radius=radius,
        petals=np.repeat(np.array(petal_counts(config), np.float32)[labels][:, None], k, axis=1),
        turn=dice(0, 1, k),
        depth=dice(0.36, 0.55, k),
        point=dice(0, 0.7, k),
        disc=dice(0.2, 0.32, k),
        light=np.concatenate([dice(-0.15, 0.15, k, 2), dice(0.04, 0.2, k, 1)], axis=-1),
        inner=inner,
        outer=outer,
        center=center,
    )


def place(radius: np.ndarray, cut: bool, dice: Dice) -> tuple[np.ndarray, np.ndarray]:
    """Centres that keep the flower inside the image or, `cut`, that lie so near a border that it cuts the flower."""
    u, v, side, inset = (dice(0, 1, radius.shape[1]) for _ in range(4))
    if not cut:
        margin = np.minimum(radius + np.float32(0.02), 0.5)
        return margin + u * (1 - 2 * margin), margin + v * (1 - 2 * margin)
    near = radius * (0.6 * inset)
    near = np.where(v < 0.5, near, 1 - near)
    return np.where(side < 0.5, near, u), np.where(side < 0.5, u, near)


def petal_colors(
    config: Flora, labels: np.ndarray, turned: bool, dice: Dice
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Colours (64, K, 3) of the petals at root and tip, and of the disc; a class has its hue from violet to yellow."""
    k = config.flowers
    step = (labels * 0.618034 % 1).astype(np.float32)[:, None]  # golden ratio: neighbouring classes are far apart
    hue = FIRST_HUE + HUES * step + dice(-0.015, 0.015, k) + (1 / 6 if turned else 0)
    pale = ((labels % 4) == 2)[:, None]
    saturation = np.where(pale, dice(0.12, 0.25, k), dice(0.6, 0.95, k))
    outer = rgb(hue, saturation, dice(0.85, 1, k))
    inner = rgb(hue + dice(-0.04, 0.04, k), np.minimum(saturation * dice(0.6, 1.4, k), 1), dice(0.6, 0.95, k))
    yellow = dice(0, 1, k) < 0.7
    center = rgb(dice(0.1, 0.155, k), dice(0.7, 0.95, k), np.where(yellow, dice(0.85, 1, k), dice(0.25, 0.4, k)))
    return inner, outer, center


def rgb(hue: np.ndarray, saturation: np.ndarray, value: np.ndarray) -> np.ndarray:
    """Colours (..., 3) in [0, 255], float32, of a hue in turns, a saturation and a value in [0, 1]."""
    sector = (np.array([5, 3, 1], np.float32) + 6 * np.asarray(hue, np.float32)[..., None]) % 6
    off = np.clip(np.minimum(sector, 4 - sector), 0, 1) * np.asarray(saturation, np.float32)[..., None]
    return (255 * np.asarray(value, np.float32)[..., None] * (1 - off)).astype(np.float32)
