"""How Slot Attention and GENESIS-V2 are trained, and how both divide an image into parts."""

from __future__ import annotations

from collections.abc import Callable
from math import log, pi

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lgbench import ImageSpec, NoConfig
from lgbench.game import Game, Phase, Step

from .config import ComponentsConfig, GenesisMethod, SlotsMethod
from .genesis import Genesis
from .slot_attention import SlotPainter

__all__ = [
    "Geco",
    "GenesisGame",
    "SlotsGame",
    "components",
    "divergence",
    "genesis",
    "mixture_error",
    "slot_attention",
    "slots",
]

SEED = 0
"""Of what chance decides when an image is divided: every image is given the same draw, whatever its batch."""
BETA = (1e-10, 1e10)


class SlotsGame:
    """The mean squared error alone."""

    def __init__(self, config: SlotsMethod, painter: SlotPainter) -> None:
        self.config, self.painter = config, painter

    def rate(self, number: int) -> float:
        """The warm-up and the fall of the learning rate, a factor in (0, 1]."""
        config = self.config
        risen = min((number + 1) / config.warm_up, 1.0) if config.warm_up else 1.0
        return risen * (0.5 ** (number / config.halve_every) if config.halve_every else 1.0)

    def generator_loss(self, step: Step) -> dict[str, Tensor]:
        """E (x - sum_k m_k x_k)^2, over pixels and channels too."""
        return {"reconstruction": F.mse_loss(step.layers.image, step.images)}

    def game(self) -> Game:
        """One network, one loss."""
        learns = Phase(
            "generator",
            ["generator"],
            self.generator_loss,
            regularized=True,
            lr=self.config.lr,
            betas=(0.9, 0.999),
            rate=self.rate,
        )
        return Game(painter=self.painter, networks={"generator": self.painter}, phases=[learns])


class Geco(nn.Module):
    """Weighs the divergence so that the error meets a goal (Rezende and Viola, 2018); its state is checkpointed.

    Args:
        side: of the images; the goal of `config` is for each of their pixels and channels.
    """

    beta: Tensor
    error: Tensor

    def __init__(self, config: GenesisMethod, side: int) -> None:
        super().__init__()
        self.goal, self.rate, self.speed_up = 3 * side**2 * config.goal, config.rate * (64 / side) ** 2, config.speed_up
        self.register_buffer("beta", torch.tensor(config.beta))
        self.register_buffer("error", torch.tensor(float("nan")))  # its average, once there is one

    @torch.no_grad()
    def learn(self, error: Tensor) -> None:
        """Move beta by an error, a scalar: up where the average is below the goal, for there is room."""
        self.error.copy_(error if self.error.isnan() else 0.99 * self.error + 0.01 * error)
        slack = self.goal - self.error
        self.beta.mul_((self.rate * slack * torch.where(slack > 0, self.speed_up, 1.0)).exp()).clamp_(*BETA)


class GenesisGame:
    """The error of the mixture, and beta times the divergence of latents from the prior."""

    def __init__(self, config: GenesisMethod, painter: Genesis, spec: ImageSpec) -> None:
        self.config, self.painter = config, painter
        self.geco = Geco(config, spec.resolution)

    def generator_loss(self, step: Step) -> dict[str, Tensor]:
        """err + beta KL; both are sums over an image, and means over the batch."""
        extras = step.painted.extras
        error = mixture_error(step.images, extras["components"], extras["shares"], self.config.sigma).mean()
        prior = self.painter.prior(extras["z"])
        kl = divergence(extras["z"], (extras["mean"], extras["sigma"]), prior).mean()
        beta = self.geco.beta.clone()
        if self.config.balance == "geco":
            self.geco.learn(error)
        return {"error": error, "divergence": beta * kl}

    def game(self) -> Game:
        """The autoencoder with its prior; what weighs its two terms is no part of it."""
        learns = Phase(
            "generator",
            ["generator"],
            self.generator_loss,
            regularized=True,
            lr=self.config.lr,
            betas=(0.9, 0.999),
        )
        networks = {"generator": self.painter, "geco": self.geco}
        return Game(painter=self.painter, networks=networks, phases=[learns])


def mixture_error(images: Tensor, components: Tensor, shares: Tensor, sigma: float) -> Tensor:
    """-log sum_k m_k N(x; x_k, sigma), summed over pixels and channels, (N,) nats; images in [0, 1] there.

    Args:
        images: (N, 3, H, W) in [-1, 1].
        components, shares: (N, K, 3, H, W) in [-1, 1] and (N, K, 1, H, W), 1 in sum over K.
    """
    apart = (images[:, None] - components) / 2
    log_normal = -0.5 * (apart / sigma).square() - log(sigma) - 0.5 * log(2 * pi)
    log_share = shares.clamp(min=torch.finfo(shares.dtype).tiny).log()
    return -(log_share + log_normal).logsumexp(dim=1).sum(dim=(1, 2, 3))


def divergence(z: Tensor, posterior: tuple[Tensor, Tensor], prior: tuple[Tensor, Tensor]) -> Tensor:
    """log q(z) - log p(z) of latents (N, K, D), summed over all but the batch: one sample's estimate of the KL, (N,).

    Args:
        posterior, prior: means and standard deviations.
    """
    (m_q, s_q), (m_p, s_p) = posterior, prior
    log_q = -0.5 * ((z - m_q) / s_q).square() - s_q.log()
    log_p = -0.5 * ((z - m_p) / s_p).square() - s_p.log()
    return (log_q - log_p).sum(dim=(1, 2))


def slot_attention(config: SlotsMethod, painter: SlotPainter, spec: ImageSpec) -> Game:
    """Slot Attention's game."""
    return SlotsGame(config, painter).game()


def genesis(config: GenesisMethod, painter: Genesis, spec: ImageSpec) -> Game:
    """GENESIS-V2's game."""
    return GenesisGame(config, painter, spec).game()


def slots(config: NoConfig, painter: SlotPainter, spec: ImageSpec) -> Game:
    """The shares in which slots paint an image are its parts."""

    def predict(images: Tensor) -> Tensor:
        noise = _drawn(torch.randn, (1, painter.slots, painter.width), images)
        return painter({"image": images, "noise": noise}).extras["shares"][:, :, 0]

    return _divides(painter, predict)


def components(config: ComponentsConfig, painter: Genesis, spec: ImageSpec) -> Game:
    """GENESIS-V2's attention masks, or those of what it paints from the latents' means, are the parts of an image."""

    def predict(images: Tensor) -> Tensor:
        seeds = _drawn(torch.rand, (1, 1, painter.side, painter.side), images)
        features, log_masks = painter.attend(images, seeds)
        if config.masks == "attention":
            return log_masks[:, :, 0].exp()
        mean, _ = painter.encode(features, log_masks)
        return painter.paint(mean, {}).extras["shares"][:, :, 0]

    return _divides(painter, predict)


def _drawn(draw: Callable[..., Tensor], shape: tuple[int, ...], images: Tensor) -> Tensor:
    """The same numbers for every image, and on every device."""
    numbers = draw(shape, generator=torch.Generator().manual_seed(SEED))
    return numbers.to(images.device).expand(len(images), *shape[1:])


def _divides(painter: SlotPainter | Genesis, predict: Callable[[Tensor], Tensor]) -> Game:
    return Game(painter=painter, networks={}, phases=[], result="", frozen=True, predict=predict, background=False)
