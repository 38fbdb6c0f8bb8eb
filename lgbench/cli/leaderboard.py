"""`lgbench leaderboard`: boards from records."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

__all__ = ["leaderboard"]

_root = click.option(
    "--root",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=Path(),
    help="The repository: the folder that holds benchmarks/ and leaderboards/.  [default: here]",
)
_names = click.argument("names", nargs=-1, metavar="[NAME]...")


@contextmanager
def _nothing_goes() -> Iterator[None]:
    """All records that are read stay to the end: to look for what can go takes a tenth of the time."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


@click.group()
def leaderboard() -> None:
    """Rank committed records beside the numbers that papers report."""


@leaderboard.command()
@_names
@_root
def build(names: tuple[str, ...], root: Path) -> None:
    """Write the boards NAME, or all, and their index."""
    from lgbench.leaderboard import build as build_boards  # pydantic: `--help` stays instant

    with _nothing_goes():
        changed = build_boards(root, names)
    for path in changed:
        click.echo(path)
    if not changed:
        click.echo("Every board is up to date.", err=True)


@leaderboard.command()
@_names
@_root
@click.option("--against", metavar="REF", help="Of git: no record that was there where the branches parted is lost.")
@click.pass_context
def check(context: click.Context, names: tuple[str, ...], root: Path, against: str | None) -> None:
    """Fail where a board is stale, or a record was altered, contradicts itself or is on the wrong board."""
    from lgbench.leaderboard import check as check_boards

    from .history import lost_records

    with _nothing_goes():
        faults = [*(lost_records(root, against) if against is not None else []), *check_boards(root, names)]
    for fault in faults:
        click.echo(fault, err=True)
    if faults:
        context.exit(1)
    click.echo("Every board is up to date.", err=True)


@leaderboard.command()
@click.argument("name")
@_root
def show(name: str, root: Path) -> None:
    """Print the board NAME as it was built."""
    from rich.console import Console

    from .board_page import built_page
    from .printing import print_table, say

    page, others = built_page(root, name)
    console = Console()
    say(console, page.title, "bold")
    for line in page.waiting:
        say(console, line)
    for grid in page.grids:
        print_table(console, grid.head, grid.rows, grid.title, keys=2)
    for number, note in enumerate(page.notes, 1):
        say(console, f"[{number}] {note}")
    if others:
        click.echo(f"Records have come or gone since ({len(others)}): run `lgbench leaderboard build`.", err=True)


@leaderboard.command()
@click.argument("runs", nargs=-1, required=True, metavar="RUN...", type=click.Path(exists=True, path_type=Path))
@click.option("--board", "boards", multiple=True, metavar="NAME", help="Only this board; repeatable.")
@_root
@click.pass_context
def add(context: click.Context, runs: tuple[Path, ...], boards: tuple[str, ...], root: Path) -> None:
    """Copy the records of finished runs to the boards they belong to.

    RUN is the folder of a run, whose first record is meant, or one of its records. Run `lgbench leaderboard build`
    afterwards.
    """
    from lgbench.leaderboard import add as add_record
    from lgbench.leaderboard import read_boards, why_not
    from lgbench.record import RECORD_FILE, read_record, record_files

    from .capsules import without_capsules

    unmatched = False
    for run in without_capsules(runs):
        copies = add_record(root, run, boards)
        for path in copies:
            click.echo(path)
        if further := record_files(run)[1:] if run.is_dir() else []:
            click.echo(f"{run} has further records. Name those that boards are to show too, by file:", err=True)
            click.echo("\n".join(f"  {path}" for path in further), err=True)
        if not copies:
            unmatched = True
            record = read_record(run / RECORD_FILE if run.is_dir() else run)
            click.echo(f"No board takes {run}:", err=True)
            for board in read_boards(root, boards):
                click.echo(f"  {board.name}: {why_not(board, record)}", err=True)
    if unmatched:
        context.exit(1)


@leaderboard.command()
@click.argument("runs", nargs=-1, required=True, metavar="RUN...", type=click.Path(exists=True, path_type=Path))
@click.option("--board", "boards", multiple=True, metavar="NAME", help="Only this board; repeatable.")
@click.option("--prefer", default="squeezenet", show_default=True, metavar="EXTRACTOR", help="In whose features.")
@click.option("--samples", default=1000, show_default=True, type=click.IntRange(min=2))
@_root
@click.pass_context
def pair(
    context: click.Context, runs: tuple[Path, ...], boards: tuple[str, ...], prefer: str, samples: int, root: Path
) -> None:
    """Match samples of runs that are on a board, and prefer those nearer to real pictures.

    Every two of RUN... of different rows, and of one preset and seed, give a file that the board shows. Run
    `lgbench leaderboard build` afterwards. What has no samples, a capsule or a run that paints nothing, is passed over.
    """
    from .board_pairs import pair_runs
    from .capsules import without_capsules

    written = pair_runs(root, without_capsules(runs), boards, prefer, samples)
    for path in written:
        click.echo(path)
    if not written:
        click.echo("No board has two of these runs in different rows, of one preset and seed: add them.", err=True)
        context.exit(1)
