"""Every benchmark file of this repository resolves: each of its runs could be started as it stands."""

from __future__ import annotations

from pathlib import Path

import pytest

from lgbench.benchmark import read_benchmark
from lgbench.lookup import look_up
from lgbench.plugins import registry
from lgbench.run import chosen_metrics

FILES = sorted((Path(__file__).parent.parent / "benchmarks").glob("*.toml"))
ADDED = {"horses", "pets"}
"""Archives that a user adds under these names; no machine needs to have them."""
JOINED = {"adversarial-accuracy", "adversarial-divergence"}
"""What no run has: only the record of several runs, of one class each."""

MASKS = {"iou", "dice", "ari", "msc"}
UNMASKED = {"comgan-table1-cars", "comgan-table3-dogs"}
"""Boards of images on data sets whose masks are somebody's own; their mask columns are empty without."""


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_board_of_masks_has_floors(path: Path):
    board = read_benchmark(path)
    if MASKS & {metric.parts[0] for metric in board.metrics} and board.name not in UNMASKED:
        assert {"empty", "two-means", "iem"} <= {*board.floors}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_board_of_masks_shows_ari_and_msc_and_one_of_labels_nmi(path: Path):
    board = read_benchmark(path)
    shown, data = {metric.parts[0] for metric in board.metrics}, registry().datasets.get(board.dataset)
    assert "iou" not in shown or {"ari", "msc"} <= shown
    assert data is None or "labels" not in data.provides or "nmi" in shown


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_each_run_resolves_and_some_run_measures_what_the_board_shows(path: Path):
    board, known = read_benchmark(path), registry()
    if board.dataset in ADDED:
        pytest.skip("its data set is an archive that a user adds")
    measured = {*JOINED}
    for request in board.requests(seeds=board.seeds[:1]):
        recipe = look_up(request, None)
        measured |= {*chosen_metrics(recipe.evaluation.metrics, known.metrics)}
    assert {metric.parts[0] for metric in board.metrics} <= measured
