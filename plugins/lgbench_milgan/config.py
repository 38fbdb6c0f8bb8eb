"""Switches of milgan (Yang et al., WACV 2022). No torch here."""

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge, Gt

__all__ = ["MilganConfig", "MilganMethod"]

Count = Annotated[int, Ge(1)]
Natural = Annotated[int, Ge(0)]
Positive = Annotated[float, Gt(0)]
NotNegative = Annotated[float, Ge(0)]


@dataclass(frozen=True, slots=True)
class MilganConfig:
    """The generator.

    Attributes:
        g: base width of both branches, which start at 16 g channels.
        g_b: base width of the background's branch, where it is another; 0 for `g`, as in the paper.
        nz: size of the public code z.
        prior: the private code c is one of `n_codes` classes, or N(0, I) in `d_c` dimensions.
        n_codes: 0 follows the data set (20 where it has no classes).
        d_c: dimensions of a normal c.
        act: what follows convolutions: ReLU, or gated linear units with twice the channels before them.
    """

    g: Count = 64
    g_b: Natural = 0
    nz: Count = 100
    prior: Literal["categorical", "normal"] = "categorical"
    n_codes: Natural = 0
    d_c: Count = 10
    act: Literal["relu", "glu"] = "relu"


@dataclass(frozen=True, slots=True)
class MilganMethod:
    """Critic, code recovery and losses. Perturbation, binarization, mask size and L_bg are regularizers.

    Attributes:
        d: base width of the critic and of E_pi.
        gamma_mi: weight of L_mi; 0 leaves code recovery out (the paper's ablation adds `--with mask-size` instead).
        mi_x, mi_mask: whether the code must be readable from the image, and from the mask.
        mi_on_perturbed: E_x reads the perturbed composite, as the critic does.
        e_step: code recovery learns in the critic's step (this paper) or in the generator's (ELGAN).
        fresh: the critic judges fresh codes rather than the batch that the generator just learned from.
        colour_aug: jitter the colours of all that the critic sees.
        instance_noise: standard deviation of noise on all that the critic sees, images in [-1, 1]; 0 in the paper.
        mask_noise: the same on the mask that E_pi reads: faint ripples then cannot carry the code.
        lr: learning rate of every network.
    """

    d: Count = 64
    gamma_mi: NotNegative = 1.0
    mi_x: bool = True
    mi_mask: bool = True
    mi_on_perturbed: bool = True
    e_step: Literal["d", "g"] = "d"
    fresh: bool = True
    colour_aug: bool = False
    instance_noise: NotNegative = 0.0
    mask_noise: NotNegative = 0.0
    lr: Positive = 2e-4
