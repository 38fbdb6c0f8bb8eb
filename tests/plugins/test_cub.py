"""CUB-200-2011 from a miniature of its official files, and the bounding-box crop."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from official import encoded, serve, sources_at, tar, unreachable

from lgbench.data import DataHome, RawDataset, Sample, open_dataset
from lgbench.errors import BadData, BadRecipe, DataMissing
from lgbench_datasets import cub
from lgbench_datasets.crops import Box, around, scored, window

WIDTH, HEIGHT = 60, 40
CLASSES = ("001.Auk", "002.Bunting")
NAMES = [f"{CLASSES[i % 2]}/{CLASSES[i % 2][4:]}_{i:04d}_{7 * i}.jpg" for i in range(1, 25)]
TRAIN = [1, 0, 0] * 8  # official flags
BOX = (36, 10, 12, 8)  # left, top, width, height: the bird fills it


def bird() -> np.ndarray:
    mask = np.zeros((HEIGHT, WIDTH), dtype=bool)
    left, top, width, height = BOX
    mask[top : top + height, left : left + width] = True
    return mask


def picture(number: int) -> np.ndarray:
    return np.where(bird()[..., None], [200, 8 * number, 90], [40, 120, 60]).astype(np.uint8)


def numbered(rows: list[str]) -> bytes:
    return "".join(f"{i} {row}\n" for i, row in enumerate(rows, 1)).encode()


def write_official(folder: Path, **tables: list[str]) -> None:
    rows = {
        "images": NAMES,
        "image_class_labels": [str(CLASSES.index(name.partition("/")[0]) + 1) for name in NAMES],
        "train_test_split": [str(flag) for flag in TRAIN],
        "bounding_boxes": [" ".join(f"{number:.1f}" for number in BOX)] * len(NAMES),
        "classes": list(CLASSES),
    } | tables
    files = {f"CUB_200_2011/{name}.txt": numbered(table) for name, table in rows.items()}
    files |= {f"CUB_200_2011/images/{name}": encoded(picture(i)) for i, name in enumerate(NAMES)}
    opacities = np.where(bird(), 204, 51).astype(np.uint8)  # four of five annotators, one of five
    tar(folder / "CUB_200_2011.tgz", files | {"attributes.txt": b"1 has_bill\n"})
    tar(folder / "segmentations.tgz", {f"segmentations/{n[:-4]}.png": encoded(opacities, "PNG") for n in NAMES})


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with a miniature of the official files, which the data set now fetches."""
    folder = tmp_path / "site"
    folder.mkdir()
    write_official(folder)
    monkeypatch.setenv("no_proxy", "*")
    with serve(folder) as url:
        monkeypatch.setattr(cub, "SOURCES", sources_at(url, folder, cub.SOURCES))
        yield folder


def put_redo(home: DataHome, values: list[int]) -> None:
    home.folder("cub").mkdir(parents=True, exist_ok=True)
    (home.folder("cub") / cub.REDO_FILE).write_bytes(numbered([str(value) for value in values]))


def test_the_official_split_labels_and_masks(site: Path, tmp_path: Path):
    opened = open_dataset(cub.CUB, {"split": "official"}, 32, DataHome(tmp_path / "home"))
    train, test = opened["train"], opened["test"]
    assert set(opened) == {"train", "test"}
    assert train.names == tuple(name for name, flag in zip(NAMES, TRAIN, strict=True) if flag)
    assert len(train) + len(test) == len(NAMES)
    assert test.labels is not None
    assert [test.classes[label] for label in test.labels] == [name.partition("/")[0] for name in test.names]
    assert (train.origin, train.crop, train.provides) == ("official", "center", {"masks", "labels"})


def test_masks_stay_opacities_and_more_than_half_is_bird(site: Path, tmp_path: Path):
    test = open_dataset(cub.CUB, {"split": "official"}, HEIGHT, DataHome(tmp_path / "home"))["test"]
    assert test.masks is not None
    edge = (WIDTH - HEIGHT) // 2  # at 40 pixels the centre square is not resized
    assert set(np.unique(test.masks)) == {51, 204}
    assert ((test.masks > 127) == bird()[:, edge : edge + HEIGHT]).all()


def test_redos_split_is_read_from_its_file(site: Path, tmp_path: Path):
    home, values = DataHome(tmp_path / "home"), [0, 0, 1, 2] * 6
    put_redo(home, values)
    opened = open_dataset(cub.CUB, None, 32, home)
    for value, split in enumerate(("train", "val", "test")):
        assert opened[split].names == tuple(name for name, its in zip(NAMES, values, strict=True) if its == value)
    origin = opened["test"].origin
    assert origin.startswith("official, ReDO's split file ")
    put_redo(home, values[::-1])
    assert open_dataset(cub.CUB, None, 32, home)["test"].origin != origin


@pytest.mark.parametrize("values", [[0, 1, 2], [0, 0, 1, 3] * 6, [0] * 24])
def test_a_file_that_is_not_redos_split_is_refused(site: Path, tmp_path: Path, values: list[int]):
    home = DataHome(tmp_path / "home")
    put_redo(home, values)
    with pytest.raises(BadData, match="mickaelChen/ReDO"):
        open_dataset(cub.CUB, None, 32, home)


def test_without_redos_file_its_numbers_are_drawn_and_the_origin_says_so(site: Path, tmp_path: Path, caplog):
    opened = open_dataset(cub.CUB, None, 32, DataHome(tmp_path / "home"))
    assert sorted(name for split in opened.values() for name in split.names) == sorted(NAMES)
    assert opened["train"].origin == "official, split in ReDO's numbers by hash"
    assert cub.REDO_PAGE in caplog.text


def test_the_drawn_split_has_redos_numbers():
    names = [f"{i:05d}.jpg" for i in range(11_788)]
    drawn = cub.by_hash(names)
    assert [drawn.count(split) for split in ("train", "val", "test")] == [10_000, 788, 1_000]
    first = min(names, key=lambda name: hashlib.sha256(name.encode()).hexdigest())
    assert drawn[names.index(first)] == "test"
    assert cub.by_hash(names[::-1]) == drawn[::-1]


def test_the_box_crop_shows_the_bird_in_training_and_is_in_the_protocol(site: Path, tmp_path: Path):
    home = DataHome(tmp_path / "home")
    opened = open_dataset(cub.CUB, {"split": "official", "crop": "bbox"}, 18, home)
    assert {split.crop for split in opened.values()} == {"bbox"}
    train = opened["train"].masks
    assert train is not None
    # 1.5 times the longer side of 12 is 18, around (42, 14): rows 5 to 22, columns 33 to 50, not resized
    assert ((train > 127) == bird()[5:23, 33:51]).all()
    assert opened["train"].fingerprint != open_dataset(cub.CUB, {"split": "official"}, 18, home)["train"].fingerprint


def test_no_box_says_where_the_bird_is_in_pictures_that_are_scored(site: Path, tmp_path: Path):
    home = DataHome(tmp_path / "home")
    boxed, central = (
        open_dataset(cub.CUB, {"split": "official", "crop": crop}, HEIGHT, home)["test"] for crop in ("bbox", "center")
    )
    assert boxed.masks is not None
    assert ((boxed.masks > 127) == bird()[:, 10:50]).all()
    assert (boxed.rgb(slice(None)) == central.rgb(slice(None))).all()


@pytest.mark.parametrize("crop", ["center", "bbox"])
def test_what_is_scored_can_be_the_middle_of_a_picture_as_in_comgans_test(site: Path, tmp_path: Path, crop: str):
    """The shorter side to 152 pixels, then the middle 128: of 40 rows 34, cut from the centre square."""
    home, settings = DataHome(tmp_path / "home"), {"crop": crop}
    whole, middle = (open_dataset(cub.CUB, {**settings, "test_crop": cut}, 34, home) for cut in ("square", "middle"))
    for split in ("val", "test"):
        masks = middle[split].masks
        assert masks is not None
        assert ((masks > 127) == bird()[3:37, 13:47]).all()
        assert middle[split].fingerprint != whole[split].fingerprint
    assert middle["train"].fingerprint == whole["train"].fingerprint
    with pytest.raises(BadRecipe, match="test crop of cub is 'square' or 'middle'"):
        open_dataset(cub.CUB, {"test_crop": "centre"}, 34, home)


def test_maps_and_landmarks_follow_the_middle():
    picture = np.arange(152 * 200, dtype=np.int64).reshape(152, 200).astype(np.uint8)
    sample = Sample(picture, picture > 9, picture, segments=picture, landmarks=np.array([[36.0, 12.0], [163.0, 139.0]]))
    raw = RawDataset({"train": lambda: [sample], "test": lambda: [sample]}, {"train": 1, "test": 1}, "made")
    cut = scored(raw, "middle")
    assert [*cut.splits["train"]()] == [sample]
    (found,) = cut.splits["test"]()
    for part, whole in (("image", picture), ("mask", picture > 9), ("instances", picture), ("segments", picture)):
        assert (getattr(found, part) == whole[12:140, 36:164]).all()
    assert found.landmarks is not None
    assert found.landmarks.tolist() == [[0, 0], [127, 127]]
    assert scored(raw, "square") is raw


def test_the_window_is_half_again_as_long_as_the_box():
    assert window(Box(100, 50, 40, 20), 300, 200) == (90, 30, 60)


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        (Box(0, 0, 40, 20), (5, 0, 40)),  # a corner: columns 0 to 49, rows 0 to 39
        (Box(0, 0, 300, 200), (50, 0, 200)),  # the whole picture: its centre square
        (Box(290, 190, 40, 40), (269, 169, 31)),  # reaches beyond the picture
        (Box(10.6, 10.6, 0.4, 0.4), (9, 9, 2)),  # a speck
    ],
)
def test_the_window_is_a_square_in_the_picture(box: Box, expected: tuple[int, int, int]):
    left, top, side = window(box, 300, 200)
    assert (left, top, side) == expected
    assert around(box, np.zeros((200, 300, 3), dtype=np.uint8)).shape == (side, side, 3)


def test_two_openings_give_the_same(site: Path, tmp_path: Path):
    one, two = (open_dataset(cub.CUB, None, 32, DataHome(tmp_path / name)) for name in ("one", "two"))
    assert {n: s.fingerprint for n, s in one.items()} == {n: s.fingerprint for n, s in two.items()}


def test_birds_do_without_segmentations(site: Path, tmp_path: Path):
    (site / "segmentations.tgz").unlink()
    assert open_dataset(cub.CUB, None, 32, DataHome(tmp_path / "home"))["train"].provides == {"labels"}


@pytest.mark.parametrize("table", ["image_class_labels", "bounding_boxes", "train_test_split", "classes"])
def test_a_truncated_table_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, table: str):
    site, home = tmp_path / "site", DataHome(tmp_path / "home")
    site.mkdir()
    write_official(site, **{table: ["1 2"]})
    monkeypatch.setenv("no_proxy", "*")
    with serve(site) as url:
        monkeypatch.setattr(cub, "SOURCES", sources_at(url, site, cub.SOURCES))
        with pytest.raises(BadData, match=rf"{table}\.txt.*delete .*CUB_200_2011 to have it unpacked again"):
            open_dataset(cub.CUB, {"split": "official"}, 32, home)


def test_a_truncated_archive_is_named_and_nothing_half_unpacked_stays(
    site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    archive = site / "CUB_200_2011.tgz"
    archive.write_bytes(archive.read_bytes()[:-4000])
    home = DataHome(tmp_path / "home")
    with serve(site) as url:
        monkeypatch.setattr(cub, "SOURCES", sources_at(url, site, cub.SOURCES))
        with pytest.raises(BadData, match=r"CUB_200_2011\.tgz is truncated"):
            open_dataset(cub.CUB, None, 32, home)
    assert sorted(path.name for path in home.folder("cub").iterdir() if path.is_dir()) == []


def test_a_picture_without_its_mask_is_named(site: Path, tmp_path: Path):
    home = DataHome(tmp_path / "home")
    open_dataset(cub.CUB, None, 32, home)
    (home.folder("cub") / "segmentations" / f"{NAMES[3][:-4]}.png").unlink()
    with pytest.raises(BadData, match=rf"{NAMES[3]}: cannot read .*segmentations"):
        open_dataset(cub.CUB, None, 16, home)


@pytest.mark.parametrize(("setting", "value"), [("split", "other"), ("crop", "box")])
def test_a_setting_that_does_not_exist_is_refused(tmp_path: Path, setting: str, value: str):
    with pytest.raises(BadRecipe, match=f"{setting} of cub is .*, not '{value}'"):
        open_dataset(cub.CUB, {setting: value}, 32, DataHome(tmp_path))


def test_without_network_or_files_the_error_says_where_to_put_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(cub, "SOURCES", unreachable(cub.SOURCES))
    monkeypatch.setenv("no_proxy", "*")
    with pytest.raises(DataMissing, match=r"CUB_200_2011\.tgz \(1,150,585,339 bytes\)"):
        open_dataset(cub.CUB, None, 32, DataHome(tmp_path))
