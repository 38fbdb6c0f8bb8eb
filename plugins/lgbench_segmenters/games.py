"""Stage 2: a segmenter learns from what the generator paints. It is one more game for the same engine."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from lgbench.errors import BadRecipe
from lgbench.game import Game, Phase, Step
from lgbench.layers import Batch, Painter
from lgbench.nn import UNetL, UNetS, jitter_colours

from .config import UNetConfig

__all__ = ["generator_game", "unet_game"]


def unet_game(kind: str, config: UNetConfig, painter: Painter) -> Game:
    """A U-Net learns the foreground of painted images by cross-entropy.

    Args:
        kind: "s" or "l".
        painter: the trained generator; it paints in eval mode and is not changed.
    """
    network = UNetS(config.width) if kind == "s" else UNetL(config.width)

    def loss(step: Step) -> dict[str, Tensor]:
        alpha = step.layers.alpha
        target = (alpha > config.cut).float() if config.target == "hard" else alpha
        image = jitter_colours(step.layers.image) if config.colours else step.layers.image
        logits = network(image).float()
        return {"segmenter": F.binary_cross_entropy_with_logits(logits, target)}

    return Game(
        painter=painter,
        networks={"segmenter": network},
        phases=[
            Phase(
                *("segmenter", ["segmenter"], loss),
                lr=config.lr,
                betas=(0.9, 0.999),
                drop_at=config.drop_at,
                drop=config.drop,
            )
        ],
        result="segmenter",
        frozen=True,
        # L_bg reads log(1 - p), which single precision cuts off, and with it the slope, where F is surest
        predict=lambda images: network(images).double().sigmoid(),
    )


def generator_game(painter: Painter) -> Game:
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
