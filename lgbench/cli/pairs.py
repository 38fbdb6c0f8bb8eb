"""Two runs side by side: the numbers they share, and their samples in Hungarian-matched pairs (LR-GAN, section 5.2)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lgbench.errors import BadRecipe, RunFailed
from lgbench.files import read_arrays
from lgbench.record import Measured, Protocol, Record, read_record, record_file
from lgbench.settings import dotted
from lgbench.training.pictures import enlargement, save_png

from .matching import match_samples

__all__ = ["Comparison", "NothingPainted", "compare", "first_samples", "strips"]

SAMPLES = re.compile(r"samples-[0-9a-f]+\.npz")
"""The file that holds a run's samples; beside it there may be composites of their layers (`samples-swap-...`)."""


class NothingPainted(RunFailed):
    """A record without samples, and not because they are gone."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """What two runs have in common.

    Attributes:
        shared: metric -> (value of a, value of b), under one protocol id each.
        unshared: metric -> why its two numbers cannot be compared.
        order: sample of b that each sample of a is matched with, (n,).
        distances: L2 over pixels in [0, 1] of each pair, (n,).
        images: the pairs' samples, of a and of b, (n, 3, H, W) uint8 each.
    """

    a: Record
    b: Record
    shared: dict[str, tuple[float, float]]
    unshared: dict[str, str]
    order: np.ndarray
    distances: np.ndarray
    images: tuple[np.ndarray, np.ndarray]

    @property
    def statistics(self) -> dict[str, float]:
        """Mean, spread and quartiles of the pairs' distances."""
        low, median, high = np.percentile(self.distances, (25, 50, 75))
        return {
            "pairs": float(len(self.distances)),
            "mean": float(self.distances.mean()),
            "std": float(self.distances.std()),
            "quartile 1": float(low),
            "median": float(median),
            "quartile 3": float(high),
        }


def compare(a: Path, b: Path, picture: Path, samples: int = 1000, pairs: int = 12) -> Comparison:
    """Compare two finished runs.

    Args:
        a, b: folders of runs.
        picture: a PNG to write: `pairs` matched pairs, evenly chosen from the nearest to the farthest, a above b.
        samples: how many samples of each to match, the first ones.

    Raises:
        RunFailed: a run is not finished or its samples are gone.
        BadRecipe: the runs paint different resolutions.
    """
    (record_a, left, _), (record_b, right, _) = first_samples(a, samples), first_samples(b, samples)
    if left.shape[2:] != right.shape[2:]:
        raise BadRecipe(
            f"{a.name} paints {left.shape[-1]} px and {b.name} {right.shape[-1]} px: "
            "run one of them again with the other's --resolution."
        )
    n = min(len(left), len(right))
    left, right = left[:n], right[:n]
    order, distances = match_samples(left, right)
    shown = np.argsort(distances)[np.linspace(0, n - 1, min(pairs, n)).round().astype(int)]
    save_png(picture, strips([left[shown], right[order[shown]]]))
    shared, unshared = _values(record_a, record_b)
    return Comparison(record_a, record_b, shared, unshared, order, distances, (left, right[order]))


def strips(rows: Sequence[np.ndarray]) -> np.ndarray:
    """Rows of pictures, (n, 3, R, R) uint8 each, one below the other, (H, W, 3); small pictures are enlarged."""
    lines = [np.concatenate(list(row), axis=2) for row in rows]
    width = max(line.shape[2] for line in lines)  # a short row ends in black
    sheet = np.concatenate([np.pad(line, ((0, 0), (0, 0), (0, width - line.shape[2]))) for line in lines], axis=1)
    scale = enlargement(rows[0].shape[-1])
    return sheet.transpose(1, 2, 0).repeat(scale, axis=0).repeat(scale, axis=1)


def first_samples(folder: Path, samples: int) -> tuple[Record, np.ndarray, Path]:
    """A finished run's record, its first samples, (n, 3, H, W) uint8, and the file that holds them.

    Raises:
        NothingPainted: the run paints nothing, or is an aggregate of runs.
        RunFailed: the run is not finished, or its samples are gone.
    """
    held = record_file(folder)
    record = read_record(held)
    if record.recipe["generator"] == {"name": "none"}:
        raise NothingPainted(
            f"{folder} is a run of {record.method}, which paints nothing: there are no samples to pair. Its numbers "
            "stand beside others' on the boards (`lgbench leaderboard show`)."
        )
    if record.aggregates:
        raise NothingPainted(
            f"{folder} is an aggregate of runs of one class each and has no samples of its own. Name one of its runs; "
            f"their records are {', '.join(record.aggregates)}."
        )
    stored = [folder / name for name in record.artefacts if SAMPLES.fullmatch(name) and (folder / name).exists()]
    if not stored:
        raise RunFailed(
            f"{folder} has no samples any more (samples-*.npz). `lgbench rescore` needs none; to pair them, delete "
            f"{held.name} and run the run's command again: what is trained stays."
        )
    arrays = read_arrays(stored[0], f"Delete it and {held.name}, and run the run's command again to sample anew.")
    return record, arrays["images"][:samples], stored[0]


def _values(a: Record, b: Record) -> tuple[dict[str, tuple[float, float]], dict[str, str]]:
    shared, unshared = {}, {}
    for name in sorted({*a.values, *b.values}):
        left, right = a.values.get(name), b.values.get(name)
        if not isinstance(left, Measured) or not isinstance(right, Measured):
            unshared[name] = "not available in both"
        elif left.protocol_id != right.protocol_id:
            unshared[name] = f"measured otherwise: {_differing(left.protocol, right.protocol)}"
        else:
            shared[name] = (left.value, right.value)
    return shared, unshared


def _differing(left: Protocol, right: Protocol) -> str:
    """What two protocols say unlike; of two data sets, their names say it."""
    a, b = (dict(dotted(protocol.model_dump())) for protocol in (left, right))
    fields = [field for field in {**a, **b} if a.get(field) != b.get(field)]
    if "dataset" in fields:
        fields = [field for field in fields if field != "origin" and not field.startswith("dataset_")]
    return "; ".join(f"{field} {_said(a.get(field))} and {_said(b.get(field))}" for field in fields)


def _said(value: object) -> str:
    return "not said" if value is None else str(value)
