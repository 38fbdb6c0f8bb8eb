"""Stanford Cars from a miniature of its official files, put by hand as the real ones have to be."""

import hashlib
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from official import encoded, tar

from lgbench.cli import group
from lgbench.data import DataHome, open_dataset
from lgbench.data.pseudo import PseudoMaker, draw_masks
from lgbench.errors import BadData, BadRecipe, DataMissing
from lgbench_datasets import cars

MODELS = ["AM General Hummer SUV 2000", "Acura RL Sedan 2012", "Audi TT RS Coupe 2012"]
CLASSES = {"train": [3, 1, 2, 2, 1], "test": [2, 3, 1, 1]}
WIDTH, HEIGHT = 60, 40
CORNERS = (31, 11, 42, 18)  # x1, y1, x2, y2, from 1 and inside: columns 30 to 41, rows 10 to 17


def car() -> np.ndarray:
    mask = np.zeros((HEIGHT, WIDTH), dtype=bool)
    mask[10:18, 30:42] = True
    return mask


def files(split: str) -> list[str]:
    return [f"{i:05d}.jpg" for i in range(1, len(CLASSES[split]) + 1)]


def annotations(path: Path, split: str, **wrong: int) -> None:
    from scipy.io import savemat

    kinds = [(f"bbox_{side}", object) for side in ("x1", "y1", "x2", "y2")] + [("class", object), ("fname", object)]
    rows = np.empty((1, len(CLASSES[split])), dtype=kinds)
    for i, (label, name) in enumerate(zip(CLASSES[split], files(split), strict=True)):
        rows[0, i] = (*CORNERS, wrong.get("label", label), name)
    savemat(path, {"annotations": rows})


def write_unpacked(folder: Path) -> None:
    from scipy.io import savemat

    for split in CLASSES:
        (folder / f"cars_{split}").mkdir(parents=True)
        for i, name in enumerate(files(split)):
            pixels = np.where(car()[..., None], [220, 30 * i, 40], [90, 90, 90]).astype(np.uint8)
            (folder / f"cars_{split}" / name).write_bytes(encoded(pixels))
    (folder / "devkit").mkdir()
    savemat(folder / "devkit" / "cars_meta.mat", {"class_names": np.array([MODELS], dtype=object)})
    annotations(folder / "devkit" / "cars_train_annos.mat", "train")
    annotations(folder / "cars_test_annos_withlabels.mat", "test")


def write_packed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The four official files, whose checksums the data set then expects."""
    write_unpacked(folder)
    for archive, (below, _) in cars.CONTENTS.items():
        tar(folder / archive, {f"{below}/{path.name}": path.read_bytes() for path in (folder / below).iterdir()})
        shutil.rmtree(folder / below)
    sources = tuple(
        replace(source, checksum="sha256:" + hashlib.sha256((folder / source.file).read_bytes()).hexdigest())
        for source in cars.SOURCES
    )
    monkeypatch.setattr(cars, "SOURCES", sources)


def unpacked_home(root: Path) -> DataHome:
    """A home with the folders as many copies have them: the labels of the test pictures lie in the devkit."""
    home, labels = DataHome(root), "cars_test_annos_withlabels.mat"
    write_unpacked(home.folder("cars"))
    (home.folder("cars") / labels).rename(home.folder("cars") / "devkit" / labels)
    return home


@pytest.fixture
def home(tmp_path: Path) -> DataHome:
    return unpacked_home(tmp_path / "home")


def put_masks(home: DataHome, names: list[str]) -> Path:
    for name in names:
        path = home.folder("cars") / "masks" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encoded(car(), "PNG"))
    return home.folder("cars") / "masks"


def test_official_archives_are_verified_unpacked_and_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    home = DataHome(tmp_path / "home")
    write_packed(home.folder("cars"), monkeypatch)
    opened = open_dataset(cars.CARS, None, 32, home)
    for split, its in opened.items():
        assert its.names == tuple(f"cars_{split}/{name}" for name in files(split))
        assert its.labels is not None
        assert its.labels.tolist() == [label - 1 for label in CLASSES[split]]
        assert its.classes == tuple(MODELS)
        assert (its.origin, its.crop, its.provides) == ("official", "center", {"labels"})


def test_another_file_under_an_official_name_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    home = DataHome(tmp_path / "home")
    write_packed(home.folder("cars"), monkeypatch)
    (home.folder("cars") / "cars_test.tgz").write_bytes(b"not it")
    with pytest.raises(BadData, match=r"cars_test\.tgz is not the official file"):
        open_dataset(cars.CARS, None, 32, home)


def test_unpacked_folders_serve_too_and_the_origin_says_so(home: DataHome):
    opened = open_dataset(cars.CARS, None, 32, home)
    assert {name: len(split) for name, split in opened.items()} == {"train": 5, "test": 4}
    assert opened["train"].origin.startswith("official, unpacked by hand ")


@pytest.mark.parametrize("file", ["cars_train/00002.jpg", "cars_test/00003.jpg", "annotations", "classes"])
def test_an_unpacked_file_that_changes_is_noticed(home: DataHome, file: str):
    from scipy.io import savemat

    before = open_dataset(cars.CARS, None, 32, home)["train"].origin
    folder = home.folder("cars")
    if file == "annotations":
        annotations(folder / "devkit" / "cars_train_annos.mat", "train", label=1)
    elif file == "classes":
        savemat(folder / "devkit" / "cars_meta.mat", {"class_names": np.array([MODELS[::-1]], dtype=object)})
    else:
        (folder / file).write_bytes(encoded(np.full((48, 64, 3), 9, np.uint8)))
    assert open_dataset(cars.CARS, None, 32, home)["train"].origin != before


def test_what_a_checked_archive_covers_is_not_hashed_beside_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    home = DataHome(tmp_path / "home")
    write_packed(home.folder("cars"), monkeypatch)
    open_dataset(cars.CARS, None, 32, home)
    (home.folder("cars") / "cars_test.tgz").unlink()  # its folder stays
    before = open_dataset(cars.CARS, None, 32, home)["test"]
    (home.folder("cars") / "cars_test" / files("test")[0]).write_bytes(encoded(np.full((48, 64, 3), 9, np.uint8)))
    after = open_dataset(cars.CARS, None, 32, home)["test"]
    assert before.origin.startswith("official, unpacked by hand ")
    assert before.origin != after.origin


def test_the_box_crop_counts_from_one_as_matlab_does(home: DataHome):
    opened = open_dataset(cars.CARS, {"crop": "bbox"}, 18, home)
    assert (opened["train"].crop, opened["test"].crop) == ("bbox", "bbox")
    # 1.5 times the longer side of 12 is 18, around (36, 14): rows 5 to 22, columns 27 to 44, not resized
    assert ((opened["train"].rgb(-1)[0, 0] > 155) == car()[5:23, 27:45]).all()


def test_masks_are_a_folder_and_test_pictures_without_one_are_left_out(home: DataHome):
    put_masks(home, ["cars_test/00001.png", "cars_test/00003.png", "cars_train/00002.png"])
    opened = open_dataset(cars.CARS, {"masks": "masks"}, HEIGHT, home)
    train, test = opened["train"], opened["test"]
    assert test.names == ("cars_test/00001.jpg", "cars_test/00003.jpg")
    assert (len(train), train.scorable) == (5, 1)  # all are trained on
    assert train.scored().names == ("cars_train/00002.jpg",)
    assert train.scored().provides == {"labels", "masks"}
    assert test.masks is not None
    assert ((test.masks > 127) == car()[:, 10:50]).all()
    assert test.provides == {"labels", "masks"}


def test_other_masks_are_another_origin(home: DataHome):
    masks = put_masks(home, ["cars_test/00001.png"])
    before = open_dataset(cars.CARS, {"masks": "masks"}, 32, home)["test"].origin
    (masks / "cars_test" / "00001.png").write_bytes(encoded(~car(), "PNG"))
    after = open_dataset(cars.CARS, {"masks": "masks"}, 32, home)["test"].origin
    assert re.match("official, unpacked by hand [0-9a-f]{12}, masks ", before)
    assert before != after


def test_a_mask_of_another_size_is_named(home: DataHome):
    masks = put_masks(home, ["cars_test/00001.png"])
    (masks / "cars_test" / "00001.png").write_bytes(encoded(car()[:, 1:], "PNG"))
    with pytest.raises(BadData, match=r"cars_test/00001\.jpg: mask of 59 x 40 pixels, image of 60 x 40"):
        open_dataset(cars.CARS, {"masks": "masks", "crop": "bbox"}, 32, home)


def test_a_folder_without_masks_is_refused(home: DataHome):
    with pytest.raises(DataMissing, match="masks.*not a folder"):
        open_dataset(cars.CARS, {"masks": "masks"}, 32, home)
    put_masks(home, ["00001.png"])
    with pytest.raises(BadData, match=r"named cars_test/00001\.png, cars_test/00002\.png"):
        open_dataset(cars.CARS, {"masks": "masks"}, 32, home)


def test_two_openings_give_the_same(home: DataHome, tmp_path: Path):
    other = unpacked_home(tmp_path / "other")
    one, two = (open_dataset(cars.CARS, None, 32, where) for where in (home, other))
    assert {n: s.fingerprint for n, s in one.items()} == {n: s.fingerprint for n, s in two.items()}


def test_missing_files_are_named_with_where_to_put_them(tmp_path: Path):
    home = DataHome(tmp_path / "home")
    with pytest.raises(DataMissing) as raised:
        open_dataset(cars.CARS, None, 32, home)
    text = str(raised.value)
    assert "is gone" in text
    assert cars.CARS.by_hand in text
    assert str(home.folder("cars")) in text
    assert all(source.file in text for source in cars.SOURCES)
    write_unpacked(home.folder("cars"))
    shutil.rmtree(home.folder("cars") / "cars_test")
    with pytest.raises(DataMissing, match=r"Not here are\n  cars_test\.tgz \(977,350,468 bytes") as raised:
        open_dataset(cars.CARS, None, 32, home)
    assert "car_devkit.tgz (" not in str(raised.value)


def test_the_files_are_here_packed_or_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    packed, unpacked, half = (DataHome(tmp_path / name) for name in ("packed", "unpacked", "half"))
    write_packed(packed.folder("cars"), monkeypatch)
    unpacked_home(unpacked.root)
    unpacked_home(half.root)
    shutil.rmtree(half.folder("cars") / "devkit")
    assert packed.locate(cars.CARS) == packed.folder("cars")
    assert unpacked.locate(cars.CARS) == unpacked.folder("cars")
    assert half.locate(cars.CARS) is None
    assert not cars.CARS.fetched


def test_broken_annotations_are_named(home: DataHome):
    path = home.folder("cars") / "devkit" / "cars_train_annos.mat"
    annotations(path, "train", label=9)
    with pytest.raises(BadData, match=r"class of cars_train/00001\.jpg is none of the 3"):
        open_dataset(cars.CARS, None, 32, home)
    for broken in (b"", path.read_bytes()[:200], b"no MATLAB file"):
        path.write_bytes(broken)
        with pytest.raises(BadData, match=r"cars_train_annos\.mat is truncated or has no annotations"):
            open_dataset(cars.CARS, None, 32, home)


def test_a_crop_that_does_not_exist_is_refused(home: DataHome):
    with pytest.raises(BadRecipe, match="'center' or 'bbox', not 'box'"):
        open_dataset(cars.CARS, {"crop": "box"}, 32, home)


def test_masks_that_a_network_made_are_marked_and_cars_without_one_are_not_scored(home: DataHome):
    found = iter([car(), None, car(), car()])
    raw = cars.build(cars.Config(), 32, home)
    folder = home.folder("cars") / "pseudo"
    maker = PseudoMaker("maskrcnn_resnet50_fpn", "ab" * 32, "car")
    assert draw_masks(raw.splits["test"](), lambda image: next(found), maker, folder) == (4, 3)
    test = open_dataset(cars.CARS, {"masks": "pseudo"}, 32, home)["test"]
    assert (len(test), test.pseudo) == (3, {"masks": str(maker)})
    assert ", pseudo masks " in test.origin
    put_masks(home, ["cars_test/00001.png"])
    assert open_dataset(cars.CARS, {"masks": "masks"}, 32, home)["test"].pseudo == {}


def test_the_pictures_that_are_learnt_from_are_masked_on_demand(home: DataHome, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("LGBENCH_HOME", str(home.root))
    maker = PseudoMaker("maskrcnn_resnet50_fpn", "ab" * 32, "car")
    monkeypatch.setattr("lgbench.data.pseudo.load_detector", lambda *_: (lambda image: car(), maker))
    weights = home.root / "w.pth"
    weights.touch()
    command = ["data", "pseudo-masks", "cars", "--weights", str(weights)]
    for more, masked in (([], 0), (["--train"], 5)):
        assert CliRunner().invoke(group, [*command, *more], catch_exceptions=False).exit_code == 0
        opened = open_dataset(cars.CARS, {"masks": "pseudo"}, 32, home)
        assert opened["test"].scorable == 4
        assert ("masks" in opened["train"].provides, opened["train"].scorable) == (masked > 0, masked)
