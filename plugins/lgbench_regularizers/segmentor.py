"""SCGAN's third player: S learns from real images to read class maps, and punishes painted ones that read otherwise."""

from __future__ import annotations

from torch import Tensor

from lgbench import ImageSpec, LgbenchError
from lgbench.game import Lesson, Phase, Step, Term
from lgbench.layers import Batch, Painter
from lgbench.losses import segmentation
from lgbench.nn import Segmentor

from .config import SegmentorConfig

__all__ = ["SegmentorTerm", "segmentor"]


def segmentor(config: SegmentorConfig, painter: Painter, spec: ImageSpec) -> Term:
    """L_seg(S(x~), s), s the class map that x~ was painted from.

    Raises:
        LgbenchError: the painter paints from no class maps.
    """
    if "segments" not in painter.conditional:
        told = " and ".join(sorted(painter.conditional)) or "nothing"
        raise LgbenchError(
            "segmentor compares what is painted with the class map that it was painted from, and this generator is told"
            f" {told}. Leave it out (--without segmentor), or use one that paints from segments, such as scgan's."
        )
    return SegmentorTerm(config, spec.segments).term()


class SegmentorTerm:
    """S and its losses. S gets no gradient from the painter's loss, nor the painter any from S's."""

    def __init__(self, config: SegmentorConfig, classes: int) -> None:
        self.config, self.network = config, Segmentor(classes, config.kind, config.width)

    def penalty(self, step: Step) -> Tensor:
        """L_seg(S(x~), s) of the step's own layers, which the regularized phase learns from; their code "s" is s."""
        self.network.requires_grad_(False)  # a pretrained S is no network of the game, which would hold it
        return segmentation(self.network(step.layers.image), step.layers.codes["s"], self.config.reduction)

    def segmentor_loss(self, step: Step) -> dict[str, Tensor]:
        """L_S of the step's real images."""
        return {"segmentor/real": self.reading_loss(step.real)}

    def reading_loss(self, real: Batch) -> Tensor:
        """L_S = L_seg(S(x), s) of real images; the mean in any case: Adam moves by no loss's scale."""
        assert real.segments is not None
        return segmentation(self.network(real.images), real.segments)

    def term(self) -> Term:
        """S learns in a phase of its own, or in a lesson before the training."""
        if self.config.mode == "pretrained_frozen":
            return Term(penalty=self.penalty, lessons=(self.lesson(),), regions=self.network)
        return Term(
            penalty=self.penalty,
            networks={"segmentor": self.network},
            phases=(Phase("segmentor", ["segmentor"], self.segmentor_loss, lr=self.config.lr),),
            reads=frozenset({"segments"}),
            kept=("segmentor",),
            regions=self.network,
        )

    def lesson(self) -> Lesson:
        """What S learns before the training; `reduction` is no part of it."""
        config = self.config
        return Lesson(
            name=f"segmentor {config.kind} {config.width}",
            network=self.network,
            loss=self.reading_loss,
            reads=frozenset({"segments"}),
            epochs=config.epochs,
            lr=config.lr,
        )
