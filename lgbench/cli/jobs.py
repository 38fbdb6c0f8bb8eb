"""Runs in processes of their own, several at once: what `lgbench sweep` does where there are several cores."""

from __future__ import annotations

import _thread
import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO

import click

from lgbench.errors import LgbenchError, RunBusy, RunFailed
from lgbench.plain import plain
from lgbench.recipe import Recipe, Request

from .plans import name_of
from .run import carry_out, data_home

__all__ = ["Jobs", "Outcome", "work"]

Outcome = Path | LgbenchError
"""Where a run's record lies, or why there is none."""

HANG_UP = getattr(signal, "SIGHUP", signal.SIGTERM)
"""What a run hears when its sweep is gone. Whoever ends all processes at once sends SIGTERM, and a second signal of one
number is not caught; Windows has no other."""
INTERRUPTED = 130
WORK = "from lgbench.cli.jobs import work; work()"


@dataclass(frozen=True, slots=True)
class _Job:
    """A run at work: its process, and the file that this one writes its stdout to."""

    recipe: Recipe
    process: subprocess.Popen[bytes]
    written: IO[bytes]

    def leave(self) -> None:
        """Let its stdin end: it saves what it has and ends, as it does when this process is killed."""
        assert self.process.stdin
        with suppress(OSError):  # what it has not read is lost with it
            self.process.stdin.close()

    def outcome(self) -> Outcome:
        """What came of it, after it has shown the scores; it has ended."""
        self.leave()
        with self.written:
            self.written.seek(0)
            shown, _, last = self.written.read().decode(errors="replace").rstrip("\n").rpartition("\n")
        try:
            kind, text = json.loads(last) if not self.process.returncode else ("failed", _why(self.process.returncode))
        except ValueError:
            kind, text = "failed", _why(0)
        if kind == "record":
            click.echo(shown)
        return {"record": Path, "busy": RunBusy, "failed": RunFailed}[kind](text)


@dataclass(slots=True)
class Jobs:
    """Carries runs out, so many at once. What they say to stderr is told behind their numbers.

    Attributes:
        device, runs: as `carry_out` takes them.
    """

    count: int
    device: str
    runs: Path
    working: dict[int, _Job] = field(default_factory=dict)
    said: queue.SimpleQueue[tuple[int, str | None]] = field(default_factory=queue.SimpleQueue)

    def carry_out(self, waiting: Sequence[tuple[Recipe, int]], settle: Callable[[Recipe, Outcome], None]) -> None:
        """Carry out recipes, each with so many threads (0 for what the environment says), and tell what came of each.

        Raises:
            KeyboardInterrupt: on SIGINT, SIGTERM and SIGHUP, when every run has saved what it has.
        """
        from lgbench.training.signals import interruptible

        left = list(enumerate(waiting, 1))
        with interruptible() as interrupted:
            try:
                while left or self.working:
                    if interrupted:
                        raise KeyboardInterrupt
                    while left and len(self.working) < self.count:
                        number, (recipe, threads) = left.pop(0)
                        _say(f"[{number}] {name_of(recipe)}: {number} of {len(waiting)}")
                        self._begin(number, recipe, threads)
                    if (ended := self._hear()) is not None:
                        settle(ended.recipe, ended.outcome())
            except BaseException:  # nobody waits for them, or reads on
                self._stop()
                raise

    def _begin(self, number: int, recipe: Recipe, threads: int) -> None:
        written = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the job
        process = subprocess.Popen(
            [sys.executable, "-c", f"import sys; sys.path = {sys.path}; {WORK}"],  # it finds what this process finds
            env=_environment(threads),
            stdin=subprocess.PIPE,
            stdout=written,
            stderr=subprocess.PIPE,
            process_group=0,  # a terminal's Ctrl-C reaches this process alone
        )
        self.working[number] = _Job(recipe, process, written)
        threading.Thread(target=self._listen, args=(number, process), daemon=True).start()
        asked = {"request": asdict(recipe.request), "device": self.device, "runs": str(self.runs)}
        assert process.stdin
        with suppress(BrokenPipeError):  # it has ended: its status says why
            process.stdin.write(json.dumps(asked).encode() + b"\n")
            process.stdin.flush()

    def _listen(self, number: int, process: subprocess.Popen[bytes]) -> None:
        assert process.stderr
        with process.stderr as lines:
            for line in lines:
                self.said.put((number, line.decode(errors="replace").rstrip()))
        process.wait()
        self.said.put((number, None))

    def _hear(self) -> _Job | None:
        """Tell the next line that a run says; a run that has ended is returned."""
        try:
            number, line = self.said.get(timeout=0.2)
        except queue.Empty:
            return None
        if line is None:
            return self.working.pop(number)
        _say(f"[{number}] {plain(line)}")
        return None

    def _stop(self) -> None:
        """Have all runs save what they have, and wait for that; when interrupted again, end them."""
        for job in self.working.values():
            job.leave()
        try:
            with suppress(OSError):
                _say(f"{len(self.working)} runs finish their step and save it.")
            while self.working:
                with suppress(OSError):
                    if ended := self._hear():
                        ended.written.close()
        finally:
            for job in self.working.values():
                job.process.kill()
                job.process.wait()


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _why(code: int) -> str:
    again = "What it saved stays: the same command goes on."
    if code == INTERRUPTED:
        return f"It was stopped. {again}"
    if code == -getattr(signal, "SIGKILL", 9):
        return f"Its process was killed, as it is where memory runs out: try fewer --jobs. {again}"
    return f"Its process ended with status {code}; what it said stands above. {again}"


def _environment(threads: int) -> dict[str, str]:
    """Of a process with so many threads."""
    own = {"OMP_NUM_THREADS": str(threads)} if threads else {}
    if sys.stdout.isatty():
        own["COLUMNS"] = str(os.get_terminal_size(sys.stdout.fileno()).columns)
    return {**os.environ, **own}


def work() -> None:
    """Carry out the run that stdin asks for, in this process, until that is done or stdin ends.

    The last line of stdout says what came of it, as JSON.
    """
    from lgbench.lookup import look_up

    signal.signal(HANG_UP, signal.default_int_handler)
    asked = json.loads(sys.stdin.buffer.readline() or "null")
    if asked is None:
        sys.exit(INTERRUPTED)
    threading.Thread(target=_wait_for_end, daemon=True).start()
    request = Request(**{**asked["request"], "without": tuple(asked["request"]["without"])})
    try:
        record = carry_out(look_up(request, home := data_home()), home, asked["device"], Path(asked["runs"]))
        outcome = "record", str(record)
    except RunBusy as error:
        outcome = "busy", str(error)
    except LgbenchError as error:
        outcome = "failed", str(error)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    print(json.dumps(outcome))


def _wait_for_end() -> None:
    """Interrupt this process when its stdin ends: a training finishes its step and saves; all else ends there."""
    os.read(0, 1)
    _thread.interrupt_main(HANG_UP)
