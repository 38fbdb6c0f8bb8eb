"""Settings of the general segmenters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Lt

from lgbench.settings import later

__all__ = ["ObjectsConfig", "UNetConfig"]


@dataclass(frozen=True, slots=True)
class UNetConfig:
    """A U-Net that learns painted pairs.

    Attributes:
        width: channels at full resolution.
        target: learn the thresholded or the soft alpha.
        cut: alpha above which a painted pixel counts as foreground, for hard targets.
        lr: learning rate, at first.
        drop_at, drop: from this share of the steps on, `lr` is multiplied by `drop` (BGAW: 2 / 3 and 0.2).
        colours: jitter the colours of what it learns from (`lgbench.nn.jitter_colours`), as ILSGAN does.
        blur: the most by which that is blurred, the standard deviation of a Gaussian in pixels, a draw for each image.
        noise: the most noise that is added to it, its standard deviation, a draw for each image; images are in [-1, 1].
    """

    width: Annotated[int, Ge(1)] = 64
    target: Literal["hard", "soft"] = "hard"
    cut: Annotated[float, Ge(0), Lt(1)] = 0.5
    lr: Annotated[float, Gt(0)] = 1e-3
    drop_at: Annotated[float, Gt(0)] = 2 / 3
    drop: Annotated[float, Gt(0)] = 0.2
    colours: bool = False
    blur: Annotated[float, Ge(0)] = later(0.0)
    noise: Annotated[float, Ge(0)] = later(0.0)


@dataclass(frozen=True, slots=True)
class ObjectsConfig:
    """A U-Net that learns painted objects.

    Attributes:
        width: channels at full resolution.
        lr: learning rate, at first.
        drop_at, drop: from this share of the steps on, `lr` is multiplied by `drop`.
        colours: jitter the colours of what it learns from (`lgbench.nn.jitter_colours`).
        blur, noise: the most by which that is blurred, in pixels, and made noisy, as for U-Nets of pairs.
    """

    width: Annotated[int, Ge(1)] = 64
    lr: Annotated[float, Gt(0)] = 1e-3
    drop_at: Annotated[float, Gt(0)] = 2 / 3
    drop: Annotated[float, Gt(0)] = 0.2
    colours: bool = False
    blur: Annotated[float, Ge(0)] = later(0.0)
    noise: Annotated[float, Ge(0)] = later(0.0)
