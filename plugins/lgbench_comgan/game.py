"""How the ComGAN family trains: ComGAN's game, DS-ComGAN's disentanglement stage and its segmentation stage."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from lgbench import ImageSpec
from lgbench.game import Game, Phase, Step
from lgbench.layers import Painter
from lgbench.losses import bce_fake, bce_real
from lgbench.nn import Critic, UNetL, add_noise, opacity, orthogonal_

from .config import AlignmentConfig, ComGANMethod, DSComGANMethod

__all__ = ["alignment", "comgan", "dscomgan"]


def comgan(config: ComGANMethod, painter: Painter, spec: ImageSpec) -> Game:
    """Eq. 3 with its sign mended; the binary term is the `binarization` regularizer."""
    critic = Critic(spec.resolution, config.d)
    orthogonal_(critic)

    def judge(x: Tensor) -> Tensor:
        return critic(add_noise(x, config.instance_noise))

    def critic_loss(step: Step) -> dict[str, Tensor]:
        return {"critic": bce_real(judge(step.images)) + bce_fake(judge(step.layers.image.detach()))}

    def generator_loss(step: Step) -> dict[str, Tensor]:
        return {"generator": bce_real(judge(step.layers.image))}

    return Game(
        painter=painter,
        networks={"generator": painter, "critic": critic},
        phases=[
            Phase("critic", ["critic"], critic_loss, lr=config.lr),
            Phase("generator", ["generator"], generator_loss, lr=config.lr, regularized=True),
        ],
    )


def dscomgan(config: DSComGANMethod, painter: Painter, spec: ImageSpec) -> Game:
    """Eq. 7; L_info is the `mi-recovery` regularizer, whose critics learn in the generator's phase."""
    d_z = Critic(spec.resolution, config.d)
    orthogonal_(d_z)

    def judge(x: Tensor) -> Tensor:
        return d_z(add_noise(x, config.instance_noise))

    def critic_loss(step: Step) -> dict[str, Tensor]:
        fakes = {"critic/composite": step.layers.image}
        if "whole" in step.layers.extras:
            fakes["critic/whole"] = step.layers.extras["whole"]
        real = config.real_weight / 2 * len(fakes) * bce_real(judge(step.images))
        return {"critic/real": real, **{name: bce_fake(judge(x.detach())) for name, x in fakes.items()}}

    def generator_loss(step: Step) -> dict[str, Tensor]:
        losses = {"generator/composite": bce_real(judge(step.layers.image))}
        if "whole" in step.layers.extras:
            losses["generator/whole"] = bce_real(judge(step.layers.extras["whole"]))
        return losses

    return Game(
        painter=painter,
        networks={"generator": painter, "critic": d_z},
        phases=[
            Phase("critic", ["critic"], critic_loss, lr=config.lr),
            Phase("generator", ["generator"], generator_loss, lr=config.lr, regularized=True),
        ],
    )


def alignment(config: AlignmentConfig, painter: Painter, spec: ImageSpec) -> Game:
    """Two alignments: of S with the generator's masks (Eq. 10), and of its masks with a mask critic (Eq. 9)."""
    segmenter = UNetL(config.width)
    d_m = Critic(spec.resolution, config.dm_width, config.dm_channels)
    orthogonal_(d_m)

    def predict(images: Tensor) -> Tensor:
        return opacity(segmenter(images))

    def judge(mask: Tensor) -> Tensor:
        return d_m(mask.expand(-1, config.dm_channels, -1, -1))

    def mask_critic_loss(step: Step) -> dict[str, Tensor]:
        with torch.no_grad():
            fakes = {"synth": predict(step.layers.image), "real": predict(step.images)}
        chosen = [fakes[k] for k in ("synth", "real") if config.dm_fake in (k, "both")]
        return {
            "mask-critic/real": len(chosen) * bce_real(judge(step.layers.alpha)),
            "mask-critic/fake": torch.stack([bce_fake(judge(mask)) for mask in chosen]).sum(),
        }

    def segmenter_loss(step: Step) -> dict[str, Tensor]:
        synth = predict(step.layers.image)
        distance = F.l1_loss if config.cons_norm == "l1" else F.mse_loss
        losses = {"consistency": config.lambda_cons * distance(synth, step.layers.alpha)}
        if config.use_dm:
            losses["alignment"] = bce_real(judge(synth)) + bce_real(judge(predict(step.images)))
        return losses

    phases = [Phase("segmenter", ["segmenter"], segmenter_loss, lr=config.lr)]
    if config.use_dm:
        phases.insert(0, Phase("mask-critic", ["mask-critic"], mask_critic_loss, lr=config.lr))
    return Game(
        painter=painter,
        networks={"segmenter": segmenter, "mask-critic": d_m},
        phases=phases,
        result="segmenter",
        frozen=True,
        predict=predict,
    )
