"""Outlines of what `faces` paints besides the landmarks' regions: skull, hair, beard, glasses, neck and shoulders.

Each is a closed line of corners (N, P, 2) in the picture, in shares of its side from its middle. `points` are the
landmarks on the head before it turns, (N, 68, 3), and `marks` the same in the picture, (N, 68, 2).
"""

from __future__ import annotations

import numpy as np

from .faces_scene import People
from .faces_shape import EYE, JAW_END, column, cosine, depth_at, seen, sine

__all__ = [
    "beard",
    "bridge",
    "crown",
    "disc",
    "ears",
    "hairline",
    "head",
    "locks",
    "neck",
    "nostrils",
    "rims",
    "shoulders",
    "side",
    "teeth",
]

ROUND = np.arange(0, 360, 15)
OVER = np.arange(180, -1, -10)  # from the left over the top to the right
BACK = -0.08  # depth of the side of the head
EDGE = 0.482  # no hair lies farther from the picture's middle, right, left or down


def head(people: People, points: np.ndarray) -> np.ndarray:
    """The jaw, closed by a half ellipse over the brows."""
    above = OVER[::-1][1:-1]
    x = column(people.jaw_width) * (0.27 * cosine(above))
    y = np.broadcast_to(-0.27 * sine(above), x.shape)
    bulge = np.maximum(1 - (x / 0.33) * (x / 0.33) - (y / 0.4) * (y / 0.4), 0)
    forehead = np.stack([x, JAW_END + y, 0.25 * np.sqrt(bulge) - 0.12], axis=-1)
    return seen(people, np.concatenate([points[:, :17], forehead], axis=1))


def side(people: People) -> np.ndarray:
    """The side of the head, which shows behind the jaw when the head turns."""
    angle = np.arange(0, 360, 10)
    x = column(people.jaw_width) * (0.262 * cosine(angle))
    y = JAW_END + np.where(angle < 180, 0.22, 0.24) * sine(angle)
    return seen(people, np.stack(np.broadcast_arrays(x, y, BACK), axis=-1))


def ears(people: People) -> list[np.ndarray]:
    """The left ear and the right ear."""
    x, y = 0.03 * cosine(ROUND), 0.005 + 0.055 * sine(ROUND)
    middle = 0.272 * column(people.jaw_width)
    return [
        seen(people, np.stack(np.broadcast_arrays(left_or_right * middle + x, y, BACK + 0.03), axis=-1))
        for left_or_right in (-1, 1)
    ]


def crown(people: People) -> np.ndarray:
    """Outer edge of the hair, from the left ear over the top of the head to the right ear."""
    volume = column(people.colors.volume.astype(np.float64))
    x = (0.29 * column(people.jaw_width) + 0.015 + 0.015 * volume) * cosine(OVER)
    y = -0.04 - (0.285 + 0.02 * volume) * sine(OVER)
    return seen(people, np.stack(np.broadcast_arrays(x, y, -0.03), axis=-1))


def hairline(people: People) -> np.ndarray:
    """From the right ear along the forehead, up to the parting and down again, to the left ear."""
    width, fall = column(people.jaw_width), np.arange(9) / 8
    temple = np.maximum(0.27 * width - 0.035, 0.222)  # farther out than any brow
    parting = 0.09 * column(people.colors.parting.astype(np.float64))
    low = -0.192 + 0.02 * column(people.colors.fringe.astype(np.float64))
    strands = low + (-0.245 - low) * fall * fall  # they fall from the parting and swing out to the temple
    y = np.concatenate([np.broadcast_to([-0.04, -0.1, -0.145], (len(low), 3)), strands], axis=1)
    right, left = (
        np.concatenate([temple * np.array([1.1, 1.02, 0.99]), near + (middle - near) * fall], axis=1)
        for near, middle in ((0.92 * temple, parting), (0.92 * temple, -parting))
    )
    x, y = np.concatenate([right, -left[:, ::-1]], axis=1), np.concatenate([y, y[:, ::-1]], axis=1)
    return seen(people, np.stack([x, y, depth_at(x)], axis=-1))


def locks(people: People, marks: np.ndarray) -> np.ndarray:
    """Long hair: over the head, then straight down on both sides to below the chin, wherever that has turned."""
    scale, volume = column(people.scale), column(people.colors.volume.astype(np.float64))
    x = (0.29 * column(people.jaw_width) + 0.03 + 0.015 * volume) * cosine(OVER)
    y = -0.04 - (0.28 + 0.02 * volume) * sine(OVER)
    top = seen(people, np.stack(np.broadcast_arrays(x, y, -0.05), axis=-1))
    chin = marks[:, 8:9, 1]
    bottom = np.maximum(np.minimum(chin + 0.05 * scale, EDGE), chin + 0.004)
    down, out = np.array([0.2, 0.5, 0.8, 0.95, 1.0]), np.array([0.01, 0.012, 0.0, -0.02, -0.07])
    left, right = (
        np.stack([ear[..., 0] + sign * scale * out, ear[..., 1] + (bottom - ear[..., 1]) * down], axis=-1)
        for sign, ear in ((-1, top[:, :1]), (1, top[:, -1:]))
    )
    line = np.concatenate([top, right, left[:, ::-1]], axis=1)
    line[..., 0] = np.clip(line[..., 0], -EDGE, EDGE)
    return line


def neck(people: People) -> np.ndarray:
    """A strip from inside the head, wherever that has turned, to the upright body; round below."""
    top = seen(people, np.broadcast_to([0.0, 0.15, -0.03], (len(people.yaw), 1, 3)))
    scale, (x, y), end = column(people.scale), _throat(people), np.arange(0, 181, 15)
    across = np.concatenate([top[..., 0] + scale * [-0.115, 0.115], x + scale * (0.135 * cosine(end))], axis=1)
    down = np.concatenate([top[..., 1] + [[0.0, 0.0]], y + scale * (0.05 * sine(end))], axis=1)
    return np.stack([across, down], axis=-1)


def shoulders(people: People) -> np.ndarray:
    """The upper body: it slopes down to both sides and leaves at the bottom of the picture."""
    (x, y), scale = _throat(people), column(people.scale)
    across = np.array([0.13, 0.2, 0.3, 0.45, 0.56, 0.62])
    down = np.array([-0.01, 0.015, 0.04, 0.085, 0.16, 0.5])
    across, down = np.concatenate([-across[::-1], across]), np.concatenate([down[::-1], down])
    return np.stack([x + scale * across, y + scale * down], axis=-1)


def _throat(people: People) -> tuple[np.ndarray, np.ndarray]:
    """x and y where the neck meets the body, (N, 1) each: the body follows the chin's way aside, not all of it."""
    chin = seen(people, np.broadcast_to([0.0, 0.3, -0.03], (len(people.yaw), 1, 3)))[:, :, 0]
    middle = people.shift[:, :1]
    return middle + 0.6 * (chin - middle), people.shift[:, 1:] + 0.4 * column(people.scale)


def beard(people: People, points: np.ndarray, marks: np.ndarray) -> np.ndarray:
    """A band along the jaw, and all that lies between it and the lower lip."""
    inner = points[:, [15, 14, 13, 3, 2, 1]]
    y = JAW_END + 0.9 * (inner[..., 1] - JAW_END)
    band = seen(people, np.stack([0.84 * inner[..., 0], y, inner[..., 2]], axis=-1))
    mouth = marks[:, [54, 55, 56, 57, 58, 59, 48]]
    return np.concatenate([marks[:, 1:16], band[:, :3], mouth, band[:, 3:]], axis=1)


def rims(people: People) -> list[tuple[np.ndarray, np.ndarray]]:
    """Outer and inner line of the glasses' left rim and of the right one."""
    pairs = []
    for left_or_right in (-1, 1):
        lines = []
        for half in (0.0085, -0.0085):
            size = column(people.eye_size)
            x = (0.045 * size + 0.02 + half) * cosine(ROUND) + left_or_right * EYE[0] * column(people.eye_distance)
            y = (0.022 * size + 0.027 + half) * sine(ROUND) + EYE[1] + 0.004
            lines.append(seen(people, np.stack([x, y, depth_at(x)], axis=-1)))
        pairs.append((lines[0], lines[1]))
    return pairs


def bridge(people: People) -> np.ndarray:
    """What joins the rims over the nose."""
    reach = EYE[0] * column(people.eye_distance) - (0.045 * column(people.eye_size) + 0.016)
    x = reach * np.array([-1, 0, 1, 1, 0, -1])
    y = EYE[1] - 0.012 + np.array([-0.0085, -0.0145, -0.0085, 0.0085, 0.0025, 0.0085])
    return seen(people, np.stack(np.broadcast_arrays(x, y, depth_at(x) + 0.01), axis=-1))


def teeth(marks: np.ndarray) -> np.ndarray:
    """The upper part of the inner mouth."""
    upper, lower = marks[:, [63, 62, 61]], marks[:, [65, 66, 67]]
    return np.concatenate([marks[:, 60:65], upper + 0.55 * (lower - upper)], axis=1)


def nostrils(people: People, points: np.ndarray) -> list[np.ndarray]:
    """Two small dots at the lower end of the nose."""
    dots = []
    for nostril in (32, 34):
        x, y, z = (points[:, nostril, None, i] for i in range(3))
        x, y = 0.9 * x + 0.01 * cosine(ROUND), y - 0.004 + 0.007 * sine(ROUND)
        dots.append(seen(people, np.stack(np.broadcast_arrays(x, y, z), axis=-1)))
    return dots


def disc(people: People, corners: np.ndarray, radius: float) -> np.ndarray:
    """A disc in the middle between an eye's corners (N, 2, 2): iris or pupil, which look at the viewer."""
    middle = 0.5 * (corners[:, :1] + corners[:, 1:])
    size = column(radius * people.scale * people.eye_size)
    return middle + np.stack([size * cosine(ROUND), size * sine(ROUND)], axis=-1)
