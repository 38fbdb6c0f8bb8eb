"""How far the runs of a sweep have come, and in how many processes it carries out the others."""

from __future__ import annotations

import glob
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from lgbench.errors import LgbenchError
from lgbench.recipe import Recipe

__all__ = ["Plan", "Standing", "name_of", "plan", "show", "standing"]

MEMORY = 1.5 * 2**30
"""Bytes that a process is taken to need, so that a machine of many cores does not begin what it cannot hold."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How far a run has come, by what lies in the folder of runs.

    Attributes:
        record: its record; None where there is none of these very settings.
        begun: whether something is learnt, by a folder of these settings.
        threads: with which it began; 0 where it has not, or does not say.
    """

    record: Path | None = None
    begun: bool = False
    threads: int = 0

    @property
    def words(self) -> str:
        """The same in a word or two."""
        return "done before" if self.record else "begun" if self.begun else "to do"


def standing(recipe: Recipe, runs: Path) -> Standing:
    """How far a run has come; its pictures are not looked at, so that `run` may well find that they are others now."""
    from lgbench.files import canonical_json, read_json
    from lgbench.record import read_record, record_files

    begun, threads, learning = False, 0, canonical_json(recipe.learning)
    for folder in sorted(runs.glob(f"{glob.escape(recipe.label)}-*")):
        with suppress(LgbenchError, OSError, ValueError, LookupError, TypeError):  # what is damaged, its run will tell
            for path in record_files(folder):
                if read_record(path).recipe_hash == recipe.hash:
                    return Standing(path, True)
            if canonical_json(read_json(folder / "identity.json")["settings"]) == learning:
                begun = True
                threads = int(read_json(folder / "sessions.json")[-1]["environment"]["threads"])
    return Standing(None, begun, threads)


@dataclass(frozen=True, slots=True)
class Plan:
    """Who carries out the runs of a sweep.

    Attributes:
        apart: the runs that processes of their own carry out, with the threads of each (0: as the environment says).
        count: how many of these processes work at once.
    """

    apart: list[tuple[Recipe, int]]
    count: int

    def __str__(self) -> str:
        threads = sorted({threads for _, threads in self.apart if threads})
        each = f", threads of each: {' or '.join(map(str, threads))}" if threads else ""
        return f"runs to do: {len(self.apart)}, processes at once: {self.count}{each}"


def plan(standings: Sequence[tuple[Recipe, Standing]], jobs: int | str, on_cpu: bool) -> Plan:
    """Share runs out that are not done; none are apart where the sweep's own process does what there is by itself.

    A run that began with other threads keeps them: it would end with other bits, and be flagged for that. Who sets
    OMP_NUM_THREADS says how many threads work.

    Args:
        jobs: processes at once, "auto" for one a core, and one where the environment says how many threads, or a GPU
            computes.
    """
    waiting = [(recipe, found) for recipe, found in standings if not found.record]
    said = "OMP_NUM_THREADS" in os.environ
    fitting = min(_cores(), int(_memory() / MEMORY)) if on_cpu and not said else 1
    count = max(1, min(len(waiting), fitting if jobs == "auto" else int(jobs)))
    share = max(1, _cores() // count)
    apart = [(recipe, 0 if said else min(found.threads or share, _cores())) for recipe, found in waiting]
    alone = count == 1 and (jobs == 1 or all(threads in (0, _cores()) for _, threads in apart))
    return Plan([] if alone else apart, count)


def _cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _memory() -> float:
    """The machine's, bytes; infinite where the system does not tell."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return float("inf")


def name_of(recipe: Recipe) -> str:
    """What a run is called in lists: its label, and its class where it knows one."""
    of = recipe.training.category
    return f"{recipe.label}, class {of}" if of >= 0 else recipe.label


def show(standings: Sequence[tuple[Recipe, Standing]], variants: Sequence[str], found: Plan) -> None:
    """Print what each run would be, and how far it has come.

    Args:
        variants: whose runs they are, "" for nobody's; runs of several may have one label.
        found: who carries out those that are not done.
    """
    from rich.console import Console

    from .printing import print_table, say

    console = Console()
    rows = [
        (name_of(recipe), variant, held.words, f"{recipe.training.steps:,}" if recipe.method.generator else "")
        for (recipe, held), variant in zip(standings, variants, strict=True)
    ]
    head = ("run", "variant", "is", "steps")
    shown = [0, 1, 2, 3] if any(variants) else [0, 2, 3]
    print_table(console, [head[i] for i in shown], [[row[i] for i in shown] for row in rows], right=[len(shown) - 1])
    done = sum(held.record is not None for _, held in standings)
    say(console, f"{done} of {len(rows)} runs are done. `lgbench run` with --dry-run measures what one would take.")
    if found.apart:
        say(console, str(found))
