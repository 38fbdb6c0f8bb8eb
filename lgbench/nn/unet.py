"""The two U-Nets of the layered-GAN literature; both need a side divisible by 16 and return one foreground logit."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["UNetL", "UNetS"]


class _DoubleConv(nn.Sequential):
    def __init__(self, i: int, o: int) -> None:
        layers: list[nn.Module] = []
        for a, b in ((i, o), (o, o)):
            layers += [nn.Conv2d(a, b, 3, 1, 1), nn.BatchNorm2d(b), nn.ReLU(inplace=True)]
        super().__init__(*layers)


class _UNet(nn.Module):
    def __init__(self, encoder: list[nn.Module], ups: list[nn.Module], decoder: list[nn.Module], last: int, o: int):
        super().__init__()
        self.encoder, self.decoder = nn.ModuleList(encoder), nn.ModuleList(decoder)
        self.ups = nn.ModuleList(ups)
        self.pool = nn.MaxPool2d(2)
        self.last = nn.Conv2d(last, o, 1)

    def forward(self, x: Tensor) -> Tensor:
        skips = []
        for level, block in enumerate(self.encoder):
            x = block(x if level == 0 else self.pool(x))
            skips.append(x)
        skips.pop()
        for up, block in zip(self.ups, self.decoder, strict=True):
            x = block(torch.cat([skips.pop(), up(x)], dim=1))
        logits = self.last(x)
        # two logits are one: the softmax probability of class 1 is the sigmoid of their difference
        return logits if logits.shape[1] == 1 else logits[:, 1:] - logits[:, :1]


class UNetS(_UNet):
    """U-Net of "Big GANs Are Watching You" (ELGAN, milgan); (N, 3, H, W) in [-1, 1] -> (N, 1, H, W) logits.

    Widths w, 2w, 4w, 8w, 8w; bilinear upsampling with aligned corners. 13,395,394 parameters at w = 64, two logits.
    """

    def __init__(self, width: int = 64, logits: int = 2) -> None:
        w = [width * k for k in (1, 2, 4, 8, 8)]
        super().__init__(
            [_DoubleConv(i, o) for i, o in zip([3, *w], w, strict=False)],
            [nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True) for _ in range(4)],
            [
                _DoubleConv(w[4] + w[3], w[2]),
                _DoubleConv(w[2] * 2, w[1]),
                _DoubleConv(w[1] * 2, w[0]),
                _DoubleConv(w[0] * 2, w[0]),
            ],
            w[0],
            logits,
        )


class UNetL(_UNet):
    """ComGAN's U-Net; (N, 3, H, W) in [-1, 1] -> (N, 1, H, W) logits.

    Widths w, 2w, 4w, 8w, 16w; nearest upsampling, then a convolution that halves the width. 34,527,041 parameters at
    w = 64.
    """

    def __init__(self, width: int = 64) -> None:
        w = [width * k for k in (1, 2, 4, 8, 16)]
        halvings = list(zip(reversed(w[1:]), reversed(w[:-1]), strict=True))
        super().__init__(
            [_DoubleConv(i, o) for i, o in zip([3, *w], w, strict=False)],
            [
                nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv2d(i, o, 3, 1, 1), nn.BatchNorm2d(o), nn.ReLU(True))
                for i, o in halvings
            ],
            [_DoubleConv(2 * o, o) for _, o in halvings],
            w[0],
            1,
        )
