"""Stage 2: a segmenter learns from what the generator paints. It is one more game for the same engine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from torch import Tensor, nn
from torch.nn import functional as F

from lgbench import ImageSpec, NoConfig
from lgbench.errors import BadRecipe
from lgbench.game import Game, Phase, Step
from lgbench.layers import Batch, Painter
from lgbench.nn import UNetL, UNetS

from .config import ObjectsConfig, UNetConfig
from .variety import varied

__all__ = ["UNetGame", "generator", "taught", "unet_l", "unet_s"]


class UNetGame:
    """A U-Net learns the foreground of painted images by cross-entropy.

    Args:
        network: images (N, 3, R, R) in [-1, 1] -> logits (N, 1, R, R).
        painter: the trained generator; it paints in eval mode and is not changed.
    """

    def __init__(self, config: UNetConfig, painter: Painter, network: UNetS | UNetL) -> None:
        self.config, self.painter, self.network = config, painter, network

    def segmenter_loss(self, step: Step) -> dict[str, Tensor]:
        """Binary cross-entropy with the painted alphas, cut or soft."""
        alpha = step.layers.alpha
        target = (alpha > self.config.cut).float() if self.config.target == "hard" else alpha
        image = varied(step.layers.image, self.config)
        logits = self.network(image).float()
        return {"segmenter": F.binary_cross_entropy_with_logits(logits, target)}

    def predict(self, images: Tensor) -> Tensor:
        """Foreground probability, (N, 1, R, R)."""
        # L_bg reads log(1 - p), which single precision cuts off, and with it the slope, where F is surest
        return self.network(images).double().sigmoid()

    def game(self) -> Game:
        """The U-Net alone."""
        game = taught(self.network, self.config, self.painter, self.segmenter_loss, self.predict)
        return replace(game, cut=self.config.cut) if self.config.target == "hard" else game


def taught(
    network: nn.Module,
    config: UNetConfig | ObjectsConfig,
    painter: Painter,
    loss: Callable[[Step], dict[str, Tensor]],
    predict: Callable[[Tensor], Tensor],
) -> Game:
    """The game of one network that learns from what the generator paints, which is held fixed."""
    phase = Phase(
        "segmenter",
        ["segmenter"],
        loss,
        lr=config.lr,
        betas=(0.9, 0.999),
        drop_at=config.drop_at,
        drop=config.drop,
    )
    return Game(
        painter=painter,
        networks={"segmenter": network},
        phases=[phase],
        result="segmenter",
        frozen=True,
        predict=predict,
    )


def unet_s(config: UNetConfig, painter: Painter, spec: ImageSpec) -> Game:
    """U-Net-S learns painted pairs."""
    return UNetGame(config, painter, UNetS(config.width)).game()


def unet_l(config: UNetConfig, painter: Painter, spec: ImageSpec) -> Game:
    """U-Net-L learns painted pairs."""
    return UNetGame(config, painter, UNetL(config.width)).game()


def generator(config: NoConfig, painter: Painter, spec: ImageSpec) -> Game:
    """Nothing to train: the generator paints the given image, and the alpha of what it paints is the segmentation.

    Raises:
        BadRecipe: the generator is not conditional.
    """

    def predict(images: Tensor) -> Tensor:
        return painter(painter.codes(len(images), Batch(images))).alpha

    if "images" not in painter.conditional:
        raise BadRecipe(
            "segmentation.name=generator needs a generator that parses a given image. "
            "For LR-GAN, add --set generator.conditional=true; otherwise leave segmentation.name out."
        )
    return Game(painter=painter, networks={}, phases=[], result="", frozen=True, predict=predict)
