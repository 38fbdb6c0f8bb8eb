"""One straight loop over steps and phases; what to train is the game's, how is decided here."""

from __future__ import annotations

import math
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from lgbench.data import Split
from lgbench.errors import RunFailed
from lgbench.files import atomic, read_sound, write_json, writing
from lgbench.game import Game
from lgbench.permissions import make_folder
from lgbench.progress import Reporter
from lgbench.runtime import Runtime

from . import checkpoint, log, pictures, watch
from .player import Player, WeightedTerm
from .schedule import Schedule
from .stream import Stream

__all__ = ["Diverged", "Fitted", "fit"]


class Diverged(Exception):
    """A loss stopped being a number. `step` is where."""

    def __init__(self, step: int, terms: list[str]) -> None:
        super().__init__(f"{', '.join(terms)} stopped being finite at step {step}")
        self.step = step


class _Unheard(Exception):
    """Nobody listens to the reporter any more; a step is complete."""


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


def fit(
    game: Game,
    terms: Sequence[WeightedTerm],
    reals: Split,
    schedule: Schedule,
    runtime: Runtime,
    folder: Path,
    reporter: Reporter,
    name: str,
    *,
    judge: Callable[[Any], float] | None = None,
    segment: Callable[[Tensor], Tensor] | None = None,
) -> Fitted:
    """Play a game; run again to resume, or to get at once what is already done.

    Args:
        terms: (name, weight, term) of each regularizer.
        reals: real images and what is known of them.
        folder: gets `<network>.safetensors` of the result and of what the game keeps, `log.jsonl`, `grids/`,
            `curves.png`, and `done.json` when all is there.
        name: of the stage, for the reporter.
        judge: lower is better; the result with the best value at one of the schedule's looks is what is kept.
        segment: the segmenter of the round before, for the terms that read it.

    Raises:
        RunFailed: the disk is full, or a checkpoint is damaged.
        KeyboardInterrupt: interrupted, with a checkpoint written.
        OSError: what the reporter writes to is closed; a checkpoint is written.
    """
    if (folder / "done.json").exists():
        return _done_before(folder)
    with writing(folder):
        make_folder(folder)
    if runtime.device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(runtime.device)
    player = Player(game, terms, schedule, runtime, segment)
    if (saved := checkpoint.load(folder / "checkpoint.pt")) is not None:
        player.restore(saved)
        reporter.note(f"{name}: resumes at step {player.step:,}")
    if schedule.stop and player.step > schedule.stop:
        return _fitted(player, "paused", ())  # a later round has gone on from here
    log.truncate(folder / "log.jsonl", player.step)
    if (folder / "judged.jsonl").exists():
        log.truncate(folder / "judged.jsonl", player.step)
    stream = Stream(reals, schedule, runtime, player.reads, game.batches)
    fixed = _fixed_codes(game, stream, schedule.seed)
    reporter.stage(name, schedule.stop or schedule.steps, player.step)
    status = "paused" if schedule.stop else "done"
    try:
        with _interruptible() as interrupted:
            _play(player, stream, fixed, folder, reporter, interrupted, judge)
    except _Unheard as unheard:
        checkpoint.save(folder / "checkpoint.pt", player.state())
        raise unheard.__cause__ or unheard from None
    except Diverged as error:
        reporter.note(f"{name}: {error}. The record will say so.")
        status = "diverged"
    if status == "paused":
        checkpoint.save(folder / "checkpoint.pt", player.state())
        _save_networks(player, folder)
        return _fitted(player, status, ())
    return _finish(player, status, folder, name, reporter)


def _done_before(folder: Path) -> Fitted:
    path, remedy = folder / "done.json", f"Delete the folder {folder} and run the same command again to train anew."
    done = read_sound(path, dict, remedy)
    try:
        return Fitted(**{**done, "flags": tuple(done["flags"])})
    except (KeyError, TypeError) as error:
        raise RunFailed(f"{path} is damaged ({error}). {remedy}") from None


def _finish(player: Player, status: str, folder: Path, name: str, reporter: Reporter) -> Fitted:
    _save_networks(player, folder)
    rows = log.read(folder / "log.jsonl")
    with _unessential("curves.png", reporter):
        pictures.save_curves(folder / "curves.png", rows, name)
    flags = ["diverged"] if status == "diverged" else watch.training_flags(rows)
    done = _fitted(player, status, tuple(flags))
    write_json(folder / "done.json", {field: getattr(done, field) for field in Fitted.__slots__})
    for leftover in (folder / "checkpoint.pt", *folder.glob("best-*")):
        leftover.unlink(missing_ok=True)
    return done


@contextmanager
def _unessential(picture: str, reporter: Reporter) -> Iterator[None]:
    """Whatever goes wrong with a picture is told, and costs nothing but the picture."""
    try:
        yield
    except Exception as error:
        reason = str(error) or type(error).__name__
        reporter.note(f"{picture} was not drawn: {reason.splitlines()[0]}")


def _fitted(player: Player, status: str, flags: tuple[str, ...]) -> Fitted:
    best = player.best if player.selected else None
    selected = player.selected or player.step
    return Fitted(status, player.step, player.seconds, _peak_memory(player.runtime), flags, selected, best)


def _save_networks(player: Player, folder: Path) -> None:
    """The result and what else the game keeps, of the step that the judge chose where there is a judge."""
    for name in (player.game.result, *player.game.kept):
        path = folder / f"{name}.safetensors"
        if player.selected:
            with atomic(path) as file:
                file.write(_best(folder, player.selected, name).read_bytes())
        else:
            checkpoint.save_weights(path, _network(player, name))


def _network(player: Player, name: str) -> nn.Module:
    return player.result if name == player.game.result else player.networks[name]


def _best(folder: Path, step: int, name: str) -> Path:
    return folder / f"best-{step:07d}-{name}.safetensors"


def _play(
    player: Player,
    stream: Stream,
    fixed: Mapping[str, Tensor],
    folder: Path,
    reporter: Reporter,
    interrupted: list[int],
    judge: Callable[[Any], float] | None,
) -> None:
    schedule, clock = player.schedule, time.monotonic()
    saved_at, end = clock, schedule.stop or schedule.steps
    for number in range(player.step, end):
        last = number + 1 == end
        looking = player.logged(number) or last
        values, numbers = player.play(number, stream(number), looking), None
        now = time.monotonic()
        player.seconds, clock = player.seconds + now - clock, now
        if looking:
            numbers = {name: float(value) for name, value in values.items()}
            log.append(folder / "log.jsonl", {"step": number, "seconds": round(player.seconds, 3), **numbers})
            if broken := [name for name, value in numbers.items() if not math.isfinite(value)]:
                raise Diverged(number, broken)
        if schedule.grid_every and not player.game.frozen and (player.step % schedule.grid_every == 0 or last):
            path = folder / "grids" / f"{player.step:07d}.png"
            with _unessential(path.name, reporter):
                _paint_grid(player, fixed, path)
        if judge and _due(schedule, player.step, last):
            _select(player, judge, folder)
        try:
            reporter.advance(number + 1, numbers)
        except OSError as error:  # the pipe or the terminal behind it is closed
            raise _Unheard from error
        if interrupted or (now - saved_at >= schedule.checkpoint_seconds and not last):
            checkpoint.save(folder / "checkpoint.pt", player.state())
            saved_at = time.monotonic()
        if interrupted:
            raise KeyboardInterrupt


def _select(player: Player, judge: Callable[[Any], float], folder: Path) -> None:
    """Keep what will be stored where the result is the best so far; looking does not change the run.

    The step is in the files' names: a run that dies before its next checkpoint finds the weights which that one names.
    """
    state = checkpoint.random_state()
    value = judge(player.result.eval())
    player.result.train()
    checkpoint.set_random_state(state)
    log.append(folder / "judged.jsonl", {"step": player.step - 1, "value": value})
    if value < player.best:
        player.best, player.selected = value, player.step
        before = list(folder.glob("best-*"))
        kept = [_best(folder, player.step, name) for name in (player.game.result, *player.game.kept)]
        for name, path in zip((player.game.result, *player.game.kept), kept, strict=True):
            checkpoint.save_weights(path, _network(player, name))
        checkpoint.save(folder / "checkpoint.pt", player.state())
        for stale in {*before} - {*kept}:
            stale.unlink()


def _due(schedule: Schedule, step: int, last: bool) -> bool:
    """Whether the judge looks after so many steps."""
    return schedule.judge_every > 0 and step > schedule.judge_from and (step % schedule.judge_every == 0 or last)


def _fixed_codes(game: Game, stream: Stream, seed: int) -> Mapping[str, Tensor]:
    """The codes that every grid paints; drawn aside, so that grids do not change a run."""
    state = checkpoint.random_state()
    torch.manual_seed(seed + 1)
    codes = game.painter.codes(8, stream(0)[torch.arange(8) % min(stream.batch, 8)])
    checkpoint.set_random_state(state)
    return codes


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
    pixels = pictures.layer_grid(layers, given, scale=max(1, 64 // layers.image.shape[-1]))
    pictures.save_png(path, pixels)


@contextmanager
def _interruptible() -> Iterator[list[int]]:
    """A list that is not empty once SIGINT, SIGTERM or SIGHUP has come; a second signal is not caught."""
    came: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield came
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    hang_up = getattr(signal, "SIGHUP", None)  # not on Windows; `nohup` asks not to be told
    if hang_up is not None and signal.getsignal(hang_up) is not signal.SIG_IGN:
        before[hang_up] = signal.getsignal(hang_up)

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
    try:
        import resource
    except ModuleNotFoundError:  # Windows
        return 0
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
