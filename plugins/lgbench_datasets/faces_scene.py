"""What `faces` shows: every number that describes a picture, drawn before anything is painted."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace
from typing import Any, TypeVar

import numpy as np

from lgbench.errors import BadRecipe

from .faces_config import ATTRIBUTES, LIMITS, SPLITS, Given
from .flora_scene import rgb

__all__ = ["CHUNK", "Colors", "People", "draw_people", "given", "pick", "spread"]

CHUNK = 64  # pictures whose numbers are drawn together; part of what a picture looks like, so it never changes
Picked = TypeVar("Picked", "People", "Colors")


@dataclass(frozen=True, slots=True)
class People:
    """Shape and attributes of N faces; lengths are shares of the side, angles degrees. Colours are drawn apart.

    Attributes:
        attributes: 0 or 1 for each of `ATTRIBUTES`, (N, 5) uint8.
        jaw_width, jaw_height, eye_distance, eye_size, mouth_width, nose_length: factors, (N,).
        brow_lift: how much lower the brows are than usual, (N,).
        smile: (N,) in [0, 1].
        yaw, pitch, roll: (N,).
        scale: (N,).
        shift: right and down from the middle of the picture, (N, 2).
        colors: what `Colors` says.
    """

    attributes: np.ndarray
    jaw_width: np.ndarray
    jaw_height: np.ndarray
    eye_distance: np.ndarray
    eye_size: np.ndarray
    mouth_width: np.ndarray
    nose_length: np.ndarray
    brow_lift: np.ndarray
    smile: np.ndarray
    yaw: np.ndarray
    pitch: np.ndarray
    roll: np.ndarray
    scale: np.ndarray
    shift: np.ndarray
    colors: Colors


@dataclass(frozen=True, slots=True)
class Colors:
    """How N faces are coloured, combed, dressed and lit; colours are (..., 3) in [0, 255].

    Attributes:
        hair: without and with `dark_hair`, (N, 2, 3).
        skin: without and with `dark_skin`, (N, 2, 3).
        lips, iris, rims, clothes: (N, 3).
        light: change of brightness from the middle of the face to the right and down, (N, 2).
        parting: where the hair parts, from -1 (left) to 1, (N,).
        fringe: how far the hair comes down the forehead, (N,) in [0, 1].
        volume: how much hair, (N,) in [0, 1].
        ground: colours of the background's two ends and of its blobs, (N, 5, 3).
        ground_turn: direction from one end to the other, turns, (N,).
        blobs: x, y and radius of soft blobs, shares of the side, (N, 3, 3).
    """

    hair: np.ndarray
    skin: np.ndarray
    lips: np.ndarray
    iris: np.ndarray
    rims: np.ndarray
    clothes: np.ndarray
    light: np.ndarray
    parting: np.ndarray
    fringe: np.ndarray
    volume: np.ndarray
    ground: np.ndarray
    ground_turn: np.ndarray
    blobs: np.ndarray


class Dice:
    """Uniform numbers for one chunk: a counter-based stream that nothing else advances.

    Raw bits are scaled here, since numpy promises that a bit generator's stream never changes, a `Generator`'s not.
    """

    def __init__(self, seed: int, split: str, chunk: int, stream: int) -> None:
        self.bits = np.random.Philox(key=[seed, SPLITS.index(split)], counter=[0, 0, chunk, stream])

    def __call__(self, low: float, high: float, *shape: int) -> np.ndarray:
        """(64, *shape) float64, uniform in [low, high)."""
        raw = self.bits.random_raw(CHUNK * math.prod(shape)) >> np.uint64(11)
        return low + (high - low) * (raw * 2.0**-53).reshape(CHUNK, *shape)


def draw_people(seed: int, split: str, chunk: int) -> People:
    """The faces 64 * chunk to 64 * chunk + 63 of a split: attributes, shape and colours from a stream each."""
    coins, dice = (Dice(seed, split, chunk, stream) for stream in (0, 1))
    return People(
        attributes=(coins(0, 1, len(ATTRIBUTES)) < 0.5).astype(np.uint8),
        jaw_width=dice(0.9, 1.1),
        jaw_height=dice(0.92, 1.08),
        eye_distance=dice(0.92, 1.08),
        eye_size=dice(0.85, 1.2),
        mouth_width=dice(0.85, 1.15),
        nose_length=dice(0.9, 1.1),
        brow_lift=dice(-0.012, 0.012),
        smile=dice(0, 1),
        yaw=dice(-30, 30),
        pitch=dice(-10, 10),
        roll=dice(-10, 10),
        scale=dice(1.1, 1.3),
        shift=dice(-0.03, 0.03, 2),
        colors=draw_colors(Dice(seed, split, chunk, 2)),
    )


def draw_colors(dice: Dice) -> Colors:
    """Colours, hair style, light and background, none of which depends on what the face is like."""
    blond, brown = dice(0, 1), dice(0, 1)  # blond to red, and brown to black
    fair = rgb(0.13 - 0.1 * blond, 0.5 + 0.32 * blond, 0.97 - 0.14 * blond)
    dark = rgb(0.07 - 0.02 * brown, 0.65 - 0.35 * brown, 0.27 - 0.19 * brown)
    light_skin = rgb(dice(0.045, 0.075), dice(0.24, 0.38), dice(0.9, 1))
    dark_skin = rgb(dice(0.045, 0.065), dice(0.48, 0.58), dice(0.52, 0.64))
    kind, shade = dice(0, 1), dice(0, 1)  # brown, green or blue eyes
    hue = np.where(kind < 0.5, 0.07, np.where(kind < 0.7, 0.3, 0.58))
    drawn = {
        "hair": np.stack([fair, dark], axis=1),
        "skin": np.stack([light_skin, dark_skin], axis=1),
        "lips": rgb(dice(0.96, 1.02), dice(0.5, 0.65), dice(0.62, 0.8)),
        "iris": rgb(hue, 0.75 - 0.25 * shade, 0.25 + 0.4 * shade),
        "rims": rgb(dice(0, 1), dice(0, 0.6), dice(0.04, 0.15)),
        "clothes": rgb(dice(0, 1), dice(0.3, 0.8), dice(0.35, 0.9)),
        "light": dice(-0.7, 0.7, 2),
        "parting": dice(-1, 1),
        "fringe": dice(0, 1),
        "volume": dice(0, 1),
        "ground": rgb(dice(0, 1, 5), dice(0.15, 0.6, 5), dice(0.4, 0.95, 5)),
        "ground_turn": dice(0, 1),
        "blobs": dice(0, 1, 3, 3),
    }
    return Colors(**{name: numbers.astype(np.float32) for name, numbers in drawn.items()})


def spread(wanted: Given, count: int) -> Given:
    """The same with one array of values a face, (count, ...), for all that is wanted.

    Raises:
        BadRecipe: a value has another shape or is out of its range.
    """
    values = {}
    for field in fields(wanted):
        value = getattr(wanted, field.name)
        if value is None:
            continue
        array = np.asarray(value, np.float64)
        width = {"attributes": (len(ATTRIBUTES),), "shift": (2,)}.get(field.name, ())
        if array.shape not in (width, (count, *width)):
            raise BadRecipe(
                f"{field.name} of {count} faces needs the shape {width} or {(count, *width)}, not {array.shape}."
            )
        low, high = LIMITS[field.name]
        if not ((array >= low) & (array <= high)).all() or (field.name == "attributes" and (array % 1).any()):
            raise BadRecipe(f"{field.name} of a face lies in {low} to {high}; attributes are 0 or 1.")
        values[field.name] = np.broadcast_to(array, (count, *width))
    return Given(**values)


def given(people: People, wanted: Given, these: slice) -> People:
    """The same people with what is `wanted` of them instead of what was drawn; `these` are their rows in `wanted`."""
    values = {field.name: getattr(wanted, field.name) for field in fields(wanted)}
    kept = {name: getattr(people, name).dtype for name, value in values.items() if value is not None}
    return replace(people, **{name: values[name][these].astype(kind) for name, kind in kept.items()})


def pick(drawn: Picked, these: slice | np.ndarray) -> Picked:
    """The same record for some of its faces."""
    parts: dict[str, Any] = {field.name: getattr(drawn, field.name) for field in fields(drawn)}
    for name, part in parts.items():
        parts[name] = pick(part, these) if isinstance(part, Colors) else part[these]
    return type(drawn)(**parts)
