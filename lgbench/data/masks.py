"""Values of mask files become foreground, background, and what is left out of every score."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from lgbench.errors import BadData, BadRecipe
from lgbench.settings import later

__all__ = ["WHITE", "MaskConfig", "Meaning", "meaning"]

FITS = {"crop": "center", "pad": "pad", "squeeze": "squeeze"}
"""Ways to make pictures square, and what a `RawDataset` calls them."""

WHITE = (255, 255, 255)


@dataclass(frozen=True, slots=True)
class MaskConfig:
    """How the files of an archive or a folder are read. Each setting is kept in one spelling, however it was written.

    Attributes:
        foreground: "" where masks have two values, of which the higher is the foreground; for label maps the values
            that are foreground, say "8,9", or "nonzero"; "soft" where the values are opacities, 255 for fully opaque.
        ignore: values of masks that are left out of every mask score, say "2" for a trimap's border; "" for none.
        fit: how pictures and masks become square: "crop" cuts the middle out, "pad" adds to the shorter side,
            "squeeze" loses the aspect ratio.
        backdrop: the colour behind what is transparent, and of what padding adds: a name, or "#rrggbb".
    """

    foreground: str = ""
    ignore: str = later("")
    fit: Literal["crop", "pad", "squeeze"] = later("crop")
    backdrop: str = later("white")

    def __post_init__(self) -> None:
        foreground, ignore = self.foreground.strip(), self.ignore.strip()
        if foreground not in ("", "nonzero", "soft"):
            foreground = _spelt(_listed(foreground, "foreground", "8,9", ", 'nonzero' or 'soft'"))
        if ignore:
            ignore = _spelt(_listed(ignore, "ignore", "2"))
        if both := {*foreground.split(",")} & {*ignore.split(",")} - {""}:
            raise BadRecipe(f"{', '.join(sorted(both))} cannot be foreground and ignored; it is in both settings.")
        if self.fit not in FITS:
            raise BadRecipe(f"fit = {self.fit!r} is none of {', '.join(FITS)}.")
        for name, value in (("foreground", foreground), ("ignore", ignore), ("backdrop", _colour(self.backdrop))):
            object.__setattr__(self, name, value)

    @property
    def crop(self) -> str:
        """`fit`, as a `RawDataset` says it."""
        return FITS[self.fit]

    @property
    def behind(self) -> tuple[int, int, int]:
        """`backdrop` as red, green and blue."""
        return WHITE if self.backdrop == "white" else _rgb(self.backdrop)


@dataclass(frozen=True, slots=True)
class Meaning:
    """What each of the values 0 to 255 stands for.

    Attributes:
        foreground: (256,) bool, or uint8 opacities.
        ignored: (256,) bool, None where none is.
    """

    foreground: np.ndarray
    ignored: np.ndarray | None = None


def _rgb(colour: str) -> tuple[int, int, int]:
    from PIL import ImageColor

    try:
        red, green, blue = ImageColor.getrgb(colour)[:3]
    except ValueError:
        raise BadRecipe(f"backdrop = {colour!r} is no colour; say white, black, grey or #rrggbb.") from None
    return red, green, blue


def _colour(text: str) -> str:
    """One spelling of a colour: "white", or "#rrggbb"."""
    text = text.strip().lower()
    if text == "white" or _rgb(text) == WHITE:
        return "white"
    return "#{:02x}{:02x}{:02x}".format(*_rgb(text))


def meaning(
    seen: Mapping[int, str], config: MaskConfig, where: str, brightness: Mapping[int, int] | None = None
) -> Meaning:
    """What the values of a data set's masks stand for.

    Args:
        seen: every value that occurs, with a file that has it.
        where: the data set, for the error.
        brightness: of values that are indices into coloured palettes.

    Raises:
        BadData: there are more or fewer than two values and the settings do not say what they are, or a setting names a
            value that does not occur.
    """
    ignored = None
    if config.ignore:
        ignored = np.zeros(256, dtype=bool)
        ignored[_occurring("ignore", config.ignore, seen, where)] = True
        seen = {value: file for value, file in seen.items() if not ignored[value]}
    if config.foreground == "soft":
        return Meaning(np.arange(256, dtype=np.uint8), ignored)
    table = np.zeros(256, dtype=bool)
    if config.foreground == "nonzero":
        table[1:] = True
    elif config.foreground:
        table[_occurring("foreground", config.foreground, seen, where)] = True
    elif len(seen) > 2:
        raise BadData(_several(seen, where))
    elif len(seen) == 2:
        table[max(seen)] = True
        _check_palette(min(seen), max(seen), brightness or {}, seen, where)
    elif seen:
        (value, file), *_ = seen.items()
        raise BadData(
            f"All masks of {where} are {value} everywhere ({file}, for one): there is nothing to tell foreground from "
            "background by. Put masks with two values there, or leave them out."
        )
    return Meaning(table, ignored)


def _spelt(values: list[int]) -> str:
    return ",".join(map(str, sorted({*values})))


def _listed(text: str, setting: str, example: str, others: str = "") -> list[int]:
    """Values from 0 to 255, separated by commas."""
    try:
        values = [int(part) for part in text.split(",")]
        if not all(0 <= value <= 255 for value in values):
            raise ValueError(text)
    except ValueError:
        raise BadRecipe(
            f"{setting} = {text!r} is neither a list of mask values from 0 to 255, such as {example!r}{others}."
        ) from None
    return values


def _occurring(setting: str, text: str, seen: Mapping[int, str], where: str) -> list[int]:
    values = _listed(text, setting, "8,9")
    if absent := sorted(set(values) - set(seen)):
        raise BadData(
            f"data.{setting}={text} names {_shown(absent)}, which no mask of {where} has. Their values are "
            f"{_shown(seen)} ({next(iter(seen.values()), 'no mask could be read')}, for one)."
        )
    return values


def _check_palette(lower: int, higher: int, brightness: Mapping[int, int], seen: Mapping[int, str], where: str) -> None:
    """A coloured palette of two values whose lower one is the brighter may be meant either way."""
    if {lower, higher} <= brightness.keys() and brightness[lower] > brightness[higher]:
        raise BadData(
            f"The masks of {where} have a coloured palette ({seen[lower]}, for one) in which {lower} is brighter than "
            f"{higher}. Say which is the foreground: `--set data.foreground={lower}` or "
            f"`--set data.foreground={higher}`."
        )


def _several(seen: Mapping[int, str], where: str) -> str:
    value, file = list(seen.items())[-1]
    return (
        f"The masks of {where} have the values {_shown(seen)} ({file} has {value}): they are label maps, "
        "trimaps or soft masks. Say which values are foreground, for instance with `--set data.foreground=8,9` or "
        "`--set data.foreground=nonzero`; which to leave out of every score, for instance a trimap's border with "
        "`--set data.ignore=2`; or `--set data.foreground=soft` where the values are opacities (a JPEG's are)."
    )


def _shown(values: Mapping[int, str] | list[int]) -> str:
    ordered = sorted(values)
    return ", ".join(map(str, ordered[:12])) + (f", ... ({len(ordered)} in all)" if len(ordered) > 12 else "")
