"""The command line: a thin door. Each command's module is imported when it is called, so that `--help` is instant."""

from __future__ import annotations

import contextlib
import errno
import importlib
import io
import os
import sys
from typing import Any, NoReturn

import click

from lgbench import __version__
from lgbench.errors import LgbenchError, UnknownName, did_you_mean

__all__ = ["main"]

FULL = (errno.ENOSPC, errno.EDQUOT)

COMMANDS = {
    "run": ("lgbench.cli.run", "run", "Train, segment, evaluate and record; run again to resume."),
    "sweep": ("lgbench.cli.sweep", "sweep", "Run every method, preset and seed of a benchmark file."),
    "aggregate": ("lgbench.cli.aggregate", "aggregate", "Judge generators of one class each together."),
    "evaluate": ("lgbench.cli.evaluate", "evaluate", "Add numbers to a finished run."),
    "sample": ("lgbench.cli.sample", "sample", "Paint a grid of a finished run, or what it does with its codes."),
    "segment": ("lgbench.cli.segment", "segment", "Write masks and cut-outs of your own photographs."),
    "list": ("lgbench.cli.listing", "list_", "Show what is installed."),
    "info": ("lgbench.cli.listing", "info", "Tell all about one method, data set, metric or regularizer."),
    "data": ("lgbench.cli.data", "data", "Fetch, add, list and verify data sets."),
    "results": ("lgbench.cli.results", "results", "Show records as one table; write CSV, LaTeX, Parquet."),
    "compare": ("lgbench.cli.compare", "compare", "Hold two runs side by side."),
    "rescore": ("lgbench.cli.capsules", "rescore", "Compute a run's numbers again from what is stored."),
    "capsule": ("lgbench.cli.capsules", "capsule", "Write one file for a reviewer of a run."),
    "verify": ("lgbench.cli.capsules", "verify", "Derive every number of a capsule again."),
    "leaderboard": ("lgbench.cli.leaderboard", "leaderboard", "Build, check and show the boards."),
    "doctor": ("lgbench.cli.listing", "doctor", "Report on the environment and on every plugin."),
    "completion": ("lgbench.cli.listing", "completion", "Print the shell's completion script."),
}


class LazyGroup(click.Group):
    """A group that knows its commands by name and one line, and imports one when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, name, _ = COMMANDS[cmd_name]
        return getattr(importlib.import_module(module), name)

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            raise click.UsageError(
                f"There is no command {args[0]!r}. {did_you_mean(args[0], COMMANDS, '`lgbench --help` lists them.')}"
            )
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, _, line) in COMMANDS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="lgbench")
def group() -> None:
    """Train, segment with and rank layered GANs.

    \b
    lgbench run --method lrgan --dataset flora --preset smoke
    lgbench run --method dscomgan --dataset flowers
    """


def main() -> NoReturn:
    """Entry point. What a user can cause is shown without a traceback; an interrupted run says how to go on."""
    _settle_streams()
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # spinning threads take others' time
    try:
        code = _outcome()
        sys.stdout.flush()
        sys.exit(code)
    except OSError as error:
        if error.errno not in (errno.EPIPE, errno.EIO, *FULL):
            raise
        if error.errno in FULL:
            _failed(f"Cannot write {error.filename or 'the output'}: {error.strerror}. Make room and run it again.")
        _silence()  # nobody reads on: the pipe is closed, or the terminal is gone
        sys.exit(1)


def _outcome() -> int:
    try:
        code = group(prog_name="lgbench", standalone_mode=False)  # `context.exit(1)` comes back as a value
    except click.exceptions.Exit as error:
        return error.exit_code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except UnknownName as error:
        from lgbench.plugins import registry

        return _failed(f"{error}{registry().hint}")
    except LgbenchError as error:
        return _failed(str(error))
    except (KeyboardInterrupt, click.Abort) as error:
        if isinstance(error.__cause__, EOFError):  # click takes every end of a file for the user's Ctrl-D
            return _failed(
                f"A file that this command reads is cut short ({error.__cause__}). `lgbench data verify NAME` looks "
                "through a data set's; of a run, delete the file that was written last."
            )
        click.secho("\nInterrupted. Nothing is lost: run the same command again to resume.", fg="yellow", err=True)
        return 130
    return code if isinstance(code, int) else 0


def _failed(text: str) -> int:
    from lgbench.plain import plain

    click.secho(f"lgbench: {plain(text)}", fg="red", err=True)
    return 1


def _settle_streams() -> None:
    """Open what the shell closed (`2>&-`), and let no character that a terminal lacks end a command.

    Neither does a width of 0, which terminals of no size tell and in which nothing can be written.
    """
    if not os.environ.get("COLUMNS", "0").strip(" 0"):
        os.environ.pop("COLUMNS", None)
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:  # the next file that is opened would be taken for it
            os.open(os.devnull, os.O_RDWR)
            setattr(sys, name, open(number, "r" if number == 0 else "w", encoding="utf-8", closefd=False))  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def _silence() -> None:
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            os.dup2(nowhere, stream.fileno())
