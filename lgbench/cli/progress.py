"""A bar on a terminal, plain lines elsewhere; both on stderr."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from lgbench.plain import plain
from lgbench.progress import Reporter

from .printing import say

__all__ = ["reporting"]

SHOWN = 5


@contextmanager
def reporting() -> Iterator[Reporter]:
    """A reporter that suits where stderr goes."""
    if not sys.stderr.isatty():
        yield Lines()
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    with Progress(
        TextColumn("{task.description:9}", style="bold", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[values]}", markup=False),
        console=Console(stderr=True),
    ) as progress:
        yield Bars(progress)


def _values(values: Mapping[str, float]) -> str:
    losses = {k: v for k, v in values.items() if not k.startswith("gradient/")}
    return "  ".join(f"{name} {value:.3g}" for name, value in list(losses.items())[: SHOWN + 2])


class Bars:
    """One bar for each stage, with rate, time left, losses and coverage."""

    def __init__(self, progress) -> None:
        self.progress, self.task, self.began, self.first = progress, None, 0.0, 0

    def stage(self, name: str, total: int, done: int = 0) -> None:
        """A new bar."""
        self.task = self.progress.add_task(plain(name), total=total, completed=done, rate="", values="")
        self.began, self.first = time.monotonic(), done

    def advance(self, done: int, values: Mapping[str, float] | None = None) -> None:
        """Move the bar."""
        rate = (done - self.first) / max(time.monotonic() - self.began, 1e-9)
        shown = {"values": _values(values)} if values else {}
        self.progress.update(self.task, completed=done, rate=f"{rate:,.1f}/s", **shown)

    def note(self, text: str) -> None:
        """A line above the bars."""
        say(self.progress.console, text)


class Lines:
    """A line when a stage begins and one every ten seconds."""

    def __init__(self) -> None:
        self.name, self.total, self.spoke = "", 0, 0.0
        self.began, self.first = 0.0, 0

    def stage(self, name: str, total: int, done: int = 0) -> None:
        """Name the stage."""
        self.name, self.total, self.first = name, total, done
        self.began = self.spoke = time.monotonic()
        self.note(f"{name}: {done:,} of {total:,}")

    def advance(self, done: int, values: Mapping[str, float] | None = None) -> None:
        """Say where the stage is, now and then and at its end."""
        now = time.monotonic()
        if (values and now - self.spoke >= 10) or done == self.total:
            rate = (done - self.first) / max(now - self.began, 1e-9)
            left = (self.total - done) / max(rate, 1e-9)
            self.note(
                f"{self.name}: {done:,} of {self.total:,}, {rate:,.1f}/s, {left:,.0f} s left  {_values(values or {})}"
            )
            self.spoke = now

    def note(self, text: str) -> None:
        """A line."""
        print(plain(text), file=sys.stderr, flush=True)
