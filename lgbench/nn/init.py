"""Initial weights."""

from collections.abc import Callable

from torch import Tensor, nn

__all__ = ["dcgan_", "orthogonal_"]


def orthogonal_(network: nn.Module) -> nn.Module:
    """Orthogonal convolutions and linear maps, zero biases, batch norm scales N(1, 0.02); in place."""
    return _initialised(network, nn.init.orthogonal_)


def dcgan_(network: nn.Module) -> nn.Module:
    """Convolutions and linear maps N(0, 0.02), zero biases, batch norm scales N(1, 0.02) (dcgan.torch); in place."""
    return _initialised(network, lambda weight: nn.init.normal_(weight, 0, 0.02))


def _initialised(network: nn.Module, draw: Callable[[Tensor], Tensor]) -> nn.Module:
    for part in network.modules():
        if isinstance(part, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            draw(part.weight)
        elif isinstance(part, nn.BatchNorm1d | nn.BatchNorm2d):
            nn.init.normal_(part.weight, 1, 0.02)
        else:
            continue
        if part.bias is not None:
            nn.init.zeros_(part.bias)
    return network
