"""How LR-GAN and DCGAN train: one critic, non-saturating losses, the same fake batch for both moves."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from lgbench import ImageSpec, LgbenchError
from lgbench.game import Game, Phase, Step
from lgbench.losses import bce_fake, bce_real
from lgbench.nn import add_noise, dcgan_

from .config import DCGANMethod, LRGANConfig, LRGANMethod
from .model import DCGAN, LRGAN, ConditionalLRGAN
from .networks import Critic

__all__ = ["LRGANGame", "game", "lrgan"]


class LRGANGame:
    """Critic and generator, one step each; the critic's weights begin as the generator's do."""

    def __init__(
        self, config: LRGANMethod | DCGANMethod, painter: LRGAN | ConditionalLRGAN | DCGAN, spec: ImageSpec
    ) -> None:
        self.config, self.painter = config, painter
        self.critic = Critic(spec.resolution, spec.channels, config.ndf, config.d_head)
        if painter.init == "dcgan":
            dcgan_(self.critic)

    def judge(self, x: Tensor) -> Tensor:
        """Scores of images, (N,), seen through noise where the configuration says so."""
        return self.critic(add_noise(x, self.config.instance_noise))

    def critic_loss(self, step: Step) -> dict[str, Tensor]:
        """-E log D(x) - E log(1 - D(x~))."""
        return {"critic": bce_real(self.judge(step.images)) + bce_fake(self.judge(step.layers.image.detach()))}

    def generator_loss(self, step: Step) -> dict[str, Tensor]:
        """-E log D(x~) and, of a generator that paints given images, lambda E (x - x~)^2."""
        losses = {"generator": bce_real(self.judge(step.layers.image))}
        if isinstance(self.painter, ConditionalLRGAN) and isinstance(self.config, LRGANMethod):
            losses["reconstruction"] = self.config.lambda_rec * F.mse_loss(step.painted.image, step.images)
        return losses

    def game(self) -> Game:
        """Critic, then generator, on the same painted images."""
        lr = self.config.lr
        return Game(
            painter=self.painter,
            networks={"generator": self.painter, "critic": self.critic},
            phases=[
                Phase("critic", ["critic"], self.critic_loss, lr=lr),
                Phase("generator", ["generator"], self.generator_loss, lr=lr, regularized=True),
            ],
            features=self.critic.features,
            critic=self.critic,
            kept=["critic"],
        )


def game(config: LRGANMethod | DCGANMethod, painter: LRGAN | ConditionalLRGAN | DCGAN, spec: ImageSpec) -> Game:
    """LR-GAN's game, which DCGAN plays too."""
    return LRGANGame(config, painter, spec).game()


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
