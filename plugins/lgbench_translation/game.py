"""How pix2pix and CycleGAN train: the critics first, by half of each loss, as the authors slow them."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lgbench import ImageSpec
from lgbench.errors import BadRecipe
from lgbench.game import Game, Phase, Step
from lgbench.layers import Batch
from lgbench.losses import bce_fake, bce_real
from lgbench.nn import dcgan_, one_hot

from .config import CycleGANMethod, Pix2PixMethod
from .maps import signed
from .model import CycleGAN, Pix2Pix
from .networks import PatchCritic, ResNet
from .pool import Pool

__all__ = ["CycleGANGame", "Pix2PixGame", "cyclegan", "pix2pix", "squared_fake", "squared_real"]

WAITING = 256
"""Class maps that wait while pictures of later steps pass by."""


class Pix2PixGame:
    """A class map and its own picture, or one that was painted for it?"""

    def __init__(self, config: Pix2PixMethod, painter: Pix2Pix, spec: ImageSpec) -> None:
        self.config, self.painter, self.channels = config, painter, spec.channels
        self.critic = _critic(painter.classes + spec.channels, config.ndf, nn.BatchNorm2d, spec)

    def judge(self, segments: Tensor, images: Tensor) -> Tensor:
        """Scores of the patches of class maps, (N, R, R), and pictures, (N, 3, R, R), side by side."""
        return self.critic(torch.cat([one_hot(segments, self.painter.classes), images[:, : self.channels]], dim=1))

    def critic_loss(self, step: Step) -> dict[str, Tensor]:
        """-(E log D(s, x) + E log(1 - D(s, G(s)))) / 2: Eq. 1, halved to slow the critic (Sec. 3.3)."""
        segments = step.layers.codes["s"]
        real = bce_real(self.judge(segments, step.images))
        return {"critic": 0.5 * (real + bce_fake(self.judge(segments, step.layers.image.detach())))}

    def generator_loss(self, step: Step) -> dict[str, Tensor]:
        """-E log D(s, G(s)) + lambda E |x - G(s)|: Eq. 4 with the non-saturating loss."""
        painted = step.layers.image
        return {
            "generator": bce_real(self.judge(step.layers.codes["s"], painted)),
            "l1": self.config.lambda_l1 * F.l1_loss(painted, step.images),
        }

    def game(self) -> Game:
        """Critic, then generator, on the same painted pictures."""
        lr, decay_from = self.config.lr, self.config.decay_from
        return Game(
            painter=self.painter,
            networks={"generator": self.painter, "critic": self.critic},
            phases=[
                Phase("critic", ["critic"], self.critic_loss, lr=lr, decay_from=decay_from),
                Phase("generator", ["generator"], self.generator_loss, regularized=True, lr=lr, decay_from=decay_from),
            ],
        )


class CycleGANGame:
    """Two translators that undo each other; nobody is told which class map belongs to which picture."""

    def __init__(self, config: CycleGANMethod, painter: CycleGAN, spec: ImageSpec) -> None:
        self.config, self.painter, self.channels = config, painter, spec.channels
        classes, side, width = painter.classes, spec.resolution, painter.config.ngf
        self.parser = ResNet(spec.channels, classes, width, painter.config.blocks)  # G
        dcgan_(self.parser)
        self.critic_images = _critic(spec.channels, config.ndf, nn.InstanceNorm2d, spec)
        self.critic_maps = _critic(classes, config.ndf, nn.InstanceNorm2d, spec)
        self.old_images = Pool(config.pool, (spec.channels, side, side), chance=0.5)
        self.old_maps = Pool(config.pool, (classes, side, side), chance=0.5)
        self.waiting = Pool(WAITING, (side, side), chance=1.0, dtype=torch.uint8)

    def unpair(self, real: Batch) -> Batch:
        """Class maps of pictures of earlier steps, each as often as any other; the first steps fill the pool."""
        assert real.segments is not None
        return replace(real, segments=self.waiting.exchange(real.segments))

    def parse(self, images: Tensor) -> Tensor:
        """G(x): pictures, (N, 3, R, R) -> soft class maps, (N, classes, R, R) in [-1, 1]."""
        return self.parser(images[:, : self.channels])

    def maps(self, step: Step) -> Tensor:
        """The real class maps of a step as its networks see them: those that the painter was given."""
        return signed(step.layers.codes["s"], self.painter.classes)

    def critic_loss(self, step: Step) -> dict[str, Tensor]:
        """(E (D(x) - 1)^2 + E D(fake)^2) / 2 for pictures and for class maps; fakes are new or from the pools."""
        x, s = step.images[:, : self.channels], self.maps(step)
        with torch.no_grad():
            parsed = self.parse(step.images)
        painted = self.old_images.exchange(step.layers.image[:, : self.channels])
        parsed = self.old_maps.exchange(parsed)
        d_x, d_s = self.critic_images, self.critic_maps
        return {
            "critic/images": 0.5 * (squared_real(d_x(x)) + squared_fake(d_x(painted))),
            "critic/segments": 0.5 * (squared_real(d_s(s)) + squared_fake(d_s(parsed))),
        }

    def generator_loss(self, step: Step) -> dict[str, Tensor]:
        """E (D(F(s)) - 1)^2 + E (D(G(x)) - 1)^2 + lambda (E |F(G(x)) - x| + E |G(F(s)) - s|): Eq. 3, Sec. 4."""
        painted, parsed = step.layers.image, self.parse(step.images)
        weight = self.config.lambda_cycle
        return {
            "generator/images": squared_real(self.critic_images(painted[:, : self.channels])),
            "generator/segments": squared_real(self.critic_maps(parsed)),
            "cycle/images": weight * F.l1_loss(self.painter.translate(parsed), step.images),
            "cycle/segments": weight * F.l1_loss(self.parse(painted), self.maps(step)),
        }

    def game(self) -> Game:
        """Both critics, then both translators.

        The authors' code moves the translators first. Either way both players see fakes of the same translators, and
        this way nothing need be remembered between moves but the pools, which checkpoints hold as networks.
        """
        lr, decay_from = self.config.lr, self.config.decay_from
        translators = ["generator", "parser"]
        critics = {"critic-images": self.critic_images, "critic-segments": self.critic_maps}
        pools = nn.ModuleDict({"images": self.old_images, "segments": self.old_maps, "waiting": self.waiting})
        return Game(
            painter=self.painter,
            networks={"generator": self.painter, "parser": self.parser, **critics, "pools": pools},
            phases=[
                Phase("critic", [*critics], self.critic_loss, lr=lr, decay_from=decay_from),
                Phase("generator", translators, self.generator_loss, regularized=True, lr=lr, decay_from=decay_from),
            ],
            given=self.unpair,
        )


def pix2pix(config: Pix2PixMethod, painter: Pix2Pix, spec: ImageSpec) -> Game:
    """pix2pix's game."""
    return Pix2PixGame(config, painter, spec).game()


def cyclegan(config: CycleGANMethod, painter: CycleGAN, spec: ImageSpec) -> Game:
    """CycleGAN's game."""
    return CycleGANGame(config, painter, spec).game()


def squared_real(scores: Tensor) -> Tensor:
    """mean (scores - 1)^2: taken for real (least squares, Mao et al., ICCV 2017)."""
    return (scores.float() - 1).square().mean()


def squared_fake(scores: Tensor) -> Tensor:
    """mean scores^2: taken for generated."""
    return scores.float().square().mean()


def _critic(
    channels: int, width: int, norm: type[nn.BatchNorm2d] | type[nn.InstanceNorm2d], spec: ImageSpec
) -> PatchCritic:
    """A critic with the authors' initial weights.

    Raises:
        BadRecipe: the pictures are too small for its patches.
    """
    if spec.resolution < 32:
        raise BadRecipe(
            f"The critics of pix2pix and CycleGAN look at patches of pictures from 32 px up, and these have "
            f"{spec.resolution}: add --resolution 32."
        )
    critic = PatchCritic(channels, width, norm)
    dcgan_(critic)
    return critic
