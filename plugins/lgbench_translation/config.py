"""Switches of pix2pix (Isola et al., CVPR 2017) and CycleGAN (Zhu et al., ICCV 2017). No torch here."""

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, Gt, Le, Lt

__all__ = ["CycleGANConfig", "CycleGANMethod", "Pix2PixConfig", "Pix2PixMethod"]

Count = Annotated[int, Ge(1)]
Share = Annotated[float, Ge(0), Le(1)]


@dataclass(frozen=True, slots=True)
class Pix2PixConfig:
    """The U-Net.

    Attributes:
        ngf: base width; maps have ngf, 2, 4 and then 8 ngf channels.
        dropout: share of the numbers that the inner up-blocks lose, in training and in sampling: the method's only
            noise; 0 for none.
    """

    ngf: Count = 64
    dropout: Annotated[float, Ge(0), Lt(1)] = 0.5


@dataclass(frozen=True, slots=True)
class Pix2PixMethod:
    """The critic of pairs, and the losses.

    Attributes:
        ndf: the critic's base width.
        lambda_l1: weight of the mean absolute difference to the picture whose class map was given.
        lr: learning rate of every network, at first.
        decay_from: from this share of the steps on, rates fall linearly to nothing.
    """

    ndf: Count = 64
    lambda_l1: Annotated[float, Ge(0)] = 100.0
    lr: Annotated[float, Gt(0)] = 2e-4
    decay_from: Share = 0.5


@dataclass(frozen=True, slots=True)
class CycleGANConfig:
    """Both residual networks: the painter, and what reads class maps off pictures.

    Attributes:
        ngf: base width; maps have ngf, 2 and 4 ngf channels.
        blocks: residual blocks at a quarter of the side; the authors have 6 up to 128 px and 9 above.
    """

    ngf: Count = 64
    blocks: Count = 6


@dataclass(frozen=True, slots=True)
class CycleGANMethod:
    """Two critics, and the losses.

    Attributes:
        ndf: the critics' base width.
        lambda_cycle: weight of both cycles' mean absolute differences, in numbers from -1 to 1.
        pool: how many old fakes of either kind the critics are shown besides the new ones; 0 for new ones only.
        lr: learning rate of every network, at first.
        decay_from: from this share of the steps on, rates fall linearly to nothing.
    """

    ndf: Count = 64
    lambda_cycle: Annotated[float, Ge(0)] = 10.0
    pool: Annotated[int, Ge(0)] = 50
    lr: Annotated[float, Gt(0)] = 2e-4
    decay_from: Share = 0.5
