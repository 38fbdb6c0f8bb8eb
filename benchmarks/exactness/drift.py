"""How far does a run move on other threads, in another precision, or on another processor? Whole runs, side by side.

    uv run python benchmarks/exactness/drift.py lrgan flora --steps 200

The first of `PLACES` is what the others are compared with: each number of the log, step by step, and how far samples
are from real pictures in the end. Nothing is segmented. A run that is there already is read, not made again.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import click

STEPS = (0, 9, 49, 199, 999)
VALUES = ("fid-random",)


class Place(NamedTuple):
    """Where and how a run computes: what its process's environment says, and its settings."""

    name: str
    environment: Mapping[str, str]
    settings: tuple[str, ...] = ()
    seed: int = 0


ONE = {"OMP_NUM_THREADS": "1"}
PLACES = (
    Place("one thread, fp32", ONE),
    Place("the same again", ONE),
    Place("two threads", {"OMP_NUM_THREADS": "2"}),
    Place("a processor without AVX-512", ONE | {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2"}),
    Place("plain layout", ONE, ("training.channels_last=false",)),
    Place("bf16", ONE, ("training.precision=bf16",)),
    Place("another seed", ONE, seed=1),
)


def made(place: Place, runs: Path, command: list[str]) -> Path:
    """The folder of a run, which is made where it is not there."""
    folder = runs / place.name.replace(" ", "-").replace(",", "")
    settings = [word for setting in place.settings for word in ("--set", setting)]
    whole = [sys.executable, "-m", "lgbench", "run", *command, *settings, "--seed", str(place.seed)]
    whole += ["--runs", str(folder), "--device", "cpu"]
    subprocess.run(whole, check=True, env=os.environ | place.environment)
    return next(folder.glob("*/record.json")).parent


def logged(run: Path) -> list[dict[str, float]]:
    """A row a step: losses, norms of gradients, and what masks look like."""
    rows = [json.loads(row) for row in (run / "train/log.jsonl").read_text().splitlines()]
    return [{name: number for name, number in row.items() if name not in ("step", "seconds")} for row in rows]


def apart(one: Mapping[str, float], other: Mapping[str, float]) -> float:
    """The largest difference between two numbers of a name, as a share of the first."""
    return max(abs(other[name] - number) / abs(number) for name, number in one.items())


def values(run: Path) -> dict[str, float]:
    """Numbers of the record."""
    told = json.loads((run / "record.json").read_text())["values"]
    return {name: told[name]["value"] for name in VALUES if "value" in told[name]}


@click.command()
@click.argument("method")
@click.argument("dataset")
@click.option("--steps", default=200)
@click.option("--runs", type=click.Path(path_type=Path), default=Path("runs/drift"))
def main(method: str, dataset: str, steps: int, runs: Path) -> None:
    """Print a table: a row a place, how far its log is from the first one's, and its numbers."""
    command = ["--method", method, "--dataset", dataset, "--preset", "smoke"]
    settings = {"training.steps": steps, "training.log_every": 1, "segmentation.name": "none"}
    settings["evaluation.metrics"] = ",".join(VALUES)
    command += [word for name, value in settings.items() for word in ("--set", f"{name}={value}")]
    looked_at = [step for step in STEPS if step < steps]
    print("| | " + " | ".join(f"step {step + 1:,}" for step in looked_at) + " | " + " | ".join(VALUES) + " |")
    print("|---" * (1 + len(looked_at) + len(VALUES)) + "|")
    first: list[dict[str, float]] = []
    for place in PLACES:
        run = made(place, runs, command)
        rows = logged(run)
        first = first or rows
        cells = [f"{apart(first[step], rows[step]):.0e}" for step in looked_at]
        cells += [f"{value:.3f}" for value in values(run).values()]
        print(f"| {place.name} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
