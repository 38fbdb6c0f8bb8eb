"""Parts that the papers' networks share: blocks, critics, U-Nets, spatial transforms, initialisation."""

from torch import nn

from .blocks import Res, Same, Stem, Sub, Up, image_head, mask_head
from .codes import CodeConv
from .critics import BNTrunk, CodeCritic, Critic
from .init import dcgan_, orthogonal_
from .spatial import warp
from .unet import UNetL, UNetS

__all__ = [
    "BNTrunk",
    "CodeConv",
    "CodeCritic",
    "Critic",
    "Res",
    "Same",
    "Stem",
    "Sub",
    "UNetL",
    "UNetS",
    "Up",
    "count_parameters",
    "dcgan_",
    "image_head",
    "mask_head",
    "orthogonal_",
    "warp",
]


def count_parameters(network: nn.Module) -> int:
    """Trainable parameters of a network."""
    return sum(p.numel() for p in network.parameters())
