"""How a method says what to train: a `Game` of networks and phases, and the `Term`s that regularizers add.

The engine (`lgbench.training`) plays the game: one straight loop over steps and, within a step, over phases. A phase's
loss returns named terms; the engine sums them, adds the regularizers' to the regularized phase, and moves the phase's
networks. Optimizers, precision, averaging, checkpoints and devices are the engine's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from torch import Tensor, nn

from .layers import Layers, Painter

__all__ = ["Game", "Phase", "Step", "Term"]

Losses = dict[str, Tensor]


@dataclass(slots=True)
class Step:
    """What the phases of one training step share.

    Attributes:
        number: 0-based index of the step.
        images: real images, (N, 3, H, W) in [-1, 1].
        painted: layers as the generator painted them, with the graph that leads to it.
        layers: the same after every regularizer's `compose` (perturbed); what the critic sees.
        paint: a fresh batch of the same size, as painted and as composed, for methods whose phases do not share one.
        features: what the game's critic sees in images, layer by layer, where the game says so (`Game.features`).
        segment: the segmenter of the round before, held fixed, images -> foreground probability (N, 1, H, W); None in
            the first round.
    """

    number: int
    images: Tensor
    painted: Layers
    layers: Layers
    paint: Callable[[], tuple[Layers, Layers]]
    features: Callable[[Tensor], list[Tensor]] | None = None
    segment: Callable[[Tensor], Tensor] | None = None


@dataclass(frozen=True, slots=True)
class Phase:
    """One move of a game: which networks learn from which loss.

    Attributes:
        networks: names of the game's networks that this phase trains with one Adam; the others are held fixed.
        loss: `step -> {term: scalar}`; the sum is minimised.
        every: played at steps that this divides.
        regularized: whether the regularizers' terms and networks join this phase (the generator's, usually).
        drop_at, drop: from this share of the steps on, or above 1 this step's number, `lr` is multiplied by `drop`.
        slow: factor on `lr` of the parameters whose name, below its network, holds a given part.
    """

    name: str
    networks: Sequence[str]
    loss: Callable[[Step], Losses]
    every: int = 1
    regularized: bool = False
    lr: float = 2e-4
    betas: tuple[float, float] = (0.5, 0.999)
    drop_at: float = 1.0
    drop: float = 1.0
    slow: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Game:
    """Networks, and the phases in which they are trained.

    Attributes:
        painter: the generator whose layers each step holds.
        networks: every network by name; the painter is "generator" where it is trained.
        phases: played in order at every step.
        result: name of the network that the game is played for; its average is what is evaluated.
        frozen: the painter is not trained here: it paints in eval mode and without a graph.
        predict: for segmenters, images (N, 3, H, W) in [-1, 1] -> foreground probability (N, 1, H, W).
        cluster: for code networks, images -> class scores (N, classes).
        features: images -> what the critic sees in them, layer by layer, for perceptual distances.
        kept: networks besides the result whose weights are stored: those that `cluster` or `features` read.
        begin: called with the step's number before anything is painted, for networks that grow.
    """

    painter: Painter
    networks: Mapping[str, nn.Module]
    phases: Sequence[Phase]
    result: str = "generator"
    frozen: bool = False
    predict: Callable[[Tensor], Tensor] | None = None
    cluster: Callable[[Tensor], Tensor] | None = None
    features: Callable[[Tensor], list[Tensor]] | None = None
    kept: Sequence[str] = ()
    begin: Callable[[int], None] | None = None


@dataclass(frozen=True, slots=True)
class Term:
    """What a regularizer adds to a game.

    Attributes:
        penalty: `step -> scalar`, weighted by the recipe and added to the regularized phase.
        compose: changes a painted composition before any critic sees it (perturbation).
        networks: networks that the term owns and trains with the regularized phase.
        weights: SHA-256 of the weights of each fixed network that it reads, for the record.
    """

    penalty: Callable[[Step], Tensor] | None = None
    compose: Callable[[Layers], Layers] | None = None
    networks: Mapping[str, nn.Module] = field(default_factory=dict)
    weights: Mapping[str, str] = field(default_factory=dict)
