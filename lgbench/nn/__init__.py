"""Parts that the papers' networks share: blocks, critics, U-Nets, spatial transforms, initialisation."""

import hashlib
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from .augment import add_noise, jitter_colours
from .blocks import Next, Opacity, Res, Same, Stem, Sub, Up, image_head, mask_head, opacity, upsampled_conv
from .codes import CodeConv
from .critics import BNTrunk, Critic, SNCodeCritic, SNCritic, SNTrunk, activations, sn_code_head
from .features import ComGANFeatures, FineGANFeatures
from .init import dcgan_, orthogonal_
from .narrow import Conv
from .segmentor import InstanceNorm, Segmentor, one_hot
from .spatial import shift, warp
from .unet import UNetL, UNetS

__all__ = [
    "BNTrunk",
    "CodeConv",
    "ComGANFeatures",
    "Conv",
    "Critic",
    "FineGANFeatures",
    "InstanceNorm",
    "Next",
    "Opacity",
    "Res",
    "SNCodeCritic",
    "SNCritic",
    "SNTrunk",
    "Same",
    "Segmentor",
    "Stem",
    "Sub",
    "UNetL",
    "UNetS",
    "Up",
    "activations",
    "add_noise",
    "count_parameters",
    "dcgan_",
    "from_seed",
    "image_head",
    "jitter_colours",
    "mask_head",
    "one_hot",
    "opacity",
    "orthogonal_",
    "shift",
    "sn_code_head",
    "upsampled_conv",
    "warp",
    "weights_hash",
]


def from_seed(seed: int, build: Callable[[], nn.Module]) -> Any:
    """What `build` makes with torch's random state set to `seed`, which is as it was afterwards."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return build()


def weights_hash(network: nn.Module) -> str:
    """SHA-256 of the names, types, shapes and bytes of a network's parameters and buffers, hex."""
    digest = hashlib.sha256()
    for name, tensor in network.state_dict().items():
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()


def count_parameters(network: nn.Module) -> int:
    """Trainable parameters of a network."""
    return sum(p.numel() for p in network.parameters())
