"""What the reference steps share: what one is, and the plain ways of the public code."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lgbench.layers import Batch

__all__ = ["PlainInstanceNorm", "Reference", "adam", "enlarged", "learn"]


class Reference(ABC):
    """A method's step as its public code plays it.

    Attributes:
        networks: every network by the name that lgbench gives it, its parameters too.
        optimizers: by the name of lgbench's phase.
        averages: networks that follow others.
        period: at the last of every so many steps all networks move.
        reads: what a step reads of real images besides themselves: names of `Batch`.
    """

    networks: Mapping[str, nn.Module]
    optimizers: Mapping[str, torch.optim.Adam]
    averages: Sequence[nn.Module] = ()
    period: int = 1
    reads: frozenset[str] = frozenset()

    @abstractmethod
    def play(self, number: int, real: Batch) -> dict[str, Tensor]:
        """The step of a number; its losses. Codes are drawn as lgbench draws them."""


class PlainInstanceNorm(nn.InstanceNorm2d):
    """torch's, with scale and shift and no running statistics."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, affine=True)


def enlarged(h: Tensor) -> Tensor:
    """Nearest upsampling by 2; (N, C, H, W) -> (N, C, 2H, 2W)."""
    return F.interpolate(h, scale_factor=2, mode="nearest")


def adam(networks: Iterable[nn.Module], lr: float, betas: tuple[float, float], fused: bool) -> torch.optim.Adam:
    """Adam that goes over one parameter after the other, or `fused` in one kernel."""
    parameters: list[Any] = [parameter for network in networks for parameter in network.parameters()]
    return torch.optim.Adam(parameters, lr, betas, foreach=False, fused=fused)


def learn(optimizer: torch.optim.Adam, losses: Mapping[str, Tensor]) -> None:
    """Move by the sum of some losses."""
    optimizer.zero_grad()
    torch.stack([*losses.values()]).sum().backward()
    optimizer.step()
