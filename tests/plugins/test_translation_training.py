"""pix2pix and CycleGAN in training: they learn, they go on where they were killed, and they end in a record."""

import json
from pathlib import Path

import pytest
import torch
from toy import SQUARES
from translation_worlds import CPU, TILES, TINY, built, recipe_of, split

from lgbench.data import DataHome
from lgbench.errors import BadRecipe
from lgbench.lookup import check_conditions
from lgbench.plugins import registry
from lgbench.progress import Quiet
from lgbench.run import Place, chosen_metrics, run
from lgbench.training import Schedule, Stage, fit, log

METHODS = ("pix2pix", "cyclegan")


def play(folder: Path, method: str, steps: int, stop: int = 0, **changes):
    """A fit of tiles; the game, and the log's rows without their times."""
    game = built(method, **changes)
    schedule = Schedule(steps, 8, flip=False, log_every=1, grid_every=0, stop=stop)
    torch.manual_seed(1)
    fit(game, split(), schedule, Stage("train", folder, CPU, Quiet()))
    rows = [{k: v for k, v in row.items() if k != "seconds"} for row in log.read(folder / "log.jsonl")]
    return game, rows


def test_what_pix2pix_paints_comes_nearer_to_the_picture_of_its_class_map(tmp_path):
    _, rows = play(tmp_path, "pix2pix", steps=60, **{"generator.ngf": 8, "method.lr": 2e-3})
    assert sum(row["l1"] for row in rows[-5:]) < 0.4 * sum(row["l1"] for row in rows[:5])


def test_the_translators_of_cyclegan_learn_to_undo_each_other(tmp_path):
    _, rows = play(tmp_path, "cyclegan", steps=40, **{"method.lr": 2e-3})
    for name in ("cycle/images", "cycle/segments"):
        assert sum(row[name] for row in rows[-5:]) < 0.7 * sum(row[name] for row in rows[:5])


@pytest.mark.parametrize("method", METHODS)
def test_a_run_that_was_cut_ends_with_the_bits_of_one_that_was_not(tmp_path, monkeypatch, method):
    """Pools fill at the second step and are exchanged from then on: every later loss depends on what they hold."""
    monkeypatch.setattr("lgbench_translation.game.WAITING", 12)
    pool = {"method.pool": 10} if method == "cyclegan" else {}
    whole, rows = play(tmp_path / "whole", method, steps=12, **pool)
    for stop in (1, 3, 4, 9):
        play(tmp_path / "cut", method, steps=12, stop=stop, **pool)
    resumed, again = play(tmp_path / "cut", method, steps=12, **pool)
    assert again == rows
    for name, network in whole.networks.items():
        state = resumed.networks[name].state_dict()
        assert all(torch.equal(tensor, state[key]) for key, tensor in network.state_dict().items()), name
    if method == "cyclegan":
        pools = whole.networks["pools"].state_dict()
        assert (pools["images.count"], pools["waiting.count"]) == (10, 12)


@pytest.mark.parametrize("method", METHODS)
def test_every_preset_resolves_on_a_data_set_with_class_maps(method):
    for preset in ("smoke", "small", "paper"):
        recipe = recipe_of(method, preset=preset)
        assert recipe.resolution == (128 if preset == "paper" else 32)
        assert not recipe.training.flip
        assert not recipe.training.ema
        check_conditions(recipe, {"tiles": TILES})


@pytest.mark.parametrize("method", METHODS)
def test_a_data_set_without_class_maps_is_refused(method):
    with pytest.raises(BadRecipe, match=rf"{method} reads segments, and squares has no segments\..*: tiles\."):
        check_conditions(recipe_of(method, SQUARES), {"squares": SQUARES, "tiles": TILES})


def test_the_papers_presets_are_the_papers():
    pix2pix, cyclegan = (recipe_of(method, preset="paper") for method in METHODS)
    assert (pix2pix.generator_config.ngf, pix2pix.generator_config.dropout) == (64, 0.5)
    assert (pix2pix.method_config.ndf, pix2pix.method_config.lambda_l1) == (64, 100)
    assert (pix2pix.evaluation.sample_bn, pix2pix.evaluation.batch) == ("batch", pix2pix.training.batch)
    assert (cyclegan.generator_config.ngf, cyclegan.generator_config.blocks) == (64, 6)
    method = cyclegan.method_config
    assert (method.ndf, method.lambda_cycle, method.pool) == (64, 10, 50)
    for recipe in (pix2pix, cyclegan):
        assert (recipe.training.batch * recipe.training.steps, recipe.training.precision) == (200 * 8000, "auto")
        assert recipe.segmenter is None


def test_both_rivals_make_as_many_moves_on_as_many_pictures_in_smoke():
    pix2pix, cyclegan = (recipe_of(method).training for method in METHODS)
    assert (pix2pix.steps, pix2pix.batch) == (cyclegan.steps, cyclegan.batch)


@pytest.mark.parametrize("value", ["generator.dropout=1", "generator.ngf=0", "method.lambda_l1=-1", "method.lr=0"])
def test_settings_that_make_no_sense_are_refused(value):
    name, _, number = value.partition("=")
    with pytest.raises(BadRecipe, match=name):
        recipe_of("pix2pix", **{name: number})


@pytest.mark.parametrize("method", METHODS)
def test_a_run_ends_in_a_record(tmp_path, method):
    short = {"training.steps": 3, "training.batch": 4, "evaluation.samples": 12, "evaluation.metrics": "fid-random,iou"}
    recipe = recipe_of(method, **TINY[method], **short, **{"training.grid_every": 2})
    metrics = chosen_metrics(recipe.evaluation.metrics, registry().metrics)
    place = Place(tmp_path / "run", DataHome(tmp_path / "home"), CPU.device)
    path = run(recipe, place, metrics, registry().plugins, Quiet())
    record = json.loads(path.read_text())
    assert record["status"] == "done"
    assert record["values"]["fid-random"]["value"] > 0
    assert record["values"]["iou"]["not_available"] == "no masks in this data set"
    assert record["training"]["parameters"]["generator"] > 0
    assert (path.parent / "train" / "grids" / "0000002.png").exists()


@pytest.mark.parametrize("mode", ["joint", "pretrained_frozen"])
@pytest.mark.parametrize("method", METHODS)
def test_a_segmentor_can_be_added_that_learns_beside_or_before(tmp_path, method, mode):
    short = {"training.steps": 1, "training.batch": 4, "evaluation.samples": 4, "evaluation.metrics": "fid-random"}
    added = {f"regularizers.segmentor.{name}": value for name, value in (("weight", 2.0), ("width", 2), ("mode", mode))}
    epochs = {"regularizers.segmentor.epochs": 1} if mode == "pretrained_frozen" else {}
    recipe = recipe_of(method, **TINY[method], **short, **added, **epochs)
    place = Place(tmp_path / "run", DataHome(tmp_path / "home"), CPU.device)
    path = run(recipe, place, chosen_metrics("fid-random", registry().metrics), registry().plugins, Quiet())
    record, (row,) = json.loads(path.read_text()), log.read(path.parent / "train" / "log.jsonl")
    assert record["status"] == "done"
    assert row["segmentor"] > 0  # what the generator is told
    assert ("segmentor/real" in row) == ("train/segmentor.safetensors" in record["artefacts"]) == (mode == "joint")
    taught = tmp_path / "home" / "taught"
    assert taught.is_dir() == (mode == "pretrained_frozen")
