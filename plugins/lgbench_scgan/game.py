"""How WGAN-GP, ACWGAN and SCGAN train: one game, with attributes to classify or without; signs of the paper mended."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor

from lgbench import ImageSpec, LgbenchError
from lgbench.errors import BadRecipe
from lgbench.game import Game, Phase, Step
from lgbench.layers import Batch, Layers, Painter
from lgbench.losses import multi_label, slope_penalty

from .config import ACWGANMethod, SCGANMethod, WGANConfig, WGANGPMethod
from .model import WGAN
from .networks import Critic

__all__ = ["WassersteinGame", "ac_generator", "acwgan", "scgan", "shuffled", "wgan_gp"]

logger = logging.getLogger(__name__)


class WassersteinGame:
    """A critic of patches on `n_repeat` batches of real images, then the generator once.

    The generator learns from the step's own layers, which is what regularizers read too. At its steps the critic, which
    moves first, sees another painting under the same conditions (c, s): the latents of the generator's move are fresh.

    Args:
        attributes: how many the critic classifies; 0 for no classifier.
        classification: lambda_cls L_cls of logits and attributes, where it does.
    """

    def __init__(
        self,
        config: WGANGPMethod,
        painter: Painter,
        spec: ImageSpec,
        attributes: int = 0,
        classification: Callable[[Tensor, Tensor], Tensor] | None = None,
    ) -> None:
        self.config, self.painter, self.classification = config, painter, classification
        self.critic = Critic(spec.resolution, config.d, attributes, config.lrelu)

    def critic_loss(self, step: Step) -> dict[str, Tensor]:
        """L_D = E[D_d(x~)] - E[D_d(x)] + lambda_gp GP + lambda_cls L_cls(x, c); means over images and patches."""
        painted = self.seen(step)
        n = len(step.images)
        scores, logits = self.critic(torch.cat([step.images, painted.image]))  # no norm ties images to one another
        losses = {
            "critic": scores[n:].mean() - scores[:n].mean(),
            **self._classified("classify/real", None if logits is None else logits[:n], step.real.attributes),
        }
        if self.config.gp_step == "joint":
            losses["gradient-penalty"] = self._penalty(step, painted)
        return losses

    def penalty_loss(self, step: Step) -> dict[str, Tensor]:
        """lambda_gp GP alone, where it has a step by itself."""
        return {"gradient-penalty": self._penalty(step, self.seen(step))}

    def generator_loss(self, step: Step) -> dict[str, Tensor]:
        """L_G = -E[D_d(x~)] + lambda_cls L_cls(x~, c); lambda_seg L_seg is a regularizer's."""
        fake, logits = self.critic(step.layers.image)
        attributes = step.layers.codes.get("c")
        return {"generator": -fake.mean(), **self._classified("classify/painted", logits, attributes)}

    def seen(self, step: Step) -> Layers:
        """What the critic is shown, without a graph."""
        if not step.layers.image.requires_grad:
            return step.layers
        with torch.no_grad():  # the generator learns from the step's own
            return step.paint()[1]

    def game(self) -> Game:
        """Critic, [its penalty], generator."""
        config = self.config
        phase = partial(Phase, lr=config.lr, betas=(config.beta1, config.beta2), decay_from=config.decay_from)
        phases = [phase("critic", ["critic"], self.critic_loss)]
        if config.gp_step == "separate":
            phases.append(phase("penalty", ["critic"], self.penalty_loss))
        phases.append(phase("generator", ["generator"], self.generator_loss, every=config.n_repeat, regularized=True))
        return Game(
            painter=self.painter,
            networks={"generator": self.painter, "critic": self.critic},
            phases=phases,
            reads=frozenset({"attributes"} if self.classification else ()),
        )

    def _penalty(self, step: Step, painted: Layers) -> Tensor:
        return self.config.lambda_gp * slope_penalty(self.critic.slope, step.images, painted.image)

    def _classified(self, name: str, logits: Tensor | None, attributes: Tensor | None) -> dict[str, Tensor]:
        if self.classification is None:
            return {}
        assert logits is not None
        assert attributes is not None
        return {name: self.classification(logits, attributes)}


def wgan_gp(config: WGANGPMethod, painter: Painter, spec: ImageSpec) -> Game:
    """Gulrajani et al., NeurIPS 2017, with SCGAN's critic."""
    return WassersteinGame(config, painter, spec).game()


def acwgan(config: ACWGANMethod, painter: Painter, spec: ImageSpec) -> Game:
    """WGAN-GP whose critic also classifies the attributes that the generator was told."""
    return WassersteinGame(config, painter, spec, spec.attributes, classification(config)).game()


def scgan(config: SCGANMethod, painter: Painter, spec: ImageSpec) -> Game:
    """ACWGAN's game, with class maps given in another order than the images'; without attributes, WGAN-GP's."""
    given = shuffled if config.shuffle_seg else None
    if config.aux_classifier and not spec.attributes:
        logger.warning("There are no attributes in this data set: SCGAN's critic has no classifier of them.")
    if not config.aux_classifier or not spec.attributes:
        return replace(WassersteinGame(config, painter, spec).game(), given=given)
    return replace(acwgan(config, painter, spec), given=given)


def classification(config: ACWGANMethod) -> Callable[[Tensor, Tensor], Tensor]:
    """lambda_cls L_cls, a function of logits (N, A) and attributes (N, A).

    It raises `BadRecipe` where attributes that are said to exclude each other do not.
    """

    def loss(logits: Tensor, attributes: Tensor) -> Tensor:
        if config.cls_loss == "ce" and (attributes.sum(dim=1) != 1).any():
            raise BadRecipe(
                "method.cls_loss=ce is of attributes of which each picture has exactly one, say a colour, and here one "
                "has several or none. Take method.cls_loss=bce, which reads each by itself."
            )
        return config.lambda_cls * multi_label(logits, attributes, config.cls_loss)

    return loss


def shuffled(real: Batch) -> Batch:
    """The same batch with its class maps permuted, so that attributes and class maps are decorrelated (Algorithm 1)."""
    assert real.segments is not None  # the painter is conditional on them
    order = torch.randperm(len(real), device=real.segments.device)
    return replace(real, segments=real.segments[order])


def ac_generator(config: WGANConfig, spec: ImageSpec) -> WGAN:
    """ACWGAN's generator.

    Raises:
        LgbenchError: the data set has no attributes.
    """
    if not spec.attributes:
        raise LgbenchError(
            "ACWGAN paints from attributes, and none of this data set are here. `lgbench data "
            "list` shows which sets have attributes, and how to fetch or add them; wgan-gp needs none."
        )
    return WGAN(config, spec, spec.attributes)
