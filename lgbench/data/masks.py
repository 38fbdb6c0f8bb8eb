"""Values of mask files become foreground."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from lgbench.errors import BadData, BadRecipe

__all__ = ["MaskConfig", "foreground_table"]


@dataclass(frozen=True, slots=True)
class MaskConfig:
    """How the mask files of an archive or a folder are read.

    Attributes:
        foreground: "" where masks have one value besides 0, which is the foreground; for label maps the values that
            are foreground, say "8,9"; "soft" where the values are opacities, 255 for fully opaque.
    """

    foreground: str = ""


def foreground_table(values: Iterable[int], setting: str, where: str) -> np.ndarray:
    """A table that turns mask values into foreground: `table[values]` is bool, or uint8 opacity for "soft".

    Args:
        values: all values that occur in the masks of the data set, 0..255.
        setting: "" takes the only value besides 0 for foreground; "8,9" takes these; "soft" reads opacities.
        where: the data set, for the error.

    Raises:
        BadData: masks with several values, and `setting` does not say which are foreground.
        BadRecipe: `setting` is none of the above.
    """
    if setting == "soft":
        return np.arange(256, dtype=np.uint8)
    table = np.zeros(256, dtype=bool)
    if setting:
        try:
            table[[_value(text) for text in setting.split(",")]] = True
        except ValueError:
            raise BadRecipe(
                f"foreground = {setting!r} is neither a list of mask values from 0 to 255, such as '8,9', nor 'soft'."
            ) from None
        return table
    several = sorted(set(values) - {0})
    if len(several) > 1:
        shown = ", ".join(map(str, several[:12])) + (", ..." if len(several) > 12 else "")
        raise BadData(
            f"The masks of {where} have several values besides 0 ({shown}): they are label maps or soft masks. Say "
            "which values are foreground, for instance with `--set data.foreground=8,9`, or "
            "`--set data.foreground=soft` where the values are opacities."
        )
    table[1:] = True
    return table


def _value(text: str) -> int:
    value = int(text)
    if not 0 <= value <= 255:
        raise ValueError(text)
    return value
