"""SCGAN's step as its public code plays it: fp32 in the plain layout, everything once more than needed.

Upsampling before every convolution of a block, its shortcut too; torch's instance norm; what the critic sees painted
with a graph that is thrown away; real and painted images looked at one after the other; the penalty's gradient by
autograd, differentiated once more; gradients of critic's and segmentor's weights in the generator's step; Adam
parameter by parameter. Each can be left out alone (`Savings`). What the code does otherwise and lgbench does not (the
penalty as a step of its own, latents used twice) is no waste, and not here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lgbench.layers import Batch
from lgbench.losses import gradient_penalty, multi_label, segmentation, slope_penalty
from lgbench.nn import InstanceNorm, Segmentor, one_hot, upsampled_conv
from lgbench.offers import ImageSpec
from lgbench.recipe import Recipe
from lgbench_scgan.networks import Critic, ResBlockUp, tile, xavier_

from .parts import PlainInstanceNorm, Reference, adam, enlarged, learn

__all__ = ["ReferenceStep", "Savings"]


@dataclass(frozen=True, slots=True)
class Savings:
    """What of the reference's waste is left out; nothing, as it stands.

    Attributes:
        join_up: upsampling and convolution in one (see `lgbench.nn.upsampled_conv`).
        small_shortcut: a block's 1/1/0 convolution comes before its upsampling.
        one_norm: instance norm in one kernel (see `lgbench.nn.InstanceNorm`).
        no_graph: what only the critic sees is painted without a graph.
        one_look: the critic looks at real and painted images at once.
        own_slope: the critic tells its slope itself (see `lgbench_scgan.networks.Critic.slope`).
        hold_others: no gradients of the critic's and the segmentor's weights in the generator's step.
        fused_adam: one kernel for all parameters of an optimiser.
    """

    join_up: bool = False
    small_shortcut: bool = False
    one_norm: bool = False
    no_graph: bool = False
    one_look: bool = False
    own_slope: bool = False
    hold_others: bool = False
    fused_adam: bool = False


class PlainBlock(ResBlockUp):
    """RESBLKUP as its figure is drawn: both ways enlarge first and convolve then."""

    def __init__(self, i: int, o: int, savings: Savings) -> None:
        super().__init__(i, o, norm_of(savings))
        self.savings = savings

    def forward(self, h: Tensor) -> Tensor:
        main = F.relu(self.first_norm(self.first(h)))
        if self.savings.join_up:
            assert self.second.bias is not None
            main = upsampled_conv(main, self.second.weight) + self.second.bias[:, None, None]
        else:
            main = self.second(enlarged(main))
        small = self.savings.small_shortcut
        shortcut = enlarged(self.shortcut(h)) if small else self.shortcut(enlarged(h))
        return F.relu(self.second_norm(main) + shortcut)


class Stepwise(nn.Module):
    """G(z, c, s) of the paper's Table 2: first s, then z at side / 16, then c at side / 4."""

    def __init__(self, spec: ImageSpec, g: int, nz: int, savings: Savings) -> None:
        super().__init__()
        self.side, norm, block = spec.resolution, norm_of(savings), partial(PlainBlock, savings=savings)
        widths = [spec.segments, g, 2 * g, 4 * g, 8 * g]
        self.encode = nn.Sequential(
            *(layer for i, o in pairwise(widths) for layer in (nn.Conv2d(i, o, 4, 2, 1), *normed(norm(o))))
        )
        self.latent, self.latent_norm = nn.Linear(nz, g * (self.side // 16) ** 2), normed(norm(g))
        self.early = nn.Sequential(block(9 * g, 8 * g), block(8 * g, 4 * g))
        self.late = nn.Sequential(block(4 * g + spec.attributes, 2 * g), block(2 * g, g))
        self.head = nn.Conv2d(g, 3, 3, 1, 1)

    def forward(self, z: Tensor, c: Tensor, s: Tensor) -> Tensor:
        at_16th = self.latent(z).unflatten(1, (-1, self.side // 16, self.side // 16))
        h = self.early(torch.cat([self.encode(s), self.latent_norm(at_16th)], dim=1))
        return self.head(self.late(torch.cat([h, tile(c, self.side // 4)], dim=1))).tanh()


class Generator(nn.Module):
    """What lgbench calls the generator: the order in which it is told things is a part of it."""

    def __init__(self, spec: ImageSpec, g: int, nz: int, savings: Savings) -> None:
        super().__init__()
        self.nz, self.segments = nz, spec.segments
        self.order = xavier_(Stepwise(spec, g, nz, savings))

    def forward(self, given: Batch) -> Tensor:
        """Paint from fresh latents under the conditions of a batch."""
        z = torch.randn(len(given), self.nz, device=given.images.device)
        assert given.attributes is not None
        assert given.segments is not None
        return self.order(z, given.attributes, one_hot(given.segments, self.segments))


class ReferenceStep(Reference):
    """Networks and optimisers of the reference: the paper's order, attributes classified, S learning all the while."""

    reads = frozenset({"segments", "attributes"})

    def __init__(self, recipe: Recipe, spec: ImageSpec, savings: Savings | None = None) -> None:
        self.savings = savings = savings or Savings()
        self.config, painter = recipe.method_config, recipe.generator_config
        term = next(chosen for chosen in recipe.regularizers if chosen.record.name == "segmentor")
        self.segmentor_weight, self.period = term.weight, self.config.n_repeat
        self.generator = Generator(spec, painter.g, painter.nz, savings)
        self.critic = Critic(spec.resolution, self.config.d, spec.attributes, self.config.lrelu)
        self.segmentor = Segmentor(spec.segments, term.config.kind, term.config.width)
        if not savings.one_norm:
            plain_norms_(self.segmentor)
        self.networks = {"generator": self.generator, "critic": self.critic, "segmentor": self.segmentor}
        betas = (self.config.beta1, self.config.beta2)
        self.optimizers = {
            name: adam([network], self.config.lr if name != "segmentor" else term.config.lr, betas, savings.fused_adam)
            for name, network in self.networks.items()
        }

    def play(self, number: int, real: Batch) -> dict[str, Tensor]:
        """D's and S's move, and at every `n_repeat`-th step that of G (Algorithm 1, signs mended)."""
        assert real.segments is not None
        order = torch.randperm(len(real), device=real.segments.device)
        given = replace(real, segments=real.segments[order])
        moves = (number + 1) % self.config.n_repeat == 0
        painted = self.generator(given) if moves else None
        with torch.set_grad_enabled(not self.savings.no_graph):
            seen = self.generator(given)
        losses = self.critic_losses(real, seen.detach())
        learn(self.optimizers["critic"], losses)
        of_segmentor = {"segmentor/real": segmentation(self.segmentor(real.images), real.segments)}
        learn(self.optimizers["segmentor"], of_segmentor)
        losses |= of_segmentor
        if painted is not None:
            losses |= self.move_generator(painted, given)
        return losses

    def critic_losses(self, real: Batch, seen: Tensor) -> dict[str, Tensor]:
        """L_D = E[D_d(x~)] - E[D_d(x)] + lambda_gp GP + lambda_cls L_cls(x, c)."""
        n = len(real)
        if self.savings.one_look:
            scores, logits = self.critic(torch.cat([real.images, seen]))
            of_real, of_seen, logits = scores[:n], scores[n:], logits[:n]
        else:
            of_real, logits = self.critic(real.images)
            of_seen, _ = self.critic(seen)
        if self.savings.own_slope:
            penalty = slope_penalty(self.critic.slope, real.images, seen)
        else:
            penalty = gradient_penalty(lambda x: self.critic(x)[0].flatten(1).sum(dim=1), real.images, seen)
        return {
            "critic": of_seen.mean() - of_real.mean(),
            "classify/real": self.classification(logits, real),
            "gradient-penalty": self.config.lambda_gp * penalty,
        }

    def move_generator(self, painted: Tensor, given: Batch) -> dict[str, Tensor]:
        """L_G = -E[D_d(x~)] + lambda_cls L_cls(x~, c) + lambda_seg L_seg(x~, s)."""
        for network in (self.critic, self.segmentor):
            network.requires_grad_(not self.savings.hold_others)
        scores, logits = self.critic(painted)
        assert given.segments is not None
        losses = {
            "generator": -scores.mean(),
            "classify/painted": self.classification(logits, given),
            "segmentor": self.segmentor_weight * segmentation(self.segmentor(painted), given.segments),
        }
        learn(self.optimizers["generator"], losses)
        for network in (self.critic, self.segmentor):
            network.requires_grad_(True)
        return losses

    def classification(self, logits: Tensor, given: Batch) -> Tensor:
        """lambda_cls L_cls."""
        assert given.attributes is not None
        return self.config.lambda_cls * multi_label(logits, given.attributes, self.config.cls_loss)


def norm_of(savings: Savings) -> Callable[[int], nn.Module]:
    """Instance norm of so many channels."""
    return InstanceNorm if savings.one_norm else PlainInstanceNorm


def normed(norm: nn.Module) -> nn.Sequential:
    """A norm, then ReLU."""
    return nn.Sequential(norm, nn.ReLU(inplace=True))


def plain_norms_(network: nn.Module) -> None:
    """torch's instance norm in the place of ours, with the same names; in place."""
    for part in network.modules():
        for name, child in part.named_children():
            if isinstance(child, InstanceNorm):
                setattr(part, name, PlainInstanceNorm(child.num_channels))
