"""A run belongs to its data: which pictures name it, which are scored, what is made again when it was damaged."""

from __future__ import annotations

import re
from dataclasses import make_dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from run_worlds import Told, carry_out, on_folder, recipe, scenes
from toy import SQUARES, folder_of

from lgbench import load_run
from lgbench.data import Split, joined
from lgbench.errors import BadRecipe
from lgbench.settings import later
from lgbench.training.stream import Stream


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


def test_the_record_counts_pictures_without_an_object(tmp_path: Path):
    root = scenes(tmp_path / "photos", (255, 0, 0), 40)
    for path in sorted((root / "masks").iterdir())[::2]:
        Image.fromarray(np.zeros((16, 16), np.uint8)).save(path)
    record = on_folder(root, tmp_path / "runs")
    empty, count = record["data"]["one_sided"]["test"]["object"], record["data"]["counts"]["test"]
    assert 0 < empty < count
    assert (record["data"]["masked"], record["data"]["lost"]) == ({}, {})


@pytest.mark.parametrize("all_images", [False, True])
def test_what_the_data_lack_is_told_once_where_pictures_are_prepared_twice(tmp_path: Path, caplog, all_images: bool):
    root = trimaps(tmp_path / "photos", without=24)
    settings = {"data.ignore": "2", "data.use_all_images": all_images}
    on_folder(root, tmp_path / "runs", **settings, **{"training.crop": 0.79, "training.crop_ratio": 1.0})
    assert caplog.text.count("Masks are known of") == 1


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


def test_training_crops_have_the_detail_of_crops_of_the_pictures_as_they_are_on_disk(tmp_path: Path, monkeypatch):
    """Mean absolute Laplacian of what a training of 16 px sees, beside that of crops of the 64 px originals."""
    import lgbench.stages as module

    random, root = np.random.default_rng(0), tmp_path / "photos"
    (root / "images").mkdir(parents=True)
    originals = random.integers(0, 256, (60, 64, 64, 3), dtype=np.uint8)
    for index, pixels in enumerate(originals):
        Image.fromarray(pixels).save(root / "images" / f"{index:02d}.png")
    seen, fit = {}, module.fit

    def watched(game, reals, schedule, stage, *more):
        seen.setdefault(stage.name, Stream(reals, replace(schedule, batch=40, flip=False), stage.runtime)(0).images)
        return fit(game, reals, schedule, stage, *more)

    monkeypatch.setattr(module, "fit", watched)
    on_folder(root, tmp_path / "runs", metrics="coverage", **{"training.crop": 0.5, "training.crop_ratio": 1.0})
    side, crops = 64 * 0.5**0.5, []
    for pixels in originals:
        x, y = random.uniform(0, 64 - side, 2)
        image = Image.fromarray(pixels)
        crops.append(np.asarray(image.resize((16, 16), Image.Resampling.BILINEAR, (x, y, x + side, y + side))))
    cut = torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2) / 127.5 - 1
    assert laplacian(seen["train"]) > 0.9 * laplacian(cut)


def laplacian(images: torch.Tensor) -> float:
    inner, x = (slice(1, -1), images.mean(dim=1))
    around = x[:, :-2, inner] + x[:, 2:, inner] + x[:, inner, :-2] + x[:, inner, 2:]
    return float((around - 4 * x[:, inner, inner]).abs().mean())


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


@pytest.mark.parametrize(
    ("settings", "train"), [({"data.use_all_images": True}, 48 + 20), ({"training.category": 1}, 16), ({}, 48)]
)
def test_a_loaded_runs_training_images_are_those_it_was_trained_on(monkeypatch, tmp_path: Path, settings, train: int):
    chosen = recipe(**{"evaluation.metrics": "iou", **settings})
    carry_out(chosen, tmp_path / "runs")
    monkeypatch.setattr("lgbench.trained.look_up", lambda request, home: chosen)
    monkeypatch.setenv("LGBENCH_HOME", str(tmp_path / "home"))
    splits = load_run(folder_of(tmp_path / "runs"), "cpu").splits()
    assert (len(splits["train"]), len(splits["test"])) == (train, 20)


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
def test_moments_of_real_images_that_were_damaged_are_made_again(tmp_path: Path, damage: str, caplog):
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
    assert f"{kept} is damaged; it is made again." in caplog.messages


def test_looking_at_all_real_images_is_told_and_happens_once(tmp_path: Path):
    root, first, again = scenes(tmp_path / "photos", (255, 0, 0)), Told(), Told()
    before = on_folder(root, tmp_path / "runs", first)
    before["path"].unlink()
    on_folder(root, tmp_path / "runs", again)
    assert first.stages.count("real pictures, random") == 1
    assert "real pictures, random" not in again.stages


def test_a_category_narrows_the_training_images(tmp_path: Path):
    record = carry_out(recipe(training__category=1), tmp_path / "run")
    assert record["data"]["counts"]["train"] == 16
    assert record["values"]["fid-random"]["protocol"]["dataset_config"]["category"] == 1
