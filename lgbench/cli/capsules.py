"""`lgbench rescore`, `lgbench capsule` and `lgbench verify`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

__all__ = ["capsule", "rescore", "verify", "without_capsules"]

RUN = click.Path(exists=True, path_type=Path)


def without_capsules(paths: Sequence[Path]) -> list[Path]:
    """What was named but for capsules, which lie beside their runs and so are among `runs/*`; they are told.

    Raises:
        BadRecord: all of it are capsules.
    """
    from lgbench.record import CAPSULE, BadRecord

    capsules = [path for path in paths if path.name.endswith(CAPSULE)]
    if capsules and len(capsules) == len(paths):
        raise BadRecord(
            f"{capsules[0]} is a capsule, and no run. `lgbench verify {capsules[0]}` derives its numbers again; or "
            "name the run that it is of."
        )
    for path in capsules:
        click.echo(f"{path} is a capsule, and no run: passed over.", err=True)
    return [path for path in paths if path not in capsules]


def _runs_of(path: Path) -> list[Path]:
    """The runs below a folder that is none itself; else what was named."""
    from lgbench.record import RECORD_FILE, record_files

    below = [] if path.is_file() or record_files(path) else sorted(path.rglob(RECORD_FILE))
    return [record.parent for record in below] or [path]


@click.command()
@click.argument("runs", nargs=-1, required=True, type=RUN, metavar="RUN...")
def rescore(runs: tuple[Path, ...]) -> None:
    """Compute the numbers of finished runs again by the installed metrics, from what is stored with them.

    RUN is a run's folder, a folder of runs, or a record. No network is run, and the data set is not read. Where a
    number differs a further record is written; the old one stays. What cannot be computed again is told.
    """
    from rich.console import Console

    from lgbench.plugins import registry
    from lgbench.record import Measured, read_record
    from lgbench.rescore import rescore as score_again

    from .printing import say

    console, installed = Console(), registry()
    for run in (run for path in without_capsules(runs) for run in _runs_of(path)):
        record = read_record(run / "record.json" if run.is_dir() else run)
        wanted = [v.protocol.metric for v in record.values.values() if isinstance(v, Measured)]
        named = [("methods", record.method), ("datasets", record.dataset), *(("metrics", name) for name in wanted)]
        plugins = installed.used(named)
        found = score_again(run, installed.metrics, plugins)
        say(console, f"{run}: {len(wanted) - len(found.changed)} of {len(wanted)} numbers are the same")
        for name, told in found.changed.items():
            say(console, f"  {name}: {told}")
        say(console, f"  record: {found.path}" if found.path else "  no further record: there is nothing new to say")


@click.command()
@click.argument("run", type=RUN, metavar="RUN")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="[default: beside RUN]")
def capsule(run: Path, out: Path | None) -> None:
    """Write one file for a reviewer: a run's record, recipe, environment, log, and all that was scored from.

    RUN is a run's folder, or one of its records. `lgbench verify` derives every number in it again.
    """
    from lgbench.capsule import pack

    path, left_out = pack(run, out)
    for name, why in left_out.items():
        click.echo(f"left out: {name} ({why})", err=True)
    click.echo(path)


@click.command()
@click.argument("capsule", type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="CAPSULE")
@click.option("--data", is_flag=True, help="Read masks and labels from the data set here, not from the capsule.")
@click.pass_context
def verify(context: click.Context, capsule: Path, data: bool) -> None:
    """Derive every number of a capsule again, and say whether it is the record's.

    Fails where one is not, or where there are numbers and none could be derived. A number whose evidence was too large
    to be stored is told as not derived.
    """
    from rich.console import Console

    from lgbench.plugins import registry
    from lgbench.verify import verify as checks_of

    from .printing import say

    console = Console()
    checks = checks_of(capsule, registry().metrics, _opened if data else None)
    for check in checks:
        say(console, f"{check.outcome:<12} {check.name}: {check.told}", "red" if check.outcome == "mismatch" else "")
    counts = Counter(check.outcome for check in checks)
    told = ", ".join(f"{counts[outcome]} {outcome}" for outcome in ("match", "mismatch", "not derived"))
    say(console, told if checks else "The record holds no number.")
    if checks and not counts["match"]:
        say(console, "Nothing in the record was found to be so.", "red")
    if counts["mismatch"] or (checks and not counts["match"]):
        context.exit(1)


def _opened(record: Any, request: bytes) -> Any:
    """The record's data set as it is on this machine, if it is the same."""
    import json

    from lgbench.capsule import BadCapsule
    from lgbench.data import DataHome
    from lgbench.errors import DataMissing
    from lgbench.lookup import look_up
    from lgbench.progress import Quiet
    from lgbench.recipe import Request
    from lgbench.run import open_splits

    try:
        asked = json.loads(request)
        wanted = Request(**{**asked, "without": tuple(asked["without"])})
    except (ValueError, TypeError, KeyError, RecursionError):
        raise BadCapsule("The capsule does not say what was asked for; leave --data out.") from None
    home = DataHome()
    splits = open_splits(look_up(wanted, home), home, Quiet())
    if differing := [
        n for n, sha in record.data.fingerprints.items() if n not in splits or splits[n].fingerprint != sha
    ]:
        raise DataMissing(
            f"{record.dataset} is not here as the run read it ({', '.join(differing)} differ). Leave --data out, or "
            "get the same data."
        )
    return splits
