"""How PerturbGAN trains. The shift, the size hinge and the binary term are regularizers, shared with other methods."""

from __future__ import annotations

from collections.abc import Callable

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

__all__ = ["perturbgan"]


def perturbgan(config: PerturbGANMethod, painter: Painter, spec: ImageSpec) -> Game:
    """Critic and generator, one step each; the critic sees perturbed composites only."""
    style = isinstance(painter, StylePainter)
    growth = Growth.to(spec.resolution, config.phase_steps, config.first_batch)
    critic = _critic(config, painter, spec)

    def view(x: Tensor) -> Tensor:
        return add_noise(x, config.instance_noise)

    def critic_loss(step: Step) -> dict[str, Tensor]:
        layers = (step.paint()[1] if config.fresh else step.layers).detach()
        x, painted = view(_reduced(step.images, layers.image.shape[-1])), view(layers.image)
        real, fake = critic(x), critic(painted)
        if config.gan_loss == "nonsat":
            return {"critic": bce_real(real) + bce_fake(fake)}
        if config.gan_loss == "hinge":
            return {"critic": hinge_real(real) + hinge_fake(fake)}
        return {
            "critic": fake.float().mean() - real.float().mean(),
            "critic/drift": config.drift * real.float().square().mean(),
            "critic/penalty": config.penalty * gradient_penalty(critic, x, painted),
        }

    def generator_loss(step: Step) -> dict[str, Tensor]:
        scores = critic(view(step.layers.image)).float()
        return {"generator": bce_real(scores) if config.gan_loss == "nonsat" else -scores.mean()}

    learning = {
        "lr": config.lr or (1e-3 if style else 2e-4),
        "betas": (0.0, 0.99) if config.gan_loss == "wgan-gp" else (0.5, 0.999),
        "drop": config.final_lr if style and spec.resolution >= 128 else 1.0,
        "drop_at": growth.last_from,
    }
    return Game(
        painter=painter,
        networks={"generator": painter, "critic": critic},
        phases=[
            Phase("critic", ["critic"], critic_loss, **learning),
            Phase(
                *("generator", ["generator"], generator_loss),
                regularized=True,
                slow={"mapping": 0.01} if style else {},
                **learning,
            ),
        ],
        features=critic.features if isinstance(critic, StyleCritic) else lambda x: _features(critic, x),
        kept=["critic"],
        begin=_grower(growth, painter, critic) if isinstance(painter, StylePainter) else None,
        batches=growth.batches if style and config.first_batch > 1 else None,
    )


def _grower(growth: Growth, painter: StylePainter, critic: nn.Module) -> Callable[[int], None]:
    assert isinstance(critic, StyleCritic)

    def begin(number: int) -> None:
        level, alpha = growth.at(number)
        painter.grow(level, alpha)
        critic.grow(level, alpha)

    return begin


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


def _features(critic: nn.Module, x: Tensor) -> list[Tensor]:
    """Outputs of the trunk's convolutions, after their activation."""
    found: list[Tensor] = []
    assert isinstance(critic, Critic | DCGANCritic | SNCritic)
    for part in critic.trunk:
        x = part(x)
        if isinstance(part, nn.LeakyReLU | nn.Sequential):
            found.append(x)
    return found
