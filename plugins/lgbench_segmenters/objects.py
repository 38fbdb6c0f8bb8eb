"""A segmenter that tells objects apart, taught by a generator that paints several foregrounds."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from lgbench import ImageSpec
from lgbench.errors import BadRecipe
from lgbench.game import Game, Step
from lgbench.layers import Painter
from lgbench.nn import UNetS

from .config import ObjectsConfig
from .games import taught
from .variety import varied

__all__ = ["ObjectsGame", "matched_cross_entropy", "unet_objects", "visible"]


class ObjectsGame:
    """A U-Net learns which of K foregrounds each pixel shows, or the background, by cross-entropy.

    Foregrounds have no fixed identity, so each picture's loss is the smallest over the orders of its objects.

    Args:
        painter: the trained generator; it paints in eval mode and is not changed.
    """

    def __init__(self, config: ObjectsConfig, painter: Painter) -> None:
        self.config, self.painter = config, painter
        self.network = UNetS(config.width, logits=painter.foregrounds + 1)

    def segmenter_loss(self, step: Step) -> dict[str, Tensor]:
        """Cross-entropy with the layer that shows most, objects in the order that fits best."""
        image = varied(step.layers.image, self.config)
        return {"segmenter": matched_cross_entropy(self.scores(image), visible(step.layers.alphas).argmax(dim=1))}

    def scores(self, images: Tensor) -> Tensor:
        """Log-probabilities of the background and of each object, (N, K + 1, R, R)."""
        objects = self.network(images).float()  # each one's logit, less the background's
        return torch.cat([torch.zeros_like(objects[:, :1]), objects], dim=1).log_softmax(dim=1)

    def predict(self, images: Tensor) -> Tensor:
        """Probabilities of the background and of each object, (N, K + 1, R, R)."""
        return self.scores(images).double().exp()  # L_bg reads the logarithm of the first

    def game(self) -> Game:
        """The U-Net alone."""
        return taught(self.network, self.config, self.painter, self.segmenter_loss, self.predict)


def visible(alphas: Tensor) -> Tensor:
    """What one sees of the background and of each foreground: m_k prod_{j > k} (1 - m_j), m_0 = 1.

    Args:
        alphas: (N, K, 1, H, W) in [0, 1], in painting order.

    Returns:
        (N, K + 1, H, W), 1 in sum.
    """
    m = torch.cat([torch.ones_like(alphas[:, :1]), alphas], dim=1)[:, :, 0]
    above = torch.cat([1 - m[:, 1:], torch.ones_like(m[:, :1])], dim=1)
    return m * above.flip(1).cumprod(dim=1).flip(1)


def matched_cross_entropy(scores: Tensor, labels: Tensor) -> Tensor:
    """The smallest cross-entropy of each picture over the orders of its objects, by Hungarian matching; a mean.

    Args:
        scores: log-probabilities, (N, K + 1, H, W), the background first.
        labels: (N, H, W) int, 0 for the background.
    """
    from scipy.optimize import linear_sum_assignment

    shown = F.one_hot(labels, scores.shape[1]).to(scores).flatten(1, 2)  # (N, P, K + 1)
    costs = -(scores.flatten(2) @ shown)  # [n, j, i]: nats of taking all pixels of label i for j
    rows, columns = [], []
    for cost in costs[:, 1:, 1:].detach().cpu().numpy():
        row, column = linear_sum_assignment(cost)
        rows.append(torch.as_tensor(row))
        columns.append(torch.as_tensor(column))
    picture = torch.arange(len(costs))[:, None]
    matched = costs[picture, torch.stack(rows) + 1, torch.stack(columns) + 1]
    return (costs[:, 0, 0].sum() + matched.sum()) / labels.numel()


def unet_objects(config: ObjectsConfig, painter: Painter, spec: ImageSpec) -> Game:
    """U-Net-S learns painted objects.

    Raises:
        BadRecipe: the generator paints one foreground.
    """
    if painter.foregrounds < 2:
        raise BadRecipe(
            "segmentation.name=unet-objects tells several foregrounds apart, and this generator paints one. Set "
            "segmentation.name=unet-s, or for LR-GAN generator.n_layers=3."
        )
    return ObjectsGame(config, painter).game()
