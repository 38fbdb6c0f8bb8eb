"""Settings of the regularizers. No torch here."""

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le

from lgbench.errors import BadRecipe
from lgbench.settings import later

__all__ = [
    "AugmentConfig",
    "BackgroundConfig",
    "BinarizationConfig",
    "EquivarianceConfig",
    "IndependenceConfig",
    "MIRecoveryConfig",
    "MaskBorderConfig",
    "MaskSizeConfig",
    "PerturbationConfig",
    "R1Config",
    "SegmentorConfig",
    "SpectralConfig",
]

Count = Annotated[int, Ge(1)]
Natural = Annotated[int, Ge(0)]
NotNegative = Annotated[float, Ge(0)]
Share = Annotated[float, Ge(0), Le(1)]
Seen = Literal["painted", "perturbed"]


@dataclass(frozen=True, slots=True)
class BinarizationConfig:
    """Settings of the binary term.

    Attributes:
        form: "entropy" in bits (ComGAN), or "min", mean min(alpha, 1 - alpha) (PerturbGAN, milgan, ELGAN).
        on: the alphas as they were painted, or as a perturbation left them.
    """

    form: Literal["entropy", "min"] = "entropy"
    on: Seen = "painted"


@dataclass(frozen=True, slots=True)
class PerturbationConfig:
    """What foregrounds go through before a critic sees them; a draw for each.

    Attributes:
        form: a bilinear affine map (ELGAN, milgan), or whole pixels (PerturbGAN).
        translate: largest shift along each axis, a share of the side.
        shrink, grow: log2 of the affine map's scale lies between -shrink and grow; a negative `grow` always shrinks.
        rotate: largest angle of the affine map, degrees.
        unit: whether `translate` is a share of the side or, half as far, in grid coordinates of [-1, 1].
        contrast: the background's contrast is multiplied by U(1 - contrast, 1 + contrast) (PerturbGAN: 0.3).
        brightness: the background is shifted as a whole by U(-brightness, brightness), images in [-1, 1]. 0 in the
            papers. On plain backgrounds contrast changes nothing and a sheet in the background's colour can hide;
            another brightness shows it.
        noise: standard deviation of Gaussian noise on the background.
    """

    form: Literal["affine", "shift"] = "affine"
    translate: Share = 0.125
    shrink: float = 0.2
    grow: float = 0.2
    rotate: NotNegative = 0.0
    unit: Literal["side", "grid"] = "side"
    contrast: Share = 0.0
    brightness: NotNegative = 0.0
    noise: NotNegative = 0.0

    def __post_init__(self) -> None:
        _check_scales("perturbation", self.shrink, self.grow)


@dataclass(frozen=True, slots=True)
class AugmentConfig:
    """What images go through before a critic sees them; a draw for each. The weight of this term counts for nothing.

    Attributes:
        colour: brightness, saturation and contrast.
        translate: largest shift along each axis, a share of the side; 0 for none.
        cutout: sides of what is cut out, a share of the picture's; 0 for none.
    """

    colour: bool = True
    translate: Share = 0.125
    cutout: Share = 0.5


@dataclass(frozen=True, slots=True)
class R1Config:
    """Settings of R1, whose gamma is the term's weight (Mescheder et al.: 10; ILSGAN: 0.0002 side^2 / batch).

    Attributes:
        every: one of so many moves of the critic is penalised, and so many times as much: 1 for all (Mescheder et al.);
            16 costs little more than nothing (Karras et al., StyleGAN2).
    """

    every: Count = 16


@dataclass(frozen=True, slots=True)
class SpectralConfig:
    """What becomes of a critic's batch norm. The weight of this term counts for nothing.

    Attributes:
        batch_norm: "replaced", by biases (Miyato et al.), or "kept".
    """

    batch_norm: Literal["replaced", "kept"] = "replaced"


@dataclass(frozen=True, slots=True)
class MaskSizeConfig:
    """Settings of the size hinge.

    Attributes:
        eta: smallest coverage that costs nothing.
        on: alphas as painted, or as a perturbation left them (PerturbGAN).
    """

    eta: Annotated[float, Ge(0), Le(1)] = 0.25
    on: Seen = "perturbed"


@dataclass(frozen=True, slots=True)
class MaskBorderConfig:
    """Settings of the boundary prior.

    Attributes:
        eta: largest share of the outermost pixels that costs nothing; 0.25 lets one side cut an object off.
        on: alphas as painted, or as a perturbation left them.
    """

    eta: Share = 0.25
    on: Seen = "painted"


@dataclass(frozen=True, slots=True)
class MIRecoveryConfig:
    """Settings of code recovery.

    Attributes:
        width: base width of each code critic.
        codes: which codes to recover, comma-separated; empty for all.
        source: read a code from the whole layer that shows it (ComGAN), or from the composite and, for a code of the
            foreground, from its alpha (milgan): an empty mask then costs the most.
    """

    width: Count = 64
    codes: str = ""
    source: Literal["layer", "image"] = "layer"


@dataclass(frozen=True, slots=True)
class EquivarianceConfig:
    """L_equi and L_reg of ELGAN.

    Attributes:
        translate, shrink, grow, rotate, unit: the transforms, as `perturbation` has them.
        dims: leading dimensions of the latent "z" that Phi may change.
        hidden: width of Phi.
        zero: use Phi(eps) - Phi(0), so that no transform means no offset.
        distance: "disc" compares what the critic sees, "pixel" colours only; the others are networks whose weights
            `weights` or LGBENCH_SQUEEZENET, LGBENCH_VGG16, LGBENCH_ROTNET_VGG16 name. "vgg16_imagenet" and
            "squeezenet" were trained with labels. A bold pattern in both pictures can deceive "disc" (ELGAN's README).
        weights: file of the weights of the network that `distance` names; "" for what the environment names.
        layers: which of that network's `features` it reads, say "3,8,15"; "" for the ReLUs that one usually reads.
        stop_gradient: hold the transformed image fixed.
        ramp: steps over which the term grows from 0 to its weight.
        reg_weight: weight of L_reg before the term's own, which multiplies both: 0.5 and 2 make ELGAN's 0.5 and 1.
    """

    translate: Share = 0.125
    shrink: float = 0.2
    grow: float = 0.2
    rotate: NotNegative = 0.0
    unit: Literal["side", "grid"] = "side"
    dims: Count = 10
    hidden: Count = 64
    zero: bool = False
    distance: Literal["disc", "pixel", "squeezenet", "vgg16_imagenet", "rotnet_vgg16"] = "disc"
    weights: str = ""
    layers: str = later("")
    stop_gradient: bool = False
    ramp: Natural = 0
    reg_weight: NotNegative = 2.0

    def __post_init__(self) -> None:
        _check_scales("equivariance", self.shrink, self.grow)


def _check_scales(name: str, shrink: float, grow: float) -> None:
    """Refuse an interval whose ends have changed places."""
    if -shrink > grow:
        table = f"regularizers.{name}"
        raise BadRecipe(
            f"{table}.shrink={shrink:g} and {table}.grow={grow:g} leave no scale: its log2 lies between -shrink and "
            "grow. Set both."
        )


@dataclass(frozen=True, slots=True)
class BackgroundConfig:
    """L_bg has nothing to set beside its weight."""


@dataclass(frozen=True, slots=True)
class IndependenceConfig:
    """Settings of L_ind.

    Attributes:
        form: the likelihood, "laplace" or "gaussian"; "l1" pushes each layer away from the other where it is hidden,
            without other samples and without a gradient into the alpha.
        detach: "visible" holds what is seen fixed, so that only what is hidden moves.
        alpha_grad: whether the alpha moves.
        gate: colours outside (-1, 1) get no gradient.
        warm_weight: weight of L_ind in the first steps, before the term's own, which multiplies it then and later.
        warm_share: how long that lasts, a share of the training; 0 for full weight from the start (ILSGAN: 0.2 for the
            first 400,000 of 8 million images).
    """

    form: Literal["laplace", "gaussian", "l1"] = "laplace"
    detach: Literal["none", "visible"] = "none"
    alpha_grad: bool = True
    gate: bool = True
    warm_weight: NotNegative = 0.2
    warm_share: Share = 0.05


@dataclass(frozen=True, slots=True)
class SegmentorConfig:
    """SCGAN's S and how it learns.

    Attributes:
        kind: the paper's, or the code's, which has four times the parameters.
        width: base width of S.
        mode: S learns from the real images of every step, or has learnt all it will before the training starts.
        epochs: passes over the training images of a pretrained S.
        reduction: of the term: mean over pixels, or the paper's Eq. 9, a sum, which weighs as much as there are pixels.
        lr: of S.
    """

    kind: Literal["small", "wide"] = "small"
    width: Annotated[int, Ge(2)] = 64
    mode: Literal["joint", "pretrained_frozen"] = "joint"
    epochs: Annotated[int, Ge(1)] = 20
    reduction: Literal["mean", "sum"] = "mean"
    lr: Annotated[float, Gt(0)] = 1e-4
