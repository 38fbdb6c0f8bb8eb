"""Initial weights."""

from torch import nn

__all__ = ["dcgan_", "orthogonal_"]


def orthogonal_(network: nn.Module) -> nn.Module:
    """Orthogonal convolutions and linear maps, zero biases, batch norm scales N(1, 0.02); in place."""
    for part in network.modules():
        if isinstance(part, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            nn.init.orthogonal_(part.weight)
            _zero_bias(part)
        elif isinstance(part, nn.BatchNorm1d | nn.BatchNorm2d):
            nn.init.normal_(part.weight, 1, 0.02)
            _zero_bias(part)
    return network


def dcgan_(network: nn.Module) -> nn.Module:
    """Convolutions and linear maps N(0, 0.02), zero biases, batch norm scales N(1, 0.02) (dcgan.torch); in place."""
    for part in network.modules():
        if isinstance(part, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            nn.init.normal_(part.weight, 0, 0.02)
            _zero_bias(part)
        elif isinstance(part, nn.BatchNorm1d | nn.BatchNorm2d):
            nn.init.normal_(part.weight, 1, 0.02)
            _zero_bias(part)
    return network


def _zero_bias(part: nn.Module) -> None:
    if getattr(part, "bias", None) is not None:
        nn.init.zeros_(part.bias)  # pyright: ignore[reportArgumentType]
