"""What stands in for runs in the processes of a sweep: it does what its seed says."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

from lgbench.cli import jobs
from lgbench.errors import RunBusy, RunFailed
from lgbench.recipe import Recipe

DONE, FAILS, TAKEN, KILLED, BROKEN, STOPPED, STUBBORN = range(7)
WAITS = 100
"""Seeds from here on train until they are interrupted; `WAITS` + a signal sends it to the sweep once `WAITS` trains."""
LAST = WAITS + 32


def work() -> None:
    """As `lgbench.cli.jobs.work`, with such a run."""
    jobs.carry_out = _run
    jobs.work()


def _run(recipe: Recipe, home: object, device: str, runs: Path) -> Path:
    seed = recipe.seed
    print(f"{device}, threads: {os.environ.get('OMP_NUM_THREADS')}", file=sys.stderr, flush=True)
    if seed >= WAITS:
        _train(runs, seed)
    elif seed == STUBBORN:
        _refuse(runs)
    elif seed == FAILS:
        raise RunFailed("The disk is full.")
    elif seed == TAKEN:
        raise RunBusy("Another process is at work.")
    elif seed == KILLED:
        os.kill(os.getpid(), signal.SIGKILL)
    elif seed == BROKEN:
        raise ZeroDivisionError
    elif seed == STOPPED:
        raise KeyboardInterrupt
    print(f"scores of {recipe.label}")
    return runs / recipe.label / "record.json"


def _train(runs: Path, seed: int) -> None:
    try:
        (runs / f"{seed} trains").touch()  # in here: who sees it may interrupt at once
        while not (runs / f"{WAITS} trains").exists():
            time.sleep(0.01)
        if WAITS < seed < LAST:
            os.kill(os.getppid(), seed - WAITS)
        while True:
            time.sleep(0.01)
    finally:
        (runs / f"{seed} saved").touch()


def _refuse(runs: Path) -> None:
    """Interrupt the sweep, and when that interrupts this run, again."""
    (runs / "process").write_text(str(os.getpid()))
    while True:
        try:
            os.kill(os.getppid(), signal.SIGINT)
            while True:
                time.sleep(0.01)
        except KeyboardInterrupt:
            continue
