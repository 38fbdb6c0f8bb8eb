"""What a conditional painter is given when its samples are scored."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from toy import ToyConfig, ToyPainter

from lgbench import ImageSpec
from lgbench.data import Split
from lgbench.evaluation import PARTS
from lgbench.layers import Batch
from lgbench.painting import painted
from lgbench.runtime import Runtime
from lgbench.stage_configs import EvaluationConfig

CPU = Runtime(torch.device("cpu"), "fp32", False, False)
TEN_CLASSES = Split(
    np.repeat(np.arange(10, dtype=np.uint8), 100)[:, None, None, None] * np.ones((1, 3, 16, 16), np.uint8)
)
"""A thousand pictures in the order of their classes, each of its class's grey."""


class Told(ToyPainter):
    """Notes the classes of the images that it is given."""

    conditional = frozenset({"images"})

    def __init__(self) -> None:
        super().__init__(ToyConfig(), ImageSpec(16))
        self.classes: list[int] = []

    def codes(self, n: int, batch: Batch | None = None) -> dict[str, torch.Tensor]:
        assert batch is not None
        assert len(batch) == n
        self.classes += ((batch.images.mean(dim=(1, 2, 3)) + 1) * 127.5).round().int().tolist()
        return super().codes(n)


def given(count: int, seed: int, batch: int = 25) -> list[int]:
    painter = Told().eval()
    for _ in painted(painter, count, batch, TEN_CLASSES, seed, CPU):
        pass
    return painter.classes


@pytest.mark.parametrize("count", [100, 1000, 2500])
def test_conditions_of_samples_are_drawn_at_random_from_all_classes(count: int):
    """In their order, a hundred samples of ten classes would be of one class: an Inception score of 1."""
    classes = given(count, seed=0)
    assert sorted(set(classes)) == list(range(10))
    assert classes != sorted(classes)
    share = np.bincount(classes, minlength=10) / count
    assert np.abs(share - 0.1).max() < 0.08
    assert all(len(set(classes[start : start + 25])) > 3 for start in range(0, count, 25))


def test_each_image_gives_its_conditions_as_often_as_any_other():
    assert np.bincount(given(3000, seed=1)).tolist() == [300] * 10


def test_the_same_seed_draws_the_same_conditions_and_another_draws_others():
    assert given(200, seed=3) == given(200, seed=3)
    assert given(200, seed=3) != given(200, seed=4)
    assert given(200, seed=3) == given(200, seed=3, batch=100)


@pytest.mark.parametrize(
    ("conditional", "known", "said"),
    [
        (set(), {"attributes", "segments"}, None),
        ({"images"}, {"attributes", "segments"}, "images"),
        ({"attributes", "segments"}, {"attributes", "segments"}, "attributes, segments"),
        ({"segments"}, {"attributes", "segments"}, "attributes, segments"),
        ({"attributes"}, {"attributes", "segments"}, "attributes, segments"),
        ({"segments"}, {"segments"}, "segments"),
        ({"attributes"}, {"attributes"}, "attributes"),
    ],
)
def test_the_protocol_of_samples_says_what_was_known_of_the_pictures_given(
    conditional: set[str], known: set[str], said: str | None
):
    game = SimpleNamespace(painter=SimpleNamespace(conditional=frozenset(conditional)))
    train = SimpleNamespace(**{part: part in known or None for part in ("attributes", "segments")})
    evidence = SimpleNamespace(config=EvaluationConfig(), game=game, splits={"train": train})
    told = PARTS["samples"].protocol(evidence)["given"]
    assert told == (f"{said} of train, drawn at random" if said else None)
