"""From recipe to record with a toy method: stages, resumption, locks, and numbers that are never made up."""

from __future__ import annotations

import json
import re
from dataclasses import make_dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from toy import FAST, GENERATOR, METHOD, SQUARES, folder_of

from lgbench import Metric, Part
from lgbench.compare import compare
from lgbench.data import DataHome, Split, folder_dataset, joined
from lgbench.environment import code_state
from lgbench.errors import BadPlugin, BadRecipe, NotAvailable, RunBusy, RunFailed
from lgbench.files import exclusive
from lgbench.leaderboard.contradictions import contradictions
from lgbench.plugins import registry
from lgbench.progress import Quiet
from lgbench.recipe import Recipe, Request, resolve
from lgbench.record import Record, read_record
from lgbench.run import Place, Played, _supervision, chosen_metrics, run
from lgbench.score import Score
from lgbench.settings import later


def recipe(seed: int = 0, **overrides: object) -> Recipe:
    settings = {key.replace("__", "."): value for key, value in overrides.items()}
    request = Request("toy", "squares", "smoke", seed, settings=settings)
    return resolve(METHOD, GENERATOR, SQUARES, registry().regularizers, registry().segmenters, request)


def carry_out(chosen: Recipe, runs: Path) -> dict:
    metrics = chosen_metrics(chosen.evaluation.metrics, registry().metrics)
    place = Place(runs, DataHome(runs.parent / "home"), torch.device("cpu"))
    path = run(chosen, place, metrics, registry().plugins, Quiet())
    assert read_record(path).method == "toy"
    return json.loads(path.read_text())


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
    assert kinds == ["predictions", "samples", "segment/segmenter.safetensors", "train/generator.safetensors"]


@pytest.mark.parametrize("aggregation", ["pooled", "per_image"])
def test_every_interval_is_that_of_its_number_and_stays_in_the_metrics_range(tmp_path: Path, aggregation: str):
    metrics = "iou,dice,acc,miou,ari,msc,coverage,binarity,layer-difference"
    record = carry_out(recipe(evaluation__aggregation=aggregation, evaluation__metrics=metrics), tmp_path / "run")
    for name, value in record["values"].items():
        low, high = registry().metrics[name].range
        for key, ends in {name: value["interval"], **value.get("intervals", {})}.items():
            assert low <= ends[0] <= value["details"].get(key, value["value"]) <= ends[1] <= high
        if "pooled" in value["details"]:
            assert value["interval"] == value["intervals"][aggregation]
            assert value["intervals"].keys() == {"pooled", "per_image"}
    assert contradictions(read_record(next((tmp_path / "run").glob("*/record.json")))) == []


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
    assert _supervision(recipe(training__category=category), played) == supervision


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


class Told(Quiet):
    """Remembers what a user would read."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.stages: list[str] = []

    def stage(self, name: str, total: int, done: int = 0) -> None:
        self.stages.append(name)

    def note(self, text: str) -> None:
        self.notes.append(text)


def scenes(root: Path, colour: tuple[int, int, int], count: int = 12, inverted: bool = False) -> Path:
    """A folder of squares of one colour, with their masks."""
    for kind in ("images", "masks"):
        (root / kind).mkdir(parents=True, exist_ok=True)
    for index in range(count):
        mask = np.zeros((16, 16), bool)
        mask[index % 8 : index % 8 + 7, 4:11] = True
        image = np.full((16, 16, 3), 40, np.uint8)
        image[mask] = colour
        Image.fromarray(image).save(root / "images" / f"{index:02d}.png")
        Image.fromarray(((mask ^ inverted) * 255).astype(np.uint8)).save(root / "masks" / f"{index:02d}.png")
    return root


def on_folder(
    root: Path, runs: Path, reporter: Quiet | None = None, metrics: str = "iou,acc,fid-random", **more
) -> dict:
    """The toy method on pictures of a user's own."""
    settings = {"training.steps": 6, "segmentation.steps": 2, "evaluation.samples": 8} | more
    request = Request("toy", f"folder:{root}", "smoke", settings={**settings, "evaluation.metrics": metrics})
    dataset = replace(folder_dataset(root), resolution=16)
    chosen = resolve(METHOD, GENERATOR, dataset, registry().regularizers, registry().segmenters, request)
    place = Place(runs, DataHome(runs.parent / "home"), torch.device("cpu"))
    path = run(chosen, place, chosen_metrics(metrics, registry().metrics), registry().plugins, reporter or Quiet())
    return json.loads(path.read_text()) | {"path": path}


def test_a_setting_of_the_data_that_came_later_renames_no_protocol_while_it_is_at_its_default(tmp_path: Path):
    grown = make_dataclass("Grown", [("extra", int, later(0))], bases=(SQUARES.config,), frozen=True)
    plain = recipe(evaluation__metrics="iou")
    protocols = [
        carry_out(replace(plain, data_config=config), tmp_path / str(number))["values"]["iou"]["protocol"]
        for number, config in enumerate((SQUARES.config(), grown(), grown(extra=1)))
    ]
    assert protocols[0] == protocols[1]
    assert protocols[2]["dataset_config"] == {**protocols[0]["dataset_config"], "extra": 1}


def test_pictures_of_the_same_name_are_another_run(tmp_path: Path):
    red = on_folder(scenes(tmp_path / "a" / "photos", (255, 0, 0)), tmp_path / "runs")
    green = on_folder(scenes(tmp_path / "b" / "photos", (0, 255, 0), 15), tmp_path / "runs")
    assert red["path"].parent != green["path"].parent
    assert red["values"]["fid-random"]["value"] != green["values"]["fid-random"]["value"]
    assert green["data"]["fingerprints"] != red["data"]["fingerprints"]


def test_pictures_that_were_added_are_another_run(tmp_path: Path):
    root = scenes(tmp_path / "photos", (255, 0, 0))
    before = on_folder(root, tmp_path / "runs")
    after = on_folder(scenes(root, (255, 0, 0), 20), tmp_path / "runs")
    assert before["path"].parent != after["path"].parent
    assert sum(after["data"]["counts"].values()) == 20


def test_a_run_that_was_killed_does_not_go_on_with_other_pictures(tmp_path: Path, monkeypatch):
    import lgbench.training.loop as module

    real = module.Player.play

    def dies(self, number, *rest):
        if number == 3:
            raise SystemExit("killed")
        return real(self, number, *rest)

    settings = {"training.checkpoint_seconds": 0}
    with monkeypatch.context() as patch:
        patch.setattr(module.Player, "play", dies)
        with pytest.raises(SystemExit):
            on_folder(scenes(tmp_path / "a" / "photos", (255, 0, 0)), tmp_path / "runs", **settings)
    mixed = on_folder(scenes(tmp_path / "b" / "photos", (0, 255, 0)), tmp_path / "runs", **settings)
    clean = on_folder(tmp_path / "b" / "photos", tmp_path / "other", **settings)
    assert mixed["artefacts"] == clean["artefacts"]


def test_masks_that_nobody_learns_from_score_the_same_weights_anew(tmp_path: Path):
    root, told = scenes(tmp_path / "photos", (255, 0, 0)), Told()
    before = on_folder(root, tmp_path / "runs")
    after = on_folder(scenes(root, (255, 0, 0), inverted=True), tmp_path / "runs", told)
    assert after["path"].parent == before["path"].parent
    assert after["path"] != before["path"]
    assert after["adds_to"] == before["id"]
    assert "train" not in told.stages
    assert {k: v for k, v in after["artefacts"].items() if k.endswith("safetensors")} == {
        k: v for k, v in before["artefacts"].items() if k.endswith("safetensors")
    }
    assert after["values"]["acc"]["value"] == pytest.approx(1 - before["values"]["acc"]["value"])
    assert after["values"]["fid-random"]["value"] == before["values"]["fid-random"]["value"]
    again = Told()
    assert on_folder(root, tmp_path / "runs", again)["path"] == after["path"]
    assert any("done before" in note for note in again.notes)


def trimaps(root: Path, without: int = 0) -> Path:
    """`scenes` with masks of 0 and 1, around the object a border of 2; the last `without` of them are not there."""
    scenes(root, (255, 0, 0), 40)
    for path in sorted((root / "masks").iterdir()):
        mask = np.asarray(Image.open(path)) > 0
        around = np.zeros_like(mask)
        around[1:], around[:-1] = around[1:] | mask[:-1], around[:-1] | mask[1:]
        Image.fromarray(np.where(mask, 1, 2 * (around & ~mask)).astype(np.uint8)).save(path)
    for path in sorted((root / "masks").iterdir())[40 - without :]:
        path.unlink()
    return root


def test_a_trimaps_border_leaves_every_score_and_its_protocol_says_so(tmp_path: Path):
    root, metrics = trimaps(tmp_path / "photos"), "iou,dice,acc,miou,ari,msc,fid-random"
    left_out = on_folder(root, tmp_path / "runs", metrics=metrics, **{"data.ignore": "2"})
    counted = on_folder(root, tmp_path / "runs", metrics=metrics, **{"data.foreground": "1"})
    assert counted["adds_to"] == left_out["id"]  # masks that nobody learns from
    for name in ("iou", "dice", "acc", "miou", "ari", "msc"):
        said, unsaid = left_out["values"][name], counted["values"][name]
        assert (said["protocol"]["ignore"], unsaid["protocol"]["ignore"]) == ("2", None)
        assert said["protocol_id"] != unsaid["protocol_id"]
    assert "ignore" not in left_out["values"]["fid-random"]["protocol"]


def test_scores_come_from_the_pictures_that_have_masks_and_the_record_counts_them(tmp_path: Path):
    record = on_folder(trimaps(tmp_path / "photos", without=24), tmp_path / "runs", **{"data.ignore": "2"})
    counts, masked = record["data"]["counts"], record["data"]["masked"]
    assert sum(counts.values()) == 40
    assert sum(masked.values()) == 16
    assert 0 < record["values"]["iou"]["n"] == masked["test"] < counts["test"]
    assert record["data"]["lost"] == {}


def test_objects_that_the_crop_removed_are_counted_and_not_scored(tmp_path: Path):
    root = scenes(tmp_path / "photos", (255, 0, 0), 40)
    for number, path in enumerate(sorted((root / "images").iterdir())):  # every third one has its object at the left
        at = 20 if number % 3 else 0
        for kind in ("images", "masks"):
            small = np.asarray(Image.open(root / kind / path.name))
            wide = np.zeros((16, 56, *small.shape[2:]), np.uint8)
            wide[:, at : at + 16] = small
            Image.fromarray(wide).save(root / kind / path.name)
    record = on_folder(root, tmp_path / "runs")
    lost = sum(each.get("crop", 0) for each in record["data"]["lost"].values())
    assert lost == sum(record["data"]["counts"].values()) - sum(record["data"]["masked"].values()) > 0
    assert record["values"]["iou"]["n"] == record["data"]["masked"]["test"]
    assert record["values"]["iou"]["protocol"]["crop"] == "center"
    kept = on_folder(root, tmp_path / "runs", **{"data.fit": "squeeze"})
    assert (kept["data"]["lost"], kept["data"]["masked"]) == ({}, {})
    assert kept["values"]["iou"]["protocol"]["crop"] == "squeeze"
    assert kept["values"]["iou"]["protocol"]["dataset_config"]["fit"] == "squeeze"


def test_where_training_crops_only_its_pictures_are_prepared_larger(tmp_path: Path):
    root = scenes(tmp_path / "photos", (255, 0, 0), 40)
    plain = on_folder(root, tmp_path / "runs")
    prepared = tmp_path / "home" / "prepared"
    before = {path: path.read_bytes() for path in prepared.rglob("*") if path.is_file()}
    assert [re.search(r"-(\d+)-", path.name)[1] for path in prepared.glob("[!.]*")] == ["16"]  # pyright: ignore
    cropped = on_folder(root, tmp_path / "runs", **{"training.crop": 0.79, "training.crop_ratio": 1.0})
    (larger,) = prepared.glob("[!.]*-18-*")
    assert [path.name for path in larger.iterdir()] == ["train"]
    assert {path: path.read_bytes() for path in before} == before
    for name in ("iou", "fid-random"):  # what is scored against stays as it is
        assert cropped["values"][name]["protocol_id"] == plain["values"][name]["protocol_id"]
    assert cropped["data"] == plain["data"]


def test_all_images_may_be_trained_on_and_protocol_and_identity_say_so(tmp_path: Path):
    asked = {"evaluation.reference": "all", "metrics": "iou,fid-random"}
    root = scenes(tmp_path / "photos", (255, 0, 0), 40)
    some = on_folder(root, tmp_path / "runs", **asked)
    every = on_folder(root, tmp_path / "runs", **asked, **{"data.use_all_images": True})
    assert every["path"].parent != some["path"].parent
    assert every["adds_to"] is None
    assert every["data"]["counts"] == some["data"]["counts"] | {"train": 40}
    assert every["recipe"]["data"] == some["recipe"]["data"] | {"use_all_images": True}
    for name in ("iou", "fid-random"):
        said, unsaid = every["values"][name], some["values"][name]
        assert said["protocol"]["dataset_config"] == unsaid["protocol"]["dataset_config"] | {"use_all_images": True}
        assert said["protocol_id"] != unsaid["protocol_id"]
    # every image is a reference once, whether it is trained on or not
    assert every["values"]["fid-random"]["details"]["real"] == some["values"]["fid-random"]["details"]["real"] == 40
    cropped = on_folder(root, tmp_path / "runs", **asked, **{"data.use_all_images": True, "training.crop": 0.8})
    assert cropped["data"] == every["data"]


@pytest.mark.parametrize("value", ["yes, please", 3, None])
def test_whether_to_use_all_images_is_a_truth_value(value: object):
    with pytest.raises(BadRecipe, match=r"data\.use_all_images"):
        recipe(data__use_all_images=value)


def test_joined_splits_keep_what_is_known_of_all_of_them():
    def split(count: int, **known) -> Split:
        return Split(np.full((count, 3, 4, 4), count, np.uint8), fingerprint=str(count), **known)

    masks, labels = np.zeros((2, 4, 4), np.uint8), np.zeros(2, np.int32)
    one = split(2, masks=masks, labels=labels, masked=np.array([True, False]), read_names=lambda: ["a", "b"])
    other = split(3, masks=np.zeros((3, 4, 4), np.uint8), read_names=lambda: ["c", "d", "e"])
    whole = joined([one, other])
    assert (len(whole), whole.names, whole.labels) == (5, ("a", "b", "c", "d", "e"), None)
    assert whole.masks is not None
    assert whole.masked is not None
    assert whole.masked.tolist() == [True, False, True, True, True]
    assert joined([one, split(3)]).masks is None
    assert joined([one, split(3)]).masked is None
    assert whole.fingerprint not in {one.fingerprint, other.fingerprint, joined([other, one]).fingerprint}


def test_a_data_sets_version_is_in_the_protocol_where_it_is_not_the_first(tmp_path: Path):
    first = carry_out(recipe(evaluation__metrics="iou"), tmp_path / "1")["values"]["iou"]
    second = replace(recipe(evaluation__metrics="iou"), dataset=replace(SQUARES, version=2))
    later_one = carry_out(second, tmp_path / "2")["values"]["iou"]
    assert (first["protocol"]["dataset_version"], later_one["protocol"]["dataset_version"]) == (None, 2)
    assert first["protocol_id"] != later_one["protocol_id"]


@pytest.mark.parametrize("change", [{"metrics": "iou"}, {"evaluation.samples": 6}, {"evaluation.threshold": 0.4}])
def test_another_way_to_score_trains_nothing_and_names_the_first_record(tmp_path: Path, change: dict):
    root, told = scenes(tmp_path / "photos", (255, 0, 0)), Told()
    before = on_folder(root, tmp_path / "runs")
    after = on_folder(root, tmp_path / "runs", told, **change)
    assert after["adds_to"] == before["id"]
    assert not {"train", "segment"} & set(told.stages)
    assert any("trained before" in note for note in told.notes)
    assert on_folder(root, tmp_path / "runs") == before  # the first one is still there, and found


def test_changed_code_is_told_and_trains_nothing(tmp_path: Path, monkeypatch):
    import lgbench.run as module

    root, told = scenes(tmp_path / "photos", (255, 0, 0)), Told()
    before = on_folder(root, tmp_path / "runs")
    real = module.environment.describe
    changed = code_state() | {"version": "9"}
    monkeypatch.setattr(module.environment, "describe", lambda *a: real(*a) | {"lgbench": changed})
    assert on_folder(root, tmp_path / "runs", told) == before
    assert any("made by other code" in note and "now 9" in note for note in told.notes)


def test_a_folder_that_does_not_tell_its_data_is_named_and_left_alone(tmp_path: Path):
    root, told = scenes(tmp_path / "photos", (255, 0, 0)), Told()
    older = tmp_path / "runs" / "toy-folder-photos-smoke-16px-s0-01234567"
    older.mkdir(parents=True)
    (older / "recipe.json").write_text("{}")
    record = on_folder(root, tmp_path / "runs", told)
    assert record["path"].parent != older
    assert any(older.name in note for note in told.notes)


def test_arrays_that_were_damaged_are_made_again(tmp_path: Path):
    root, told = scenes(tmp_path / "photos", (255, 0, 0)), Told()
    before = on_folder(root, tmp_path / "runs")
    before["path"].unlink()
    for kind in ("samples", "predictions"):
        (stored,) = before["path"].parent.glob(f"{kind}-*.npz")
        stored.write_bytes(b"" if kind == "samples" else stored.read_bytes()[:100])
    after = on_folder(root, tmp_path / "runs", told)
    assert after["values"] == before["values"]
    assert after["artefacts"] == before["artefacts"]
    assert sum("made again" in note for note in told.notes) == 2


@pytest.mark.parametrize("damage", ["cut", "other", "empty"])
def test_moments_of_real_images_that_were_damaged_are_made_again(tmp_path: Path, damage: str):
    root = scenes(tmp_path / "photos", (255, 0, 0))
    before = on_folder(root, tmp_path / "runs")
    (kept,) = (tmp_path / "home" / "moments").glob("*.npz")
    if damage == "other":
        with np.load(kept) as stored:
            arrays = dict(stored)
        np.savez(kept, **{**arrays, "mean": arrays["mean"] + 1})
    else:
        kept.write_bytes(kept.read_bytes()[:50] if damage == "cut" else b"")
    before["path"].unlink()
    assert on_folder(root, tmp_path / "runs")["values"] == before["values"]


def test_the_second_identical_command_at_the_same_time_is_told_so(tmp_path: Path):
    carry_out(recipe(), tmp_path / "run")
    (folder_of(tmp_path / "run") / "record.json").unlink()
    with exclusive(folder_of(tmp_path / "run"), "a run"), pytest.raises(RunBusy, match="Another process is at work"):
        carry_out(recipe(), tmp_path / "run")


def test_a_method_without_masks_has_no_mask_scores_and_says_why(tmp_path: Path):
    record = carry_out(recipe(segmentation__name="none"), tmp_path / "run")
    assert record["values"]["iou"] == {"not_available": "no segmenter"}
    assert record["segmentation"] is None


@pytest.mark.parametrize(("threshold", "flag"), [(1.0, "finds_nothing"), (1e-12, "finds_all")])
def test_a_segmenter_that_finds_nothing_or_everything_is_flagged(tmp_path: Path, threshold: float, flag: str):
    record = carry_out(recipe(evaluation__threshold=threshold), tmp_path / "run")
    assert record["training"]["flags"] == [flag]


def test_a_diverged_run_is_recorded_as_such(tmp_path: Path, monkeypatch):
    import lgbench.training.loop as module

    real = module.Player.play

    def poisoned(self, number, images, looking):
        if number == 10 and not self.game.frozen:
            next(self.networks["generator"].parameters()).data.fill_(float("nan"))
        return real(self, number, images, looking)

    monkeypatch.setattr(module.Player, "play", poisoned)
    record = carry_out(recipe(evaluation__metrics="iou,layer-difference"), tmp_path / "run")
    assert record["status"] == "diverged"
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


def refuses(evidence):
    raise BadRecipe("set something else")


@pytest.mark.parametrize(
    ("compute", "said"),
    [
        (lambda evidence: 1 / 0, "the metric failed: ZeroDivisionError: division by zero"),
        (lambda evidence: exit("good-bye"), "the metric failed: SystemExit: good-bye"),
        (refuses, "the metric failed: BadRecipe: set something else"),
        (lambda evidence: 0.5, "returned float, not lgbench.evaluation.Score"),
        (lambda evidence: Score(np.zeros(3)), "value is array"),
        (lambda evidence: Score(0.5, details={"spread": None}), "spread is None"),
        (lambda evidence: Score(float("nan")), "not a finite number"),
        (lambda evidence: Score(0.5, details={"spread": float("inf")}), "not a finite number"),
        (lambda evidence: Score(evidence["no such part"]), "KeyError: 'no such part'"),
    ],
)
def test_a_metric_that_breaks_costs_its_own_number_only(tmp_path: Path, monkeypatch, compute, said: str):
    broken = replace(registry().metrics["iou"], compute=compute)
    monkeypatch.setitem(registry().metrics, "iou", broken)
    values = carry_out(recipe(), tmp_path / "run")["values"]
    assert said in values["iou"]["not_available"]
    assert values["fid-random"]["value"] > 0


def test_weights_that_do_not_load_cost_their_own_numbers_only(tmp_path: Path, monkeypatch):
    (tmp_path / "empty.pth").touch()
    monkeypatch.setenv("LGBENCH_SQUEEZENET", str(tmp_path / "empty.pth"))
    record = carry_out(recipe(evaluation__metrics="iou,fid-squeezenet"), tmp_path / "run")
    assert record["status"] == "done"
    assert 0 <= record["values"]["iou"]["value"] <= 1
    said = record["values"]["fid-squeezenet"]["not_available"]
    assert re.search(r"empty\.pth does not hold .* Fetch the file again, or set LGBENCH_SQUEEZENET", said)


def images_of_two_colours(evidence):
    """Evidence that no evaluation has: the painter's answer to codes of one's own choice."""
    return evidence.game.painter({"z": torch.zeros(3, 4)}).alpha.detach().numpy()[:, 0] > 0.5


def test_a_plugin_brings_evidence_of_its_own(tmp_path: Path, monkeypatch):
    part = Part("still", images_of_two_colours, lambda evidence: {"samples": 3, "given": "codes of zeros"})
    metric = Metric(
        name="still",
        summary="",
        compute=lambda evidence: Score(float(evidence["still"].mean()), n=len(evidence["still"])),
        needs=frozenset({"still"}),
        parts=(part,),
        direction="none",
    )
    monkeypatch.setitem(registry().metrics, "still", metric)
    record = carry_out(recipe(evaluation__metrics="iou,still"), tmp_path / "run")
    value = record["values"]["still"]
    assert (value["n"], value["protocol"]["samples"], value["protocol"]["given"]) == (3, 3, "codes of zeros")
    assert 0 <= value["value"] <= 1


def test_a_part_is_made_once_whatever_reads_it_and_not_at_all_where_nothing_does(tmp_path: Path, monkeypatch):
    def make(evidence):
        made.append(1)
        raise NotAvailable("the scanner is broken")

    made: list[int] = []
    parts = (Part("scan", make),)
    for name, needs in (("a", frozenset({"scan"})), ("b", frozenset({"scan"})), ("c", frozenset())):
        metric = Metric(
            name=name, summary="", compute=lambda evidence: Score(1.0), needs=needs, parts=parts, direction="none"
        )
        monkeypatch.setitem(registry().metrics, name, metric)
    values = carry_out(recipe(evaluation__metrics="a,b,c"), tmp_path / "run")["values"]
    assert values["a"] == values["b"] == {"not_available": "the scanner is broken"}
    assert values["c"]["value"] == 1
    assert made == [1]


def test_parts_that_clash_or_that_nobody_brings_are_refused_by_name(tmp_path: Path, monkeypatch):
    iou = registry().metrics["iou"]

    def asked(**changes) -> None:
        monkeypatch.setitem(registry().metrics, "iou", replace(iou, **changes))
        carry_out(recipe(evaluation__metrics="iou"), tmp_path / "run")

    with pytest.raises(BadPlugin, match="iou needs \\['predicted_msaks'\\]"):
        asked(needs=frozenset({"predicted_msaks"}))
    with pytest.raises(BadPlugin, match="'samples', which is taken"):
        asked(parts=(Part("samples", lambda evidence: 1),))


def test_batch_statistics_are_another_protocol_and_leave_the_painter_as_it_was(tmp_path: Path):
    plain = carry_out(recipe(), tmp_path / "plain")["values"]
    batch = carry_out(recipe(evaluation__sample_bn="batch"), tmp_path / "batch")["values"]
    assert plain["fid-random"]["protocol_id"] != batch["fid-random"]["protocol_id"]
    assert plain["iou"] == batch["iou"]


def test_a_split_that_is_not_there_is_refused_before_training(tmp_path: Path):
    with pytest.raises(BadRecipe, match="has no split 'val'"):
        carry_out(recipe(evaluation__split="val"), tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("split", ["train,test", "test, train"])
def test_several_splits_stand_apart_each_as_if_it_were_scored_alone(tmp_path: Path, split: str):
    wanted = {"evaluation__metrics": "iou,ari,coverage,fid-random"}
    both = carry_out(recipe(evaluation__split=split, **wanted), tmp_path / "run")
    assert both["values"].keys() == {*(f"{m}@{s}" for m in ("iou", "ari") for s in ("train", "test")), *ONCE}
    for name in ("train", "test"):
        alone = carry_out(recipe(evaluation__split=name, **wanted), tmp_path / "run")
        for metric in ("iou", "ari"):
            assert both["values"][f"{metric}@{name}"] == alone["values"][metric]
        assert {metric: both["values"][metric] for metric in ONCE} == {m: alone["values"][m] for m in ONCE}
    assert contradictions(Record.model_validate_json(json.dumps(both))) == []


ONCE = {"coverage", "fid-random"}
"""Metrics that read no split that is scored."""


@pytest.mark.parametrize("split", ["", "trian", "test,test", "train;test", "test,"])
def test_splits_that_are_none_are_refused_by_name(split: str):
    with pytest.raises(BadRecipe, match="a split is one of train, val, test"):
        recipe(evaluation__split=split)


def test_a_plugins_part_of_a_split_is_made_for_each(tmp_path: Path, monkeypatch):
    """Whether a number is of a split follows from what its parts read, by any way; nobody has to say it."""
    size = Part("size", lambda evidence: len(evidence.test))
    twice = Part("twice", lambda evidence: 2 * evidence["size"])
    metric = replace(
        registry().metrics["iou"],
        name="sizes",
        compute=lambda evidence: Score(float(evidence["twice"]), n=1),
        needs=frozenset({"twice"}),
        parts=(size, twice),
    )
    monkeypatch.setitem(registry().metrics, "sizes", metric)
    chosen = recipe(evaluation__split="train,test", evaluation__metrics="sizes")
    values = carry_out(chosen, tmp_path / "run")["values"]
    assert {name: value["value"] for name, value in values.items()} == {"sizes@train": 96, "sizes@test": 40}


def test_a_category_narrows_the_training_images(tmp_path: Path):
    record = carry_out(recipe(training__category=1), tmp_path / "run")
    assert record["data"]["counts"]["train"] == 16
    assert record["values"]["fid-random"]["protocol"]["dataset_config"]["category"] == 1


def test_unknown_metrics_are_refused():
    with pytest.raises(BadRecipe, match="metrics \\['fidd'\\]"):
        chosen_metrics("iou,fidd", registry().metrics)


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


def test_compare_needs_finished_runs(tmp_path: Path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(RunFailed, match="not a finished run"):
        compare(tmp_path / "empty", tmp_path / "empty", tmp_path / "pairs.png")


assert FAST["evaluation.samples"] == 300  # fid-random has 246 features: a full-rank covariance
