"""`lgbench results`, and how the record of a run that has just ended is shown."""

from __future__ import annotations

from collections.abc import Sequence
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
    from .summaries import effects, of_metrics, summary

    table = frame(without_capsules(paths) or [_runs()])
    _check_known(metrics, table)
    values = of_metrics(table, metrics)
    if csv and str(csv) == "-":
        click.echo(values.to_csv(index=False), nl=False)
    elif csv:
        write_bytes(csv, values.to_csv(index=False).encode())
    if parquet:
        _write_parquet(values, parquet)
    if (csv or parquet) and not (as_latex or against):
        return
    shown = effects(table, against, metrics) if against else summary(table, metrics)
    if as_latex:
        _print_latex(shown, table, metrics)
    else:
        _print_shown(shown, table, metrics)


def _runs() -> Path:
    from lgbench.errors import RunFailed

    if not Path("runs").is_dir():
        raise RunFailed("There is no folder `runs` here. Name runs, boards or records: `lgbench results PATH...`.")
    return Path("runs")


def _check_known(metrics: Sequence[str], table: pd.DataFrame) -> None:
    from lgbench.errors import UnknownName, did_you_mean

    known = list(table.metric.dropna().unique())
    for name in metrics:
        if name not in known:
            hint = did_you_mean(name, known, f"They have: {', '.join(known) or 'none'}.")
            raise UnknownName(f"No record here has a metric named {name!r}. {hint}")


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


def _print_latex(shown: pd.DataFrame, table: pd.DataFrame, metrics: Sequence[str]) -> None:
    """Print a table of means or differences; which seeds failed, as comments below it."""
    from lgbench.errors import LgbenchError
    from lgbench.plain import plain

    from .summaries import failures, latex, reasons

    if shown.empty:
        raise LgbenchError(" ".join(["No record here has a number.", *reasons(table, metrics)]))
    click.echo(latex(shown, "difference" if "difference" in shown else "value"), nl=False)
    for told in failures(table).values():
        click.echo(f"% {plain(told)}")


def _print_shown(shown: pd.DataFrame, table: pd.DataFrame, metrics: Sequence[str]) -> None:
    """Print a summary of `table`, or its effects; then, once for each reason, what is not available."""
    from rich.console import Console

    from .printing import print_table, say
    from .summaries import reasons

    console = Console()
    same = [str(table[name].iloc[0]) for name in ("dataset", "preset") if len(set(table[name])) == 1]
    title = ", ".join([*same, f"{table.record.nunique()} records"])
    rows = [tuple(map(str, row)) for row in shown.itertuples(index=False)]
    keys = list(shown.columns).index("metric") + 1
    if rows:
        numbers = range(keys, len(shown.columns))
        print_table(console, list(shown.columns), rows, title, right=tuple(numbers), keys=keys)
    else:
        say(console, f"{title}: no number.")
    for why in reasons(table, metrics):
        say(console, why)


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
