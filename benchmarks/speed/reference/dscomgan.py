"""The reference step: DS-ComGAN's disentanglement stage as its public code plays it, to time ours against (`step.py`).

Networks, losses and numbers are lgbench's; how they are computed is the public code's: fp32 in the plain layout, codes
tiled as one-hot planes and convolved, upsampling before a convolution, the real images scored once for each fake,
gradients of the critic's weights in the generator's step, one parameter after the other in Adam and in the average.
Each of these is a switch of `Savings`, so that what it costs can be measured alone.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lgbench.layers import Batch
from lgbench.losses import bce_fake, bce_real
from lgbench.nn import Critic, Same, Stem, Up, image_head, mask_head
from lgbench.offers import ImageSpec
from lgbench.recipe import Recipe
from lgbench_regularizers.codes import CodeCritic

from .parts import Reference, adam, enlarged, learn

__all__ = ["ReferenceStep", "Savings"]


@dataclass(frozen=True, slots=True)
class Savings:
    """What of the reference's waste is left out; nothing, as it stands.

    Attributes:
        look_up: a code's part of a convolution is looked up (see `lgbench.nn.CodeConv`).
        join_up: upsampling and convolution in one (see `lgbench.nn.upsampled_conv`).
        score_once: the real images are scored once, and their loss counts twice.
        hold_critic: no gradients of the critic's weights in the generator's step.
        fused_adam: one kernel for all parameters of an optimiser.
        joint_ema: one call for all parameters of the average.
    """

    look_up: bool = False
    join_up: bool = False
    score_once: bool = False
    hold_critic: bool = False
    fused_adam: bool = False
    joint_ema: bool = False


class TiledSame(Same):
    """`lgbench.nn.Same` of [one-hot planes of a class, h]: the planes are made, and convolved."""

    def forward(self, h: Tensor, code: Tensor | None = None) -> Tensor:
        if code is not None:
            planes = F.one_hot(code, self.conv.in_channels - h.shape[1]).to(h.dtype)
            h = torch.cat([planes[:, :, None, None].expand(-1, -1, *h.shape[2:]), h], dim=1)
        return self.act(self.norm(F.conv2d(h, self.conv.weight, padding=1)))


class PlainUp(Up):
    """`lgbench.nn.Up` in two: the large image is made, and convolved."""

    def forward(self, h: Tensor) -> Tensor:
        return self.same(enlarged(h))


class Branch(nn.Module):
    """`lgbench.nn.Sub`."""

    def __init__(self, i: int, w: int, o: int, blocks: int, classes: int, savings: Savings) -> None:
        super().__init__()
        first = Same if savings.look_up else TiledSame
        self.first = first(i, w, classes=classes)
        self.rest = nn.Sequential(*(Residual(w) for _ in range(blocks)), Same(w, o))

    def forward(self, h: Tensor, code: Tensor | None = None) -> Tensor:
        return self.rest(self.first(h, code))


class Residual(nn.Module):
    """`lgbench.nn.Res`."""

    def __init__(self, c: int) -> None:
        super().__init__()
        self.same, self.conv, self.norm = Same(c, c), nn.Conv2d(c, c, 3, 1, 1, bias=False), nn.BatchNorm2d(c)

    def forward(self, h: Tensor) -> Tensor:
        return h + self.norm(self.conv(self.same(h)))


class Features(nn.Module):
    """`lgbench.nn.ComGANFeatures`."""

    def __init__(self, nz: int, widths: list[int], savings: Savings) -> None:
        super().__init__()
        self.stem = Stem(nz, widths[0])
        self.ups = nn.ModuleList((Up if savings.join_up else PlainUp)(i, o) for i, o in pairwise(widths))

    def forward(self, z: Tensor) -> list[Tensor]:
        a = [self.stem(z)]
        for up in self.ups:
            a.append(up(a[-1]))
        return a


class Generator(nn.Module):
    """DS-ComGAN's; its parameters have the names that lgbench's have."""

    def __init__(self, g: int, nz: int, classes: int, resolution: int, savings: Savings) -> None:
        super().__init__()
        widths = [8 * g >> k for k in range(resolution.bit_length() - 3)] + [g // 4]
        self.phi = Features(nz, widths, savings)
        self.p1, self.p2 = Same(widths[-3], g // 2), Same(widths[-2], g // 4)
        self.f, self.f_head = Branch(g, 2 * g, g // 4, 2, classes, savings), image_head(g // 4)
        self.b, self.b_head = Branch(g, 2 * g, g // 4, 2, classes, savings), image_head(g // 4)
        self.m, self.m_head = Branch(g, 2 * g, g // 4, 1, 0, savings), mask_head(g // 4)
        self.whole = image_head(g // 4)

    def forward(self, codes: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Paint x = m x_f + (1 - m) x_b, and x_z."""
        a = self.phi(codes["z"])
        p1 = self.p1(F.interpolate(a[-3], scale_factor=4, mode="nearest"))
        p2 = self.p2(F.interpolate(a[-2], scale_factor=2, mode="nearest"))
        phi = torch.cat([p2, p1, a[-1]], dim=1)
        m = self.m_head(self.m(phi))
        f, b = self.f_head(self.f(phi, codes["f"])), self.b_head(self.b(phi, codes["b"]))
        return {"x": m * f + (1 - m) * b, "whole": self.whole(a[-1]), "f": f, "b": b, "m": m}


class ReferenceStep(Reference):
    """Networks, optimisers and average of the reference, for `paper`'s branches (r_fg = r_bg = 2, r_mask = 1)."""

    def __init__(self, recipe: Recipe, spec: ImageSpec, savings: Savings | None = None) -> None:
        self.savings = savings = savings or Savings()
        self.painter, resolution = recipe.generator_config, spec.resolution
        self.classes = self.painter.n_codes or spec.classes or 20
        code = next(chosen.config for chosen in recipe.regularizers if chosen.record.name == "mi-recovery")
        self.generator = Generator(self.painter.g, self.painter.nz, self.classes, resolution, savings)
        self.critic = Critic(resolution, recipe.method_config.d)
        self.code_critics = {name: CodeCritic(resolution, self.classes, code.width) for name in ("f", "b")}
        self.average = copy.deepcopy(self.generator)
        self.averages = (self.average,)
        critics = {f"code-critic-{name}": critic for name, critic in self.code_critics.items()}
        self.networks = {"generator": self.generator, "critic": self.critic, **critics}
        learning = {"critic": [self.critic], "generator": [self.generator, *self.code_critics.values()]}
        self.optimizers = {
            name: adam(networks, 2e-4, (0.5, 0.999), savings.fused_adam) for name, networks in learning.items()
        }

    def codes(self, n: int) -> dict[str, Tensor]:
        """Fresh ones, in the order in which lgbench draws them."""
        place = next(self.generator.parameters()).device
        z = self.painter.z_scale * torch.randn(n, self.painter.nz, device=place)
        return {"z": z, **{name: torch.randint(self.classes, (n,), device=place) for name in ("f", "b")}}

    def play(self, number: int, real: Batch) -> dict[str, Tensor]:
        """D_z's move, then that of the generator with D_f and D_b (Eq. 7 and 8)."""
        codes = self.codes(len(real))
        painted = self.generator(codes)
        of_critic = self.critic_losses(real.images, painted)
        learn(self.optimizers["critic"], of_critic)
        self.critic.requires_grad_(not self.savings.hold_critic)
        of_generator = self.generator_losses(painted, codes)
        learn(self.optimizers["generator"], of_generator)
        self.critic.requires_grad_(True)
        self.update_average()
        return {**of_critic, **of_generator}

    def critic_losses(self, real: Tensor, painted: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """-2 E log D(real) - E log(1 - D(x)) - E log(1 - D(x_z))."""
        if self.savings.score_once:
            real_loss = 2 * bce_real(self.critic(real))
        else:
            real_loss = bce_real(self.critic(real)) + bce_real(self.critic(real))
        return {
            "critic/real": real_loss,
            "critic/composite": bce_fake(self.critic(painted["x"].detach())),
            "critic/whole": bce_fake(self.critic(painted["whole"].detach())),
        }

    def generator_losses(self, painted: Mapping[str, Tensor], codes: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """-E log D(x) - E log D(x_z) + CE(D_f(x_f), f) + CE(D_b(x_b), b)."""
        read = [F.cross_entropy(critic(painted[name]), codes[name]) for name, critic in self.code_critics.items()]
        return {
            "generator/composite": bce_real(self.critic(painted["x"])),
            "generator/whole": bce_real(self.critic(painted["whole"])),
            "mi-recovery": torch.stack(read).sum(),
        }

    @torch.no_grad()
    def update_average(self) -> None:
        """An average of the generator's parameters, 0.999 a step."""
        averages, now = [*self.average.parameters()], [*self.generator.parameters()]
        if self.savings.joint_ema:
            torch._foreach_lerp_(averages, now, 0.001)
            return
        for average, parameter in zip(averages, now, strict=True):
            average.mul_(0.999).add_(parameter, alpha=0.001)
