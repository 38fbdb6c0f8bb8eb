"""Generators of one class each, joined in a record that names their runs."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from finished import SETTINGS, lgbench
from PIL import Image

from lgbench.benchmark import read_benchmark
from lgbench.errors import BadRecipe, RunFailed
from lgbench.files import read_json
from lgbench.leaderboard import add, build, check
from lgbench.record import Measured, Missing, Record, read_record, write_record

COLOURS = {"blue": (0, 0, 200), "red": (200, 0, 0)}
OTHERS = {
    "evaluation.metrics": "coverage,adversarial-accuracy,adversarial-divergence",
    "evaluation.repeats": 2,
    "evaluation.judge": "small",
    "evaluation.judge_epochs": 1,
}
BOARD = """
title = "Classes"
dataset = "folder:{pictures}"
resolution = 32
presets = ["smoke"]
seeds = [0]
metrics = [
  {{ name = "adversarial-accuracy", better = "up" }},
  {{ name = "adversarial-divergence", better = "down" }},
]

[[variant]]
name = "LR-GAN"
method = "lrgan"
set = {{ "training.category" = -1 }}

[[variant]]
name = "a generator a class"
method = "lrgan"
set = {{ "training.category" = [0, 1], {settings} }}
"""


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with a board whose variant of both classes was swept, into `runs`."""
    root = tmp_path_factory.mktemp("swept")
    for name, colour in COLOURS.items():
        (root / "pictures" / name).mkdir(parents=True)
        for index in range(10):
            image = np.full((32, 32, 3), 5 * index, np.uint8)
            image[8:24, 4 + index : 20 + index] = colour
            Image.fromarray(image).save(root / "pictures" / name / f"{name}-{index}.png")
    (root / "benchmarks").mkdir()
    said = {name: value for name, value in (SETTINGS | OTHERS).items() if not name.startswith("data.")}
    settings = ", ".join(f'"{name}" = {value!r}' for name, value in said.items())
    (root / "benchmarks" / "mine.toml").write_text(BOARD.format(pictures=root / "pictures", settings=settings))
    (root / "boards" / "benchmarks").mkdir(parents=True)
    (root / "boards" / "benchmarks" / "mine.toml").write_text(BOARD.format(pictures="pictures", settings=settings))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LGBENCH_HOME", str(root / "home"))
        result = sweep(root)
    assert result.exception is None, result.output
    return root


@pytest.fixture(autouse=True)
def _at_home(swept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LGBENCH_HOME", str(swept / "home"))


def sweep(root: Path):
    asked = ["sweep", root / "benchmarks" / "mine.toml", "--variant", "a generator a class"]
    return lgbench(*asked, "--runs", root / "runs", "--device", "cpu")


def category_of(record: Record) -> Any:
    training: Any = record.recipe["training"]
    return training["category"]


def test_a_dry_run_names_each_class(swept: Path):
    asked = ["sweep", swept / "benchmarks" / "mine.toml", "--variant", "a generator a class", "--runs", swept / "runs"]
    shown = lgbench(*asked, "--device", "cpu", "--dry-run").output
    assert all(f"s0, class {of}" in shown for of in (0, 1))


def records(root: Path) -> tuple[Path, Record, dict[int, tuple[Path, Record]]]:
    """The aggregate's folder and record, and those of the runs by class."""
    (whole,) = root.glob("runs/*-classes-*")
    found = {path.parent: read_record(path) for path in root.glob("runs/*/record.json")}
    return whole, found[whole], {category_of(r): (path, r) for path, r in found.items() if path != whole}


def test_a_variant_that_lists_classes_is_a_run_of_each_and_one_aggregate_that_names_them(swept: Path):
    folder, whole, runs = records(swept)
    assert sorted(runs) == [0, 1]
    assert whole.aggregates == [runs[0][1].id, runs[1][1].id]
    assert category_of(whole) == [0, 1]
    assert whole.supervision == "weak"
    assert whole.data.counts["train"] == sum(record.data.counts["train"] for _, record in runs.values())
    accuracy, divergence = (whole.values[name] for name in ("adversarial-accuracy", "adversarial-divergence"))
    assert isinstance(accuracy, Measured)
    assert isinstance(divergence, Measured)
    assert accuracy.protocol.extractor == divergence.protocol.extractor == "contextual-32, 1 epochs, 2 repeats"
    assert (accuracy.protocol.weights, accuracy.n) == (None, whole.data.counts["train"])
    assert divergence.protocol.weights
    assert accuracy.details.keys() == {"std", "real", "real_std", "reverse", "reverse_std"}
    with Image.open(folder / "classes.png") as picture:  # a row a class, as many samples as it has training images
        assert picture.size == (64 * max(record.data.counts["train"] for _, record in runs.values()), 64 * 2)
    assert "classes.png" in whole.artefacts


def test_its_numbers_are_derived_again_from_what_is_stored(swept: Path):
    result = lgbench("rescore", records(swept)[0])
    assert result.exception is None
    assert "2 of 2 numbers are the same" in result.output


def test_it_is_made_once_and_again_where_a_run_is_another(swept: Path):
    folder, whole, runs = records(swept)
    before = (folder / "record.json").stat().st_mtime_ns
    result = lgbench("aggregate", *(path for path, _ in reversed(runs.values())), "--device", "cpu")
    assert result.exception is None, result.output
    assert whole.id in (folder / "record.json").read_text()
    assert (folder / "record.json").stat().st_mtime_ns == before


def test_only_the_aggregate_is_a_row_of_the_board(swept: Path):
    folder, whole, runs = records(swept)
    root = swept / "boards"
    assert not any(add(root, path) for path, _ in runs.values())
    (copy,) = add(root, folder)
    board = read_benchmark(root / "benchmarks" / "mine.toml")
    row = board.variant_of(read_record(copy))
    assert row is not None
    assert row.name == "a generator a class"
    build(root)
    assert check(root) == []
    page = (root / "leaderboards" / "mine" / "README.md").read_text()
    assert whole.id[:8] in page
    assert "preset has changed" not in page
    assert "other settings" not in page


def test_a_board_that_ranks_takes_no_aggregate(swept: Path, tmp_path: Path):
    (tmp_path / "benchmarks").mkdir()
    text = (swept / "boards" / "benchmarks" / "mine.toml").read_text().partition("[[variant]]")[0]
    (tmp_path / "benchmarks" / "ranked.toml").write_text(text)
    assert add(tmp_path, records(swept)[0]) == []
    result = lgbench("leaderboard", "add", records(swept)[0], "--root", tmp_path)
    assert "of generators of one class each" in result.output


def test_a_class_that_is_lacking_or_there_twice_is_told(swept: Path, tmp_path: Path):
    (_, _, runs), copy = records(swept), tmp_path / "copy"
    shutil.copytree(runs[0][0], copy)
    for folders, told in (([runs[0][0]], "of 1 there is none"), ([runs[0][0], copy, runs[1][0]], "0 has several")):
        error = lgbench("aggregate", *folders, "--device", "cpu").exception
        assert isinstance(error, BadRecipe)
        assert told in str(error)


def test_a_class_that_diverged_makes_the_aggregate_diverged_without_numbers(swept: Path, tmp_path: Path):
    _, whole, runs = records(swept)
    copies = [Path(shutil.copytree(runs[number][0], tmp_path / str(number))) for number in (0, 1)]
    body = read_json(copies[1] / "record.json")
    (copies[1] / "record.json").unlink()
    write_record(copies[1], body | {"status": "diverged", "training": body["training"] | {"flags": ["diverged"]}})
    result = lgbench("aggregate", *copies, "--device", "cpu")
    assert result.exception is None, result.output
    (path,) = tmp_path.glob("*-classes-*/record.json")
    record = read_record(path)
    assert record.status == "diverged"
    assert set(record.training.flags) == {"diverged", *runs[0][1].training.flags}
    assert record.values.keys() == whole.values.keys()
    for value in record.values.values():
        assert isinstance(value, Missing)
        assert "of the classes 1 have not finished" in value.not_available


def test_what_is_no_run_of_one_class_of_these_pictures_is_refused(swept: Path, tmp_path: Path):
    folder, _, runs = records(swept)
    error = lgbench("aggregate", folder, runs[0][0]).exception
    assert isinstance(error, RunFailed)
    copy = Path(shutil.copytree(runs[1][0], tmp_path / "copy"))
    request = (copy / "request.json").read_text()
    (copy / "request.json").write_text(request.replace('"training.batch": 4', '"training.batch": 5'))
    error = lgbench("aggregate", runs[0][0], copy).exception
    assert isinstance(error, BadRecipe)
    assert "differ in more than training.category" in str(error)
    (copy / "request.json").write_text(request.replace('"training.category": 1', '"training.category": -1'))
    assert "no generator of one class" in str(lgbench("aggregate", runs[0][0], copy).exception)


@pytest.mark.parametrize(
    "command", [("sample", "RUN", "--vary", "z"), ("segment", "RUN", "RUN"), ("evaluate", "RUN", "--metrics", "iou")]
)
def test_what_needs_networks_says_that_an_aggregate_has_none(swept: Path, command: tuple[str, ...]):
    folder, whole, _ = records(swept)
    error = lgbench(*(folder if word == "RUN" else word for word in command)).exception
    assert isinstance(error, RunFailed)
    assert "no networks of its own" in str(error)
    assert all(identity in str(error) for identity in whole.aggregates)


def test_what_pairs_samples_says_that_an_aggregate_has_none_and_advises_no_harm(swept: Path):
    folder, whole, runs = records(swept)
    error = lgbench("compare", folder, runs[0][0]).exception
    assert isinstance(error, RunFailed)
    assert "no samples of its own" in str(error)
    assert "delete" not in str(error)
    assert all(identity in str(error) for identity in whole.aggregates)
