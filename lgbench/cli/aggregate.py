"""`lgbench aggregate`: generators of one class each, judged together by what classifiers learn from them (LR-GAN)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from .run import DEVICE
from .time_limit import MINUTES, time_limit

__all__ = ["aggregate", "join"]

RUN = click.Path(exists=True, file_okay=False, path_type=Path)


@click.command()
@click.argument("runs", nargs=-1, required=True, type=RUN, metavar="RUN...")
@DEVICE
@MINUTES
def aggregate(runs: tuple[Path, ...], device: str, minutes: float | None) -> None:
    """Judge generators of one class each together: each RUN is of another class, and all else is equal.

    Writes one record beside them, which names theirs: how well classifiers that learn from their samples know real
    images (adversarial accuracy and divergence), and a picture, classes.png, with a row of samples a class.
    """
    with time_limit(minutes):
        join(runs, device)


def join(folders: Sequence[Path], device: str) -> Path:
    """Make the aggregate of finished runs, with progress on stderr; print its scores and return where its record is."""
    from .members import joined
    from .progress import reporting
    from .results import show_record

    with reporting() as reporter:
        record = joined(folders, device, reporter)
    show_record(record)
    return record
