"""One straight loop over steps and phases; what to train is the game's, how is decided here."""

from __future__ import annotations

import math
import signal
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from lgbench.errors import RunFailed
from lgbench.files import read_json, write_json
from lgbench.game import Game, Phase, Step, Term
from lgbench.layers import Layers
from lgbench.progress import Reporter
from lgbench.runtime import Runtime

from . import checkpoint, log, pictures, watch
from .schedule import Schedule
from .stream import Stream

__all__ = ["Diverged", "Fitted", "fit"]

WeightedTerm = tuple[str, float, Term]


class Diverged(Exception):
    """A loss stopped being a number. `step` is where."""

    def __init__(self, step: int, terms: list[str]) -> None:
        super().__init__(f"{', '.join(terms)} stopped being finite at step {step}")
        self.step = step


@dataclass(frozen=True, slots=True)
class Fitted:
    """What came of a fit; everything else is in its folder.

    Attributes:
        status: "done" or "diverged".
        seconds: time spent in the loop, over all resumed parts.
        peak_bytes: largest memory of the fit (GPU) or of the process so far (CPU), in the last part.
    """

    status: str
    steps: int
    seconds: float
    peak_bytes: int
    flags: tuple[str, ...]


class Player:
    """Networks, optimizers and the averaged result of a game: all that a checkpoint keeps besides random states."""

    def __init__(self, game: Game, terms: Sequence[WeightedTerm], schedule: Schedule, runtime: Runtime) -> None:
        self.game, self.terms, self.schedule, self.runtime = game, terms, schedule, runtime
        added = {name: network for _, _, term in terms for name, network in term.networks.items()}
        self.networks = {**game.networks, **added}
        for network in self.networks.values():
            runtime.place(network).train()
        if game.frozen and isinstance(game.painter, nn.Module):
            game.painter.eval()  # it paints by its running statistics, and they stay as they are
        self.trained = {phase.name: [*phase.networks, *(added if phase.regularized else [])] for phase in game.phases}
        self.optimizers = {phase.name: self._adam(phase) for phase in game.phases}
        self.average = self._average() if schedule.ema else None
        self.step, self.seconds = 0, 0.0

    def _adam(self, phase: Phase) -> torch.optim.Adam:
        parameters = [p for name in self.trained[phase.name] for p in self.networks[name].parameters()]
        return torch.optim.Adam(parameters, lr=phase.lr, betas=phase.betas, fused=True)

    def _average(self) -> AveragedModel:
        multi_avg = get_ema_multi_avg_fn(self.schedule.ema)
        return AveragedModel(self.networks[self.game.result], multi_avg_fn=multi_avg)  # buffers follow the live network

    @property
    def result(self) -> nn.Module:
        """The network the game is played for, averaged where the schedule says so."""
        return self.average.module if self.average is not None else self.networks[self.game.result]

    def play(self, number: int, images: Tensor, looking: bool) -> dict[str, Tensor | float]:
        """One step; with `looking`, also the layers' statistics and gradient norms."""
        step = self._paint(number, images)
        # a compiled painter composes inside its graph: its alphas are an output beside the image, not on the way to it
        if looking and step.painted.alphas.requires_grad and not self.runtime.compile:
            step.painted.alphas.retain_grad()
        values: dict[str, Tensor | float] = {}
        for phase in self.game.phases:
            if number % phase.every:
                continue
            values |= self._move(phase, step)
            if looking and phase.regularized:
                values |= watch.gradient_norms(self.game.painter, step.painted.alphas)  # pyright: ignore
        if self.average is not None:
            self.average.update_parameters(self.networks[self.game.result])
        if looking:
            values |= watch.layer_statistics(step.painted)
        self.step = number + 1
        return values

    def _paint(self, number: int, images: Tensor) -> Step:
        def paint() -> tuple[Layers, Layers]:
            with torch.set_grad_enabled(not self.game.frozen), self.runtime.autocast():
                painted = self.game.painter(self.game.painter.codes(len(images), images))
                layers = painted
                for _, _, term in self.terms:
                    layers = term.compose(layers) if term.compose else layers
            return painted, layers

        self._hold(set(self.networks))
        painted, layers = paint()
        return Step(number, images, painted, layers, paint=lambda: paint()[1])

    def _move(self, phase: Phase, step: Step) -> Mapping[str, Tensor]:
        self._hold(set(self.trained[phase.name]))
        with self.runtime.autocast():
            losses = phase.loss(step)
            if phase.regularized:
                losses |= {name: weight * term.penalty(step) for name, weight, term in self.terms if term.penalty}
        optimizer = self.optimizers[phase.name]
        optimizer.zero_grad(set_to_none=True)
        torch.stack(list(losses.values())).sum().backward()
        optimizer.step()
        return {name: loss.detach() for name, loss in losses.items()}

    def _hold(self, learning: set[str]) -> None:
        """Gradients only for the networks that learn."""
        for name, network in self.networks.items():
            network.requires_grad_(name in learning)

    def state(self) -> dict:
        """All that the next step reads."""
        return {
            "step": self.step,
            "seconds": self.seconds,
            "networks": {name: network.state_dict() for name, network in self.networks.items()},
            "optimizers": {name: optimizer.state_dict() for name, optimizer in self.optimizers.items()},
            "average": self.average.state_dict() if self.average is not None else {},
            "random": checkpoint.random_state(),
        }

    def restore(self, state: Mapping) -> None:
        """Put back what `state` took.

        Raises:
            RunFailed: it is the state of another game.
        """
        try:
            self._restore(state)
        except (KeyError, ValueError, RuntimeError) as error:
            raise RunFailed(f"The checkpoint is of other networks ({error}). Delete the run's folder.") from None

    def _restore(self, state: Mapping) -> None:
        for name, network in self.networks.items():
            network.load_state_dict(state["networks"][name])
        for name, optimizer in self.optimizers.items():
            optimizer.load_state_dict(state["optimizers"][name])
        if self.average is not None:
            self.average.load_state_dict(state["average"])
        checkpoint.set_random_state(state["random"])
        self.step, self.seconds = state["step"], state["seconds"]


def fit(
    game: Game,
    terms: Sequence[WeightedTerm],
    images: np.ndarray,
    schedule: Schedule,
    runtime: Runtime,
    folder: Path,
    reporter: Reporter,
    name: str,
) -> Fitted:
    """Play a game; run again to resume, or to get at once what is already done.

    Args:
        terms: (name, weight, term) of each regularizer.
        images: real images, (N, C, R, R) uint8.
        folder: gets `<result>.safetensors`, `log.jsonl`, `grids/`, `curves.png`, and `done.json` when all is there.
        name: of the stage, for the reporter.

    Raises:
        RunFailed: the disk is full, or a checkpoint is damaged.
        KeyboardInterrupt: interrupted, with a checkpoint written.
    """
    if (folder / "done.json").exists():
        done = read_json(folder / "done.json")
        return Fitted(**{**done, "flags": tuple(done["flags"])})
    folder.mkdir(parents=True, exist_ok=True)
    if runtime.device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(runtime.device)
    player = Player(game, terms, schedule, runtime)
    if (saved := checkpoint.load(folder / "checkpoint.pt")) is not None:
        player.restore(saved)
        reporter.note(f"{name}: resumes at step {player.step:,}")
    log.truncate(folder / "log.jsonl", player.step)
    stream = Stream(images, schedule.batch, schedule.seed, schedule.flip, runtime)
    fixed = _fixed_codes(game, stream, schedule.seed)
    reporter.stage(name, schedule.steps, player.step)
    status = "done"
    try:
        with _interruptible() as interrupted:
            _play(player, stream, fixed, folder, reporter, interrupted)
    except Diverged as error:
        reporter.note(f"{name}: {error}. The record will say so.")
        status = "diverged"
    rows = log.read(folder / "log.jsonl")
    pictures.save_curves(folder / "curves.png", rows, name)
    checkpoint.save_weights(folder / f"{game.result}.safetensors", player.result)
    flags = ["diverged"] if status == "diverged" else watch.training_flags(rows)
    done = Fitted(status, player.step, player.seconds, _peak_memory(runtime), tuple(flags))
    write_json(folder / "done.json", {field: getattr(done, field) for field in Fitted.__slots__})
    (folder / "checkpoint.pt").unlink(missing_ok=True)
    return done


def _play(
    player: Player,
    stream: Stream,
    fixed: Mapping[str, Tensor],
    folder: Path,
    reporter: Reporter,
    interrupted: list[int],
) -> None:
    schedule, clock = player.schedule, time.monotonic()
    saved_at = clock
    for number in range(player.step, schedule.steps):
        last = number + 1 == schedule.steps
        looking = number % schedule.log_every == 0 or last
        values = player.play(number, stream(number), looking)
        now = time.monotonic()
        player.seconds, clock = player.seconds + now - clock, now
        if looking:
            numbers = {name: float(value) for name, value in values.items()}
            log.append(folder / "log.jsonl", {"step": number, "seconds": round(player.seconds, 3), **numbers})
            if broken := [name for name, value in numbers.items() if not math.isfinite(value)]:
                raise Diverged(number, broken)
            reporter.advance(number + 1, numbers)
        else:
            reporter.advance(number + 1)
        if schedule.grid_every and not player.game.frozen and (player.step % schedule.grid_every == 0 or last):
            _paint_grid(player, fixed, folder / "grids" / f"{player.step:07d}.png")
        if interrupted or (now - saved_at >= schedule.checkpoint_seconds and not last):
            checkpoint.save(folder / "checkpoint.pt", player.state())
            saved_at = time.monotonic()
        if interrupted:
            raise KeyboardInterrupt


def _fixed_codes(game: Game, stream: Stream, seed: int) -> Mapping[str, Tensor]:
    """The codes that every grid paints; drawn aside, so that grids do not change a run."""
    state = checkpoint.random_state()
    torch.manual_seed(seed + 1)
    codes = game.painter.codes(8, stream(0)[:8].repeat(8, 1, 1, 1)[:8])
    checkpoint.set_random_state(state)
    return codes


def _paint_grid(player: Player, fixed: Mapping[str, Tensor], path: Path) -> None:
    painter = player.result.eval()
    with torch.no_grad(), player.runtime.autocast():
        layers = painter(fixed)
    player.result.train()
    pixels = pictures.layer_grid(layers, fixed.get("image"), scale=max(1, 64 // layers.image.shape[-1]))
    pictures.save_png(path, pixels)


@contextmanager
def _interruptible() -> Iterator[list[int]]:
    """A list that is not empty once SIGINT or SIGTERM has come; a second signal is not caught."""
    came: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield came
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def remember(number: int, frame: object) -> None:
        came.append(number)
        signal.signal(number, before[signal.Signals(number)])

    for number in before:
        signal.signal(number, remember)
    try:
        yield came
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _peak_memory(runtime: Runtime) -> int:
    if runtime.device.type == "cuda":
        return torch.cuda.max_memory_allocated(runtime.device)
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
