"""LSUN Car from a miniature of the exported photographs, the test list and its masks."""

import logging
import shutil
from pathlib import Path

import numpy as np
import pytest
from official import encoded

from lgbench.data import DataHome, open_dataset
from lgbench.data.pseudo import PseudoMaker, draw_masks
from lgbench.errors import BadData, BadRecipe, DataMissing
from lgbench_datasets import lsun_car

# key -> (width, height); keys sort as the database does
SIZES = {
    "a0": (533, 400),
    "a1": (532, 400),
    "a2": (600, 400),  # too wide
    "a3": (535, 398),
    "a4": (533, 397),  # too low
    "b0": (533, 400),  # for testing
    "b1": (530, 401),  # for testing, of whatever size
    "b2": (531, 402),
    "c0": (533, 400),
}
TEST = ["b1", "b0"]


def photograph(key: str) -> np.ndarray:
    width, height = SIZES[key]
    picture = np.zeros((height, width, 3), np.uint8)
    picture[...] = (20 * list(SIZES).index(key), 90, 30)
    return picture


def mask(key: str) -> np.ndarray:
    width, height = SIZES[key]
    found = np.zeros((height, width), np.uint8)
    found[200:300, 150:350] = 1 if key == "b0" else 255  # both are in use for foreground
    return found


def write(folder: Path, flat: bool = True) -> None:
    for key in SIZES:
        path = folder / "images" / ("" if flat else "/".join(key)) / f"{key}.{'jpg' if key < 'b' else 'webp'}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encoded(photograph(key), "JPEG" if key < "b" else "WEBP"))
    (folder / "test.txt").write_text("b1\n\nb0.webp\n")
    (folder / "masks").mkdir()
    for key in TEST:
        (folder / "masks" / f"{key}.png").write_bytes(encoded(mask(key), "PNG"))


@pytest.fixture
def home(tmp_path: Path) -> DataHome:
    home = DataHome(tmp_path / "home")
    write(home.folder("lsun-car"))
    return home


def keys(split) -> list[str]:
    return [Path(name).stem for name in split.names]


def test_training_has_photographs_of_the_size_without_those_for_testing(home: DataHome):
    opened = open_dataset(lsun_car.LSUN_CAR, None, 32, home)
    assert {name: keys(split) for name, split in opened.items()} == {
        "train": ["a0", "a1", "a3", "b2", "c0"],
        "test": ["b0", "b1"],
    }
    assert opened["test"].crop == "center"
    assert home.locate(lsun_car.LSUN_CAR) == home.folder("lsun-car")


def test_the_rule_is_a_setting(home: DataHome):
    opened = open_dataset(lsun_car.LSUN_CAR, {"first": 8, "tolerance": 0}, 32, home)
    assert keys(opened["train"]) == ["a0"]
    assert keys(open_dataset(lsun_car.LSUN_CAR, {"first": 8}, 32, home)["train"]) == ["a0", "a1", "a3", "b2"]
    for senseless in ({"first": 0}, {"tolerance": -1}):
        with pytest.raises(BadRecipe, match="lsun-car needs first of at least 1"):
            open_dataset(lsun_car.LSUN_CAR, senseless, 32, home)


def test_test_photographs_have_their_masks(home: DataHome):
    test = open_dataset(lsun_car.LSUN_CAR, None, 400, home)["test"]
    assert test.masks is not None
    for key, image, found in zip(keys(test), test.images, test.masks, strict=True):
        width, height = SIZES[key]
        left = (width - min(height, width)) // 2
        truth = (mask(key) > 0)[:400, left : left + 400]
        assert ((found > 127) == truth).mean() > 0.99  # one of them is shrunk by a pixel
        assert abs(image[0].mean() - 20 * list(SIZES).index(key)) < 4


def test_training_photographs_have_no_masks(home: DataHome):
    train = open_dataset(lsun_car.LSUN_CAR, None, 32, home)["train"]
    assert (train.masks, train.provides) == (None, frozenset())


def test_masks_are_optional(home: DataHome):
    with_masks = open_dataset(lsun_car.LSUN_CAR, None, 32, home)["test"]
    shutil.rmtree(home.folder("lsun-car") / "masks")
    without = open_dataset(lsun_car.LSUN_CAR, None, 32, home)["test"]
    assert (with_masks.provides, without.provides) == ({"masks"}, set())
    assert without.masks is None
    assert with_masks.origin != without.origin


def test_other_masks_are_another_benchmark(home: DataHome):
    before = open_dataset(lsun_car.LSUN_CAR, None, 32, home)["test"]
    (home.folder("lsun-car") / "masks" / "b0.png").write_bytes(encoded(mask("b0") == 0, "PNG"))
    after = open_dataset(lsun_car.LSUN_CAR, None, 32, home)["test"]
    assert before.origin != after.origin
    assert before.fingerprint != after.fingerprint


@pytest.mark.parametrize("key", ["a1", "b0"])
def test_other_photographs_are_another_benchmark(home: DataHome, key: str):
    before = open_dataset(lsun_car.LSUN_CAR, None, 32, home)
    path = next((home.folder("lsun-car") / "images").glob(f"{key}.*"))
    path.write_bytes(encoded(255 - photograph(key), "JPEG"))
    after = open_dataset(lsun_car.LSUN_CAR, None, 32, home)
    assert before["train"].origin != after["train"].origin
    split = "test" if key in TEST else "train"
    assert before[split].fingerprint != after[split].fingerprint


def test_two_homes_have_the_same_fingerprints_flat_or_not(home: DataHome, tmp_path: Path):
    other = DataHome(tmp_path / "other")
    write(other.folder("lsun-car"), flat=False)
    one, two = (open_dataset(lsun_car.LSUN_CAR, None, 32, place) for place in (home, other))
    assert {s: one[s].fingerprint for s in one} == {s: two[s].fingerprint for s in two}
    assert one["train"].origin == two["train"].origin


def test_sizes_are_looked_at_once(home: DataHome, monkeypatch: pytest.MonkeyPatch):
    open_dataset(lsun_car.LSUN_CAR, None, 32, home)
    monkeypatch.setattr(lsun_car, "_fits", lambda *_: pytest.fail("looked at again"))
    assert len(open_dataset(lsun_car.LSUN_CAR, None, 48, home)["train"]) == 5
    assert len(open_dataset(lsun_car.LSUN_CAR, {"masks": "none"}, 48, home)["train"]) == 5  # says nothing of sizes


def test_sizes_of_photographs_that_changed_are_looked_at_again(home: DataHome):
    open_dataset(lsun_car.LSUN_CAR, None, 32, home)
    for key in ("a2", "a4"):
        path = home.folder("lsun-car") / "images" / f"{key}.jpg"
        path.write_bytes(encoded(np.zeros((400, 533, 3), np.uint8), "JPEG"))
    assert keys(open_dataset(lsun_car.LSUN_CAR, None, 32, home)["train"])[:5] == ["a0", "a1", "a2", "a3", "a4"]


def test_a_truncated_photograph_is_named(home: DataHome):
    path = home.folder("lsun-car") / "images" / "a1.jpg"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(BadData, match=r"a1\.jpg: truncated"):
        open_dataset(lsun_car.LSUN_CAR, None, 32, home)
    path.write_bytes(b"nothing")
    (home.folder("lsun-car") / "train.json").unlink()
    with pytest.raises(BadData, match=r"a1\.jpg is not a readable photograph"):
        open_dataset(lsun_car.LSUN_CAR, None, 32, home)


def test_a_missing_mask_is_named(home: DataHome):
    (home.folder("lsun-car") / "masks" / "b1.png").unlink()
    with pytest.raises(BadData, match=r"b1\.png: cannot read"):
        open_dataset(lsun_car.LSUN_CAR, None, 32, home)


def test_a_test_list_that_does_not_fit_is_refused(home: DataHome):
    listing = home.folder("lsun-car") / "test.txt"
    listing.write_text("b0\nz9\n")
    with pytest.raises(BadData, match="names 1 photographs that are not in images, z9 first"):
        open_dataset(lsun_car.LSUN_CAR, None, 32, home)
    listing.write_text("\n")
    with pytest.raises(BadData, match="names no photograph"):
        open_dataset(lsun_car.LSUN_CAR, None, 32, home)


def test_two_photographs_of_one_key_are_refused(home: DataHome):
    images = home.folder("lsun-car") / "images"
    shutil.copy(images / "a0.jpg", images / "a0.png")
    with pytest.raises(BadData, match="two photographs of the key a0"):
        open_dataset(lsun_car.LSUN_CAR, None, 32, home)


def test_photographs_that_were_resized_are_refused(home: DataHome):
    for path in (home.folder("lsun-car") / "images").glob("*"):
        path.write_bytes(encoded(np.zeros((256, 256, 3), np.uint8), "JPEG"))
    with pytest.raises(BadData, match="no training photograph of about 533 x 400 pixels"):
        open_dataset(lsun_car.LSUN_CAR, None, 32, home)
    shutil.rmtree(home.folder("lsun-car") / "masks")
    write(home.folder("lsun-car"))
    assert len(open_dataset(lsun_car.LSUN_CAR, None, 32, home)["train"]) == 5


def test_other_counts_than_published_are_logged(home: DataHome, caplog: pytest.LogCaptureFixture):
    with caplog.at_level(logging.WARNING):
        open_dataset(lsun_car.LSUN_CAR, None, 32, home)
    assert "has 5 train photographs; IEM tells of 31893" in caplog.text


def test_without_files_the_error_says_what_goes_where(tmp_path: Path):
    home = DataHome(tmp_path)
    with pytest.raises(DataMissing, match=r"Not here are\n  images\n  test\.txt\n"):
        open_dataset(lsun_car.LSUN_CAR, None, 32, home)
    (home.folder("lsun-car") / "images").mkdir(parents=True)
    assert home.locate(lsun_car.LSUN_CAR) is None
    with pytest.raises(DataMissing, match=r"Not here are\n  test\.txt\n") as error:
        open_dataset(lsun_car.LSUN_CAR, None, 32, home)
    assert "http://dl.yf.io/lsun/objects/car.zip" in str(error.value)
    assert str(home.folder("lsun-car")) in str(error.value)


def test_masks_that_a_network_made_take_the_place_of_the_published_ones(home: DataHome):
    raw = lsun_car.build(lsun_car.Config(), 32, home)
    maker = PseudoMaker("maskrcnn_resnet50_fpn", "ab" * 32, "car")
    found = iter([None, mask("b1") > 0])
    assert draw_masks(raw.splits["test"](), lambda image: next(found), maker, home.folder("lsun-car") / "pseudo") == (
        2,
        1,
    )
    ours = open_dataset(lsun_car.LSUN_CAR, {"masks": "pseudo"}, 32, home)["test"]
    assert ours.masked is not None
    assert (ours.masked.tolist(), ours.pseudo) == ([False, True], {"masks": str(maker)})
    published = open_dataset(lsun_car.LSUN_CAR, None, 32, home)["test"]
    assert (published.masked, published.pseudo) == (None, {"masks": lsun_car.PUBLISHED_MASKS})
