"""The networks behind the extractors, each made from a state that was read safely; images come as bytes."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["InceptionFeatures", "RandomFeatures", "Seen", "SqueezeNetFeatures"]

Seen = tuple[Tensor, Tensor | None]
"""Features (N, D) and, where a network classifies, logits (N, classes)."""


class RandomFeatures(nn.Module):
    """Means and deviations over space of an untrained network's channels, at four scales and of the colours themselves.

    Random convolutions keep enough of an image's statistics to tell distributions apart, if not as people would. The
    weights are He-uniform from a fixed seed. Uniform draws rather than normal ones: they need no logarithm, so every
    machine makes the same bits.
    """

    SEED = 20170424
    SIDE = 64
    WIDTHS = (16, 24, 32, 48)

    def __init__(self, state: Mapping[str, Tensor]) -> None:
        super().__init__()  # the state is empty: the seed is all that the weights come from
        random = torch.Generator().manual_seed(self.SEED)
        widths = (3, *self.WIDTHS)
        for stage, (ins, outs) in enumerate(pairwise(widths)):
            bound = math.sqrt(6 / (1 + 0.2**2) / (9 * ins))
            weight = (2 * torch.rand(outs, ins, 3, 3, generator=random) - 1) * bound
            self.register_buffer(f"weight{stage}", weight)

    def forward(self, images: Tensor) -> Seen:
        """(N, 3, H, W) uint8 -> (N, 246): mean and standard deviation of each channel of the image and stages."""
        x = images.float() / 127.5 - 1
        if x.shape[-2:] != (self.SIDE, self.SIDE):
            x = F.interpolate(x, (self.SIDE, self.SIDE), mode="bilinear", align_corners=False, antialias=True)
        scales = [x]
        for stage, weight in enumerate(self.buffers()):
            x = F.conv2d(F.pad(x, (1, 1, 1, 1), mode="reflect"), weight, stride=1 if stage == 0 else 2)
            x = F.leaky_relu(x, 0.2)
            scales.append(x)
        pooled = [torch.var_mean(scale.flatten(2), dim=2, correction=0) for scale in scales]
        return torch.cat([torch.cat([mean, variance.sqrt()], dim=1) for variance, mean in pooled], dim=1), None


class SqueezeNetFeatures(nn.Module):
    """SqueezeNet 1.1 (Iandola et al., 2016) without its classifier."""

    SIDE = 224
    MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet

    def __init__(self, state: Mapping[str, Tensor]) -> None:
        from torchvision.models import squeezenet1_1

        super().__init__()
        network = squeezenet1_1(weights=None)
        network.load_state_dict(state)
        self.features = network.features
        self.register_buffer("mean", torch.tensor(self.MEAN).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(self.STD).view(1, 3, 1, 1))

    def forward(self, images: Tensor) -> Seen:
        """(N, 3, H, W) uint8 -> (N, 512)."""
        size = (self.SIDE, self.SIDE)
        x = F.interpolate(images.float() / 255, size, mode="bilinear", align_corners=False, antialias=True)
        return self.features((x - self.get_buffer("mean")) / self.get_buffer("std")).mean(dim=(2, 3)), None


class InceptionFeatures(nn.Module):
    """torch-fidelity's Inception-v3, from a state that is already loaded."""

    LAYERS = ("2048", "logits_unbiased")  # the Inception score was defined without the last layer's bias

    def __init__(self, state: Mapping[str, Tensor]) -> None:
        from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

        super().__init__()
        # Its constructor unpickles whatever it is given, so it is given what we have read safely and written ourselves.
        safe = io.BytesIO()
        torch.save(state, safe)
        safe.seek(0)
        self.network = FeatureExtractorInceptionV3(
            "inception-v3-compat", list(self.LAYERS), feature_extractor_weights_path=safe
        )

    def forward(self, images: Tensor) -> Seen:
        """(N, 3, H, W) uint8 -> features (N, 2048) and logits (N, 1008): 1,000 classes and eight unused outputs."""
        features, logits = self.network(images)
        return features, logits
