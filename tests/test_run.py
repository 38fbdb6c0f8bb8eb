"""From recipe to record with a toy method: stages, resumption, locks, and numbers that are never made up."""

from __future__ import annotations

import json
import re
import sys
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from finished import lgbench
from run_worlds import Told, carry_out, on_folder, recipe, scenes
from toy import FAST, folder_of

from lgbench import NoConfig, Regularizer
from lgbench.account import Played
from lgbench.cli.pairs import compare
from lgbench.environment import code_state
from lgbench.errors import RunBusy, RunFailed
from lgbench.files import exclusive
from lgbench.game import Term
from lgbench.recipe import Chosen
from lgbench.record import record_id


def test_a_run_ends_in_a_record_with_its_protocols_and_reasons(tmp_path: Path):
    record = carry_out(recipe(), tmp_path / "run")
    values = record["values"]
    assert (record["status"], record["supervision"]) == ("done", "none")
    assert 0 <= values["iou"]["value"] <= 1
    assert set(values["iou"]["details"]) == {"pooled", "per_image", "oracle_dataset", "oracle_image", "gap"}
    assert values["iou"]["protocol"]["polarity"] == "committed"
    assert values["iou"]["n"] == 20
    assert values["fid-random"]["value"] > 0
    assert len(values["fid-random"]["protocol"]["weights"]) == 64
    assert "weights" in values["fid"]["not_available"]
    assert values["is"] == values["fid"]  # the same weights are missing
    assert all(first > 0 and last > 0 for first, last in record["training"]["gradients"].values())
    assert "alpha" in record["training"]["gradients"]
    assert values["nmi"] == {"not_available": "no code network that clusters images"}
    kinds = sorted(re.sub(r"-[0-9a-f]{8}\.npz", "", name) for name in record["artefacts"])
    arrays = ["evidence", "predictions", "samples"]
    assert kinds == [*arrays, "segment/segmenter.safetensors", "taught", "train/generator.safetensors"]


@pytest.mark.parametrize(
    ("reads", "category", "supervision"),
    [
        (frozenset(), -1, "none"),
        (frozenset({"labels"}), -1, "weak"),
        (frozenset({"attributes"}), -1, "weak"),
        (frozenset(), 1, "weak"),
        (frozenset({"masks"}), -1, "full"),
        (frozenset({"segments", "attributes"}), -1, "full"),
        (frozenset({"landmarks"}), -1, "full"),
    ],
)
def test_supervision_follows_what_is_read(reads: frozenset[str], category: int, supervision: str):
    played = Played(None, None, reads)  # pyright: ignore[reportArgumentType]
    assert played.supervision(recipe(training__category=category)) == supervision


def test_networks_whose_features_losses_compare_are_named_in_the_record(tmp_path: Path):
    def build(config, painter, spec):
        return Term(penalty=lambda step: step.layers.alpha.mean(), weights={"rotnet": "0" * 64})

    eye = Regularizer(name="eye", summary="", build=build)
    chosen = replace(recipe(evaluation__metrics="iou"), regularizers=(Chosen(eye, 1.0, NoConfig()),))
    record = carry_out(chosen, tmp_path / "runs")
    assert (record["supervision"], record["features"]) == ("none", ["rotnet"])
    assert record["training"]["weights"] == {"rotnet": "0" * 64}


def test_the_same_recipe_gives_the_same_numbers_and_another_seed_others(tmp_path: Path):
    first, again = (carry_out(recipe(), tmp_path / name) for name in ("a", "b"))
    other = carry_out(recipe(seed=1), tmp_path / "c")
    assert first["values"] == again["values"]
    assert first["artefacts"]["train/generator.safetensors"] == again["artefacts"]["train/generator.safetensors"]
    assert first["values"]["fid-random"]["value"] != other["values"]["fid-random"]["value"]


def test_running_again_changes_nothing(tmp_path: Path):
    first = carry_out(recipe(), tmp_path / "run")
    stamps = {path: path.stat().st_mtime_ns for path in (tmp_path / "run").rglob("*") if path.name != ".lock"}
    assert carry_out(recipe(), tmp_path / "run") == first
    assert stamps == {path: path.stat().st_mtime_ns for path in stamps}


@pytest.mark.parametrize(
    "stage",
    ["stages.fit", "evaluation.parts.painted", "evaluation.parts.real_batches", "run.evaluate", "run.write_record"],
)
def test_a_run_that_dies_in_any_stage_goes_on_from_there(tmp_path: Path, monkeypatch, stage: str):
    whole = carry_out(recipe(), tmp_path / "whole")

    def dies(*args, **kwargs):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(f"lgbench.{stage}", dies)
        with pytest.raises(KeyboardInterrupt):
            carry_out(recipe(), tmp_path / "run")
    assert not (folder_of(tmp_path / "run") / "record.json").exists()
    assert carry_out(recipe(), tmp_path / "run")["values"] == whole["values"]


def test_a_scoring_that_dies_leaves_the_request_that_the_record_is_of(tmp_path: Path, monkeypatch):
    first, strict = recipe(), recipe(evaluation__threshold=0.9)
    carry_out(first, tmp_path / "run")
    folder = folder_of(tmp_path / "run")
    told = {path: path.read_bytes() for path in (folder / "request.json", folder / "recipe.json")}

    def dies(*args, **kwargs):
        raise KeyboardInterrupt

    for stage in ("evaluate", "write_record"):
        with monkeypatch.context() as patch:
            patch.setattr(f"lgbench.run.{stage}", dies)
            with pytest.raises(KeyboardInterrupt):
                carry_out(strict, tmp_path / "run")
        assert told == {path: path.read_bytes() for path in told}
    carry_out(strict, tmp_path / "run")
    assert json.loads((folder / "request.json").read_text())["settings"]["evaluation.threshold"] == 0.9
    assert json.loads((folder / "recipe.json").read_text())["evaluation"]["threshold"] == 0.9


def test_what_is_taught_once_for_a_data_set_is_no_time_of_the_run(tmp_path: Path, monkeypatch):
    gone = [0.0]
    monkeypatch.setattr("lgbench.run.time", SimpleNamespace(monotonic=lambda: time.monotonic() + gone[0]))
    for stage, seconds in (("learn", 4000.0), ("evaluate", 7000.0)):
        real = getattr(sys.modules["lgbench.run"], stage)

        def taught_first(this, *others, real=real, seconds=seconds):
            gone[0] += seconds
            this.aside.append(seconds)
            return real(this, *others)

        monkeypatch.setattr(f"lgbench.run.{stage}", taught_first)
    record = carry_out(recipe(), tmp_path / "run")
    assert record["training"]["wall_s"] + record["segmentation"]["wall_s"] <= record["wall_s"] + 0.1
    assert record["wall_s"] < 2000


def test_changed_code_is_told_and_trains_nothing(tmp_path: Path, monkeypatch):
    import lgbench.run as module

    root, told = scenes(tmp_path / "photos", (255, 0, 0)), Told()
    before = on_folder(root, tmp_path / "runs")
    real = module.environment.describe
    changed = code_state() | {"version": "9"}
    monkeypatch.setattr(module.environment, "describe", lambda *a: real(*a) | {"lgbench": changed})
    assert on_folder(root, tmp_path / "runs", told) == before
    assert any("made by other code" in note and "now 9" in note for note in told.notes)


def test_the_second_identical_command_at_the_same_time_is_told_so(tmp_path: Path):
    carry_out(recipe(), tmp_path / "run")
    (folder_of(tmp_path / "run") / "record.json").unlink()
    with exclusive(folder_of(tmp_path / "run"), "a run"), pytest.raises(RunBusy, match="Another process is at work"):
        carry_out(recipe(), tmp_path / "run")


def test_a_diverged_run_is_recorded_as_such(tmp_path: Path, monkeypatch):
    import lgbench.training.loop as module

    real = module.Player.play

    def poisoned(self, number, images, looking):
        if number == 10 and not self.game.frozen:
            next(self.networks["generator"].parameters()).data.fill_(float("nan"))
        return real(self, number, images, looking)

    monkeypatch.setattr(module.Player, "play", poisoned)
    record = carry_out(recipe(evaluation__metrics="iou,layer-difference,fid-random,coverage"), tmp_path / "run")
    assert record["status"] == "diverged"
    assert all("not_available" in value for value in record["values"].values())
    assert record["training"]["flags"] == ["diverged"]
    assert "diverged" in record["values"]["layer-difference"]["not_available"]
    assert "probabilities are not finite" in record["values"]["iou"]["not_available"]


def test_a_segmenter_that_diverges_makes_the_run_diverged(tmp_path: Path, monkeypatch):
    import lgbench.training.loop as module

    real = module.Player.play

    def poisoned(self, number, images, looking):
        values = real(self, number, images, looking)
        return values | {"segmenter": float("nan")} if self.game.frozen else values

    monkeypatch.setattr(module.Player, "play", poisoned)
    assert carry_out(recipe(), tmp_path / "run")["status"] == "diverged"


def test_a_run_that_changed_environments_says_so(tmp_path: Path, monkeypatch):
    import lgbench.run as module

    unsegmented = recipe(segmentation__name="none")  # a toy's segmenter learns little, which has a flag of its own
    real = module.environment.describe
    with monkeypatch.context() as patch:
        patch.setattr(module, "evaluate", lambda *args: exec("raise SystemExit"))
        with pytest.raises(SystemExit):
            carry_out(unsegmented, tmp_path / "run")
    with monkeypatch.context() as patch:
        patch.setattr(module.environment, "describe", lambda *a: real(*a) | {"packages": {"torch": "0.1"}})
        assert carry_out(unsegmented, tmp_path / "run")["training"]["flags"] == ["mixed_environment"]


def test_compare_pairs_samples_and_shares_values(tmp_path: Path):
    for seed in (0, 1):
        carry_out(recipe(seed=seed), tmp_path / str(seed))
    first, second = (folder_of(tmp_path / name) for name in "01")
    result = compare(first, second, tmp_path / "pairs.png", samples=50, pairs=5)
    assert sorted(result.order) == list(range(50))
    assert set(result.shared) == {"iou", "fid-random", "coverage"}
    assert result.unshared["nmi"] == "not available in both"
    assert (tmp_path / "pairs.png").stat().st_size > 0
    itself = compare(first, first, tmp_path / "same.png", samples=50)
    assert np.array_equal(itself.order, np.arange(50))
    assert itself.statistics["mean"] == 0


def test_composites_are_never_paired_in_place_of_samples(tmp_path: Path):
    carry_out(recipe(), tmp_path)
    folder = folder_of(tmp_path)
    (samples,) = folder.glob("samples-*.npz")
    body = json.loads((folder / "record.json").read_text())
    body["artefacts"]["samples-swap-12345678.npz"] = body["artefacts"][samples.name]
    (folder / "record.json").write_text(json.dumps({**body, "id": record_id(body)}))
    samples.rename(folder / "samples-swap-12345678.npz")
    with pytest.raises(RunFailed, match=r"samples-\*.npz.*run's command again"):
        compare(folder, folder, tmp_path / "pairs.png")


def test_compare_says_each_reason_once_and_refuses_an_extractor_before_it_matches(tmp_path: Path):
    carry_out(recipe(), tmp_path)
    folder = folder_of(tmp_path)
    told = lgbench("compare", folder, folder, "--samples", 4)
    assert told.output.count("not available in both") == 1
    wrong = lgbench("compare", folder, folder, "--prefer", "sqeezenet")
    assert "squeezenet" in str(wrong.exception)
    assert "pairs" not in wrong.output


def test_compare_needs_finished_runs(tmp_path: Path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(RunFailed, match="holds no record"):
        compare(tmp_path / "empty", tmp_path / "empty", tmp_path / "pairs.png")


assert FAST["evaluation.samples"] == 300  # fid-random has 246 features: a full-rank covariance
