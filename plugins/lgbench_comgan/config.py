"""Switches of the ComGAN family (comgan: Ding et al., NeurIPS 2022). No torch here."""

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge, Gt

from lgbench.settings import later

__all__ = [
    "AlignmentConfig",
    "ComGANCodesConfig",
    "ComGANConfig",
    "ComGANMethod",
    "DSComGANConfig",
    "DSComGANMethod",
    "Pi2Config",
]

Count = Annotated[int, Ge(1)]
Natural = Annotated[int, Ge(0)]
Positive = Annotated[float, Gt(0)]
NotNegative = Annotated[float, Ge(0)]


@dataclass(frozen=True, slots=True)
class ComGANConfig:
    """SimpleGAN, Pi1, ComGAN.

    Attributes:
        g: base width; the feature generator starts at 8 g channels and ends at g / 4.
        nz: size of the latent.
        r_fg, r_bg, r_mask: residual blocks of the sub-networks (Corollary 1: light F and B, shallow M).
        z_scale: factor on the standard normal latent.
    """

    g: Count = 64
    nz: Count = 100
    r_fg: Natural = 3
    r_bg: Natural = 3
    r_mask: Natural = 0
    z_scale: Positive = 1.0


@dataclass(frozen=True, slots=True)
class ComGANCodesConfig(ComGANConfig):
    """ComGAN's generator.

    Attributes:
        n_codes: classes of a private code that F and M are told; 0, as in the paper, for none.
    """

    n_codes: Natural = 0


@dataclass(frozen=True, slots=True)
class Pi2Config(ComGANConfig):
    """Pi2: three feature generators.

    Attributes:
        subnet: "none" puts bare heads on each feature generator.
        shared_z: whether the three read the same latent.
    """

    subnet: Literal["light", "none"] = "light"
    shared_z: bool = True


@dataclass(frozen=True, slots=True)
class DSComGANConfig:
    """DS-ComGAN's generator.

    Attributes:
        g: base width; the feature generator starts at 8 g channels and ends at g / 4.
        nz: size of the latent.
        n_codes: classes N of the codes f and b; 0 follows the data set (20 where it has no classes).
        features: what the branches read: the last features, or all of them projected to R x R.
        use_xz: paint an auxiliary whole image from the features.
        tie_codes: b = f, as the public code trains (the paper: independent).
        r_fg, r_bg, r_mask: residual blocks of the sub-networks.
        z_scale: the public code samples 4 N(0, I).
    """

    g: Count = 64
    nz: Count = 100
    n_codes: Natural = 0
    features: Literal["multiscale", "last"] = "multiscale"
    use_xz: bool = True
    tie_codes: bool = False
    r_fg: Natural = 2
    r_bg: Natural = 2
    r_mask: Natural = 1
    z_scale: Positive = 4.0


@dataclass(frozen=True, slots=True)
class ComGANMethod:
    """One critic, one generator.

    Attributes:
        d: the critic's base width.
        lr: learning rate of both.
        instance_noise: standard deviation of noise on all that the critic sees, images in [-1, 1]; 0 in the paper.
    """

    d: Count = 32
    lr: Positive = 2e-4
    instance_noise: NotNegative = later(0.0)


@dataclass(frozen=True, slots=True)
class DSComGANMethod:
    """Disentanglement stage.

    Attributes:
        d: the critics' base width.
        real_weight: factor on the critic's real term against both fakes; the public code adds it once for each, the
            paper's Eq. 7 once. Half of it where there is no whole image, hence one fake.
        lr: learning rate of every network.
        instance_noise: standard deviation of noise on all that the critic of images sees, images in [-1, 1]; 0 in the
            paper.
    """

    d: Count = 32
    real_weight: NotNegative = 2.0
    lr: Positive = 2e-4
    instance_noise: NotNegative = later(0.0)


@dataclass(frozen=True, slots=True)
class AlignmentConfig:
    """Segmentation stage: S learns from the generator's pairs and from a critic of masks.

    Attributes:
        width: channels of S at full resolution.
        lambda_cons: weight of the consistency term (2 in the public code).
        cons_norm: of the differences that the consistency term counts.
        use_dm: whether a critic of masks judges S's predictions.
        dm_fake: which predictions the mask critic calls fake.
        dm_channels: 3 repeats the mask as the public code does.
        dm_width: the mask critic's base width.
        lr: learning rate of S and of the mask critic.
    """

    width: Count = 64
    lambda_cons: NotNegative = 2.0
    cons_norm: Literal["l1", "l2"] = "l1"
    use_dm: bool = True
    dm_fake: Literal["both", "real", "synth"] = "both"
    dm_channels: Literal[1, 3] = 1
    dm_width: Count = 32
    lr: Positive = 2e-4
