"""`lgbench sweep`."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lgbench.errors import LgbenchError, RunBusy, RunFailed
from lgbench.lookup import look_up
from lgbench.recipe import CATEGORY, Recipe, Request

from .aggregate import join
from .classes import by_what_they_share
from .plans import Plan, Standing, name_of, plan, show, standing
from .run import DEVICE, RUNS, SEED, Name, carry_out, data_home, presets
from .time_limit import MINUTES, time_limit

if TYPE_CHECKING:
    from lgbench.benchmark import Benchmark
    from lgbench.data import DataHome

__all__ = ["sweep"]

log = logging.getLogger(__name__)


class _Jobs(click.IntRange):
    """A number, or "auto"."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return value if value == "auto" else super().convert(value, param, ctx)


@click.command()
@click.argument("benchmark", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--method", "only_methods", multiple=True, type=Name("methods"), help="This one instead of the file's; repeatable."
)
@click.option(
    "--preset",
    "only_presets",
    multiple=True,
    shell_complete=presets,
    help="This one instead of the file's; repeatable.",
)
@click.option("--variant", "only_variants", multiple=True, metavar="NAME", help="Only this one; repeatable.")
@click.option("--seed", "only_seeds", multiple=True, type=SEED, help="This one instead of the file's; repeatable.")
@DEVICE
@RUNS
@MINUTES
@click.option(
    "--jobs",
    type=_Jobs(min=1),
    default="auto",
    show_default=True,
    metavar="N",
    help="Runs at once, each in a process of its own with its share of the cores and a memory of its own (1 GB and "
    "more). auto: one a core; one on a GPU, and where OMP_NUM_THREADS is set.",
)
@click.option("--dry-run", is_flag=True, help="Show what each run would be, and how far it has come; train nothing.")
def sweep(
    benchmark: Path,
    only_methods: Sequence[str],
    only_presets: Sequence[str],
    only_variants: Sequence[str],
    only_seeds: Sequence[int],
    device: str,
    runs: Path,
    minutes: float | None,
    jobs: int | str,
    dry_run: bool,
) -> None:
    """Run every method (or variant), preset and seed of BENCHMARK, say benchmarks/flora-32.toml; skip what is done.

    Several runs at once are faster than one with several threads (1.4 times on two cores). What each says stands behind
    its number, and Ctrl-C or --minutes stops all of them with checkpoints. Sweeps that were started apart may share a
    file: a run that another is at is left to it, and looked for again at the end.
    Of a variant that lists classes (training.category), every class is a run, and one aggregate record joins them.
    """
    from lgbench.benchmark import read_benchmark

    home = data_home()
    chosen = read_benchmark(benchmark)
    asked = chosen.requests(only_methods, only_presets, only_variants, only_seeds)
    recipes = [look_up(request, home) for request in asked]
    place, came = _Place(home, device, runs, jobs), _Results()
    listed = [variant.settings.get(CATEGORY) for variant in chosen.variants]
    with time_limit(minutes):
        _check_metrics(recipes)
        if dry_run:
            found = place.standings(recipes)
            show(found, [_variant_of(request, chosen) for request in asked], place.plan(found))
            return
        left = recipes
        for _ in range(2):  # what was left to others may be done by now, or never be: the last sweep joins the classes
            came.busy = []
            place.carry_out(left, came.note)
            left = came.busy
        for group in by_what_they_share(recipes):
            folders = [came.records[id(recipe)].parent for recipe in group if id(recipe) in came.records]
            if len(folders) == len(group) and [recipe.training.category for recipe in group] in listed:
                made = _tried(partial(join, folders, device))
                if not isinstance(made, RunBusy):
                    came.note(group[0], made, ", classes")
    if left:
        _tell(f"{len(left)} of {len(recipes)} runs are not done yet: another process is at them.", "yellow")
    if failed := came.failed:
        raise RunFailed(f"{len(failed)} of {len(recipes)} runs did not finish: {', '.join(failed)}.")


@dataclass(frozen=True, slots=True)
class _Place:
    """Where runs are carried out: data home, device, folder of runs, and how many at once (or "auto")."""

    home: DataHome
    device: str
    runs: Path
    jobs: int | str

    @property
    def on_cpu(self) -> bool:
        """Whether a CPU computes, by what was asked: whether there is such a device each run says."""
        from lgbench.runtime import choose_device

        return self.device == "cpu" or (self.device == "auto" and choose_device().type == "cpu")

    def standings(self, recipes: Sequence[Recipe]) -> list[tuple[Recipe, Standing]]:
        """How far each has come."""
        return [(recipe, standing(recipe, self.runs)) for recipe in recipes]

    def plan(self, standings: Sequence[tuple[Recipe, Standing]]) -> Plan:
        """Which of them are carried out at once."""
        return plan(standings, self.jobs, self.on_cpu)

    def carry_out(self, recipes: Sequence[Recipe], settle: Callable[[Recipe, Path | LgbenchError], None]) -> None:
        """Carry recipes out, those that are not done in processes of their own where that is faster."""
        found = self.plan(self.standings(recipes))
        apart = {id(recipe) for recipe, _ in found.apart}
        for recipe in recipes:
            if id(recipe) not in apart:
                settle(recipe, _tried(partial(carry_out, recipe, self.home, self.device, self.runs)))
        if apart:
            from .jobs import Jobs

            click.echo(found, err=True)
            Jobs(found.count, self.device, self.runs).carry_out(found.apart, settle)


@dataclass(slots=True)
class _Results:
    """What came of a sweep: records by recipe, labels of what failed, and the runs that other processes are at."""

    records: dict[int, Path] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)
    busy: list[Recipe] = field(default_factory=list)

    def note(self, recipe: Recipe, outcome: Path | LgbenchError, what: str = "") -> None:
        """Keep what came of one, and tell why there is no record: the others may well succeed."""
        if isinstance(outcome, RunBusy):
            _tell(f"{name_of(recipe)} is left to another process. {outcome}", "yellow")
            self.busy.append(recipe)
        elif isinstance(outcome, LgbenchError):
            self.failed.append(f"{name_of(recipe)}{what}")
            _tell(f"{name_of(recipe)}{what}: {outcome}", "red")
        else:
            self.records[id(recipe)] = outcome


def _variant_of(request: Request, benchmark: Benchmark) -> str:
    """The name of the variant that a run is of, "" where it is none's."""
    names = [variant.name for variant in benchmark.variants]
    return next((name for name in names if request in benchmark.requests(variants=[name], seeds=[request.seed])), "")


def _check_metrics(recipes: Sequence[Recipe]) -> None:
    """Refuse names of metrics that nobody offers before anything is trained."""
    from lgbench.plugins import registry
    from lgbench.run import chosen_metrics

    for recipe in recipes:
        chosen_metrics(recipe.evaluation.metrics, registry().metrics)


def _tried(attempt: Callable[[], Path]) -> Path | LgbenchError:
    """What an attempt returns, or why it fails; one plugin's bug must not cost the other runs."""
    try:
        return attempt()
    except LgbenchError as error:
        return error
    except (Exception, SystemExit) as error:
        log.exception("a run failed")
        return RunFailed(f"A plugin failed ({type(error).__name__}: {error}): its lines stand above. Mend it.")


def _tell(text: str, colour: str) -> None:
    from lgbench.plain import plain

    click.secho(plain(text), fg=colour, err=True)
