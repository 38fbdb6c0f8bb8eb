"""Lessons: networks that learn from real images alone, once per data set."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lgbench import lessons
from lgbench.data import DataHome, Split
from lgbench.errors import BadData
from lgbench.game import Lesson
from lgbench.layers import Batch
from lgbench.nn import from_seed
from lgbench.progress import Quiet
from lgbench.runtime import Run, Runtime

REALS = Split(
    images=np.repeat(np.array([[0], [255]], np.uint8), 3 * 64, axis=1).reshape(2, 3, 8, 8).repeat(10, axis=0),
    attributes=np.array([[0], [1]], np.uint8).repeat(10, axis=0),
)


class Counting(Quiet):
    def __init__(self) -> None:
        self.stages: list[str] = []

    def stage(self, name: str, total: int, done: int = 0) -> None:
        if done < total:
            self.stages.append(name)


def brightness(seed: int = 0, **changes) -> Lesson:
    """Is a picture bright? Read by one linear map."""
    network = from_seed(seed, lambda: nn.Sequential(nn.AvgPool2d(8), nn.Flatten(), nn.Linear(3, 1)))

    def loss(real: Batch) -> Tensor:
        assert real.attributes is not None
        return F.binary_cross_entropy_with_logits(network(real.images), real.attributes)

    lesson = Lesson("brightness", network, loss, frozenset({"attributes"}), epochs=20, batch=5, lr=0.1)
    return replace(lesson, **changes)


def run_of(root: Path, name: str = "run", reporter: Quiet | None = None) -> Run:
    runtime = Runtime(torch.device("cpu"), channels_last=False)
    recipe = SimpleNamespace()  # no lesson depends on it
    return Run(recipe, root / name, DataHome(root / "home"), runtime, reporter or Quiet())  # pyright: ignore


@pytest.mark.parametrize("name", ["learner.safetensors", "done.json", "seal.json"])
@pytest.mark.parametrize("damage", ["other bits", "cut", "zeros", "gone"])
def test_what_was_taught_and_was_damaged_is_taught_again_with_a_note(tmp_path: Path, name: str, damage: str, caplog):
    taught = lessons.teach(brightness(), REALS, run_of(tmp_path))
    (file,) = (tmp_path / "home" / "taught").glob(f"*/{name}")
    content = file.read_bytes()
    damaged = {"other bits": content[:-3] + bytes([content[-3] ^ 16]) + content[-2:], "cut": content[:20]}
    file.write_bytes(damaged.get(damage, bytes(len(content))))
    if damage == "gone":
        file.unlink()
    counting = Counting()
    assert lessons.teach(brightness(), REALS, run_of(tmp_path, "other", counting)) == taught
    unsealed = (name, damage) == ("seal.json", "gone")  # as those from before there were seals
    assert (counting.stages == []) is unsealed
    assert (f"{file.parent} is damaged; it is made again." in caplog.messages) is not unsealed
    assert lessons.teach(brightness(), REALS, run_of(tmp_path, "third", counting)) == taught
    assert len(counting.stages) == (not unsealed)


def test_a_lesson_is_learnt_and_its_network_stays_as_it_is(tmp_path: Path):
    lesson = brightness()
    lessons.teach(lesson, REALS, run_of(tmp_path))
    images = torch.from_numpy(REALS.rgb(slice(None))).float() / 127.5 - 1
    assert ((lesson.network(images)[:, 0] > 0) == torch.from_numpy(REALS.attributes[:, 0] > 0)).all()
    assert not lesson.network.training
    assert not any(p.requires_grad for p in lesson.network.parameters())


def test_it_is_taught_once_for_all_runs_whatever_random_numbers_they_have_used(tmp_path: Path):
    told, weights = Counting(), []
    for name in ("one", "two", "three"):
        torch.rand(7)
        lesson = brightness()
        weights.append((lessons.teach(lesson, REALS, run_of(tmp_path, name, told)), lesson.network[2].weight.tolist()))
    assert told.stages == ["brightness"]
    assert weights[0] == weights[1] == weights[2]


def test_its_time_is_told_apart_from_the_runs(tmp_path: Path):
    first, second = run_of(tmp_path, "one"), run_of(tmp_path, "two")
    for this in (first, second):
        lessons.teach(brightness(), REALS, this)
    assert sum(first.aside) > sum(second.aside) > 0


@pytest.mark.parametrize(
    "other",
    [
        brightness(epochs=21),
        brightness(batch=6),
        brightness(lr=0.2),
        brightness(seed=1),
        brightness(name="darkness"),
    ],
    ids=["epochs", "batch", "lr", "weights", "name"],
)
def test_another_lesson_is_taught_apart(tmp_path: Path, other: Lesson):
    for lesson in (brightness(), other):
        lessons.teach(lesson, REALS, run_of(tmp_path))
    assert len([path for path in (tmp_path / "home" / "taught").iterdir() if path.is_dir()]) == 2


@pytest.mark.parametrize("part", ["images", "attributes"])
def test_other_data_are_learnt_apart(tmp_path: Path, part: str):
    changed = np.array(getattr(REALS, part))
    changed[0] = 1 - changed[0]
    told = Counting()
    lessons.teach(brightness(), REALS, run_of(tmp_path, "one", told))
    lessons.teach(brightness(), replace(REALS, **{part: changed}), run_of(tmp_path, "two", told))
    assert told.stages == ["brightness"] * 2


def test_what_it_does_not_read_makes_no_difference(tmp_path: Path):
    told = Counting()
    lessons.teach(brightness(), REALS, run_of(tmp_path, "one", told))
    lessons.teach(brightness(), replace(REALS, labels=np.zeros(20, np.int32)), run_of(tmp_path, "two", told))
    assert told.stages == ["brightness"]


def test_what_the_data_lack_is_named(tmp_path: Path):
    with pytest.raises(BadData, match="no attributes"):
        lessons.teach(brightness(), replace(REALS, attributes=None), run_of(tmp_path))


def test_a_home_that_cannot_be_written_costs_the_lesson_nothing_but_its_being_kept(tmp_path: Path):
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "taught").write_text("in the way")
    weights = lessons.teach(brightness(), REALS, run_of(tmp_path))
    assert len(weights) == 64
    assert list((tmp_path / "run" / "taught").glob("*/done.json"))


def test_of_two_runs_at_once_one_teaches_and_the_other_waits(tmp_path: Path):
    told, found = Counting(), []

    def teach(lesson: Lesson, name: str) -> None:
        found.append(lessons.teach(lesson, REALS, run_of(tmp_path, name, told)))

    threads = [threading.Thread(target=teach, args=(brightness(), name)) for name in ("one", "two")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert told.stages == ["brightness"]
    assert found[0] == found[1]
