"""Values of mask files become foreground, background, and what is left out of every score."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from lgbench.errors import BadData, BadRecipe

__all__ = ["MaskConfig", "Meaning", "check_masks", "meaning"]


@dataclass(frozen=True, slots=True)
class MaskConfig:
    """How the mask files of an archive or a folder are read.

    Attributes:
        foreground: "" where masks have two values, of which the higher is the foreground; for label maps the values
            that are foreground, say "8,9", or "nonzero"; "soft" where the values are opacities, 255 for fully opaque.
    """

    foreground: str = ""


@dataclass(frozen=True, slots=True)
class Meaning:
    """What each of the values 0 to 255 stands for.

    Attributes:
        foreground: (256,) bool, or uint8 opacities.
    """

    foreground: np.ndarray


def check_masks(config: MaskConfig) -> None:
    """Raises BadRecipe where a setting says nothing sensible."""
    if config.foreground not in ("", "nonzero", "soft"):
        _listed(config.foreground, "foreground", "8,9", ", 'nonzero' or 'soft'")


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
    table = np.zeros(256, dtype=bool)
    if config.foreground == "soft":
        return Meaning(np.arange(256, dtype=np.uint8))
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
    return Meaning(table)


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
        "`--set data.foreground=nonzero`, or `--set data.foreground=soft` where the values are opacities (those of a "
        "JPEG or with smooth edges are)."
    )


def _shown(values: Mapping[int, str] | list[int]) -> str:
    ordered = sorted(values)
    return ", ".join(map(str, ordered[:12])) + (f", ... ({len(ordered)} in all)" if len(ordered) > 12 else "")
