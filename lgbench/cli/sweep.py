"""`lgbench sweep`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

import click

from lgbench.errors import LgbenchError, RunBusy, RunFailed
from lgbench.lookup import look_up

from .aggregate import by_what_they_share, join
from .run import DEVICE, RUNS, SEED, Name, carry_out, data_home, presets
from .time_limit import MINUTES, time_limit

__all__ = ["sweep"]


@click.command()
@click.argument("benchmark", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--method", "only_methods", multiple=True, type=Name("methods"), help="Only this one; repeatable.")
@click.option("--preset", "only_presets", multiple=True, shell_complete=presets, help="Only this one; repeatable.")
@click.option("--variant", "only_variants", multiple=True, metavar="NAME", help="Only this one; repeatable.")
@click.option("--seed", "only_seeds", multiple=True, type=SEED, help="Only this one; repeatable.")
@DEVICE
@RUNS
@MINUTES
def sweep(
    benchmark: Path,
    only_methods: Sequence[str],
    only_presets: Sequence[str],
    only_variants: Sequence[str],
    only_seeds: Sequence[int],
    device: str,
    runs: Path,
    minutes: float | None,
) -> None:
    """Run every method (or variant), preset and seed of BENCHMARK, say benchmarks/flora-32.toml; skip what is done.

    Several sweeps of one file share it, each with OMP_NUM_THREADS=1: a run that another is at is left to it, and looked
    for again at the end. One sweep a core is faster than one for all cores (1.4 times on two).
    Of a variant that lists classes (training.category), every class is a run, and one aggregate record joins them.
    """
    from lgbench.benchmark import read_benchmark

    home = data_home()
    chosen = read_benchmark(benchmark)
    asked = chosen.requests(only_methods, only_presets, only_variants, only_seeds)
    recipes = [look_up(request, home) for request in asked]
    listed = [variant.settings.get("training.category") for variant in chosen.variants]
    records: dict[int, Path] = {}
    failed: list[str] = []
    with time_limit(minutes):
        left = recipes
        for _ in range(2):  # what was left to others may be done by now, or never be: the last sweep joins the classes
            busy = []
            for recipe in left:
                try:
                    if record := _tried(recipe.label, partial(carry_out, recipe, home, device, runs), failed):
                        records[id(recipe)] = record
                except RunBusy as error:
                    _tell(f"{recipe.label} is left to another process. {error}", "yellow")
                    busy.append(recipe)
            left = busy
        for group in by_what_they_share(recipes):
            folders = [records[id(recipe)].parent for recipe in group if id(recipe) in records]
            if len(folders) == len(group) and [recipe.training.category for recipe in group] in listed:
                with suppress(RunBusy):
                    _tried(f"{group[0].label}, classes", partial(join, folders, device), failed)
    if left:
        _tell(f"{len(left)} of {len(recipes)} runs are not done yet: another process is at them.", "yellow")
    if failed:
        raise RunFailed(f"{len(failed)} of {len(recipes)} runs did not finish: {', '.join(failed)}.")


def _tried(label: str, attempt: Callable[[], Path], failed: list[str]) -> Path | None:
    """What an attempt returns; where it fails, that is told and noted: the others may well succeed.

    Raises:
        RunBusy: another process is at it.
    """
    try:
        return attempt()
    except RunBusy:
        raise
    except LgbenchError as error:
        failed.append(label)
        _tell(f"{label}: {error}", "red")
    return None


def _tell(text: str, colour: str) -> None:
    from lgbench.plain import plain

    click.secho(plain(text), fg=colour, err=True)
