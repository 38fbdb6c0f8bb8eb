"""Every benchmark file of this repository resolves: each of its runs could be started as it stands."""

from __future__ import annotations

from pathlib import Path

import pytest
from built import built

from lgbench import ImageSpec
from lgbench.benchmark import read_benchmark
from lgbench.lookup import look_up
from lgbench.plugins import registry
from lgbench.recipe import Recipe, Request
from lgbench.run import chosen_metrics

FILES = sorted((Path(__file__).parent.parent / "benchmarks").glob("*.toml"))
ADDED = {"horses", "pets"}
"""Archives that a user adds under these names; no machine needs to have them."""
JOINED = {"adversarial-accuracy", "adversarial-divergence"}
"""What no run has: only the record of several runs, of one class each."""

MASKS = {"iou", "dice", "ari", "msc"}
UNMASKED = {"comgan-table1-cars", "comgan-table3-dogs"}
"""Boards of images on data sets whose masks are somebody's own; their mask columns are empty without."""

BUILT = [path for path in FILES if path.stem.startswith(("mnist-two-", "faces-", "scgan-"))]
"""Files whose networks are built: those of all files take minutes."""


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


def build(recipe: Recipe) -> None:
    """Every network of both stages; as many classes and attributes as `faces` and digits have."""
    built(recipe, ImageSpec(recipe.resolution, 1 if recipe.dataset.grey else 3, classes=10, segments=7, attributes=5))


@pytest.mark.parametrize("path", BUILT, ids=lambda path: path.stem)
def test_the_networks_of_each_run_can_be_built(path: Path):
    board = read_benchmark(path)
    for request in board.requests(seeds=board.seeds[:1]):
        build(look_up(request, None))


@pytest.mark.parametrize("preset", ["cpu", "paper"])
def test_three_layers_at_full_width_are_built_as_the_header_of_their_board_says(preset: str):
    wide = Request("lrgan", "mnist-two", preset, resolution=32, settings={"generator.bg_floor": 128})
    build(look_up(wide, None))
    build(look_up(Request("lrgan", "mnist-two", preset, resolution=64), None))
