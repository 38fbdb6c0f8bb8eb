"""Small worlds have a split to choose settings on, and what is trained and scored on keeps its bytes."""

import gzip
from types import SimpleNamespace

import numpy as np
import pytest

from lgbench.data import DataHome, open_dataset
from lgbench.evaluation.evidence import Evidence
from lgbench.settings import plain
from lgbench.stage_configs import EvaluationConfig
from lgbench_datasets import datasets

RECORDS = {record.name: record for record in datasets()}
FEW = {"images": 300, "test_images": 60}

# name, settings, side, fingerprints of train and test as they were before there was a val split
BEFORE = [
    ("flora", FEW, 32, "cbe773e3fd38b6fc", "5ab8bc0a8e9ed6ad"),
    (
        "flora",
        {**FEW, "flowers": 3, "difficulty": "medium", "shift": "hue"},
        32,
        "52cf0fed00f12b56",
        "8591a832b2573734",
    ),
    ("digits-one", FEW, 32, "0c50fa7cb33cca99", "607b21bff27519c2"),
    ("mnist-one", {}, 32, "8bd0ed7a01f436fa", "10058025f9403946"),
    ("mnist-two", {}, 64, "3751bb94f5cd9e41", "ed7ec4d4d1f32d5f"),
]
WORLDS = [pytest.param(name, settings, side, id=name) for name, settings, side, *_ in BEFORE]


@pytest.fixture
def home(tmp_path):
    """A data home with 24 and 10 bars of growing height in MNIST's format."""
    home = DataHome(tmp_path)
    folder = home.folder("mnist")
    folder.mkdir(parents=True)
    for prefix, count in (("train", 24), ("t10k", 10)):
        tiles = np.zeros((count, 28, 28), np.uint8)
        for number, tile in enumerate(tiles):
            tile[4 : 6 + number % 20, 8:20] = 255
        for kind, array in (("images-idx3", tiles), ("labels-idx1", np.arange(count) % 10)):
            header = bytes([0, 0, 8, array.ndim]) + b"".join(length.to_bytes(4, "big") for length in array.shape)
            packed = gzip.compress(header + array.astype(np.uint8).tobytes())
            (folder / f"{prefix}-{kind}-ubyte.gz").write_bytes(packed)
    return home


@pytest.mark.parametrize(("name", "settings", "side", "train", "test"), BEFORE)
def test_a_val_split_leaves_the_bytes_of_train_and_test(home, name, settings, side, train, test):
    splits = open_dataset(RECORDS[name], settings, side, home)
    assert splits["train"].fingerprint[:16] == train
    assert splits["test"].fingerprint[:16] == test


@pytest.mark.parametrize(("name", "settings", "side"), WORLDS)
def test_no_picture_of_val_is_in_train_or_test(home, name, settings, side):
    splits = open_dataset(RECORDS[name], settings, side, home)
    seen = {split: {image.tobytes() for image in opened.images[:]} for split, opened in splits.items()}
    assert len(seen["val"]) > 5
    assert not seen["val"] & (seen["train"] | seen["test"])


@pytest.mark.parametrize(("name", "settings", "side"), WORLDS)
def test_val_has_all_that_the_other_splits_have(home, name, settings, side):
    splits = open_dataset(RECORDS[name], settings, side, home)
    assert splits["val"].provides == splits["test"].provides
    assert splits["val"].classes == splits["test"].classes


@pytest.mark.parametrize("name", ["flora", "digits-one"])
def test_val_has_as_many_pictures_as_its_setting_says_and_the_default_is_not_hashed(home, name):
    config = RECORDS[name].config_class
    assert "val_images" not in plain(config())
    assert plain(config(val_images=7))["val_images"] == 7
    assert len(open_dataset(RECORDS[name], {**FEW, "val_images": 7}, 16, home)["val"].images) == 7


def test_mnists_val_shows_the_last_training_digits(home):
    splits = open_dataset(RECORDS["mnist-one"], {}, 32, home)
    assert splits["val"].labels[:].tolist() == splits["train"].labels[-10:].tolist()


def test_flora_does_not_shift_val(home):
    usual, shifted = (
        open_dataset(RECORDS["flora"], {**FEW, "shift": shift}, 16, home)["val"] for shift in ("none", "size")
    )
    assert usual.fingerprint == shifted.fingerprint


@pytest.mark.parametrize("name", ["flora", "digits-one", "mnist-one", "mnist-two"])
def test_numbers_over_all_images_leave_val_out_of_worlds_that_had_none(name):
    recipe = SimpleNamespace(dataset=RECORDS[name], use_all_images=False, evaluation=EvaluationConfig())
    splits = {"train": "training", "val": "held back", "test": "scored"}
    evidence = Evidence(SimpleNamespace(recipe=recipe), None, None, splits, {})
    assert evidence.whole == ["training", "scored"]


def test_numbers_over_all_images_have_the_val_split_of_photographs():
    splits = {"train": "training", "val": "held back", "test": "scored"}
    recipe = SimpleNamespace(dataset=RECORDS["cub"], use_all_images=False, evaluation=EvaluationConfig())
    evidence = Evidence(SimpleNamespace(recipe=recipe), None, None, splits, {})
    assert evidence.whole == ["training", "held back", "scored"]


@pytest.mark.parametrize("name", [record.name for record in RECORDS.values() if record.offline])
def test_every_world_that_needs_no_files_has_a_val_split(name, home):
    record = RECORDS[name]
    raw = record.build(record.config(), record.resolution, home)
    assert set(raw.counts) == {"train", "val", "test"}
    assert "val" in record.splits
