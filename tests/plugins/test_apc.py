"""APC from a miniature of its official folder."""

import random
import shutil
from pathlib import Path

import numpy as np
import pytest
from official import encoded

from lgbench.data import DataHome, open_dataset
from lgbench.errors import BadData, BadRecipe, DataMissing
from lgbench_datasets import apc

HEIGHT, WIDTH = 48, 64
SCENES = [
    *(f"shelf/duct_tape/scene-{i:04d}" for i in range(7)),
    *(f"tote/duct_tape/scene-{i:04d}" for i in range(7)),
    *(f"tote/book/scene-{i:04d}" for i in range(5)),
    "shelf/book/scene-empty",
]


def level(scene: str, frame: int) -> int:
    return 10 * SCENES.index(scene) + 3 * frame


def write_training(root: Path) -> None:
    """Two frames a scene; the object is a rectangle at 255 in the mask, whose edge has another value."""
    for scene in SCENES:
        (root / scene / "masks").mkdir(parents=True)
        for frame in range(2):
            picture = np.full((HEIGHT, WIDTH, 3), level(scene, frame), np.uint8)
            picture[..., 2] = 0
            (root / scene / f"frame-{frame:06d}.color.png").write_bytes(encoded(picture, "PNG"))
            (root / scene / f"frame-{frame:06d}.depth.png").write_bytes(b"not read")
            if "empty" not in scene:
                mask = np.zeros((HEIGHT, WIDTH), np.uint8)
                mask[10:30, 20:50], mask[12:28, 22:48] = 254, 255
                (root / scene / "masks" / f"frame-{frame:06d}.mask.png").write_bytes(encoded(mask, "PNG"))


@pytest.fixture
def home(tmp_path: Path) -> DataHome:
    home = DataHome(tmp_path / "home")
    write_training(home.folder("apc") / "training")
    return home


def scenes_of(split) -> set[str]:
    return {name.rpartition("/")[0] for name in split.names}


def genesis_division() -> dict[str, set[str]]:
    """As applied-ai-lab/genesis divides the scenes."""
    scenes = sorted(SCENES)
    random.seed(0)
    random.shuffle(scenes)
    return {"train": set(scenes[4:]), "val": set(scenes[:2]), "test": set(scenes[2:4])}


def test_scenes_are_divided_as_genesis_does(home: DataHome):
    opened = open_dataset(apc.APC, None, 32, home)
    assert {name: scenes_of(split) for name, split in opened.items()} == genesis_division()
    assert {name: len(split) for name, split in opened.items()} == {"train": 32, "val": 4, "test": 4}
    assert all(list(split.names) == sorted(split.names) for split in opened.values())


def test_pictures_labels_and_masks_belong_together(home: DataHome):
    opened = open_dataset(apc.APC, None, HEIGHT, home)
    truth = np.zeros((HEIGHT, WIDTH), np.uint8)
    truth[12:28, 22:48] = 255  # only where the stored mask has 255
    truth = truth[:, 8:56]  # the central square
    for split in opened.values():
        assert split.masks is not None
        assert split.labels is not None
        assert split.classes == ("book", "duct_tape")
        for name, image, mask, label in zip(split.names, split.images, split.masks, split.labels, strict=True):
            scene, _, frame = name.rpartition("/")
            assert (image[0] == level(scene, int(frame[6:12]))).all()
            assert split.classes[label] == scene.split("/")[1]
            np.testing.assert_array_equal(mask, np.zeros_like(truth) if "empty" in scene else truth)


def test_empty_scenes_can_be_dropped_and_the_others_stay_where_they_are(home: DataHome):
    opened = open_dataset(apc.APC, {"empty": "drop"}, 32, home)
    expected = {
        split: {s for s in scenes if not s.endswith("scene-empty")} for split, scenes in genesis_division().items()
    }
    assert {name: scenes_of(split) for name, split in opened.items()} == expected
    assert sum(map(len, opened.values())) == 38
    with pytest.raises(BadRecipe, match="'keep' or to 'drop'"):
        open_dataset(apc.APC, {"empty": "ignore"}, 32, home)


def test_two_homes_have_the_same_fingerprints(home: DataHome, tmp_path: Path):
    other = DataHome(tmp_path / "other")
    write_training(other.folder("apc") / "training")
    one, two = (open_dataset(apc.APC, None, 32, place) for place in (home, other))
    assert {s: one[s].fingerprint for s in one} == {s: two[s].fingerprint for s in two}
    assert one["test"].origin == two["test"].origin


def test_a_part_of_the_data_set_is_another_copy(home: DataHome):
    whole = open_dataset(apc.APC, None, 32, home)["test"].origin
    shutil.rmtree(home.folder("apc") / "training" / "tote" / "book" / "scene-0001")
    assert open_dataset(apc.APC, None, 32, home)["test"].origin != whole


@pytest.mark.parametrize("file", ["frame-000001.color.png", "masks/frame-000001.mask.png"])
def test_a_file_that_changes_makes_another_copy(home: DataHome, file: str):
    before = open_dataset(apc.APC, None, 32, home)["train"]
    for scene in SCENES[:-1]:
        path = home.folder("apc") / "training" / scene / file
        mask = np.zeros((HEIGHT, WIDTH), np.uint8)
        mask[5:20, 25:30] = 255
        path.write_bytes(encoded(mask if "mask" in file else np.full((HEIGHT, WIDTH, 3), 77, np.uint8), "PNG"))
    after = open_dataset(apc.APC, None, 32, home)["train"]
    assert before.origin != after.origin
    assert before.fingerprint != after.fingerprint


def test_frames_that_lack_their_mask_or_are_truncated_are_named(home: DataHome):
    root = home.folder("apc") / "training"
    (root / "tote/book/scene-0001/masks/frame-000001.mask.png").unlink()
    broken = root / "shelf/duct_tape/scene-0003/frame-000000.color.png"
    broken.write_bytes(broken.read_bytes()[:60])
    with pytest.raises(BadData) as error:
        open_dataset(apc.APC, None, 32, home)
    assert "tote/book/scene-0001/masks/frame-000001.mask.png: cannot read" in str(error.value)
    assert "shelf/duct_tape/scene-0003/frame-000000.color.png: truncated" in str(error.value)


def test_a_folder_with_nothing_useful_in_it_is_refused(home: DataHome):
    root = home.folder("apc") / "training"
    shutil.rmtree(root / "tote")
    with pytest.raises(BadData, match="has 8 scenes; 10 are needed"):
        open_dataset(apc.APC, None, 32, home)
    shutil.rmtree(root / "shelf")
    with pytest.raises(BadData, match="has no frames"):
        open_dataset(apc.APC, None, 32, home)


def test_without_the_folder_the_error_says_where_it_comes_from_and_goes(tmp_path: Path):
    with pytest.raises(DataMissing) as error:
        open_dataset(apc.APC, None, 32, DataHome(tmp_path))
    assert "training.zip (131 GB)" in str(error.value)
    assert str(tmp_path / "files" / "apc") in str(error.value)
