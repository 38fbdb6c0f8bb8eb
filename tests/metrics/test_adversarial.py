"""What a classifier learns from generators of one class each: real pictures in their place, and what is no use."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from run_worlds import carry_out, recipe

from lgbench.data import DataHome, Split
from lgbench.data.split import digest_of
from lgbench.evaluation import Evidence, parts_of
from lgbench.game import Game
from lgbench.layers import Nobody
from lgbench.plugins import registry
from lgbench.progress import Quiet
from lgbench.runtime import Run, Runtime
from lgbench.score import Score
from lgbench_metrics.images.classifiers import adversarial_divergence

NAMES = ("adversarial-accuracy", "adversarial-divergence")


def pictures(seed: int) -> Split:
    """Three classes of pictures: a bright channel each, among noise."""
    random = np.random.default_rng(seed)
    labels = np.repeat(np.arange(3, dtype=np.int32), 40)
    images = random.normal(100, 40, (len(labels), 3, 16, 16))
    images[np.arange(len(labels)), labels] += 60
    known = {"images": images.clip(0, 255).astype(np.uint8), "labels": labels}
    return Split(**known, classes=("r", "g", "b"), fingerprint=digest_of(known))


def judged(place: Path, train: Split, samples: Split, repeats: int = 1) -> dict[str, Score]:
    """Both numbers of samples, beside these real images."""
    chosen = recipe(evaluation__judge="small", evaluation__judge_epochs=8)
    metrics = {name: registry().metrics[name] for name in NAMES}
    run = Run(chosen, place, DataHome(place / "home"), Runtime(torch.device("cpu"), channels_last=False), Quiet())
    made = {"class-samples": [lambda: samples] * repeats}
    evidence = Evidence(run, Game(Nobody(), {}, []), None, {"train": train}, parts_of(metrics), made)
    found = {name: metric.compute(evidence) for name, metric in metrics.items()}
    posteriors = evidence["class-posteriors"]
    backward = adversarial_divergence(posteriors["real"][0], posteriors["generated"][0], "generated_to_real")
    assert repeats > 1 or found[NAMES[1]].details["reverse"] == backward
    return found


def test_real_pictures_in_place_of_samples_teach_as_well_as_real_pictures(tmp_path: Path):
    accuracy, divergence = judged(tmp_path, pictures(0), pictures(1)).values()
    assert accuracy.details["real"] > 0.95
    assert accuracy.value > accuracy.details["real"] - 0.05
    assert accuracy.details["reverse"] > 0.9
    assert 0 < divergence.value < 0.3
    assert divergence.value != divergence.details["reverse"]


def test_the_very_training_images_teach_the_very_same_classifier(tmp_path: Path):
    accuracy, divergence = judged(tmp_path, pictures(0), pictures(0), repeats=2).values()
    assert accuracy.value == accuracy.details["real"] == accuracy.details["reverse"]
    assert accuracy.details["std"] == accuracy.details["real_std"]
    assert (divergence.value, divergence.details["reverse"], divergence.details["std"]) == (0, 0, 0)


def test_samples_that_show_no_class_teach_nothing(tmp_path: Path):
    grey = Split(np.full((120, 3, 16, 16), 128, np.uint8), labels=pictures(0).labels, classes=("r", "g", "b"))
    accuracy, divergence = judged(tmp_path / "grey", pictures(0), grey).values()
    assert accuracy.value < 0.7 < accuracy.details["real"]
    assert accuracy.details["reverse"] == pytest.approx(1 / 3)
    real = judged(tmp_path / "real", pictures(0), pictures(1))[NAMES[1]]
    assert divergence.value > 5 * real.value


def test_the_directions_are_swapped_where_real_and_painted_are(tmp_path: Path):
    real, painted = pictures(0), pictures(1)
    assert painted.labels is not None
    painted = replace(painted, labels=np.where(np.arange(120) % 5, painted.labels, 0))  # some are of the wrong class
    there = judged(tmp_path / "there", real, painted)[NAMES[0]]
    back = judged(tmp_path / "back", painted, real)[NAMES[0]]
    assert there.value == back.details["reverse"]
    assert back.value == there.details["reverse"]
    assert there.value != back.value


def test_one_run_alone_says_how_to_come_by_the_numbers(tmp_path: Path):
    values = carry_out(recipe(evaluation__metrics=",".join(NAMES)), tmp_path / "runs")["values"]
    for name in NAMES:
        assert "lgbench aggregate RUN..." in values[name]["not_available"]
