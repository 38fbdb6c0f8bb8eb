"""Values of mask files become foreground, background, and what is left out of every score."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from lgbench.errors import BadData, BadRecipe
from lgbench.settings import later

from .pictures import NEARLY_GREY, MaskValues

__all__ = ["FITS", "VOID", "WHITE", "MaskConfig", "Meaning", "Seen", "border_of", "meaning"]

FITS: Mapping[str, str] = {"crop": "center", "pad": "pad", "squeeze": "squeeze"}
"""Ways to make pictures square, and what a `RawDataset` calls them."""

WHITE = (255, 255, 255)
VOID = 255  # in label maps: no class, say the border of VOC's objects
LEFT_OUT = f"`--set data.ignore={VOID}`"
CLASSES = 100  # values below are classes of a label map; opacities and trimaps have some that are between this and 255
BLACK = 16  # levels of brightness, up to which a colour is called black


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
class Seen:
    """What occurs in the masks of a data set.

    Attributes:
        values: every value, with the first file that has it, in the order of appearance.
        shades: of values that are indices into coloured palettes, how bright they are, with the first file each.
        coloured: values that are the brightness of colours, not of greys.
    """

    values: dict[int, str] = field(default_factory=dict)
    shades: dict[int, dict[int, str]] = field(default_factory=dict)
    coloured: set[int] = field(default_factory=set)

    def add(self, mask: MaskValues, file: str) -> None:
        """Take note of a mask."""
        for value in np.unique(mask.values).tolist():
            self.values.setdefault(value, file)
        for value, brightness in mask.brightness.items():
            self.shades.setdefault(value, {}).setdefault(brightness, file)
        self.coloured.update(mask.coloured)


@dataclass(frozen=True, slots=True)
class Meaning:
    """What each of the values 0 to 255 stands for.

    Attributes:
        foreground: (256,) bool, or uint8 opacities.
        ignored: (256,) bool, None where none is.
        doubt: what a user should know of pictures that have `VOID`, which was hardly meant to be foreground; else "".
    """

    foreground: np.ndarray
    ignored: np.ndarray | None = None
    doubt: str = ""


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


def meaning(seen: Seen, config: MaskConfig, where: str) -> Meaning:
    """What the values of a data set's masks stand for.

    Args:
        where: the data set, for the error.

    Raises:
        BadData: there are more or fewer than two values and the settings do not say what they are, a setting names a
            value that does not occur, or colours may be meant either way.
    """
    ignored, values, doubt = None, seen.values, ""
    if config.ignore:
        ignored = np.zeros(256, dtype=bool)
        ignored[_occurring("ignore", config.ignore, values, where)] = True
        values = {value: file for value, file in values.items() if not ignored[value]}
        if not values:
            raise BadData(f"data.ignore={config.ignore} leaves nothing of the masks of {where} to score.")
    if config.foreground == "soft":
        return Meaning(np.arange(256, dtype=np.uint8), ignored)
    table = np.zeros(256, dtype=bool)
    if config.foreground == "nonzero":
        _check_palettes(seen, where)
        table[1:] = True
        if _void_among(values):
            doubt = f"{VOID}, the border in label maps, counts as object; leave it out by {LEFT_OUT}"
    elif config.foreground:
        table[_occurring("foreground", config.foreground, values, where)] = True
    elif len(values) > 2:
        raise BadData(_several(values, where))
    elif len(values) == 2:
        _check_palettes(seen, where)
        table[max(values)] = True
        _check_colours(min(values), max(values), seen, where)
    elif values:
        (value, file), *_ = values.items()
        raise BadData(
            f"All masks of {where} are {value} everywhere ({file}, for one): there is nothing to tell foreground from "
            "background by. Put masks with two values there, or leave them out."
        )
    return Meaning(table, ignored, doubt)


def border_of(values: Collection[int], other: str) -> str:
    """Whose border masks with these values may have, and the setting that leaves it out of every score.

    Args:
        other: the value to name where they are no label maps.
    """
    if _void_among(values):
        return f"label maps' border with {LEFT_OUT}"
    return f"a trimap's border with `--set data.ignore={other}`"


def _void_among(values: Collection[int]) -> bool:
    """Whether masks with these values seem to be label maps in which 255 is no class, as VOC's are."""
    classes = {*values} - {VOID}
    return VOID in values and len(classes) > 1 and max(classes) < CLASSES


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


def _check_palettes(seen: Seen, where: str) -> None:
    """An index that is the background in one file and an object in another tells nothing."""
    for value, shades in seen.shades.items():
        if max(shades) - min(shades) > NEARLY_GREY and (value == 0 or 0 not in seen.values):
            one, other = shades[min(shades)], shades[max(shades)]
            raise BadData(
                f"The masks of {where} have palettes of their own: {value} is another colour in {one} than in {other}. "
                "Save them in grey, or all with one palette."
            )


def _check_colours(lower: int, higher: int, seen: Seen, where: str) -> None:
    """Two colours may be meant either way, unless the lower one is darker in a palette, or black."""
    if {lower, higher} <= seen.shades.keys():
        clear, kind = max(seen.shades[lower]) <= min(seen.shades[higher]), "have a coloured palette"
    else:
        clear, kind = lower <= BLACK or not {lower, higher} & seen.coloured, "are coloured"
    if not clear:
        raise BadData(
            f"The masks of {where} {kind} ({seen.values[lower]}, for one) in which {lower} may be the object as well "
            f"as {higher}. Say which is the foreground: `--set data.foreground={lower}` or "
            f"`--set data.foreground={higher}`."
        )


def _several(seen: Mapping[int, str], where: str) -> str:
    (value, file), border = list(seen.items())[-1], border_of(seen, "2")
    return (
        f"The masks of {where} have the values {_shown(seen)} ({file} has {value}): they are label maps, "
        "trimaps or soft masks. Say which values are foreground, for instance with `--set data.foreground=8,9` or "
        f"`--set data.foreground=nonzero`; which to leave out of every score, for instance {border}; "
        "or `--set data.foreground=soft` where the values are opacities (a JPEG's are)."
    )


def _shown(values: Mapping[int, str] | list[int]) -> str:
    ordered = sorted(values)
    return ", ".join(map(str, ordered[:12])) + (f", ... ({len(ordered)} in all)" if len(ordered) > 12 else "")
