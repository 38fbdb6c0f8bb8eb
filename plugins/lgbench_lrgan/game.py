"""How LR-GAN and DCGAN train: one critic, non-saturating losses, the same fake batch for both moves."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lgbench import ImageSpec, LgbenchError
from lgbench.game import Game, Phase, Step
from lgbench.losses import bce_fake, bce_real
from lgbench.nn import dcgan_

from .config import DCGANConfig, DCGANMethod, LRGANConfig, LRGANMethod
from .model import DCGAN, LRGAN, ConditionalLRGAN
from .networks import Critic

__all__ = ["dcgan", "game", "lrgan"]


def lrgan(config: LRGANConfig, spec: ImageSpec) -> nn.Module:
    """LR-GAN's generator, conditional or not.

    Raises:
        LgbenchError: settings that exclude each other.
    """
    if not config.conditional:
        return LRGAN(config, spec)
    if config.n_layers != 2:
        raise LgbenchError("A conditional LR-GAN has two layers: set generator.n_layers=2.")
    return ConditionalLRGAN(config, spec)


def dcgan(config: DCGANConfig, spec: ImageSpec) -> nn.Module:
    """DCGAN's generator."""
    return DCGAN(config, spec)


def game(config: LRGANMethod | DCGANMethod, painter: LRGAN | ConditionalLRGAN | DCGAN, spec: ImageSpec) -> Game:
    """Critic and generator, one step each; the critic's weights begin as the generator's do."""
    critic = Critic(spec.resolution, spec.channels, config.ndf, config.d_head)
    if painter.init == "dcgan":
        dcgan_(critic)
    reconstructs = isinstance(painter, ConditionalLRGAN)

    def judge(x: Tensor) -> Tensor:
        return critic(x + config.instance_noise * torch.randn_like(x) if config.instance_noise else x)

    def critic_loss(step: Step) -> dict[str, Tensor]:
        return {"critic": bce_real(judge(step.images)) + bce_fake(judge(step.layers.image.detach()))}

    def generator_loss(step: Step) -> dict[str, Tensor]:
        losses = {"generator": bce_real(judge(step.layers.image))}
        if reconstructs and isinstance(config, LRGANMethod):
            losses["reconstruction"] = config.lambda_rec * F.mse_loss(step.layers.image, step.images)
        return losses

    return Game(
        painter=painter,
        networks={"generator": painter, "critic": critic},
        phases=[
            Phase("critic", ["critic"], critic_loss, lr=config.lr),
            Phase("generator", ["generator"], generator_loss, lr=config.lr, regularized=True),
        ],
    )
