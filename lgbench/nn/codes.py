"""A convolution over a tiled code, without tiling it."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .gate import channels_last

__all__ = ["CodeConv"]


class CodeConv(nn.Conv2d):
    """Conv 3/1/1 without bias over [`code` tiled over space, h]; class indices stand for their one-hot vectors.

    Exactly `Conv2d(classes + i, o)` on the concatenation, with the same weight tensor, but a constant map convolves to
    a constant: its part is a look-up of the weights, which differs only where the zero padding takes taps away (the
    outermost rows and columns). That saves classes / (classes + i) of the arithmetic.
    """

    taps: Tensor

    def __init__(self, classes: int, i: int, o: int) -> None:
        super().__init__(classes + i, o, 3, 1, 1, bias=False)
        self.classes = classes
        # which of three taps lie inside the image at the first, an inner, and the last position
        self.register_buffer("taps", torch.tensor([[0.0, 1, 1], [1, 1, 1], [1, 1, 0]]), persistent=False)

    def forward(self, h: Tensor, code: Tensor) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        """(N, i, H, W) features, H and W at least 2, and (N,) class indices or (N, classes) numbers -> (N, o, H, W)."""
        of_code, of_h = self.weight.split([self.classes, self.in_channels - self.classes], dim=1)
        if code.is_floating_point():
            looked_up = torch.einsum("nc,ocij->noij", code, of_code)
        else:
            looked_up = of_code.transpose(0, 1)[code]  # (N, o, 3, 3)
        border = torch.einsum("noab,ia,jb->noij", looked_up, self.taps, self.taps)
        convolved = F.conv2d(h, of_h, padding=1)
        if channels_last(convolved):
            return _add_border(convolved, border)
        return convolved + _stretch(_stretch(border, 2, h.shape[2]), 3, h.shape[3])


def _stretch(x: Tensor, dim: int, n: int) -> Tensor:
    """Three positions to n: the first, the inner one n - 2 times, the last."""
    first, inner, last = x.split(1, dim)
    sizes = [-1] * x.dim()
    sizes[dim] = n - 2
    return torch.cat([first, inner.expand(sizes), last], dim)


def _add_border(x: Tensor, border: Tensor) -> Tensor:
    """The same as adding the stretched border, as a matrix product: its gradient is one, too, not a sum over strides.

    Args:
        x: (N, C, H, W), channels last.
        border: (N, C, 3, 3).
    """
    ones = torch.eye(9, dtype=x.dtype, device=x.device).view(9, 1, 3, 3)
    place = _stretch(_stretch(ones, 2, x.shape[2]), 3, x.shape[3]).flatten(1).T  # (HW, 9): where each pixel lies
    pixels = x.permute(0, 2, 3, 1).flatten(1, 2)
    added = torch.baddbmm(pixels, place.expand(len(x), -1, -1), border.flatten(2).transpose(1, 2))
    return added.unflatten(1, x.shape[2:]).permute(0, 3, 1, 2)
