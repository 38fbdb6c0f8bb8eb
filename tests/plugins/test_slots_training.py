"""Slot Attention and GENESIS-V2 as methods: their phases, and whole runs on flowers whose instances are known."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from toy import folder_of
from weights import same, weights

from lgbench import ImageSpec
from lgbench.data import DataHome
from lgbench.errors import BadRecipe
from lgbench.layers import Batch
from lgbench.lookup import look_up
from lgbench.plugins import registry
from lgbench.progress import Quiet
from lgbench.recipe import Request
from lgbench.run import Place, chosen_metrics, run
from lgbench.runtime import Runtime
from lgbench.stages import build_game
from lgbench.trained import load_run
from lgbench.training import Schedule
from lgbench.training.player import Player

NAMES = ["slot-attention", "genesis-v2"]
SMALL = {
    "data.images": 24,
    "data.val_images": 8,
    "data.test_images": 12,
    "generator.width": 8,
    "training.steps": 4,
    "training.batch": 4,
    "evaluation.samples": 8,
    "evaluation.metrics": "iou,max-f,ari,ari-fg,msc,instance-iou,fid-random,bg-fid-random,coverage",
}


def recipe(name: str, **settings: object):
    request = Request(name, "flora", "smoke", resolution=16, settings={**SMALL, **settings})
    return look_up(request, DataHome())


def carry_out(name: str, runs: Path, **settings: object) -> dict:
    chosen = recipe(name, **settings)
    metrics = chosen_metrics(chosen.evaluation.metrics, registry().metrics)
    place = Place(runs, DataHome(runs.parent / "home"), torch.device("cpu"))
    return json.loads(run(chosen, place, metrics, registry().plugins, Quiet()).read_text())


def player(name: str, steps: int = 200) -> Player:
    chosen, spec = recipe(name), ImageSpec(16)
    torch.manual_seed(0)
    painter = chosen.generator.build(chosen.generator_config, spec)
    game = chosen.method.build(chosen.method_config, painter, spec)
    return Player(game, Schedule(steps, 4, ema=0.0), Runtime(torch.device("cpu")))


def squares(n: int = 4) -> Batch:
    x = torch.full((n, 3, 16, 16), -0.5)
    x[:, 0, 2:7, 2:7] = 1.0
    x[:, 2, 9:14, 8:14] = 1.0
    return Batch(x)


@pytest.mark.parametrize("name", NAMES)
def test_a_step_trains_the_whole_network_by_one_adam(name: str):
    playing = player(name)
    (phase,) = playing.phases
    assert (phase.networks, phase.betas, phase.lr) == (["generator"], (0.9, 0.999), 4e-4)
    before = weights(playing.networks["generator"])
    playing.play(0, squares(), looking=False)
    playing.play(1, squares(), looking=True)
    after = weights(playing.networks["generator"])
    assert not same(before, after)
    still = {key for key in before if torch.equal(before[key], after[key])}
    # a closed gate lets nothing through to the embedding behind it, in the first step
    assert still <= {"colouring.head.weight", "colouring.head.bias"}


@pytest.mark.parametrize("name", NAMES)
def test_the_error_falls(name: str):
    playing = player(name)
    for phase in playing.phases:
        playing.rates[phase.name] = [2e-3]
    key = "reconstruction" if name == "slot-attention" else "error"
    losses = [float(playing.play(number + 20_000, squares(), looking=False)[key]) for number in range(40)]
    assert np.mean(losses[-5:]) < np.mean(losses[:5])


def test_what_balances_genesis_v2_is_checkpointed_with_it():
    playing = player("genesis-v2")
    playing.play(0, squares(), looking=False)
    kept = playing.state()["networks"]["geco"]
    assert kept["beta"] != 1
    assert kept["error"] > 0


@pytest.mark.parametrize("name", NAMES)
def test_parts_without_a_background_are_scored_as_parts_and_the_rest_says_why_not(tmp_path: Path, name: str):
    record = carry_out(name, tmp_path / "runs")
    values = record["values"]
    assert record["status"] == "done"
    assert record["supervision"] == "none"
    for metric in ("ari", "ari-fg", "msc", "instance-iou", "coverage"):
        assert values[metric]["value"] <= 1
    for metric in ("iou", "max-f"):
        assert "does not know which is the background" in values[metric]["not_available"]
    assert values["ari-fg"]["details"]["share_of_several_objects"] > 0.3  # up to three flowers a picture
    kept = np.load(next(folder_of(tmp_path / "runs").glob("predictions-*.npz")))
    assert "bits" not in kept
    assert 1 <= kept["parts"].min() <= kept["parts"].max() <= 4  # three flowers and the ground


def test_only_what_samples_has_metrics_of_samples(tmp_path: Path):
    given = carry_out("slot-attention", tmp_path / "a")["values"]
    assert "has no samples" in given["fid-random"]["not_available"]
    assert given["coverage"]["protocol"]["given"] == "images of train, drawn at random"
    sampled = carry_out("genesis-v2", tmp_path / "b")["values"]
    assert sampled["fid-random"]["value"] > 0
    assert sampled["fid-random"]["protocol"]["given"] is None


def test_weights_are_not_chosen_by_how_real_reconstructions_look():
    with pytest.raises(BadRecipe, match=r"training\.select=last"):
        build_game(recipe("slot-attention", **{"training.select": "fid-random"}), ImageSpec(16))
    build_game(recipe("genesis-v2", **{"training.select": "fid-random"}), ImageSpec(16))


@pytest.mark.parametrize("name", NAMES)
def test_a_finished_run_divides_images_again(tmp_path: Path, name: str):
    carry_out(name, tmp_path / "runs")
    trained = load_run(folder_of(tmp_path / "runs"), device="cpu")
    predict = trained.segmenter.predict
    with torch.no_grad():
        assert predict(squares().images).shape == (4, 4, 16, 16)
        assert trained.painter(trained.painter.codes(2, trained.given(2))).image.shape == (2, 3, 16, 16)
