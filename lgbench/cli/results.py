"""`lgbench results`, and how the record of a run that has just ended is shown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["results", "show_record"]

FILE = click.Path(dir_okay=False, allow_dash=True, path_type=Path)


@click.command()
@click.argument("paths", nargs=-1, metavar="[PATH]...", type=click.Path(exists=True, path_type=Path))
@click.option("--metric", "metrics", multiple=True, metavar="NAME", help="Only this one; repeatable.")
@click.option("--against", metavar="NAME", help="Show what rows change against this variant, method or recipe.")
@click.option("--csv", type=FILE, help="Write every value; - prints them.")
@click.option("--parquet", type=FILE, help="Write every value as Parquet (the extra `parquet`).")
@click.option("--latex", "as_latex", is_flag=True, help="Print means over seeds as a LaTeX table.")
def results(
    paths: Sequence[Path],
    metrics: Sequence[str],
    against: str | None,
    csv: Path | None,
    parquet: Path | None,
    as_latex: bool,
) -> None:
    """Show the records of PATH as one table: runs, folders of runs (`runs` by default), boards, files of records.

    Prints means over seeds with their 95 % interval, or with --against the differences of means with theirs. Files
    have one row a value, as `lgbench.frame(PATH)` in Python.
    """
    from lgbench.files import write_bytes
    from lgbench.frames import frame

    from .capsules import without_capsules

    table = _of_metrics(frame(without_capsules(paths) or [_runs()]), metrics)
    if csv and str(csv) == "-":
        click.echo(table.to_csv(index=False), nl=False)
    elif csv:
        write_bytes(csv, table.to_csv(index=False).encode())
    if parquet:
        _write_parquet(table, parquet)
    if (csv or parquet) and not (as_latex or against):
        return
    from .summaries import effects, latex, summary

    shown = effects(table, against) if against else summary(table)
    if as_latex:
        click.echo(latex(shown, "difference" if against else "value"), nl=False)
    else:
        _print_shown(shown, table)


def _runs() -> Path:
    from lgbench.errors import RunFailed

    if not Path("runs").is_dir():
        raise RunFailed("There is no folder `runs` here. Name runs, boards or records: `lgbench results PATH...`.")
    return Path("runs")


def _of_metrics(table: pd.DataFrame, metrics: Sequence[str]) -> pd.DataFrame:
    from lgbench.errors import UnknownName, did_you_mean

    known = list(table.metric.dropna().unique())
    for name in metrics:
        if name not in known:
            hint = did_you_mean(name, known, f"They have: {', '.join(known) or 'none'}.")
            raise UnknownName(f"No record here has a metric named {name!r}. {hint}")
    return table.loc[table.metric.isin(metrics)] if metrics else table


def _write_parquet(table: pd.DataFrame, path: Path) -> None:
    import importlib.util
    import io

    from lgbench.errors import LgbenchError
    from lgbench.files import write_bytes

    if importlib.util.find_spec("pyarrow") is None:
        raise LgbenchError(
            "Parquet is written by pyarrow, which is not installed. Install the extra: `pip install "
            "'lgbench[parquet]'`, or `uv sync --extra parquet` in a checkout; or write --csv, which needs nothing."
        )
    content = io.BytesIO()
    table.to_parquet(content, index=False, engine="pyarrow")
    write_bytes(path, content.getbuffer())


def _print_shown(shown: pd.DataFrame, table: pd.DataFrame) -> None:
    """A summary of `table`; then, once for each reason, what is not available."""
    from rich.console import Console

    from .printing import print_table, say

    console = Console()
    same = [str(table[name].iloc[0]) for name in ("dataset", "preset") if len(set(table[name])) == 1]
    title = ", ".join([*same, f"{table.record.nunique()} records"])
    rows = [tuple(map(str, row)) for row in shown.itertuples(index=False)]
    numbers = range(list(shown.columns).index("metric") + 1, len(shown.columns))
    print_table(console, list(shown.columns), rows, title, right=tuple(numbers))
    for why, lacking in table[table.value.isna()].groupby("why", sort=False):
        names = ", ".join(lacking.metric.dropna().unique().tolist())
        names = (
            f"{names} of {_whose(lacking.method, lacking.dataset)}"
            if names and table.record.nunique() > lacking.record.nunique()
            else names
        )
        say(console, f"{names}: not available: {why}" if names else f"{len(lacking)} records: {why}")


def _whose(methods: Iterable[str], datasets: Iterable[str]) -> str:
    """Which runs these are, by method and data set."""
    return ", ".join(dict.fromkeys(f"{method} on {data}" for method, data in zip(methods, datasets, strict=True)))


def show_record(path: Path) -> None:
    """Print a record's values, with the oracle gap of mask metrics beside them, its flags and where things lie."""
    from rich.console import Console

    from lgbench.contradictions import contradictions
    from lgbench.record import Missing, read_record

    from .printing import print_table, say, say_once

    record, rows, missing = read_record(path), [], {}
    for name, value in record.values.items():
        if isinstance(value, Missing):
            missing[name] = f"not available: {value.not_available}"
            continue
        gap = value.details.get("gap")
        spread = f"{value.interval[0]:.3f} .. {value.interval[1]:.3f}" if value.interval else ""
        rows.append((name, f"{value.value:.4g}", spread, "" if gap is None else f"{gap:+.3f}", value.protocol_id))
    console = Console()
    title = f"{record.method} on {record.dataset}, {record.preset}, seed {record.seed}"
    if rows:
        print_table(console, ("metric", "value", "95 %", "oracle gap", "protocol"), rows, title, right=(1, 2, 3))
    else:
        say(console, f"{title}: no number, as none of the metrics is available.")
    say_once(console, missing)
    say(console, f"status {record.status}, flags: {', '.join(record.training.flags) or 'none'}")
    for told in contradictions(record):
        say(console, f"No board takes it: {told}. Mend what gave it, delete the record, run its command again.")
    grids = sorted((path.parent / "train" / "grids").glob("*.png"))
    if grids:
        say(console, f"pictures: {grids[-1]}")
    say(console, f"record: {path}")
