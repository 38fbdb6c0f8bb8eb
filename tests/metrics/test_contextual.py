"""The Inception Score by a classifier of the data set's own classes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from run_worlds import carry_out, recipe
from safetensors.torch import load_file
from torch_fidelity.metric_isc import isc_features_to_metric
from toy import folder_of

from lgbench.files import sha256_of_file
from lgbench.nn import count_parameters
from lgbench_metrics.images.contextual import ContextualClassifier

SMALL = {"evaluation__metrics": "is-contextual", "evaluation__judge": "small", "evaluation__judge_epochs": 2}


def test_the_classifier_is_dcgans_critic_with_two_layers_for_its_head():
    found = ContextualClassifier(10, 32)
    convolutions = 3 * 64 * 16 + 64 * 128 * 16 + 2 * 128 + 128 * 256 * 16 + 2 * 256
    assert count_parameters(found) == convolutions + 4096 * 512 + 512 + 512 * 10 + 10
    assert found(torch.zeros(2, 3, 32, 32)).shape == (2, 10)
    assert ContextualClassifier(5, 48)(torch.zeros(2, 3, 48, 48)).shape == (2, 5)


def test_the_score_is_torch_fidelitys_of_what_the_kept_classifier_says(tmp_path: Path):
    value = carry_out(recipe(**SMALL), tmp_path / "runs")["values"]["is-contextual"]
    (weights,) = (tmp_path / "home" / "taught").glob("*/learner.safetensors")
    assert value["protocol"]["weights"] == sha256_of_file(weights)
    assert value["protocol"]["extractor"] == "contextual-32, 2 epochs"
    network = ContextualClassifier(3, 16, 32)
    network.load_state_dict(load_file(weights))
    samples = np.load(next(folder_of(tmp_path / "runs").glob("samples-*.npz")))["images"]
    with torch.no_grad():
        logits = network.eval()(torch.from_numpy(samples).float() / 127.5 - 1)
    expected = isc_features_to_metric(logits.double(), splits=10, shuffle=False)
    assert value["value"] == pytest.approx(expected["inception_score_mean"], rel=1e-4)
    assert 1 <= value["value"] <= value["details"]["classes"] == 3
    assert 0 <= value["details"]["accuracy"] <= 1


def test_it_is_taught_once_for_a_data_set_and_judges_every_run_alike(tmp_path: Path):
    first = carry_out(recipe(**SMALL), tmp_path / "one")["values"]["is-contextual"]
    (weights,) = (tmp_path / "home" / "taught").glob("*/learner.safetensors")
    before = weights.stat().st_mtime_ns
    second = carry_out(recipe(1, **SMALL), tmp_path / "other")["values"]["is-contextual"]
    assert weights.stat().st_mtime_ns == before
    assert first["protocol_id"] == second["protocol_id"]
    assert first["details"]["real"] == second["details"]["real"]


def test_a_run_of_one_class_has_no_such_score_and_says_why(tmp_path: Path):
    values = carry_out(recipe(**SMALL, training__category=1), tmp_path / "runs")["values"]
    assert "training.category" in values["is-contextual"]["not_available"]
