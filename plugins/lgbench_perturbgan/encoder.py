"""Encoder-based inference (Bielski and Favaro, NeurIPS 2019): the frozen generator decodes, its mask is the answer.

The paper's encoder was not published; what is chosen here stands in the plugin's README.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lgbench import ImageSpec, LgbenchError
from lgbench.game import Game, Phase, Step
from lgbench.layers import Painter
from lgbench.nn import BNTrunk, orthogonal_

from .config import EncoderConfig

__all__ = ["Encoder", "encoder"]


class Encoder(nn.Module):
    """A critic's trunk and a linear map: (N, 3, R, R) in [-1, 1] -> latents (N, nz)."""

    def __init__(self, resolution: int, d: int, nz: int) -> None:
        super().__init__()
        self.trunk = BNTrunk(resolution, d)
        self.head = nn.Linear(8 * d * 16, nz)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.trunk(x).flatten(1)).float()


def _sampled_when_frozen(painter: Painter) -> dict[str, Tensor]:
    training = painter.training
    codes = painter.eval().codes(2)  # in training mode a StyleGAN mixes two latents
    painter.train(training)
    return codes


def encoder(config: EncoderConfig, painter: Painter, spec: ImageSpec) -> Game:
    """E learns to invert the generator on painted images, and to reconstruct real ones through it.

    Raises:
        LgbenchError: the generator does not paint from one latent vector "z" alone.
    """
    codes = _sampled_when_frozen(painter)
    if codes.keys() - {"noise"} != {"z"} or codes["z"].dim() != 2:  # a StyleGAN paints without given noise, too
        raise LgbenchError(
            f"segmentation.name=encoder inverts generators that paint from one vector z; this one reads "
            f"{sorted(codes)}. Use segmentation.name=unet-s."
        )
    network = Encoder(spec.resolution, config.d, codes["z"].shape[1])
    orthogonal_(network)

    def difference(x: Tensor, z: Tensor, step: Step | None) -> Tensor:
        """|x - x_rec| and, where there is a critic, squared differences of its last three features."""
        x_rec = painter({"z": z}).image
        loss = (x - x_rec).abs().mean()
        if step is not None and step.features is not None and config.feature_weight:
            pairs = list(zip(step.features(x), step.features(x_rec), strict=True))[-3:]
            loss = loss + config.feature_weight * sum(F.mse_loss(u.float(), v.float()) for u, v in pairs)
        return loss

    def loss(step: Step) -> dict[str, Tensor]:
        painted, z = step.painted.image, step.painted.codes["z"]  # unperturbed, as x_rec is
        found, seen = network(painted), network(step.images)
        return {
            "encoder/real": difference(step.images, seen, step),
            "encoder/painted": difference(painted, found, step),
            "encoder/code": config.code_weight * (found - z).square().sum(dim=1).mean(),
        }

    def predict(images: Tensor) -> Tensor:
        z = network(images)
        if config.refine:
            z = refined(images, z)
        return painter({"z": z}).alpha

    def refined(images: Tensor, z: Tensor) -> Tensor:
        with torch.enable_grad():
            z = z.detach().requires_grad_()
            optimizer = torch.optim.Adam([z], lr=config.refine_lr)
            for _ in range(config.refine):
                optimizer.zero_grad()
                (len(z) * difference(images, z, None)).backward()  # each image on its own
                optimizer.step()
        return z.detach()

    return Game(
        painter=painter,
        networks={"segmenter": network},
        phases=[Phase("encoder", ["segmenter"], loss, lr=config.lr, betas=(0.9, 0.999))],
        result="segmenter",
        frozen=True,
        predict=predict,
    )
