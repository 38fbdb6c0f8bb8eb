"""Parts that the papers' networks share: blocks, critics, U-Nets, spatial transforms, initialisation."""

from torch import nn

from .augment import add_noise, jitter_colours
from .blocks import Next, Opacity, Res, Same, Stem, Sub, Up, image_head, mask_head, opacity
from .codes import CodeConv
from .critics import BNTrunk, CodeCritic, Critic, SNCodeCritic, SNCritic, SNTrunk, sn_code_head
from .features import ComGANFeatures, FineGANFeatures
from .init import dcgan_, orthogonal_
from .perturb import AffineRange, jitter_contrast, move, pose, shift
from .spatial import warp
from .unet import UNetL, UNetS

__all__ = [
    "AffineRange",
    "BNTrunk",
    "CodeConv",
    "CodeCritic",
    "ComGANFeatures",
    "Critic",
    "FineGANFeatures",
    "Next",
    "Opacity",
    "Res",
    "SNCodeCritic",
    "SNCritic",
    "SNTrunk",
    "Same",
    "Stem",
    "Sub",
    "UNetL",
    "UNetS",
    "Up",
    "add_noise",
    "count_parameters",
    "dcgan_",
    "image_head",
    "jitter_colours",
    "jitter_contrast",
    "mask_head",
    "move",
    "opacity",
    "orthogonal_",
    "pose",
    "shift",
    "sn_code_head",
    "warp",
]


def count_parameters(network: nn.Module) -> int:
    """Trainable parameters of a network."""
    return sum(p.numel() for p in network.parameters())
