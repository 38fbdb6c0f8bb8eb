"""`lgbench evaluate`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click

from .run import DEVICE, carry_out

__all__ = ["evaluate"]


@click.command()
@click.argument("run", type=click.Path(exists=True, file_okay=False, path_type=Path), metavar="RUN")
@click.option(
    "--metrics",
    required=True,
    metavar="NAME,...",
    help="Names of metrics, `default` or `all`.",
)
@DEVICE
def evaluate(run: Path, metrics: str, device: str) -> None:
    """Add numbers to the finished run in the folder RUN: a further record that names the first one.

    Nothing is trained; what was sampled and predicted is read where it is kept.
    """
    from lgbench.data import DataHome
    from lgbench.errors import UnknownName
    from lgbench.lookup import look_up
    from lgbench.trained import asked

    if not metrics.replace(",", "").strip():
        raise UnknownName("--metrics names none. Name some, `default` or `all`; `lgbench list metrics` shows them.")
    home, request = DataHome(), asked(run)
    settings = {**request.settings, "evaluation.metrics": metrics}
    carry_out(look_up(replace(request, settings=settings), home), home, device, run.parent, finished=run)
