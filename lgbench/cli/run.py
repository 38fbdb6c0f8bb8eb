"""`lgbench run`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem

from lgbench.lookup import look_up
from lgbench.recipe import FOR_CPUS, LARGEST_SEED, PRESETS, Recipe, Request, parse_setting, parse_with

from .time_limit import MINUTES, time_limit

if TYPE_CHECKING:
    from lgbench.data import DataHome

__all__ = ["DEVICE", "RUNS", "SEED", "Name", "carry_out", "data_home", "presets", "run"]


class Name(click.ParamType):
    """The name of an installed record; completes in the shell."""

    name = "name"

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        from lgbench.plugins import registry

        records = getattr(registry(), self.kind)
        return [CompletionItem(n, help=r.summary) for n, r in records.items() if n.startswith(incomplete)]


def presets(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Presets that begin so."""
    return [preset for preset in {**FOR_CPUS, **dict.fromkeys(PRESETS)} if preset.startswith(incomplete)]


SEED = click.IntRange(0, LARGEST_SEED)
RUNS = click.option(
    "--runs",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("runs"),
    show_default=True,
    help="Folder of runs.",
)
DEVICE = click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or cuda:N.")


@click.command()
@click.option("--method", required=True, type=Name("methods"), help="See `lgbench list methods`.")
@click.option("--dataset", required=True, type=Name("datasets"), help="See `lgbench data list`; or folder:PATH.")
@click.option(
    "--preset", default="small", show_default=True, shell_complete=presets, help="smoke, cpu, small or paper."
)
@click.option("--set", "settings", multiple=True, metavar="TABLE.FIELD=VALUE", help="Override a setting; repeatable.")
@click.option("--with", "added", multiple=True, metavar="NAME[:weight=W,...]", help="Switch a regularizer on.")
@click.option("--without", multiple=True, metavar="NAME", help="Switch a regularizer off.")
@click.option("--seed", default=0, show_default=True, type=SEED)
@click.option("--resolution", type=int, help="Side of the images; the data set's own by default.")
@DEVICE
@RUNS
@MINUTES
@click.option("--deterministic", is_flag=True, help="The same bits each time on a GPU too, more slowly.")
@click.option("--dry-run", is_flag=True, help="Show the resolved recipe, its networks and what it will cost.")
@click.option("--strict", is_flag=True, help="Refuse to work while any plugin is set aside.")
def run(
    method: str,
    dataset: str,
    preset: str,
    settings: Sequence[str],
    added: Sequence[str],
    without: Sequence[str],
    seed: int,
    resolution: int | None,
    device: str,
    runs: Path,
    minutes: float | None,
    deterministic: bool,
    dry_run: bool,
    strict: bool,
) -> None:
    """Train, segment, evaluate and record. Run it again to resume."""
    from lgbench.plugins import registry

    if strict:
        registry().require_all()
    overrides = parse_with(*added) | dict(parse_setting(text) for text in settings)
    home = data_home()
    recipe = look_up(Request(method, dataset, preset, seed, resolution, overrides, tuple(without)), home)
    if dry_run:
        from lgbench.run import chosen_metrics

        from .dry_run import show

        chosen_metrics(recipe.evaluation.metrics, registry().metrics)
        show(recipe, home, device)
        return
    with time_limit(minutes):
        carry_out(recipe, home, device, runs, deterministic)


def carry_out(
    recipe: Recipe,
    home: DataHome,
    device: str,
    runs: Path,
    deterministic: bool = False,
    finished: Path | None = None,
) -> Path:
    """Run a recipe with progress on stderr, and print its scores and where its record lies.

    Args:
        finished: the folder of a run that is scored again, and must be the recipe's.

    Returns:
        Path of the record.
    """
    from lgbench.plugins import registry
    from lgbench.run import Place, chosen_metrics
    from lgbench.run import run as start
    from lgbench.runtime import choose_device

    from .cost import emulated, too_large
    from .progress import reporting
    from .results import show_record

    installed = registry()
    metrics = chosen_metrics(recipe.evaluation.metrics, installed.metrics)
    with reporting() as reporter:
        chosen = choose_device(device)
        if remark := too_large(recipe, chosen):
            reporter.note(f"{remark} Add --dry-run to see what it takes here.")
        if remark := emulated(recipe, chosen):
            reporter.note(remark)
        used = installed.used([*recipe.records, *(("metrics", name) for name in metrics)])
        record = start(recipe, Place(runs, home, chosen, deterministic, finished), metrics, used, reporter)
    show_record(record)
    return record


def data_home() -> DataHome:
    """Where data sets live on this machine."""
    from lgbench.data import DataHome

    return DataHome()
