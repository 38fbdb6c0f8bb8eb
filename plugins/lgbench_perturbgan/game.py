"""How PerturbGAN trains. The shift, the size hinge and the binary term are regularizers, shared with other methods."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from torch import Tensor, nn
from torch.nn import functional as F

from lgbench import ImageSpec
from lgbench.errors import BadRecipe
from lgbench.game import Game, Phase, Step
from lgbench.layers import Painter
from lgbench.losses import bce_fake, bce_real, gradient_penalty, hinge_fake, hinge_real
from lgbench.nn import Critic, SNCritic, add_noise, dcgan_, orthogonal_

from .config import PerturbGANMethod
from .growth import Growth
from .light import DCGANCritic, LightPainter
from .style_critic import StyleCritic
from .style_generator import StylePainter

__all__ = ["PerturbGANGame", "perturbgan"]


class PerturbGANGame:
    """Critic and generator, one step each; the critic sees perturbed composites only."""

    def __init__(self, config: PerturbGANMethod, painter: Painter, spec: ImageSpec) -> None:
        self.config, self.painter, self.resolution = config, painter, spec.resolution
        self.growth = Growth.to(spec.resolution, config.phase_steps, config.first_batch)
        self.critic = _critic(config, painter, spec)

    def view(self, x: Tensor) -> Tensor:
        """Images as the critic sees them."""
        return add_noise(x, self.config.instance_noise)

    def critic_loss(self, step: Step) -> dict[str, Tensor]:
        """The negative of E D(x) - E D(x^) with penalty and drift, or the loss that the configuration names."""
        config = self.config
        layers = (step.paint()[1] if config.fresh else step.layers).detach()
        x, painted = self.view(_reduced(step.images, layers.image.shape[-1])), self.view(layers.image)
        real, fake = self.critic(x), self.critic(painted)
        if config.gan_loss == "nonsat":
            return {"critic": bce_real(real) + bce_fake(fake)}
        if config.gan_loss == "hinge":
            return {"critic": hinge_real(real) + hinge_fake(fake)}
        return {
            "critic": fake.float().mean() - real.float().mean(),
            "critic/drift": config.drift * real.float().square().mean(),
            # `forward`: what was compiled cannot be differentiated twice
            "critic/penalty": config.penalty * gradient_penalty(self.critic.forward, x, painted),
        }

    def generator_loss(self, step: Step) -> dict[str, Tensor]:
        """-E D(x^), or -E log D(x^) with the non-saturating loss."""
        scores = self.critic(self.view(step.layers.image)).float()
        return {"generator": bce_real(scores) if self.config.gan_loss == "nonsat" else -scores.mean()}

    def features(self, x: Tensor) -> list[Tensor]:
        """What the critic sees in images: outputs of its trunk's convolutions, after their activation."""
        if isinstance(self.critic, StyleCritic):
            return self.critic.features(x)
        assert isinstance(self.critic, Critic | DCGANCritic | SNCritic)
        found: list[Tensor] = []
        for part in self.critic.trunk:
            x = part(x)
            if isinstance(part, nn.LeakyReLU | nn.Sequential):
                found.append(x)
        return found

    def grow(self, number: int) -> None:
        """Make a StyleGAN generator and its critic as large as they are at a step."""
        assert isinstance(self.painter, StylePainter)
        assert isinstance(self.critic, StyleCritic)
        level, alpha = self.growth.at(number)
        self.painter.grow(level, alpha)
        self.critic.grow(level, alpha)

    def game(self) -> Game:
        """Critic, then generator."""
        grows = isinstance(self.painter, StylePainter)
        phase = self._phases(grows)
        return Game(
            painter=self.painter,
            networks={"generator": self.painter, "critic": self.critic},
            phases=[
                phase("critic", ["critic"], self.critic_loss),
                phase(
                    "generator",
                    ["generator"],
                    self.generator_loss,
                    regularized=True,
                    slow={"mapping": 0.01} if grows else {},
                ),
            ],
            features=self.features,
            critic=self.critic,
            kept=["critic"],
            begin=self.grow if grows else None,
            batches=self.growth.batches if grows and self.config.first_batch > 1 else None,
        )

    def _phases(self, grows: bool) -> Callable[..., Phase]:
        """Both phases learn at the same rates."""
        config = self.config
        return partial(
            Phase,
            lr=config.lr or (1e-3 if grows else 2e-4),
            betas=(0.0, 0.99) if config.gan_loss == "wgan-gp" else (0.5, 0.999),
            drop=config.final_lr if grows and self.resolution >= 128 else 1.0,
            drop_at=self.growth.last_from,
        )


def perturbgan(config: PerturbGANMethod, painter: Painter, spec: ImageSpec) -> Game:
    """PerturbGAN's game, of both its generators."""
    return PerturbGANGame(config, painter, spec).game()


def _critic(config: PerturbGANMethod, painter: Painter, spec: ImageSpec) -> nn.Module:
    kind = _fitting(config, painter) if config.critic == "auto" else config.critic
    if isinstance(painter, StylePainter) and kind != "style":
        raise BadRecipe(f"A StyleGAN generator grows, and a {kind!r} critic does not. Leave method.critic at auto.")
    if kind == "style":
        return StyleCritic(spec.resolution, config.d)
    if kind == "sn":
        return SNCritic(spec.resolution, config.d)
    norm = config.gan_loss != "wgan-gp"
    if kind == "dcgan":
        return dcgan_(DCGANCritic(spec.resolution, config.d, norm))
    return orthogonal_(Critic(spec.resolution, config.d, norm=norm))


def _fitting(config: PerturbGANMethod, painter: Painter) -> str:
    if isinstance(painter, StylePainter):
        return "style"
    if config.gan_loss == "hinge":
        return "sn"
    return "dcgan" if isinstance(painter, LightPainter) and painter.config.backbone == "dcgan" else "comgan"


def _reduced(images: Tensor, side: int) -> Tensor:
    """Real images at the side that is painted now; not blended between sides, as in the public code."""
    return images if images.shape[-1] == side else F.adaptive_avg_pool2d(images, side)
