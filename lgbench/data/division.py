"""Splits drawn by names, for pictures that come without some."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

from lgbench.errors import BadRecipe

from .names import composed, last, without_ending
from .split import Split

__all__ = ["check_splits", "draw_splits", "draw_val"]

TEST = 0.2  # share of all pictures that come without splits
VAL = 0.1  # share of the training pictures where there is no val
ENOUGH = 10  # training pictures, of which one at least is val


def draw_splits(names: Sequence[str]) -> dict[str, str]:
    """ "train" or "test" for each of `names`, of which about a fifth is "test".

    A picture's side depends on its own name alone (without folders, case kept, composed letters): whatever is added
    beside it or renamed above it, it stays where it is. Only where all would be on one side, one name changes over.
    """
    drawn = _drawn(names, "", TEST)
    return {name: "test" if chosen else "train" for name, chosen in drawn.items()}


def draw_val(names: Sequence[str]) -> frozenset[str]:
    """About a tenth of the training pictures `names`, each by its own name alone; none of fewer than ten may be one."""
    drawn = _drawn(names, "val ", VAL, needed=len(names) >= ENOUGH)
    return frozenset(name for name, chosen in drawn.items() if chosen)


def check_splits(name: str, wanted: Sequence[str], splits: Mapping[str, Split]) -> None:
    """Refuse to score a split that the data set `name` does not have.

    Raises:
        BadRecipe: says which one it has instead, or how to have one.
    """
    absent = [split for split in wanted if split not in splits]
    if not absent:
        return
    told = f"{name} has no split {absent[0]!r}; it has {sorted(splits)}."
    if "val" in splits:
        told += " Add `--set evaluation.split=val`."
    elif splits["train"].origin.startswith(("folder:", "archive:")):
        told += f" Of {ENOUGH} training pictures or more a tenth is 'val'; those in a folder `test` are 'test'."
    raise BadRecipe(told)


def _drawn(names: Sequence[str], salt: str, share: float, needed: bool = True) -> Mapping[str, bool]:
    own = {name: last(composed(without_ending(name))) for name in names}
    if len({*own.values()}) == 1:  # every picture lies in a folder of its own and is called, say, image.png
        own = {name: composed(name) for name in names}
    places = {word: _place(salt + word) for word in own.values()}
    chosen = {word for word, place in places.items() if place >= 1 - share}
    if needed and not chosen and len(places) > 1:
        chosen = {max(places, key=places.__getitem__)}
    if len(chosen) == len(places):
        chosen -= {min(places, key=places.__getitem__)}
    return {name: word in chosen for name, word in own.items()}


def _place(text: str) -> float:
    """A number in [0, 1) that depends on `text` alone."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:6]) / 2**48
