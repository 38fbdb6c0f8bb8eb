"""What a recipe says of the three stages: training, segmentation, evaluation."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le, Lt

from .errors import BadRecipe
from .settings import later

__all__ = ["ELSEWHERE", "STAGES", "EvaluationConfig", "SegmentationConfig", "TrainingConfig"]

Count = Annotated[int, Ge(1)]
SPLITS = ("train", "val", "test")
ELSEWHERE = "elsewhere/"
"""What the name of another data set's split begins with, among those of the one that is learnt from."""


@dataclass(frozen=True, slots=True)
class TrainingConfig:
    """How the generator is trained.

    Attributes:
        steps: how often all phases are played, the rounds together.
        batch: images of a step.
        precision: "fp32", "tf32" (GPU), "bf16" (autocast), or "auto": bf16 where the device has instructions for it,
            else fp32.
        channels_last: the layout in memory; "auto" is channels last where it computes in bf16, which gains 1.7 times
            from it, and plain else (`benchmarks/speed/README.md`). What both became a run keeps when it is resumed, and
            its record says.
        compile: run networks through `torch.compile`: False, True, or "auto": on a GPU, where the training is long
            enough to pay for it; on a CPU it is worth it for some methods only, and minutes long.
        ema: decay per step of the averaged generator that is evaluated; 0 for none.
        ema_statistics: its batch norm's are those of the "live" generator, or at the end estimated "again" from 100
            batches that it paints itself.
        flip: mirror half of the real images.
        crop: smallest share of a real image's area that a random crop keeps; 1 for none. Training images are prepared
            larger by that much, so that crops keep the detail of the originals.
        crop_ratio: largest side ratio of a crop; 1 for squares of exactly the share `crop`.
        rounds: alternate training: after each round a segmenter is taught, which the next round's terms read.
        first_round: share of the steps in the first round; the others share the rest equally.
        as_rounds: where there is one round, it is the control of so many: its segmenter learns for as many steps as
            theirs do together, and its weights are selected from the last of their shares of the steps.
        select: the weights that are evaluated: the last, or those with the lowest Frechet distance to the training
            images that a look found.
        select_every, select_samples: steps between looks, and the images that each is at.
        category: train on the images of one class only; -1 for all.
        accumulate: parts in which each phase goes over a step's batch, so that only one has to fit into memory; what it
            paints is painted afresh for each phase. The gradient is that of the whole batch where no loss compares its
            images and no network normalizes over them: batch norm sees the images of one part, and what networks
            remember (running statistics, spectral norms, CycleGAN's pools, GENESIS-V2's weight) moves with each part.
        log_every, grid_every: steps between log lines, and between sample grids.
        checkpoint_seconds: time between checkpoints.
    """

    steps: Count = 60_000
    batch: Annotated[int, Ge(2)] = 64
    precision: Literal["fp32", "tf32", "bf16", "auto"] = "auto"
    channels_last: bool | Literal["auto"] = "auto"
    compile: bool | Literal["auto"] = False
    ema: Annotated[float, Ge(0), Lt(1)] = 0.999
    ema_statistics: Literal["live", "again"] = later("live")
    flip: bool = True
    crop: Annotated[float, Gt(0), Le(1)] = 1.0
    crop_ratio: Annotated[float, Ge(1)] = 4 / 3
    rounds: Count = 1
    first_round: Annotated[float, Gt(0), Lt(1)] = 0.6
    as_rounds: Count = later(1)
    select: Literal["last", "fid", "fid-squeezenet", "fid-random"] = "last"
    select_every: Count = 2500
    select_samples: Annotated[int, Ge(2)] = 10_000
    category: Annotated[int, Ge(-1)] = -1
    accumulate: Count = later(1)
    log_every: Count = 50
    grid_every: Annotated[int, Ge(0)] = 500
    checkpoint_seconds: Annotated[float, Ge(0)] = 60.0

    def __post_init__(self) -> None:
        if self.rounds > 1 and self.as_rounds > 1:
            raise BadRecipe(
                f"training.as_rounds={self.as_rounds} makes one round the control of so many, and here are "
                f"{self.rounds}: leave it out, or set training.rounds=1."
            )
        ends = self.round_ends(self.rounds if self.select == "last" else max(self.rounds, self.as_rounds))
        if len({0, *ends}) <= len(ends):
            raise BadRecipe(
                f"training.steps={self.steps} has {len(ends)} rounds end after {ends}, and one of them plays none: set "
                "more steps, fewer training.rounds (or training.as_rounds), or another training.first_round."
            )
        if self.batch % self.accumulate or self.batch // self.accumulate < 2:
            fitting = ", ".join(str(k) for k in range(1, self.batch // 2 + 1) if self.batch % k == 0)
            raise BadRecipe(
                f"training.batch={self.batch} has no {self.accumulate} equal parts of two images or more: "
                f"training.accumulate may be {fitting}."
            )
        if self.ema_statistics == "again" and (not self.ema or self.select != "last"):
            raise BadRecipe(
                "training.ema_statistics=again is for the average of the last weights: set training.ema, and leave "
                "training.select at last."
            )

    def round_ends(self, rounds: int) -> list[int]:
        """After which step each of so many rounds ends."""
        rest = self.steps * (1 - self.first_round)
        return [self.steps - round(rest * (rounds - k) / max(rounds - 1, 1)) for k in range(1, rounds + 1)]

    def prepared_side(self, resolution: int) -> int:
        """Side of the images that crops of `resolution` pixels are cut from; whole pixels for squares."""
        side = resolution / self.crop**0.5
        return round(side) if self.crop_ratio == 1 else math.ceil(side - 1e-9)


@dataclass(frozen=True, slots=True)
class SegmentationConfig:
    """How a segmenter is trained.

    Attributes:
        name: "auto" is the method's own choice, "none" leaves the stage out.
        steps: of the last round, and of the only one.
        round_steps: of each round before it; 0 is a third of `steps` (4,000 and 12,000 in milgan and ELGAN).
        polarity: what is called the object: the foreground as it was "painted", or, by "border", the layer that touches
            the frame less on 1,000 painted pictures, once a run. It decides what predictions mean, not what is taught.
        crop: smallest share of a real image's area that a random crop keeps, for segmenters that learn from real ones;
            1 for none.
        batch: images of a step.
        ema: decay per step of the averaged segmenter, which predicts then; 0 for none.
        flip: mirror half of the real images, for segmenters that learn from real ones.
        perturbed: teach pairs as the perturbation left them. The papers teach unperturbed ones; where foregrounds are
            always shrunk, it is the perturbed pictures that look like the real ones.
    """

    name: str = "auto"
    steps: Count = 20_000
    round_steps: Annotated[int, Ge(0)] = 0
    perturbed: bool = False
    batch: Annotated[int, Ge(2)] = 64
    ema: Annotated[float, Ge(0), Lt(1)] = 0.0
    flip: bool = True
    crop: Annotated[float, Gt(0), Le(1)] = later(1.0)
    polarity: Literal["painted", "border"] = later("painted")

    @property
    def earlier_steps(self) -> int:
        """Of each round before the last."""
        return self.round_steps or max(self.steps // 3, 1)

    def all_steps(self, rounds: int) -> int:
        """Of so many rounds together."""
        return (rounds - 1) * self.earlier_steps + self.steps


@dataclass(frozen=True, slots=True)
class EvaluationConfig:
    """What is measured, and how.

    Attributes:
        samples: images drawn from the generator.
        split: the split on which masks are predicted, or several, separated by commas: "train,test".
        dataset: another data set on whose split masks are predicted; its settings are `evaluation.data.NAME`.
        copies: a CSV file that tells which pictures the two share: a picture of either in its first two columns.
        without_copies: leave those that were trained on out of the score.
        reference: the real images that samples are compared with: the training images, or those of all splits.
        reference_samples: how many of them, drawn at random, always the same ones; 0 for all.
        threshold: probability from which a pixel is foreground.
        aggregation: mean of per-image scores, or one confusion matrix over the split.
        metrics: names separated by commas; "default", as where it is empty, for those that teach nothing and take
            little time, "all" for all that are installed.
        batch: images that are sampled or predicted on at a time.
        sample_bn: batch norm by its running statistics, or by those of each batch.
        conditions: test images whose class maps and attributes conditional generators are given.
        repeats: how often each, with other latents; and of class generators that `lgbench aggregate` joins, how often
            they are sampled and classifiers taught.
        judge: size of the networks that judge what is painted under conditions; equal for all rows of a board.
        judge_epochs: passes over the training images that they learn for, once per data set.
    """

    samples: Annotated[int, Ge(2)] = 10_000
    split: str = "test"
    reference: Literal["train", "all"] = "train"
    threshold: Annotated[float, Gt(0), Le(1)] = 0.5
    aggregation: Literal["per_image", "pooled"] = "per_image"
    metrics: str = ""
    sample_bn: Literal["eval", "batch"] = "eval"
    batch: Count = 100
    conditions: Annotated[int, Ge(2)] = later(1000)
    repeats: Count = later(3)
    judge: Literal["wide", "small"] = later("wide")
    judge_epochs: Count = later(20)
    reference_samples: Annotated[int, Ge(0)] = later(0)
    dataset: str = later("")
    copies: str = later("")
    without_copies: bool = later(False)

    def __post_init__(self) -> None:
        # what says the same is written alike: recipes are hashed
        metrics = ",".join(sorted({name.strip() for name in self.metrics.split(",")} - {""}))
        object.__setattr__(self, "metrics", "" if metrics == "default" else metrics)
        object.__setattr__(self, "split", ",".join(self.splits))
        if {*self.splits} - {*SPLITS} or len({*self.splits}) < len(self.splits):
            raise BadRecipe(
                f"evaluation.split={self.split!r} does not fit: a split is one of {', '.join(SPLITS)}, and several are "
                "separated by commas, each once."
            )
        if (self.copies and not self.dataset) or (self.without_copies and not self.copies):
            wanted = "evaluation.copies=FILE" if self.dataset else "evaluation.dataset=NAME"
            raise BadRecipe(f"Copies are those of another data set that is scored: add {wanted}, or ask for none.")

    @property
    def splits(self) -> tuple[str, ...]:
        """The splits that are scored, as they were named."""
        return tuple(name.strip() for name in self.split.split(","))


STAGES = {"training": TrainingConfig, "segmentation": SegmentationConfig, "evaluation": EvaluationConfig}
"""The tables of a recipe that are the same whatever it trains."""
