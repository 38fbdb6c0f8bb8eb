"""Switches of Slot Attention and GENESIS-V2; the first value named is the default. No torch here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge, Gt, MultipleOf

from lgbench.settings import later

__all__ = ["ComponentsConfig", "GenesisConfig", "GenesisMethod", "SlotsConfig", "SlotsMethod"]

Count = Annotated[int, Ge(1)]
Positive = Annotated[float, Gt(0)]


@dataclass(frozen=True, slots=True)
class SlotsConfig:
    """Slot Attention's autoencoder.

    Attributes:
        slots: K, parts that an image is divided into, the ground among them: the most objects and one.
        width: channels of both networks, and numbers of a slot.
        hidden: width of the slots' residual perceptron.
        iterations: rounds in which slots compete for pixels.
        weights: the convolutions' first weights: Glorot's, as in the authors' code, or He's, which keep a signal's
            size through ReLUs.
        starts: where slots set out: drawn from one learnt normal distribution, or each from a learnt vector of its own.
        positions: how many times larger the decoder's map of places is at first.
    """

    slots: Annotated[int, Ge(2)] = 7
    width: Count = 64
    hidden: Count = 128
    iterations: Count = 3
    weights: Literal["glorot", "he"] = later("glorot")
    starts: Literal["drawn", "learnt"] = later("drawn")
    positions: Positive = later(1.0)


@dataclass(frozen=True, slots=True)
class SlotsMethod:
    """How it is trained.

    Attributes:
        lr: learning rate, at its highest.
        warm_up: steps over which the rate rises to `lr`, in even parts; 0 for none.
        halve_every: steps in which the rate falls by half, smoothly, from the first step on; 0 for never.
    """

    lr: Positive = 4e-4
    warm_up: Annotated[int, Ge(0)] = 10_000
    halve_every: Annotated[int, Ge(0)] = 100_000


@dataclass(frozen=True, slots=True)
class GenesisConfig:
    """GENESIS-V2's autoencoder.

    Attributes:
        slots: K, components of an image, the rest that no seed claims among them.
        width: channels of all networks, and numbers of a component's latent.
        colours: numbers of a pixel's embedding, the last two of which are moved by where it lies.
    """

    slots: Annotated[int, Ge(2)] = 10
    width: Annotated[int, Ge(8), MultipleOf(8)] = 64
    colours: Annotated[int, Ge(2)] = 8


@dataclass(frozen=True, slots=True)
class GenesisMethod:
    """How it is trained.

    Attributes:
        lr: learning rate.
        sigma: standard deviation of every component's pixels, images in [0, 1].
        balance: "geco" moves beta until the error meets `goal`; "fixed" holds it.
        goal: the error that is aimed at, nats a pixel and channel.
        beta: weight of the divergence from the prior, at first or throughout.
        rate: of beta's logarithm, for each nat of a whole 64 x 64 image; pictures of other sizes scale it.
        speed_up: how much faster beta rises, once the error is below its goal, than it falls.
    """

    lr: Positive = 1e-4
    sigma: Positive = 0.7
    balance: Literal["geco", "fixed"] = "geco"
    goal: Annotated[float, Gt(0)] = 0.5655
    beta: Positive = 1.0
    rate: Positive = 1e-5
    speed_up: Positive = 10.0


@dataclass(frozen=True, slots=True)
class ComponentsConfig:
    """Which of GENESIS-V2's masks segment.

    Attributes:
        masks: those by which the encoder attends, as the authors report, or those that the decoder paints.
    """

    masks: Literal["attention", "reconstruction"] = "attention"
