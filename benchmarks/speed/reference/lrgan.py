"""LR-GAN's step as its public code plays it: fp32 in the plain layout, image and mask of a foreground warped apart.

It has little to save: one forward of the generator serves both moves there too, and batch norm forbids to join the
critic's passes. Each way of `Savings` can be measured alone.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from lgbench.layers import Batch
from lgbench.losses import bce_fake, bce_real
from lgbench.nn import dcgan_, warp
from lgbench.offers import ImageSpec
from lgbench.recipe import Recipe
from lgbench_lrgan.model import LRGAN
from lgbench_lrgan.networks import Critic

from .parts import Reference, adam, learn

__all__ = ["ReferenceStep", "Savings"]


@dataclass(frozen=True, slots=True)
class Savings:
    """What of the reference's waste is left out; nothing, as it stands.

    Attributes:
        warp_once: a foreground's image and mask are warped together.
        hold_critic: no gradients of the critic's weights in the generator's step.
        fused_adam: one kernel for all parameters of an optimiser.
    """

    warp_once: bool = False
    hold_critic: bool = False
    fused_adam: bool = False


class WarpingTwice(LRGAN):
    """`LRGAN` whose foregrounds and masks are sampled one after the other, from a grid each."""

    def paint_foreground(self, h: Tensor, below: Tensor | None) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        y = h if self.context is None or below is None else self.context(h, below)
        s = self.fg_trunk(y[:, :, None, None])
        a = self.pose(y)
        return warp(self.fg_image(s), a), warp(self.fg_mask(s), a), a, s


class ReferenceStep(Reference):
    """Networks and optimisers of the reference; pictures are coloured, codes drawn, poses affine, masks learnt."""

    def __init__(self, recipe: Recipe, spec: ImageSpec, savings: Savings | None = None) -> None:
        self.savings = savings = savings or Savings()
        method = recipe.method_config
        self.generator = (LRGAN if savings.warp_once else WarpingTwice)(recipe.generator_config, spec)
        self.critic = dcgan_(Critic(spec.resolution, spec.channels, method.ndf, method.d_head))
        self.networks = {"generator": self.generator, "critic": self.critic}
        self.optimizers = {
            name: adam([network], method.lr, (0.5, 0.999), savings.fused_adam)
            for name, network in self.networks.items()
        }

    def play(self, number: int, real: Batch) -> dict[str, Tensor]:
        """D's move, then that of G, on the same painted images."""
        painted = self.generator(self.generator.codes(len(real))).image
        of_critic = {"critic": bce_real(self.critic(real.images)) + bce_fake(self.critic(painted.detach()))}
        learn(self.optimizers["critic"], of_critic)
        self.critic.requires_grad_(not self.savings.hold_critic)
        of_generator = {"generator": bce_real(self.critic(painted))}
        learn(self.optimizers["generator"], of_generator)
        self.critic.requires_grad_(True)
        return {**of_critic, **of_generator}
