"""One straight loop over steps and phases; what to train is the game's, how is decided here."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from lgbench.data import Split
from lgbench.errors import RunFailed
from lgbench.files import read_sound, write_json, writing
from lgbench.game import Game
from lgbench.permissions import make_folder
from lgbench.progress import Reporter
from lgbench.runtime import Runtime

from . import checkpoint, log, pictures, watch
from .player import Player
from .schedule import Schedule
from .signals import interruptible
from .stream import Stream

__all__ = ["Fitted", "Stage", "fit"]

CHECKPOINT = "checkpoint.pt"
"""In a fit's folder until it is done: all that goes on, the best look's networks among it."""


class _Diverged(Exception):
    """A loss stopped being a number; the text says which, and where."""


@dataclass(frozen=True, slots=True)
class Fitted:
    """What came of a fit; everything else is in its folder.

    Attributes:
        status: "done", "diverged", or "paused" where the schedule says to stop in between.
        seconds: time spent in the loop, over all resumed parts.
        peak_bytes: largest memory of the fit (GPU) or of the process so far (CPU), in the last part; 0 where the system
            does not tell.
        selected: step after which the weights were taken; that of the best look where there was a judge.
        best: the judge's value there, None without one.
    """

    status: str
    steps: int
    seconds: float
    peak_bytes: int
    flags: tuple[str, ...]
    selected: int = 0
    best: float | None = None


@dataclass(frozen=True, slots=True)
class Stage:
    """Where a fit takes place.

    Attributes:
        name: for the reporter.
        folder: gets `<network>.safetensors` of the result and of what the game keeps, `log.jsonl`, `grids/`,
            `curves.png`, and `done.json` when all is there.
    """

    name: str
    folder: Path
    runtime: Runtime
    reporter: Reporter


@dataclass(slots=True)
class Progress:
    """How far a fit has come; checkpointed beside the networks.

    Attributes:
        step: steps played.
        seconds: time spent in the loop, over all resumed parts.
        best: the judge's lowest value so far.
        selected: after which step it was seen; 0 for not yet.
    """

    step: int = 0
    seconds: float = 0.0
    best: float = math.inf
    selected: int = 0

    def check(self, steps: int) -> None:
        """Refuse, with a `ValueError`, what no fit of so many steps has come to."""
        typed = all(type(getattr(self, each.name)) is type(each.default) for each in fields(self))
        looked = typed and (self.best < math.inf if self.selected else self.best == math.inf)
        if not (looked and 0 <= self.selected <= self.step <= steps and 0 <= self.seconds < math.inf):
            raise ValueError(f"it is of step {self.step} of {steps}: {self}")


def fit(
    game: Game, reals: Split, schedule: Schedule, stage: Stage, judge: Callable[[Any], float] | None = None
) -> Fitted:
    """Play a game; run again to resume, or to get at once what is already done.

    Args:
        reals: real images and what is known of them.
        judge: lower is better; the result with the best value at one of the schedule's looks is what is kept.

    Raises:
        RunFailed: the disk is full, the memory too small for the batch, or a checkpoint is damaged.
        KeyboardInterrupt: interrupted, with a checkpoint written.
        OSError: what the reporter writes to is closed; a checkpoint is written.
    """
    folder, runtime = stage.folder, stage.runtime
    if (folder / "done.json").exists():
        remedy = f"Delete the folder {folder} and run the same command again to train anew."
        fitted = read_sound(folder / "done.json", Fitted, remedy)
        (folder / CHECKPOINT).unlink(missing_ok=True)  # it may have been killed just before
        return fitted
    with writing(folder):
        make_folder(folder)
    if runtime.device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(runtime.device)
    player = Player(game, schedule, runtime)
    training = _Training(player, stage, judge)
    if (saved := checkpoint.load(folder / CHECKPOINT)) is not None:
        training.restore(saved)
        stage.reporter.note(f"{stage.name}: resumes at step {training.progress.step:,}")
    if schedule.stop and training.progress.step > schedule.stop:
        return training.fitted("paused")  # a later round has gone on from here
    for kept in (folder / "log.jsonl", folder / "judged.jsonl"):
        log.truncate(kept, training.progress.step)
    stream = Stream(reals, schedule, runtime, player.reads, game.batches)
    fixed = _fixed_codes(game, stream, schedule.seed)
    stage.reporter.stage(stage.name, schedule.stop or schedule.steps, training.progress.step)
    status = "paused" if schedule.stop else "done"
    try:
        with _room_for(schedule, stage), interruptible() as interrupted:
            training.play(stream, fixed, interrupted)
    except _Diverged as error:
        stage.reporter.note(f"{stage.name}: {error}. The record will say so.")
        status = "diverged"
    if status == "paused":
        training.save()
        training.save_networks()
        return training.fitted(status)
    if status == "done" and schedule.estimate:
        player.estimate_statistics(map(stream, range(schedule.steps, schedule.steps + schedule.estimate)))
    return training.finish(status)


@dataclass(slots=True)
class _Training:
    """One fit: who plays, where, who judges, and how far it has come; `kept` are the states of the best look."""

    player: Player
    stage: Stage
    judge: Callable[[Any], float] | None
    progress: Progress = field(default_factory=Progress)
    kept: Mapping[str, Any] = field(default_factory=dict)

    def restore(self, saved: Mapping[str, Any]) -> None:
        try:
            self.progress = Progress(**{each.name: saved[each.name] for each in fields(Progress)})
            self.progress.check(self.player.schedule.steps)
            if self.progress.selected:
                self.kept = saved["kept"]
                self._put_back()  # to see that they fit; the player's own follow
            self.player.restore(saved)
        except (KeyError, ValueError, RuntimeError, TypeError, AttributeError) as error:
            reason = f"it has no {error}" if isinstance(error, KeyError) else error
            raise RunFailed(
                f"{self.stage.folder / CHECKPOINT} is not of these networks ({reason}). Delete it to start it anew."
            ) from None

    def save(self) -> None:
        state = {**asdict(self.progress), "kept": self.kept, **self.player.state()}
        checkpoint.save(self.stage.folder / CHECKPOINT, state)

    def play(self, stream: Stream, fixed: Mapping[str, Tensor], interrupted: list[int]) -> None:
        player, progress, schedule = self.player, self.progress, self.player.schedule
        clock = saved_at = time.monotonic()
        end = schedule.stop or schedule.steps
        first = progress.step
        for number in range(first, end):
            # One step.
            last = number + 1 == end
            looking = player.logged(number) or last
            values, numbers = player.play(number, stream(number), looking), None
            progress.step, now = number + 1, time.monotonic()
            if number == first and player.runtime.compile:
                self.stage.reporter.note(f"{self.stage.name}: compiled, in {now - clock:.0f} s with the first step")
            progress.seconds, clock = progress.seconds + now - clock, now

            # Look at it: the log, a grid, the judge.
            if looking:
                numbers = self._log(number, values)
            if schedule.grid_every and not player.game.frozen and (progress.step % schedule.grid_every == 0 or last):
                path = self.stage.folder / "grids" / f"{progress.step:07d}.png"
                with _unessential(path.name, self.stage.reporter):
                    _paint_grid(player, fixed, path)
            due = schedule.judge_every and (last or progress.step % schedule.judge_every == 0)
            if self.judge and due and progress.step > schedule.judge_from:
                self._select(self.judge)
            try:
                self.stage.reporter.advance(progress.step, numbers)
            except OSError:  # the pipe or the terminal behind it is closed
                self.save()
                raise

            # Save, and stop if asked to.
            if interrupted or (now - saved_at >= schedule.checkpoint_seconds and not last):
                self.save()
                saved_at = time.monotonic()
            if interrupted:
                raise KeyboardInterrupt

    def _log(self, number: int, values: Mapping[str, Tensor | float]) -> dict[str, float]:
        numbers = {name: float(value) for name, value in values.items()}
        row = {"step": number, "seconds": round(self.progress.seconds, 3), **numbers}
        log.append(self.stage.folder / "log.jsonl", row)
        if broken := [name for name, value in numbers.items() if not math.isfinite(value)]:
            raise _Diverged(f"{', '.join(broken)} stopped being finite at step {number}")
        return numbers

    def _select(self, judge: Callable[[Any], float]) -> None:
        """Keep what will be stored where the result is the best so far; looking does not change the run."""
        player, progress, folder = self.player, self.progress, self.stage.folder
        with torch.random.fork_rng(range(torch.cuda.device_count())):
            value = float(judge(player.result.eval()))
        player.result.train()
        log.append(folder / "judged.jsonl", {"step": progress.step - 1, "value": value})
        if value < progress.best:
            progress.best, progress.selected = value, progress.step
            self.kept = {name: deepcopy(self._network(name).state_dict()) for name in player.game.stored}
            self.save()

    def finish(self, status: str) -> Fitted:
        folder, reporter = self.stage.folder, self.stage.reporter
        self.save_networks()
        rows = log.read(folder / "log.jsonl")
        with _unessential("curves.png", reporter):
            pictures.save_curves(folder / "curves.png", rows, self.stage.name)
        flags = ["diverged"] if status == "diverged" else watch.training_flags(rows)
        done = self.fitted(status, tuple(flags))
        write_json(folder / "done.json", asdict(done))
        (folder / CHECKPOINT).unlink(missing_ok=True)
        return done

    def fitted(self, status: str, flags: tuple[str, ...] = ()) -> Fitted:
        progress = self.progress
        best, selected = progress.best if progress.selected else None, progress.selected or progress.step
        peak = self.player.runtime.peak_memory()
        return Fitted(status, progress.step, progress.seconds, peak, flags, selected, best)

    def save_networks(self) -> None:
        """The result and what else the game keeps, of the step that the judge chose where there is a judge."""
        self._put_back()
        for name in self.player.game.stored:
            checkpoint.save_weights(self.stage.folder / f"{name}.safetensors", self._network(name))

    def _put_back(self) -> None:
        """Give networks the states of the best look, if there was one."""
        for name in self.player.game.stored if self.progress.selected else ():
            self._network(name).load_state_dict(self.kept[name])

    def _network(self, name: str) -> nn.Module:
        return self.player.result if name == self.player.game.result else self.player.networks[name]


@contextmanager
def _room_for(schedule: Schedule, stage: Stage) -> Iterator[None]:
    """Where memory runs out inside, say which batch to try: what a step holds grows with it."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        short = isinstance(error, MemoryError | torch.OutOfMemoryError) or "allocate memory" in str(error)
        if not short:
            raise
        reason, remedy = (str(error) or "out of memory").splitlines()[0], _smaller(schedule, stage.name)
        raise RunFailed(
            f"{stage.name}: {stage.runtime.device} has too little memory for steps of {schedule.batch} images "
            f"({reason}). Try {remedy}; what is saved stays."
        ) from error


def _smaller(schedule: Schedule, stage: str) -> str:
    """What needs about half the memory."""
    batch, parts = schedule.batch, schedule.accumulate
    half = max(batch // parts // 2, 2) * parts
    if half >= batch:
        return "a smaller --resolution"
    if stage != "train":
        return f"segmentation.batch={half}, which needs about half"
    more = next((count for count in range(2 * parts, batch // 2 + 1) if batch % count == 0), 0)
    in_parts = f", or --set training.accumulate={more}: the same batch in {more} parts" if more else ""
    return f"training.batch={half}, which needs about half{in_parts}"


@contextmanager
def _unessential(picture: str, reporter: Reporter) -> Iterator[None]:
    """Whatever goes wrong with a picture is told, and costs nothing but the picture."""
    try:
        yield
    except Exception as error:
        reason = str(error) or type(error).__name__
        reporter.note(f"{picture} was not drawn: {reason.splitlines()[0]}")


def _fixed_codes(game: Game, stream: Stream, seed: int) -> Mapping[str, Tensor]:
    """The codes that every grid paints; drawn aside, so that grids do not change a run."""
    with torch.random.fork_rng(range(torch.cuda.device_count())):
        torch.manual_seed(seed + 1)
        return game.painter.codes(8, stream(0)[torch.arange(8) % min(stream.batch, 8)])


def _paint_grid(player: Player, fixed: Mapping[str, Tensor], path: Path) -> None:
    painter = player.result.eval()
    try:
        with torch.no_grad(), player.runtime.autocast():
            layers = painter(fixed)
    finally:
        player.result.train()
    given = fixed.get("image")
    if given is None and "segments" in player.game.painter.conditional:
        given = pictures.coloured(fixed["s"])
    pictures.save_png(path, pictures.layer_grid(layers, given))
