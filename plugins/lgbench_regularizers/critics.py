"""What holds a critic back: R1 on real images, spectral norm in its convolutions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm
from torch.nn.utils.parametrize import is_parametrized

from lgbench import ImageSpec
from lgbench.errors import BadRecipe
from lgbench.game import Game, Phase, Step, Term
from lgbench.layers import Painter

from .config import R1Config, SpectralConfig

__all__ = ["r1", "slope", "spectral"]


def r1(config: R1Config, painter: Painter, spec: ImageSpec) -> Term:
    """gamma / 2 E |grad D(x)|^2 of real images x, in the critic's own loss; gamma is the weight.

    It is added to the critic's moves rather than made a move by itself: Adam's needs no other rates then, as
    StyleGAN2's does. x is as augmented, at the side that is painted now, and without noise of the method's own.
    """

    def join(game: Game, weight: float) -> Game:
        name, critic = critic_of(game, "r1")

        def penalty(step: Step) -> Tensor:
            x = step.images
            side = step.layers.image.shape[-1]  # of a critic that grows
            x = x if x.shape[-1] == side else F.adaptive_avg_pool2d(x, side)
            return weight * config.every / 2 * slope(critic.forward, x)  # a compiled call can't be differentiated twice

        first = next(phase for phase in game.phases if name in phase.networks)
        phases = [penalised(phase, penalty, config.every) if phase is first else phase for phase in game.phases]
        return replace(game, phases=phases)

    return Term(join=join)


def slope(critic: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    """E |grad D(x)|^2 (Mescheder et al., Eq. 9, without gamma / 2), a scalar.

    Args:
        critic: (N, C, H, W) -> (N,) scores. With batch norm, the gradient of each image is that of the batch's sum.
    """
    x = images.detach().float().requires_grad_()
    with torch.autocast(x.device.type, enabled=False):  # it is differentiated once more
        (gradient,) = torch.autograd.grad(critic(x).sum(), x, create_graph=True)
    return gradient.square().flatten(1).sum(dim=1).mean()


def penalised(phase: Phase, penalty: Callable[[Step], Tensor], every: int) -> Phase:
    """The same phase with a further loss at its first move, and at each so many moves from there."""

    def loss(step: Step) -> dict[str, Tensor]:
        losses = phase.loss(step)
        return losses if step.number // phase.every % every else {**losses, "r1": penalty(step)}

    return replace(phase, loss=loss, cycle=every)


def spectral(config: SpectralConfig, painter: Painter, spec: ImageSpec) -> Term:
    """Divides every convolution and linear map of the critic by its largest singular value (Miyato et al., Eq. 8)."""

    def join(game: Game, weight: float) -> Game:
        _, critic = critic_of(game, "spectral-norm")
        layers = [part for part in critic.modules() if isinstance(part, nn.Conv2d | nn.Linear)]
        if all(is_parametrized(layer, "weight") for layer in layers):
            raise BadRecipe(
                "spectral-norm finds nothing in this method's critic that it could normalise: its convolutions are of "
                "a kind of their own, or have it already, as milgan's. Leave it out (--without spectral-norm)."
            )
        if config.batch_norm == "replaced":
            _biases_for_norms(critic, layers)
        for layer in layers:
            if not is_parametrized(layer, "weight"):
                spectral_norm(layer)
        return game

    return Term(join=join)


def _biases_for_norms(critic: nn.Module, layers: list[nn.Conv2d | nn.Linear]) -> None:
    """Take a critic's batch norms out, in place; what had no bias before one gets one, of zeros."""
    for part in [*critic.modules()]:
        for name, child in part.named_children():
            if isinstance(child, nn.BatchNorm2d):
                setattr(part, name, nn.Identity())
    for layer in layers:
        if layer.bias is None:
            layer.bias = nn.Parameter(layer.weight.new_zeros(len(layer.weight)))


def critic_of(game: Game, term: str) -> tuple[str, nn.Module]:
    """Name and network of the game's critic.

    Raises:
        BadRecipe: it has none that scores images alone.
    """
    for name, network in game.networks.items():
        if network is game.critic:
            return name, network
    raise BadRecipe(
        f"{term} needs a critic that sees real images and gives each a score, and this method has none: its critic "
        f"gives more, or reads more than images, or it trains none. Leave it out (--without {term})."
    )
