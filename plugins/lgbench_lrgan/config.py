"""Switches of LR-GAN and its DCGAN control; the first value named is the default. No torch here."""

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge, Gt

__all__ = ["DCGANConfig", "DCGANMethod", "LRGANConfig", "LRGANMethod"]

Count = Annotated[int, Ge(1)]
Natural = Annotated[int, Ge(0)]
Positive = Annotated[float, Gt(0)]
NotNegative = Annotated[float, Ge(0)]


@dataclass(frozen=True, slots=True)
class LRGANConfig:
    """The generator.

    Attributes:
        n_layers: layers with the background: 2, 3 (MNIST-TWO), or 1, which is DCGAN at half the width.
        ngf: base width; the background starts at 4 ngf channels, the foreground at 8 ngf.
        floor, bg_floor: widths halve at each doubling, never below these.
        channels: 1 for grey images, 0 to follow the data set.
        nz: size of each layer's latent.
        transform: "none" pastes foregrounds full size; no pose network.
        mask: "none" pastes the warped rectangle opaquely; no mask head.
        min_scale: initial diagonal of the pose and its lower bound; 1.2 shrinks objects to 1 / 1.2.
        max_scale_ratio: the upper bound of the diagonal is this times `min_scale`.
        rot_clamp: bound of the off-diagonal entries; None for no bound.
        clamp: "none" leaves the pose unbounded, for studying the bound.
        lstm: whether codes run through an LSTM, so that foregrounds know what lies below.
        bg_input: paint the background from its latent or from the LSTM's first state.
        context_encoder: "auto" builds it for three layers and more.
        first_fg_context: what the first foreground's context encoder reads.
        init: dcgan.torch's N(0, 0.02) or the framework's, for the critic too.
        conditional: codes are encoded from a real image, which the resulting alpha then segments.
        enc_width: base width of what encodes it.
    """

    n_layers: Count = 2
    ngf: Count = 64
    floor: Count = 64
    bg_floor: Count = 64
    channels: Natural = 0
    nz: Count = 100
    transform: Literal["affine", "none"] = "affine"
    mask: Literal["learned", "none"] = "learned"
    min_scale: Positive = 1.2
    max_scale_ratio: Annotated[float, Ge(1)] = 2.0
    rot_clamp: NotNegative | None = 0.1
    clamp: Literal["hard", "none"] = "hard"
    lstm: bool = True
    bg_input: Literal["z0", "h0"] = "z0"
    context_encoder: Literal["auto", "off"] = "auto"
    first_fg_context: Literal["background", "none"] = "background"
    init: Literal["dcgan", "torch_default"] = "dcgan"
    conditional: bool = False
    enc_width: Count = 64


@dataclass(frozen=True, slots=True)
class LRGANMethod:
    """The critic and the losses.

    Attributes:
        ndf: the critic's base width.
        d_head: the public code's 4 x 4 convolution, or the paper's average pool and linear map.
        lambda_rec: weight of the mean squared reconstruction error of a conditional generator.
        instance_noise: standard deviation of Gaussian noise on every image that the critic sees, images in [-1, 1]
            (Soenderby et al., ICLR 2017). 0 in the paper. Where backgrounds are one exact grey, the critic tells
            generated images by the faintest ripple and wins for good within 200 steps; noise takes that away.
        lr: learning rate of every network.
    """

    ndf: Count = 64
    d_head: Literal["conv4", "avgpool"] = "conv4"
    lambda_rec: NotNegative = 10.0
    instance_noise: NotNegative = 0.0
    lr: Positive = 2e-4


@dataclass(frozen=True, slots=True)
class DCGANConfig:
    """The control's generator.

    Attributes:
        width: "table2" has LR-GAN's foreground widths, which the paper's Table 2 counts; "t1" is LR-GAN with one layer.
        ngf: base width; features start at 8 ngf channels ("table2") or 4 ngf ("t1").
        floor: widths halve at each doubling, never below this.
        channels: 1 for grey images, 0 to follow the data set.
        nz: size of the latent.
        init: dcgan.torch's N(0, 0.02) or the framework's, for the critic too.
    """

    width: Literal["table2", "t1"] = "table2"
    ngf: Count = 64
    floor: Count = 64
    channels: Natural = 0
    nz: Count = 100
    init: Literal["dcgan", "torch_default"] = "dcgan"


@dataclass(frozen=True, slots=True)
class DCGANMethod:
    """The control's critic; LR-GAN's.

    Attributes:
        ndf: the critic's base width.
        d_head: the public code's 4 x 4 convolution, or the paper's average pool and linear map.
        instance_noise: standard deviation of noise on all that the critic sees, images in [-1, 1]; 0 in the paper.
        lr: learning rate of both networks.
    """

    ndf: Count = 64
    d_head: Literal["conv4", "avgpool"] = "conv4"
    instance_noise: NotNegative = 0.0
    lr: Positive = 2e-4
