"""Switches of SCGAN (Jiang, Liu, Wu, Fu) and its WGAN rivals; the first value named is the default. No torch here."""

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le, Lt

__all__ = ["ACWGANMethod", "SCGANConfig", "SCGANMethod", "WGANConfig", "WGANGPMethod"]

Count = Annotated[int, Ge(1)]
Weight = Annotated[float, Ge(0)]


@dataclass(frozen=True, slots=True)
class SCGANConfig:
    """SCGAN's generator.

    Attributes:
        order: how class map, latent and attributes enter: one after the other, as the paper has it; in reverse (its
            section 5.9); all at the bottleneck, which the authors trained; or latent and attributes at middle sides.
        g: base width; the bottleneck has 8 g channels.
        nz: size of the latent.
    """

    order: Literal["stepwise", "reversed", "bottleneck", "midlevel"] = "stepwise"
    g: Count = 64
    nz: Count = 512


@dataclass(frozen=True, slots=True)
class WGANConfig:
    """The residual generator of WGAN-GP and ACWGAN.

    Attributes:
        g: base width; the first map has 16 g channels.
        nz: size of the latent; SCGAN's is 512.
    """

    g: Count = 64
    nz: Count = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class WGANGPMethod:
    """A Wasserstein critic with gradient penalty.

    Attributes:
        d: the critic's base width.
        lrelu: slope below zero; 0.01 in the code.
        lambda_gp: weight of the gradient penalty.
        n_repeat: critic steps, each on fresh images, to one of the generator.
        gp_step: the penalty in the critic's loss, or after it as a step by itself, with an Adam of its own (the code's
            shares the critic's).
        lr: of all networks; 5e-5 in SCGAN's code.
        beta1, beta2: Adam's; 0 and 0.9 in Gulrajani et al.
        decay_from: from this share of the steps on, rates fall linearly to nothing; 0.4 in SCGAN's code (the last 30 of
            50 epochs), 1 for never.
    """

    d: Count = 64
    lrelu: Annotated[float, Ge(0), Lt(1)] = 0.2
    lambda_gp: Weight = 10.0
    n_repeat: Count = 5
    gp_step: Literal["joint", "separate"] = "joint"
    lr: Annotated[float, Gt(0)] = 1e-4
    beta1: Annotated[float, Ge(0), Lt(1)] = 0.5
    beta2: Annotated[float, Ge(0), Lt(1)] = 0.999
    decay_from: Annotated[float, Ge(0), Le(1)] = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ACWGANMethod(WGANGPMethod):
    """Besides, the critic classifies attributes.

    Attributes:
        lambda_cls: weight of the classification; 1 in SCGAN's code.
        cls_loss: each attribute by itself, or "ce" for attributes that exclude each other, such as one colour.
    """

    lambda_cls: Weight = 5.0
    cls_loss: Literal["bce", "ce"] = "bce"


@dataclass(frozen=True, slots=True, kw_only=True)
class SCGANMethod(ACWGANMethod):
    """Besides, class maps are given. lambda_seg is the weight of the regularizer `segmentor`, which owns S.

    Attributes:
        aux_classifier: whether the critic classifies attributes; the generator reads them in any case.
        shuffle_seg: give the class maps of a batch to its images in another order, so that the generator is never told
            a real pair of attributes and class map.
    """

    aux_classifier: bool = True
    shuffle_seg: bool = True
