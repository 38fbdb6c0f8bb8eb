"""What a training step costs here: its time phase by phase, its arithmetic, and its share of what the device can do."""

from __future__ import annotations

import gc
import math
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from lgbench import ImageSpec
from lgbench.data import Split
from lgbench.game import Game, Phase, Step
from lgbench.recipe import FOR_CPUS, Recipe
from lgbench.runtime import Runtime, fast_precision
from lgbench.training import Schedule
from lgbench.training.player import Player
from lgbench.training.stream import Stream

from .memory import Memory, keeping

__all__ = ["Cost", "ceiling", "cost_of", "emulated", "noise", "too_large"]

MEASURED, PATIENCE = 8, 10.0
SHOWN = 6  # of the slowest operations


@dataclass(frozen=True, slots=True)
class Cost:
    """A step of a game, the mean over all kinds of steps, each counted as often as it is played.

    Attributes:
        seconds: of a step.
        phases: of that, "painting" and each phase, with all that follows it until the next.
        flops: floating-point operations of its matrix products and convolutions, forward and backward.
        slowest: the operations that take most of a step, with the shapes of what they read: (name, share).
        memory: what it holds at once, at most.
    """

    seconds: float
    phases: dict[str, float]
    flops: int
    slowest: list[tuple[str, float]]
    memory: Memory


def cost_of(game: Game, schedule: Schedule, spec: ImageSpec, runtime: Runtime) -> Cost:
    """Measure steps of every kind on images of noise after the first: `MEASURED` or as many as `PATIENCE` allows."""
    if game.frozen:
        runtime.place(game.painter).eval()
    watch = _Watch(runtime)
    game = replace(game, phases=[watch.over(phase) for phase in game.phases])
    player = Player(game, schedule, runtime)
    stream = Stream(noise(2 * schedule.batch, spec), Schedule(1, schedule.batch, flip=False), runtime, player.reads)
    kinds, cycle = _kinds(player.phases)
    repeats = max(MEASURED // len(kinds), 1)

    def play(kind: int, repeat: int) -> None:
        number = kind + repeat * cycle
        watch.begin(kind)
        player.play(number, stream(number), looking=False)
        watch.end()

    began = time.monotonic()
    for kind in kinds:
        play(kind, 0)
    watch.steps.clear()  # the first step is slower than all others
    for repeat in range(1, repeats + 1):
        for kind in kinds:
            play(kind, repeat)
        if time.monotonic() - began > PATIENCE:
            break
    phases = watch.means(kinds)
    with keeping(player) as kept, _uncollected(), _Meter(runtime) as meter:
        for kind, share in kinds.items():
            meter.share = share
            play(kind, repeats + 1)
    memory = Memory.of(player, kept.peak)
    return Cost(sum(phases.values()), phases, round(meter.flops), meter.slowest(), memory)


def emulated(recipe: Recipe, device: torch.device) -> str:
    """What to do where the recipe names a precision that the device has no instructions for; "" elsewhere."""
    if recipe.training.precision != "bf16" or fast_precision(device) == "bf16":
        return ""
    return (
        "bf16 takes many times as long here, for this device has no instructions for it: add "
        "--set training.precision=fp32 (a row of its own on a board)."
    )


def too_large(recipe: Recipe, device: torch.device) -> str:
    """Which presets fit a CPU where the recipe's own is meant for a GPU; "" elsewhere."""
    offered = [f"--preset {name} takes {time}" for name, time in FOR_CPUS.items() if name in recipe.method.presets]
    if device.type != "cpu" or recipe.preset in FOR_CPUS or not offered:
        return ""
    return f"The preset {recipe.preset} is meant for a GPU. On this CPU {', '.join(offered)}."


def _kinds(phases: Sequence[Phase]) -> tuple[dict[int, float], int]:
    """The kinds of steps that there are, each by the number of one and its share of all; and after how many they recur.

    Steps are of one kind where the same phases are played, with the same terms in their losses.
    """
    cycle = math.lcm(*(phase.every * phase.cycle for phase in phases))
    numbers: dict[tuple[str, ...], list[int]] = {}
    for number in range(cycle):
        numbers.setdefault(tuple(_move(phase, number) for phase in phases), []).append(number)
    return {alike[0]: len(alike) / cycle for alike in numbers.values()}, cycle


def _move(phase: Phase, number: int) -> str:
    """What a phase does in a step."""
    if (number + 1) % phase.every:
        return "nothing"
    return "less" if number // phase.every % phase.cycle else "all"


class _Watch:
    """Notes when each phase of a step begins."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self.steps = defaultdict[int, list[dict[str, float]]](list)

    def over(self, phase: Phase) -> Phase:
        def loss(step: Step) -> dict[str, Any]:
            self._next(phase.name)
            return phase.loss(step)

        return replace(phase, loss=loss)

    def begin(self, kind: int) -> None:
        self.spent: dict[str, float] = {}
        self.steps[kind].append(self.spent)
        self.name, self.since = "painting", self._now()

    def end(self) -> None:
        self._next("")

    def _next(self, name: str) -> None:
        now = self._now()
        self.spent[self.name] = self.spent.get(self.name, 0.0) + now - self.since
        self.name, self.since = name, now

    def _now(self) -> float:
        _wait(self.runtime)
        return time.monotonic()

    def means(self, kinds: Mapping[int, float]) -> dict[str, float]:
        """Of a step: the medians of each kind, weighed by its share."""
        names = {name: None for steps in self.steps.values() for step in steps for name in step}
        return {
            name: sum(
                share * statistics.median(step.get(name, 0.0) for step in self.steps[kind])
                for kind, share in kinds.items()
            )
            for name in names
        }


class _Meter(TorchDispatchMode):
    """Counts the arithmetic of every operation, and times it by what it is called and the shapes that it reads.

    `share` is what both count for: that of the kind of step at hand.
    """

    def __init__(self, runtime: Runtime) -> None:
        super().__init__()
        self.runtime = runtime
        self.share, self.flops, self.spent = 1.0, 0.0, defaultdict[str, float](float)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        _wait(self.runtime)
        began, named, packet = time.perf_counter(), kwargs or {}, func.overloadpacket
        done = func(*args, **named)
        _wait(self.runtime)
        if packet in flop_registry:
            self.flops += self.share * flop_registry[packet](*args, **named, out_val=done)
        shapes = [list(part.shape) for part in args if isinstance(part, torch.Tensor)]
        self.spent[f"{packet.__name__} {' '.join(map(str, shapes))}"] += self.share * (time.perf_counter() - began)
        return done

    def slowest(self) -> list[tuple[str, float]]:
        total = sum(self.spent.values())
        first = sorted(self.spent.items(), key=lambda item: -item[1])[:SHOWN]
        return [(name, spent / total) for name, spent in first]


def ceiling(runtime: Runtime) -> float:
    """The most FLOP/s that a matrix product or a 3 x 3 convolution reaches here in a run's precision and layout."""
    side = 4096 if runtime.device.type == "cuda" else 1024
    matrix = torch.randn(side, side, device=runtime.device)
    conv = runtime.place(nn.Conv2d(128, 128, 3, 1, 1, bias=False))
    images = torch.randn(8, 128, side // 16, side // 16, device=runtime.device)
    images = images.contiguous(memory_format=torch.channels_last if runtime.channels_last else torch.contiguous_format)
    with torch.no_grad(), runtime.autocast():
        typed = matrix.bfloat16() if runtime.precision == "bf16" else matrix
        images = images.to(typed.dtype)
        product = _best(lambda: typed @ typed, runtime)
        convolution = _best(lambda: conv(images), runtime)
    return max(2 * side**3 / product, 2 * images.numel() * 128 * 9 / convolution)


@contextmanager
def _uncollected() -> Iterator[None]:
    """Python collects no garbage meanwhile: a tenth of a second, charged to whichever operation it falls into."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _best(call: Callable[[], object], runtime: Runtime) -> float:
    spent = []
    while len(spent) < 6 and sum(spent) < 1:  # more where a device is slow would be a wait for nothing
        _wait(runtime)
        began = time.perf_counter()
        call()
        _wait(runtime)
        spent.append(time.perf_counter() - began)
    return min(spent)


def _wait(runtime: Runtime) -> None:
    if runtime.device.type == "cuda":
        torch.cuda.synchronize(runtime.device)


def noise(count: int, spec: ImageSpec) -> Split:
    """Pictures of noise, with everything that may be known of pictures."""
    random, side = np.random.default_rng(0), spec.resolution
    return Split(
        images=random.integers(0, 256, (count, 3, side, side), dtype=np.uint8),
        masks=random.integers(0, 256, (count, side, side), dtype=np.uint8),
        labels=random.integers(0, max(spec.classes, 1), count, dtype=np.int32),
        segments=random.integers(0, max(spec.segments, 1), (count, side, side), dtype=np.uint8),
        attributes=random.integers(0, 2, (count, spec.attributes), dtype=np.uint8),
    )
