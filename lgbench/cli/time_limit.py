"""A command that stops in time: `--minutes M`."""

from __future__ import annotations

import _thread
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import click

__all__ = ["MINUTES", "TIME_IS_UP", "time_limit"]

TIME_IS_UP = 75
"""Exit status where the time was over: what BSD's `sysexits.h` calls a temporary failure, try again."""

MINUTES = click.option(
    "--minutes",
    type=click.FloatRange(min=0, min_open=True),
    help=f"Stop in time with a checkpoint, exit status {TIME_IS_UP}; the same command goes on.",
)


@contextmanager
def time_limit(minutes: float | None) -> Iterator[None]:
    """Interrupt what runs inside before so many minutes are over, as a SIGTERM would; None for no limit.

    A tenth of the time, at most half a minute, is left for the step at hand and its checkpoint.

    Raises:
        click.exceptions.Exit: the time is up, with `TIME_IS_UP`.
    """
    if minutes is None:
        yield
        return
    over = threading.Event()

    def stop(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    def ring() -> None:
        over.set()
        _thread.interrupt_main(signal.SIGTERM)  # a training finishes its step and saves; all else ends here

    before = signal.signal(signal.SIGTERM, stop)
    timer = threading.Timer(60 * minutes - min(30.0, 6 * minutes), ring)
    timer.daemon = True
    timer.start()
    try:
        yield
    except KeyboardInterrupt:
        if not over.is_set():
            raise
        click.secho(
            f"\n{minutes:g} minutes are over. Nothing is lost: the same command goes on.", fg="yellow", err=True
        )
        raise click.exceptions.Exit(TIME_IS_UP) from None
    finally:
        timer.cancel()
        signal.signal(signal.SIGTERM, before)
