"""Switches of PerturbGAN (Bielski and Favaro, NeurIPS 2019). No torch here."""

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le

from lgbench.settings import later

__all__ = ["EncoderConfig", "LightConfig", "PerturbGANMethod", "StyleConfig"]

Count = Annotated[int, Ge(1)]
Natural = Annotated[int, Ge(0)]
Positive = Annotated[float, Gt(0)]
NotNegative = Annotated[float, Ge(0)]


@dataclass(frozen=True, slots=True)
class LightConfig:
    """The lightweight generator: one size from the start.

    Attributes:
        backbone: ComGAN's feature generator, or DCGAN's fractional convolutions.
        n_generators: feature generators: background apart from foreground and mask (2, the public code), all from one
            (1), or one each (3, as ComGAN reads the paper).
        heads: bare heads, or ComGAN's sub-networks before them.
        g: base width; features start at 8 g channels.
        g_b: base width of the background's generator, where it has its own and another; 0 for `g`, as in the paper.
        nz: size of the latent.
        z_scale: factor on the standard normal latent (4 where ComGAN rebuilds the method).
    """

    backbone: Literal["simplegan", "dcgan"] = "simplegan"
    n_generators: Literal[1, 2, 3] = 2
    heads: Literal["bare", "comgan"] = "bare"
    g: Count = 64
    g_b: Natural = 0
    nz: Count = 100
    z_scale: Positive = 1.0


@dataclass(frozen=True, slots=True)
class StyleConfig:
    """The full generator: StyleGAN-1, grown from 8 px.

    Attributes:
        n_generators: background apart from foreground and mask (2), or seven channels from one (1).
        shared_mapping: one mapping, and the same noise planes, for both generators.
        mixing: probability that a training batch mixes two latents.
        same_mixing: whether both generators cross over from one to the other at the same place.
        width: channels up to 32 px; the others follow in proportion.
        width_b: those of the background's generator, where it has its own and another; 0 for `width`, as in the paper.
        nz: size of the latent.
    """

    n_generators: Literal[1, 2] = 2
    shared_mapping: bool = False
    mixing: Annotated[float, Ge(0), Le(1)] = 0.9
    same_mixing: bool = False
    width: Count = 512
    width_b: Natural = 0
    nz: Count = 512


@dataclass(frozen=True, slots=True)
class PerturbGANMethod:
    """Critic and adversarial loss. Perturbation, mask size and binarization are regularizers.

    Attributes:
        gan_loss: WGAN-GP with drift (the public code), non-saturating, or hinge (ELGAN's rebuild).
        critic: ComGAN's or DCGAN's critic (batch norm, none with WGAN-GP), the spectrally normalised one, or "style"
            for the full version; "auto" is "style" for a StyleGAN generator, else "sn" for the hinge loss, else
            "dcgan" for a generator with that backbone and "comgan" for the others.
        d: the critic's base width; of a "style" critic the width up to 32 px.
        penalty, drift: weights of the gradient penalty and of E[D(x)^2].
        phase_steps: steps of each fade-in and of each stabilisation of a growing generator; 600,000 images in the
            paper.
        first_batch: a growing pair's steps at 8 px see so many times `training.batch`, half as many at each side after
            it, down to once; their phases have fewer steps for it, and as many images. 8: public `--sched`.
        final_lr: factor on both learning rates from the first step at the last side on, where a growing generator ends
            at 128 px or above.
        fresh: the critic judges latents of its own rather than the batch that the generator learns from.
        instance_noise: standard deviation of noise on all that the critic sees, images in [-1, 1]; 0 in the paper.
        lr: 0 for 1e-3 with a StyleGAN generator, 2e-4 otherwise.
    """

    gan_loss: Literal["wgan-gp", "nonsat", "hinge"] = "wgan-gp"
    critic: Literal["auto", "comgan", "dcgan", "sn", "style"] = "auto"
    d: Count = 64
    penalty: NotNegative = 10.0
    drift: NotNegative = 0.001
    phase_steps: Count = 18_750
    first_batch: Count = later(1)
    final_lr: Positive = 1.5
    fresh: bool = True
    instance_noise: NotNegative = 0.0
    lr: NotNegative = 0.0


@dataclass(frozen=True, slots=True)
class EncoderConfig:
    """Encoder-based inference: the alpha of the painting that comes nearest to the image.

    Attributes:
        d: base width of the encoder, a critic's trunk.
        feature_weight: weight of squared differences of the critic's last features beside those of pixels.
        code_weight: weight of recovering the latent of painted images.
        refine: gradient steps on the latent for each test image, from the encoder's.
        refine_lr: step size of those.
        lr: the encoder's learning rate.
    """

    d: Count = 64
    feature_weight: NotNegative = 0.1
    code_weight: NotNegative = 1.0
    refine: Natural = 0
    refine_lr: Positive = 0.01
    lr: Positive = 1e-4
