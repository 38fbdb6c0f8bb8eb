"""Switches of ELGAN (Yang et al.). No torch here."""

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge, Gt

__all__ = ["ELGANConfig", "ELGANMethod"]

Count = Annotated[int, Ge(1)]
Natural = Annotated[int, Ge(0)]
Positive = Annotated[float, Gt(0)]
NotNegative = Annotated[float, Ge(0)]


@dataclass(frozen=True, slots=True)
class ELGANConfig:
    """The generator.

    Attributes:
        g: base width of both branches, which start at 16 g channels.
        g_b: base width of the background's branch, where it is another; 0 for `g`, as in the paper.
        nz: size of the public code z.
        n_codes: classes of the private code c; 0 follows the data set (20 where it has no classes).
        group: consecutive classes that share one super class; masks are painted from z and the super class.
        act: what follows convolutions: ReLU, or gated linear units with twice the channels before them.
    """

    g: Count = 64
    g_b: Natural = 0
    nz: Count = 100
    n_codes: Natural = 0
    group: Count = 10
    act: Literal["relu", "glu"] = "relu"


@dataclass(frozen=True, slots=True)
class ELGANMethod:
    """Critic, code recovery and losses. Perturbation, binarization, mask size and equivariance are regularizers.

    Attributes:
        d: base width of the critic and of E_pi.
        gamma_r: weight of L_r; 0 leaves code recovery out (configuration A).
        recover_sup: whether the super class must be readable from the mask.
        mi_on_perturbed: E_x reads the perturbed composite, as the critic does.
        fresh: the critic judges codes of its own rather than the batch that the generator learns from.
        colour_aug: jitter the colours of all that the critic sees.
        instance_noise: standard deviation of noise on all that the critic sees, images in [-1, 1]; 0 in the paper.
        mask_noise: the same on the mask that E_pi reads: faint ripples then cannot carry the code.
        lr: learning rate of every network.
    """

    d: Count = 64
    gamma_r: NotNegative = 1.0
    recover_sup: bool = True
    mi_on_perturbed: bool = True
    fresh: bool = True
    colour_aug: bool = True
    instance_noise: NotNegative = 0.0
    mask_noise: NotNegative = 0.0
    lr: Positive = 2e-4
