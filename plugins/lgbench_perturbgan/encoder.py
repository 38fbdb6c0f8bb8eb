"""Encoder-based inference (Bielski and Favaro, NeurIPS 2019): the frozen generator decodes, its mask is the answer.

The paper's encoder was not published; what is chosen here stands in the plugin's README.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lgbench import ImageSpec, LgbenchError
from lgbench.game import Game, Phase, Step
from lgbench.layers import Painter
from lgbench.nn import BNTrunk, orthogonal_

from .config import EncoderConfig

__all__ = ["Encoder", "EncoderGame", "encoder"]

Features = Callable[[Tensor], list[Tensor]]


class Encoder(nn.Module):
    """A critic's trunk and a linear map: (N, 3, R, R) in [-1, 1] -> latents (N, nz)."""

    def __init__(self, resolution: int, d: int, nz: int) -> None:
        super().__init__()
        self.trunk = BNTrunk(resolution, d)
        self.head = nn.Linear(8 * d * 16, nz)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.trunk(x).flatten(1)).float()


class EncoderGame:
    """E learns to invert the generator on painted images, and to reconstruct real ones through it.

    Raises:
        LgbenchError: the generator does not paint from one latent vector "z" alone.
    """

    def __init__(self, config: EncoderConfig, painter: Painter, spec: ImageSpec) -> None:
        self.config, self.painter = config, painter
        self.encoder = Encoder(spec.resolution, config.d, _latent_size(painter))
        orthogonal_(self.encoder)

    def encoder_loss(self, step: Step) -> dict[str, Tensor]:
        """Both reconstructions' differences and, of painted images, |E(x) - z|^2."""
        painted, z = step.painted.image, step.painted.codes["z"]  # unperturbed, as x_rec is
        found, seen = self.encoder(painted), self.encoder(step.images)
        return {
            "encoder/real": self.difference(step.images, seen, step.features),
            "encoder/painted": self.difference(painted, found, step.features),
            "encoder/code": self.config.code_weight * (found - z).square().sum(dim=1).mean(),
        }

    def difference(self, x: Tensor, z: Tensor, features: Features | None = None) -> Tensor:
        """|x - x_rec| and, where there is a critic, squared differences of its last three features."""
        x_rec = self.painter({"z": z}).image
        loss = (x - x_rec).abs().mean()
        if features is not None and self.config.feature_weight:
            pairs = list(zip(features(x), features(x_rec), strict=True))[-3:]
            loss = loss + self.config.feature_weight * sum(F.mse_loss(u.float(), v.float()) for u, v in pairs)
        return loss

    def predict(self, images: Tensor) -> Tensor:
        """The alpha, (N, 1, R, R), that the generator paints from the latents of images."""
        return self.painter({"z": self.refined(images, self.encoder(images))}).alpha

    def refined(self, images: Tensor, z: Tensor) -> Tensor:
        """Latents after so many gradient steps as the configuration says, each image's on its own."""
        if not self.config.refine:
            return z
        with torch.enable_grad():
            z = z.detach().requires_grad_()
            optimizer = torch.optim.Adam([z], lr=self.config.refine_lr)
            for _ in range(self.config.refine):
                optimizer.zero_grad()
                (len(z) * self.difference(images, z)).backward()  # a sum over images: none weighs on another
                optimizer.step()
        return z.detach()

    def game(self) -> Game:
        """The encoder alone; the generator is held fixed."""
        return Game(
            painter=self.painter,
            networks={"segmenter": self.encoder},
            phases=[Phase("encoder", ["segmenter"], self.encoder_loss, lr=self.config.lr, betas=(0.9, 0.999))],
            result="segmenter",
            frozen=True,
            predict=self.predict,
        )


def encoder(config: EncoderConfig, painter: Painter, spec: ImageSpec) -> Game:
    """Encoder-based inference as a segmenter."""
    return EncoderGame(config, painter, spec).game()


def _latent_size(painter: Painter) -> int:
    training = painter.training
    codes = painter.eval().codes(2)  # in training mode a StyleGAN mixes two latents
    painter.train(training)
    if codes.keys() - {"noise"} != {"z"} or codes["z"].dim() != 2:  # a StyleGAN paints without given noise, too
        raise LgbenchError(
            f"segmentation.name=encoder inverts generators that paint from one vector z; this one reads "
            f"{sorted(codes)}. Use segmentation.name=unet-s."
        )
    return codes["z"].shape[1]
