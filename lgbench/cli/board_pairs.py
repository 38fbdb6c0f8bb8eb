"""Runs of a board's rows two by two: their samples matched, and which are nearer to real pictures (LR-GAN, 5.3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import combinations
from pathlib import Path
from typing import Any

import click
import numpy as np

from lgbench.benchmark import Benchmark
from lgbench.errors import BadRecipe, RunFailed
from lgbench.features import Extractor, load_extractor
from lgbench.files import sha256_of_file
from lgbench.leaderboard import committed, read_boards
from lgbench.leaderboard.pairs import write_pair
from lgbench.record import Record
from lgbench.trained import load_run

from .matching import match_samples
from .pairs import NothingPainted, first_samples
from .preferences import preference_of, similarity

__all__ = ["pair_runs"]


@dataclass(frozen=True, slots=True)
class Sampled:
    """A run's first samples, (n, 3, H, W) uint8; their file's hash; how near each is to a real picture, (n,)."""

    record: Record
    images: np.ndarray
    sha256: str
    nearness: np.ndarray


def pair_runs(root: Path, runs: Sequence[Path], names: Sequence[str], extractor: str, samples: int) -> list[Path]:
    """Match the samples of runs of different rows of a board, and of one preset and seed; write what is found there.

    Runs that have no samples are told and passed over.

    Args:
        root: holds `benchmarks` and `leaderboards`.
        names: only these boards, where there are any.
        extractor: one of `lgbench.features.EXTRACTORS`.
        samples: of each run, the first ones.

    Returns:
        The files; none where no board has two such runs.

    Raises:
        RunFailed: a run is not finished, or its samples are gone or were altered.
        BadRecipe: runs of one board that learnt from other pictures.
        NotAvailable: the extractor's weights are not here.
    """
    network = load_extractor(extractor)
    taken = _taken(runs, network, samples)
    written = []
    for board in read_boards(root, names):
        on_board = {record.id for record in committed(root, board).records.values()}
        here = {run.record.id: run for run in taken if run.record.id in on_board}  # one run may be named twice
        for one, other in combinations(sorted(here.values(), key=partial(_place, board)), 2):
            if _rivals(board, one.record, other.record):
                found = _found(one, other) | {"extractor": network.name, "weights": network.weights_hash}
                written.append(write_pair(root / "leaderboards" / board.name, found))
    return written


def _taken(runs: Sequence[Path], network: Extractor, samples: int) -> list[Sampled]:
    reals: dict[str, np.ndarray] = {}  # runs of one data set share its pictures
    taken = []
    for folder in runs:
        try:
            record, images, file = first_samples(folder, samples)
        except NothingPainted as reason:
            click.echo(f"Passed over: {reason}", err=True)
            continue
        if (sha256 := sha256_of_file(file)) != record.artefacts[file.name]:
            raise RunFailed(f"{file} is not what the record was scored from. Run the command of {folder} again.")
        seen = record.data.fingerprints["train"]
        if seen not in reals:
            train = load_run(folder, device="cpu").splits()["train"]
            reals[seen] = network.describe(train.rgb(slice(None)))[0]
        taken.append(Sampled(record, images, sha256, similarity(images, reals[seen], network)))
    return taken


def _place(board: Benchmark, run: Sampled) -> tuple[str, ...]:
    """By what runs are ordered, however they were named: the same two are the same pair."""
    return run.record.method, board.row_of(run.record), run.record.id


def _rivals(board: Benchmark, one: Record, other: Record) -> bool:
    """Whether two records are of different rows, and of one preset and seed."""
    rows = [(record.method, board.variant_of(record)) for record in (one, other)]
    return rows[0] != rows[1] and (one.preset, one.seed) == (other.preset, other.seed)


def _found(one: Sampled, other: Sampled) -> dict[str, Any]:
    if one.record.data.fingerprints["train"] != other.record.data.fingerprints["train"]:
        raise BadRecipe(
            f"The runs {one.record.id} and {other.record.id} learnt from other training images: no picture is real to "
            "both. Leave one out."
        )
    n = min(len(one.images), len(other.images))
    order, distances = match_samples(one.images[:n], other.images[:n])
    preference = preference_of(0.5 * (np.sign(one.nearness[:n] - other.nearness[:n][order]) + 1))
    return {
        "records": [one.record.id, other.record.id],
        "samples": [one.sha256, other.sha256],
        "pairs": n,
        "distance": float(distances.mean()),
        "preferred": preference.share,
        "interval": list(preference.interval),
        "undecided": preference.undecided,
    }
