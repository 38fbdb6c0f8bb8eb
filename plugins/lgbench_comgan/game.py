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

__all__ = ["AlignmentGame", "ComGANGame", "DSComGANGame", "alignment", "comgan", "dscomgan"]


class ComGANGame:
    """Eq. 3 with its sign mended; the binary term is the `binarization` regularizer."""

    def __init__(self, config: ComGANMethod, painter: Painter, spec: ImageSpec) -> None:
        self.config, self.painter = config, painter
        self.critic = Critic(spec.resolution, config.d)
        orthogonal_(self.critic)

    def judge(self, x: Tensor) -> Tensor:
        """Scores of images, (N,), seen through noise where the configuration says so."""
        return self.critic(add_noise(x, self.config.instance_noise))

    def critic_loss(self, step: Step) -> dict[str, Tensor]:
        """-E log D(x) - E log(1 - D(x~))."""
        return {"critic": bce_real(self.judge(step.images)) + bce_fake(self.judge(step.layers.image.detach()))}

    def generator_loss(self, step: Step) -> dict[str, Tensor]:
        """-E log D(x~)."""
        return {"generator": bce_real(self.judge(step.layers.image))}

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


class DSComGANGame:
    """Eq. 7; L_info is the `mi-recovery` regularizer, whose critics learn in the generator's phase."""

    def __init__(self, config: DSComGANMethod, painter: Painter, spec: ImageSpec) -> None:
        self.config, self.painter = config, painter
        self.d_z = Critic(spec.resolution, config.d)
        orthogonal_(self.d_z)

    def judge(self, x: Tensor) -> Tensor:
        """Scores of images, (N,), seen through noise where the configuration says so."""
        return self.d_z(add_noise(x, self.config.instance_noise))

    def painted(self, step: Step) -> dict[str, Tensor]:
        """What D_z is shown: composites and, where they are painted, whole images x_z."""
        whole = step.layers.extras.get("whole")
        return {"composite": step.layers.image} | ({} if whole is None else {"whole": whole})

    def critic_loss(self, step: Step) -> dict[str, Tensor]:
        """-E log D_z(x), once for each kind of painted images (`real_weight` 2), - E log(1 - D_z) of each kind."""
        fakes = {f"critic/{kind}": x.detach() for kind, x in self.painted(step).items()}
        real = self.config.real_weight / 2 * len(fakes) * bce_real(self.judge(step.images))
        return {"critic/real": real, **{name: bce_fake(self.judge(x)) for name, x in fakes.items()}}

    def generator_loss(self, step: Step) -> dict[str, Tensor]:
        """-E log D_z of each kind of painted images."""
        return {f"generator/{kind}": bce_real(self.judge(x)) for kind, x in self.painted(step).items()}

    def game(self) -> Game:
        """Critic, then generator, on the same painted images."""
        lr = self.config.lr
        return Game(
            painter=self.painter,
            networks={"generator": self.painter, "critic": self.d_z},
            phases=[
                Phase("critic", ["critic"], self.critic_loss, lr=lr),
                Phase("generator", ["generator"], self.generator_loss, lr=lr, regularized=True),
            ],
            features=self.d_z.features,
            critic=self.d_z,
            kept=["critic"],
        )


class AlignmentGame:
    """Two alignments: of S with the generator's masks (Eq. 10), and of its masks with a mask critic (Eq. 9)."""

    def __init__(self, config: AlignmentConfig, painter: Painter, spec: ImageSpec) -> None:
        self.config, self.painter = config, painter
        self.segmenter = UNetL(config.width)
        self.d_m = Critic(spec.resolution, config.dm_width, config.dm_channels)
        orthogonal_(self.d_m)

    def masks(self, images: Tensor) -> Tensor:
        """S(x), (N, 1, R, R) in [0, 1]."""
        return opacity(self.segmenter(images))

    def predict(self, images: Tensor) -> Tensor:
        """S(x) as foreground probability; L_bg reads log(1 - p), which single precision cuts off where S is surest."""
        return self.segmenter(images).double().sigmoid()

    def judge(self, mask: Tensor) -> Tensor:
        """Scores of masks, (N, 1, R, R) -> (N,)."""
        return self.d_m(mask.expand(-1, self.config.dm_channels, -1, -1))

    def mask_critic_loss(self, step: Step) -> dict[str, Tensor]:
        """-E log D_m(m), once for each kind of predictions, - E log(1 - D_m(S)) of each kind."""
        with torch.no_grad():
            fakes = {"synth": self.masks(step.layers.image), "real": self.masks(step.images)}
        chosen = [mask for kind, mask in fakes.items() if self.config.dm_fake in (kind, "both")]
        return {
            "mask-critic/real": len(chosen) * bce_real(self.judge(step.layers.alpha)),
            "mask-critic/fake": torch.stack([bce_fake(self.judge(mask)) for mask in chosen]).sum(),
        }

    def segmenter_loss(self, step: Step) -> dict[str, Tensor]:
        """lambda |S(x~) - m| and, where there is a mask critic, -E log D_m(S(x~)) - E log D_m(S(x))."""
        synth = self.masks(step.layers.image)
        distance = F.l1_loss if self.config.cons_norm == "l1" else F.mse_loss
        losses = {"consistency": self.config.lambda_cons * distance(synth, step.layers.alpha)}
        if self.config.use_dm:
            losses["alignment"] = bce_real(self.judge(synth)) + bce_real(self.judge(self.masks(step.images)))
        return losses

    def game(self) -> Game:
        """[Mask critic,] segmenter, on images of a generator that is held fixed."""
        lr = self.config.lr
        critic = Phase("mask-critic", ["mask-critic"], self.mask_critic_loss, lr=lr)
        segmenter = Phase("segmenter", ["segmenter"], self.segmenter_loss, lr=lr)
        return Game(
            painter=self.painter,
            networks={"segmenter": self.segmenter, "mask-critic": self.d_m},
            phases=[critic, segmenter] if self.config.use_dm else [segmenter],
            result="segmenter",
            frozen=True,
            predict=self.predict,
        )


def comgan(config: ComGANMethod, painter: Painter, spec: ImageSpec) -> Game:
    """ComGAN's game, which its controls SimpleGAN, Pi1 and Pi2 play too."""
    return ComGANGame(config, painter, spec).game()


def dscomgan(config: DSComGANMethod, painter: Painter, spec: ImageSpec) -> Game:
    """DS-ComGAN's disentanglement stage."""
    return DSComGANGame(config, painter, spec).game()


def alignment(config: AlignmentConfig, painter: Painter, spec: ImageSpec) -> Game:
    """DS-ComGAN's segmentation stage."""
    return AlignmentGame(config, painter, spec).game()
