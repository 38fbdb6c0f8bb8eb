"""Settings of the methods that paint nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Lt

__all__ = ["GrabCutConfig", "IEMConfig", "IEMUNetConfig", "SupervisedConfig", "UNetConfig"]


@dataclass(frozen=True, slots=True)
class IEMConfig:
    """Inpainting-error maximisation; the defaults are the authors' at every resolution.

    Attributes:
        sigma, kernel: deviation of the Gaussian and the number of its taps, odd; pixels.
        reps: how often it blurs.
        lam: lambda, of what makes each side one colour.
        diversity: V as a sum over pixels, or as their mean (lambda = 16.4 is then 1e-3 at 128 px).
        steps: T.
        smooth: how many of 3 x 3 pixels keep one.
        frame: whether the picture's outermost pixels are always on the boundary.
        inset: margin of the first square, a share of the side.
        pool: 2 blurs pictures of half the side; the authors' fast version has sigma 2.5 and 7 taps then.
        dead_zone: slopes up to this move nothing.
    """

    sigma: Annotated[float, Gt(0)] = 5.0
    kernel: Literal[1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21] = 11
    reps: Annotated[int, Ge(1)] = 2
    lam: Annotated[float, Ge(0)] = 1e-3
    diversity: Literal["sum", "mean"] = "sum"
    steps: Annotated[int, Ge(0)] = 150
    smooth: Literal[4, 5] = 4
    frame: Literal["on", "off"] = "on"
    inset: Annotated[float, Ge(0), Lt(0.5)] = 0.2
    pool: Literal[1, 2] = 1
    dead_zone: Annotated[float, Ge(0)] = 1e-7


@dataclass(frozen=True, slots=True)
class GrabCutConfig:
    """GrabCut from a box.

    Attributes:
        iterations: of its own.
        margin: of the box on each side, a share of the picture's.
    """

    iterations: Annotated[int, Ge(1)] = 5
    margin: Annotated[float, Ge(0), Lt(0.5)] = 0.1


@dataclass(frozen=True, slots=True)
class UNetConfig:
    """U-Net-S on given masks.

    Attributes:
        width: channels at full resolution.
        lr: learning rate, at first.
        drop_at, drop: from this share of the steps on, `lr` is multiplied by `drop`.
        colours: jitter the colours of what it learns from (`lgbench.nn.jitter_colours`).
    """

    width: Annotated[int, Ge(1)] = 64
    lr: Annotated[float, Gt(0)] = 1e-3
    drop_at: Annotated[float, Gt(0)] = 2 / 3
    drop: Annotated[float, Gt(0)] = 0.2
    colours: bool = False


@dataclass(frozen=True, slots=True)
class IEMUNetConfig(UNetConfig):
    """U-Net-S on the masks that IEM, as it is by default, finds in the training pictures.

    Attributes:
        least: training pictures with less than this share of object, or of background, are left out.
    """

    least: Annotated[float, Ge(0), Lt(0.5)] = 0.01


@dataclass(frozen=True, slots=True)
class SupervisedConfig(UNetConfig):
    """U-Net-S on true masks.

    Attributes:
        look_every: steps between looks at its IoU on `val`; the weights of the best are kept.
    """

    colours: bool = True
    look_every: Annotated[int, Ge(1)] = 100
