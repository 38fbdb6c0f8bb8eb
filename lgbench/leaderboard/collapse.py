"""Whether a run collapsed, by what its layers and its training show: never by a score that hangs on polarity."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from lgbench.record import Measured, Record

__all__ = ["GREY", "VANISHED", "Signs", "signs_of", "told"]

GREY = 0.99
"""From this binarity on, mean 4 a (1 - a), masks decide nothing: their alphas are 0.5, give or take 0.05."""

VANISHED = 1e-3
"""Below this share of what it was at first, the gradient that a mask or its network receives has vanished."""

OF_MASKS = ("alpha", "m")
"""Gradients of masks among `Training.gradients`: of the alphas, and of the parameters of a network called m."""


@dataclass(frozen=True, slots=True)
class Signs:
    """What one run shows.

    Attributes:
        found: signs of collapse.
        binarity: of its samples' masks, None where it was not measured.
        gradient: what the mask's gradient is at the end, as a share of what it was at first; of the alphas or of the
            mask network, whichever vanished more; None where it was not recorded.
    """

    found: frozenset[str]
    binarity: float | None
    gradient: float | None


def signs_of(record: Record) -> Signs:
    """The signs of collapse in a record; older ones hold no gradients."""
    value = record.values.get("binarity")
    binarity = value.value if isinstance(value, Measured) else None
    ends = [record.training.gradients[name] for name in OF_MASKS if name in record.training.gradients]
    shares = [last / first for first, last in ends if first > 0]
    gradient = min(shares) if shares else None
    found = {*record.training.flags} | ({"grey"} if binarity is not None and binarity >= GREY else set())
    found |= {"vanished"} if gradient is not None and gradient < VANISHED else set()
    return Signs(frozenset(found), binarity, gradient)


def told(each: Sequence[Signs], asked: Sequence[str]) -> str:
    """How many of a variant's seeds show a sign, and the numbers behind it: "1 of 3 (all_bg x1; binarity 0.21)"."""
    shown = [one.found & {*asked} for one in each]
    words = [f"{sign} x{count}" for sign in asked if (count := sum(sign in signs for signs in shown))]
    binarities = [one.binarity for one in each if one.binarity is not None]
    gradients = [one.gradient for one in each if one.gradient is not None]
    words += [f"binarity {statistics.fmean(binarities):.2f}"] if binarities else []
    words += [f"mask gradient {statistics.fmean(gradients):.2g} of the first"] if gradients else []
    numbers = f" ({'; '.join(words)})" if words else ""
    return f"{sum(map(bool, shown))} of {len(each)} seeds{numbers}"
