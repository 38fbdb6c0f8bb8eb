"""Methods that paint nothing: from the command's request to the record, on white squares whose masks are known."""

from __future__ import annotations

import builtins
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from toy import SQUARES, folder_of

from lgbench.cli import group
from lgbench.cli.pairs import compare
from lgbench.data import DataHome, RawDataset
from lgbench.errors import BadData, BadRecipe, NotAvailable, RunFailed, UnknownName
from lgbench.lookup import check_conditions
from lgbench.offers import NOTHING
from lgbench.plugins import registry
from lgbench.progress import Quiet
from lgbench.recipe import Recipe, Request, resolve
from lgbench.run import Place, chosen_metrics, run
from lgbench.trained import load_run

FLOORS = {name: method for name, method in registry().methods.items() if method.generator is None}
RULES = [name for name, method in FLOORS.items() if not method.presets]
QUICK = {"segmentation.steps": 40, "segmentation.batch": 8, "segmenter.width": 8}
METRICS = {"evaluation.metrics": "iou,acc,ari,fid-random,coverage,nmi,diversity"}


def tried(name: str, dataset=SQUARES, **settings: object) -> Recipe:
    quick = {} if name in RULES else QUICK
    request = Request(name, dataset.name, "smoke", settings={**METRICS, **quick, **settings})
    return resolve(FLOORS[name], NOTHING, dataset, registry().regularizers, registry().segmenters, request)


def carry_out(recipe: Recipe, runs: Path, reporter: Quiet | None = None) -> dict:
    metrics = chosen_metrics(recipe.evaluation.metrics, registry().metrics)
    place = Place(runs, DataHome(runs.parent / "home"), torch.device("cpu"))
    return json.loads(run(recipe, place, metrics, registry().plugins, reporter or Quiet()).read_text())


def test_there_are_ten_floors_and_ceilings():
    assert set(FLOORS) == {
        *("empty", "full", "centre-ellipse", "otsu", "two-means", "grabcut"),
        *("iem", "iem-unet", "nearest-mask", "supervised-unet"),
    }


@pytest.mark.parametrize("name", FLOORS)
def test_a_floor_is_an_ordinary_run_with_a_record(tmp_path: Path, name: str):
    record = carry_out(tried(name), tmp_path / "runs")
    values, training = record["values"], record["training"]
    assert record["status"] == "done"
    assert record["supervision"] == ("full" if name in ("nearest-mask", "supervised-unet") else "none")
    assert record["selected_by"] == ("best-on-val" if name == "supervised-unet" else "last")
    assert record["recipe"]["generator"] == {"name": "none"}
    assert "steps" not in record["recipe"]["training"]
    assert (training["steps"], training["parameters"], training["wall_s"]) == (0, {}, 0)
    assert not (folder_of(tmp_path / "runs") / "train").exists()
    assert 0 <= values["iou"]["value"] <= 1
    assert values["iou"]["protocol"]["polarity"] == "committed"
    for metric in ("fid-random", "coverage"):
        assert values[metric] == {"not_available": "the method paints nothing"}
    assert "not_available" in values["nmi"]
    assert "baselines" not in record  # a floor has one source: its own record


@pytest.mark.parametrize(("name", "least"), [("otsu", 0.99), ("two-means", 0.99), ("iem", 0.9), ("nearest-mask", 0.4)])
def test_white_squares_are_found_by_those_who_look(tmp_path: Path, name: str, least: float):
    assert carry_out(tried(name), tmp_path / "runs")["values"]["iou"]["value"] > least


def test_the_ceiling_learns_and_the_floor_below_it_does_not(tmp_path: Path):
    ceiling = carry_out(tried("supervised-unet", **{"segmentation.steps": 150}), tmp_path / "runs")
    assert ceiling["values"]["iou"]["value"] > 0.8
    taught = ceiling["segmentation"]
    assert taught["learnt_from"] == {"pictures": 44, "val": 4}  # a tenth of train, where there is no val split
    assert 0 < taught["selected"] <= taught["steps"] == 150
    assert carry_out(tried("full"), tmp_path / "runs")["values"]["iou"]["value"] < 0.3


def test_supervision_is_counted_and_told(tmp_path: Path):
    assert carry_out(tried("nearest-mask"), tmp_path / "runs")["segmentation"]["learnt_from"] == {"pictures": 48}
    learnt = carry_out(tried("iem-unet"), tmp_path / "runs")["segmentation"]["learnt_from"]
    assert learnt["pictures"] + learnt["left out"] == 48
    with pytest.raises(BadRecipe, match="nothing to learn"):  # a square covers a quarter of its picture
        carry_out(tried("iem-unet", **{"segmenter.least": 0.49}), tmp_path / "runs")


@pytest.mark.parametrize("name", ["iem", "nearest-mask", "grabcut"])
def test_masks_do_not_depend_on_the_batch(tmp_path: Path, name: str):
    def bits(**settings: object) -> np.ndarray:
        carry_out(tried(name, **settings), tmp_path / str(settings))
        (path,) = folder_of(tmp_path / str(settings)).glob("predictions-*.npz")
        return np.load(path)["bits"]

    assert np.array_equal(bits(), bits(**{"evaluation.batch": 3}))


def test_what_was_learnt_is_not_learnt_again(tmp_path: Path):
    stages: list[str] = []

    class Told(Quiet):
        def stage(self, name: str, *rest) -> None:
            stages.append(name)

    first = carry_out(tried("iem-unet"), tmp_path / "runs", Told())
    assert {"iem", "segment"} <= {*stages}
    stages.clear()
    again = carry_out(tried("iem-unet", **{"evaluation.aggregation": "pooled"}), tmp_path / "runs", Told())
    assert again["adds_to"] == first["id"]
    assert not {"iem", "segment"} & {*stages}
    assert again["segmentation"]["learnt_from"] == first["segmentation"]["learnt_from"]


def masked(dataset, split: str, which: slice):
    """The data set with masks for some pictures of a split only."""

    def build(config, resolution, home) -> RawDataset:
        raw = dataset.build(config, resolution, home)

        def samples():
            for index, sample in enumerate(raw.splits[split]()):
                yield sample if index in range(1000)[which] else replace(sample, mask=None)

        return replace(raw, splits={**raw.splits, split: samples}, partial=frozenset({"masks"}))

    return replace(dataset, build=build, name=f"{dataset.name}-{which.stop}")  # prepared apart


def test_pictures_without_masks_are_left_out_of_what_is_learnt(tmp_path: Path):
    some = masked(SQUARES, "train", slice(0, 20))
    assert carry_out(tried("nearest-mask", some), tmp_path / "a")["segmentation"]["learnt_from"] == {"pictures": 20}
    learnt = carry_out(tried("supervised-unet", some), tmp_path / "b")["segmentation"]["learnt_from"]
    assert learnt == {"pictures": 18, "val": 2}
    with pytest.raises(BadData, match="no masks"):
        carry_out(tried("nearest-mask", masked(SQUARES, "train", slice(0, 0))), tmp_path / "c")
    assert carry_out(tried("iem", masked(SQUARES, "train", slice(0, 0))), tmp_path / "d")["status"] == "done"


def test_a_data_set_without_masks_is_refused_at_once_and_others_are_named():
    bare = replace(SQUARES, name="bare", provides=frozenset({"labels"}))
    for name in ("nearest-mask", "supervised-unet"):
        with pytest.raises(BadRecipe, match=rf"{name} reads masks, and bare has no masks.*flora"):
            check_conditions(tried(name, bare), registry().datasets)
    check_conditions(tried("iem", bare), registry().datasets)


@pytest.mark.parametrize("name", ["nearest-mask", "supervised-unet"])
def test_nobody_learns_the_masks_it_is_scored_on(tmp_path: Path, name: str):
    with pytest.raises(BadRecipe, match="very masks that it is scored on"):
        carry_out(tried(name, **{"data.use_all_images": True}), tmp_path / "runs")


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"training.steps": 5}, "training.steps has no effect: iem trains no generator"),
        ({"training.rounds": 2}, "training.rounds has no effect"),
        ({"regularizers.perturbation.weight": 1}, "--with perturbation has no effect"),
        ({"generator.width": 3}, r"\[generator\] has no setting 'width'"),
        ({"segmentation.name": "unet-s"}, "iem has no segmenter named 'unet-s'"),
        ({"segmenter.kernel": 4}, "segmenter.kernel"),
    ],
)
def test_what_a_method_that_paints_nothing_cannot_read_is_refused(settings: dict, why: str):
    with pytest.raises((BadRecipe, UnknownName), match=why):
        tried("iem", **settings)


def test_grabcut_without_opencv_says_what_to_install(tmp_path: Path, monkeypatch):
    real = builtins.__import__

    def without(name: str, *rest):
        if name == "cv2":
            raise ImportError("No module named 'cv2'")
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(NotAvailable, match=r"pip install 'lgbench\[baselines\]'"):
        carry_out(tried("grabcut"), tmp_path / "runs")
    assert not (tmp_path / "runs").exists()


def test_grabcut_finds_a_disc_in_its_box():
    from lgbench_floors.config import GrabCutConfig
    from lgbench_floors.grabcut import grabcut

    at = np.arange(64) + 0.5
    disc = (at[:, None] - 30) ** 2 + (at - 36) ** 2 < 16**2
    colours = np.where(disc, np.reshape([200, 80, 80], (3, 1, 1)), np.reshape([60, 150, 150], (3, 1, 1)))
    noise = np.random.default_rng(0).integers(-20, 21, size=(3, 3, 64, 64))
    for found in grabcut((colours + noise).astype(np.uint8), GrabCutConfig()):
        assert (found & disc).sum() / (found | disc).sum() > 0.95


@pytest.mark.parametrize("grey", [0, 255])
def test_grabcut_takes_a_constant_picture(grey: int):
    from lgbench_floors.config import GrabCutConfig
    from lgbench_floors.grabcut import grabcut

    found = grabcut(np.full((2, 3, 32, 32), grey, np.uint8), GrabCutConfig())
    assert not found[:, :3].any()
    assert np.array_equal(found[0], found[1])


def test_the_nearest_picture_is_the_one_with_the_least_squares():
    from lgbench_floors.nearest import Memory, _small

    random = np.random.default_rng(0)
    kept, asked = (random.integers(256, size=(n, 3, 32, 32), dtype=np.uint8) for n in (40, 9))
    memory = Memory()
    memory.pictures = _small(torch.from_numpy(kept))
    memory.masks = torch.from_numpy(random.random((40, 32, 32)) > 0.5)

    def small(pictures: np.ndarray) -> np.ndarray:
        return pictures.reshape(-1, 3, 16, 2, 16, 2).mean(axis=(3, 5)).reshape(len(pictures), -1)

    distances = ((small(asked)[:, None] - small(kept)[None]) ** 2).sum(axis=-1)
    found = memory(torch.from_numpy(asked).float() / 127.5 - 1)
    assert torch.equal(found, memory.masks[torch.from_numpy(distances.argmin(axis=1))])


def test_a_floor_in_python_segments_and_says_that_it_paints_nothing(tmp_path: Path, monkeypatch):
    from lgbench import lookup

    monkeypatch.setattr(lookup.registry(), "datasets", {**registry().datasets, "squares": SQUARES})
    monkeypatch.setenv("LGBENCH_DATA", str(tmp_path / "home"))
    for name in ("otsu", "nearest-mask", "supervised-unet"):
        carry_out(tried(name), tmp_path / name)
        folder = folder_of(tmp_path / name)
        trained = load_run(folder, "cpu")
        images = trained.run.runtime.images(torch.from_numpy(np.array(trained.splits()["test"].rgb(slice(0, 20)))))
        assert trained.segmenter is not None
        assert trained.segmenter.predict is not None
        with torch.no_grad():
            found = trained.segmenter.predict(images)[:, 0] >= 0.5
        (path,) = folder.glob("predictions-*.npz")
        assert np.array_equal(np.packbits(found.numpy(), axis=-1), np.load(path)["bits"])
        with pytest.raises(NotAvailable, match=f"{name} paints nothing"):
            _ = trained.painter
        with pytest.raises(RunFailed, match=f"{name}, which paints nothing"):
            compare(folder, folder, tmp_path / "pairs.png")
        refused = CliRunner().invoke(group, ["sample", str(folder), "--device", "cpu"]).exception
        assert isinstance(refused, NotAvailable)
        assert f"`lgbench sample {folder} --predictions` shows the masks" in str(refused)
