"""How a method says what to train: a `Game` of networks and phases, and the `Term`s that regularizers add.

The engine (`lgbench.training`) plays the game: one straight loop over steps and, within a step, over phases. A phase's
loss returns named terms; the engine sums them, adds the regularizers' to the regularized phase, and moves the phase's
networks. Optimizers, precision, averaging, checkpoints and devices are the engine's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite
from typing import Any, Literal, NamedTuple

from torch import Tensor, nn

from .errors import NotAvailable
from .layers import SLACK, Batch, Layers, Painter

__all__ = ["CodeReader", "Game", "Lesson", "Motion", "Phase", "Step", "Studied", "Term", "Weighted"]

Losses = dict[str, Tensor]


@dataclass(slots=True)
class Step:
    """What the phases of one training step share.

    Attributes:
        number: 0-based index of the step.
        real: real images, with what the game and its terms read of them besides.
        painted: layers as the generator painted them, with the graph that leads to it.
        layers: the same after every regularizer's `compose` (perturbed), `image` and whole pictures among its `extras`
            after every `augment`, as `real` is; what the critic sees.
        paint: a fresh batch of the same size, as painted and as composed, for methods whose phases do not share one;
            where the painter is conditional, under the same conditions.
        features: what the game's critic sees in images, layer by layer, where the game says so (`Game.features`).
        segment: the segmenter of the round before, held fixed, images -> foreground probability (N, 1, H, W); None in
            the first round.
        share: of the training's steps that lie before this one, in [0, 1): over all rounds.
    """

    number: int
    real: Batch
    painted: Layers
    layers: Layers
    paint: Callable[[], tuple[Layers, Layers]]
    features: Callable[[Tensor], list[Tensor]] | None = None
    segment: Callable[[Tensor], Tensor] | None = None
    share: float = 0.0

    @property
    def images(self) -> Tensor:
        """The real images, (N, 3, H, W) in [-1, 1]."""
        return self.real.images


@dataclass(frozen=True, slots=True)
class Phase:
    """One move of a game: which networks learn from which loss.

    Attributes:
        networks: names of the game's networks that this phase trains with one Adam; the others are held fixed.
        loss: `step -> {term: scalar}`; the sum is minimised.
        every: played at the last of every so many steps.
        cycle: its loss has more to it at the first of every so many moves than at the others (a lazy R1): what a step
            costs on average is counted so.
        regularized: whether the regularizers' terms and networks join this phase (the generator's, usually).
        drop_at, drop: from this share of the steps on, or above 1 this step's number, `lr` is multiplied by `drop`.
        decay_from: from this share of the steps on, `lr` falls linearly to nothing after the last; 1 for never.
        rate: what `lr` is multiplied by besides, at the step of a number: a warm-up, say.
        slow: factor on `lr` of the parameters whose name, below its network, holds a given part.
    """

    name: str
    networks: Sequence[str]
    loss: Callable[[Step], Losses]
    every: int = 1
    cycle: int = 1
    regularized: bool = False
    lr: float = 2e-4
    betas: tuple[float, float] = (0.5, 0.999)
    drop_at: float = 1.0
    drop: float = 1.0
    decay_from: float = 1.0
    rate: Callable[[int], float] | None = None
    slow: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Studied:
    """What a segmenter that learns from real images made of them.

    Attributes:
        reals: the `lgbench.data.Split` on which its phases are played.
        counts: how many it learns from, and of which kind, for the record: {"pictures": 131}.
        judge: the network -> a number, lower is better; the weights of the best look are kept.
        look_every: steps between looks.
    """

    reals: Any
    counts: Mapping[str, int] = field(default_factory=dict)
    judge: Callable[[Any], float] | None = None
    look_every: int = 0


@dataclass(frozen=True, slots=True)
class CodeReader:
    """A network that reads a code from what shows it: q(code | view), a bound on what the view tells of the code.

    Attributes:
        code: its name among `Layers.codes`.
        view: the whole "image", the "background", the last "foreground" or its "mask", (N, 1, H, W) in [0, 1].
        read: the view, images in [-1, 1] -> scores of the classes before a softmax, (N, classes); of a code of numbers,
            (N, d), the means of a normal distribution of variance 1.
        entropy: of the code's prior, nats.
    """

    code: str
    view: Literal["image", "background", "foreground", "mask"]
    read: Callable[[Tensor], Tensor]
    entropy: float


@dataclass(frozen=True, slots=True)
class Motion:
    """Two ways to move the foregrounds of painted layers that a term wants to be one (ELGAN, Eq. 7).

    Attributes:
        size: how many numbers in [-1, 1] describe one motion.
        images: layers and motions (N, size) -> images painted from moved latents, and composed of moved layers.
    """

    size: int
    images: Callable[[Layers, Tensor], tuple[Tensor, Tensor]]


@dataclass(frozen=True, slots=True)
class Game:
    """Networks, and the phases in which they are trained.

    Attributes:
        painter: the generator whose layers each step holds.
        networks: every network by name; the painter is "generator" where it is trained.
        phases: played in order at every step.
        result: name of the network that the game is played for; its average is what is evaluated.
        reads: what the phases read of real images besides themselves: names of `Batch`. What the painter is conditional
            on comes without being named.
        given: what the painter is given for the real images of a step, where it is not they themselves: say, the same
            class maps in another order.
        frozen: the painter is not trained here: it paints in eval mode and without a graph.
        study: for segmenters that learn from real images, `(splits, run) -> Studied`, before anything is played or
            predicted: "train" and, where there is one, "val" (see `lgbench.data.Split`, `lgbench.runtime.Run`).
        predict: for segmenters, images (N, 3, H, W) in [-1, 1] -> foreground probability (N, 1, H, W), or the
            probabilities of K + 1 parts, (N, K + 1, H, W), of which the first is the background.
        background: False where the parts are all of an image and nobody knows which of them is the background.
        cut: for segmenters that learn hard masks, the painted alpha above which a pixel is foreground to them.
        border: for segmenters whose polarity a rule decided, the share of painted pictures' outermost pixels that
            foregrounds cover; above 0.5, `predict` tells the painted background.
        cluster: for code networks, images -> class scores (N, classes).
        features: images -> what the critic sees in them, layer by layer, for perceptual distances.
        critic: images -> how real each looks to the trained critic, (N,), higher for more.
        readers: networks that read codes from images or layers.
        kept: networks besides the result whose weights are stored: those that `cluster`, `features`, `critic` or
            `readers` read.
        begin: called with the step's number before anything is painted, for networks that grow.
        batches: how many of the schedule's batches the step of a number sees at once; one where this is None.
        terms: what the recipe's regularizers add; a method leaves them out.
        segment: the segmenter of the round before, for the terms that read it; a method leaves it out.
    """

    painter: Painter
    networks: Mapping[str, nn.Module]
    phases: Sequence[Phase]
    result: str = "generator"
    reads: frozenset[str] = frozenset()
    given: Callable[[Batch], Batch] | None = None
    frozen: bool = False
    study: Callable[[Mapping[str, Any], Any], Studied] | None = None
    predict: Callable[[Tensor], Tensor] | None = None
    background: bool = True
    cluster: Callable[[Tensor], Tensor] | None = None
    features: Callable[[Tensor], list[Tensor]] | None = None
    critic: Callable[[Tensor], Tensor] | None = None
    readers: Sequence[CodeReader] = ()
    kept: Sequence[str] = ()
    begin: Callable[[int], None] | None = None
    batches: Callable[[int], int] | None = None
    terms: Sequence[Weighted] = ()
    segment: Callable[[Tensor], Tensor] | None = None
    cut: float = 0.5
    border: float | None = None

    @property
    def flipped(self) -> bool:
        """Whether `predict` tells the painted background."""
        return self.border is not None and self.border > 0.5

    def segmented(self, images: Tensor) -> Tensor:
        """What `predict` says of images.

        Raises:
            NotAvailable: it is no probability of each pixel. Compared with a threshold, what is not finite would be
                background in silence, and what has another shape may be spread over the images.
        """
        assert self.predict is not None
        probability = self.predict(images)
        if probability.ndim != 4 or (len(probability), *probability.shape[2:]) != (len(images), *images.shape[2:]):
            shapes = f"{tuple(images.shape)} {tuple(probability.shape)}, not (N, 1, H, W) or (N, K + 1, H, W)"
            raise NotAvailable(f"the segmenter's plugin is at fault: its predict makes of {shapes}")
        low, high = (end.item() for end in probability.aminmax())  # what is not a number is both
        if not (isfinite(low) and isfinite(high)):
            raise NotAvailable("the segmenter's probabilities are not finite: it has diverged")
        if not -SLACK <= low <= high <= 1 + SLACK:
            raise NotAvailable(f"the segmenter's plugin is at fault: its probabilities are {low:g} to {high:g}")
        return probability

    @property
    def every_network(self) -> dict[str, nn.Module]:
        """The game's networks and those that its terms bring, by name."""
        brought = {name: network for _, _, term in self.terms for name, network in term.networks.items()}
        return {**self.networks, **brought}

    @property
    def stored(self) -> tuple[str, ...]:
        """Names of the networks whose weights are stored: the result, and what the game and its terms keep."""
        result = [self.result] if self.result else []
        return (*result, *self.kept, *(name for _, _, term in self.terms for name in term.kept))


@dataclass(frozen=True, slots=True)
class Lesson:
    """A network that learns from real images alone: a judge, a classifier, a segmentor that is frozen afterwards.

    It is taught once per data set and side, and kept with the data. Its name and settings, the images and what it reads
    of them are what it is kept under.

    Attributes:
        name: what it learns, and from what kind of network: say "segmentor small".
        network: taught in place, then held fixed. Its initial weights are part of what it is kept under: where all runs
            shall share one, they come from a fixed seed (`lgbench.nn.from_seed`).
        loss: a batch of real images -> scalar.
        reads: what the loss reads of them besides themselves: names of `Batch`.
        epochs: passes over the training images.
    """

    name: str
    network: nn.Module
    loss: Callable[[Batch], Tensor]
    reads: frozenset[str]
    epochs: int = 20
    batch: int = 16
    lr: float = 1e-4
    betas: tuple[float, float] = (0.5, 0.999)


@dataclass(frozen=True, slots=True)
class Term:
    """What a regularizer adds to a game.

    Attributes:
        penalty: `step -> scalar`, weighted by the recipe and added to the regularized phase.
        compose: changes a painted composition before any critic sees it (perturbation).
        augment: done to every image that a critic sees, real and composed alike, a draw for each; differentiable.
        join: the method's game and the recipe's weight -> the game with what the term changes in it before anything is
            played: a phase's loss, or what a critic is made of.
        networks: networks that the term owns; those that none of its `phases` trains learn with the regularized phase.
        phases: moves of its own, played before the regularized phase.
        lessons: networks that must have learnt from real images before the training starts; they stay as they are.
        reads: what it reads of real images besides themselves: names of `Batch`.
        weights: SHA-256 of the weights of each fixed network that it reads, for the record.
        kept: its networks whose weights are stored beside the generator's.
        regions: where it learns to read class maps, images (N, 3, H, W) in [-1, 1] -> class scores (N, classes, H, W).
        readers: its networks that read codes from images or layers.
        motion: where it ties how latents move to how foregrounds do.
    """

    penalty: Callable[[Step], Tensor] | None = None
    compose: Callable[[Layers], Layers] | None = None
    augment: Callable[[Tensor], Tensor] | None = None
    join: Callable[[Game, float], Game] | None = None
    networks: Mapping[str, nn.Module] = field(default_factory=dict)
    phases: Sequence[Phase] = ()
    lessons: Sequence[Lesson] = ()
    reads: frozenset[str] = frozenset()
    weights: Mapping[str, str] = field(default_factory=dict)
    kept: Sequence[str] = ()
    regions: Callable[[Tensor], Tensor] | None = None
    readers: Sequence[CodeReader] = ()
    motion: Motion | None = None


class Weighted(NamedTuple):
    """A regularizer's term in a game, with its name and its weight."""

    name: str
    weight: float
    term: Term
