"""Flowers-102 from a miniature of its official files, and from an added archive."""

import io
import os
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from official import serve, sources_at, tar, unreachable
from PIL import Image

from lgbench import Dataset
from lgbench.data import DataHome, add_archive, decode_image, open_dataset
from lgbench.errors import BadData, BadRecipe, DataMissing
from lgbench.settings import plain
from lgbench_datasets import flowers

SPLITS = {"trnid": [3, 1], "valid": [4, 2], "tstid": [5, 8, 6, 7]}
LABELS = [1, 2, 3, 1, 2, 3, 1, 2]
WIDTH, HEIGHT = 300, 240  # large enough for the outline, which JPEG smears, to weigh as little as in the originals


def disc(number: int) -> np.ndarray:
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    return (y - 120) ** 2 + (x - 130 - number) ** 2 < (60 + 5 * number) ** 2


def jpeg(number: int, background: tuple[int, int, int]) -> bytes:
    picture = np.where(disc(number)[..., None], [230, 180, 20 * number], background).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "JPEG", quality=90)
    return file.getvalue()


def write_official(folder: Path) -> None:
    from scipy.io import savemat

    tar(folder / "102flowers.tgz", {f"jpg/image_{i:05d}.jpg": jpeg(i, (40, 120, 40)) for i in range(1, 9)})
    tar(folder / "102segmentations.tgz", {f"segmim/segmim_{i:05d}.jpg": jpeg(i, flowers.BLUE) for i in range(1, 9)})
    savemat(folder / "imagelabels.mat", {"labels": np.array([LABELS], dtype=np.uint8)})
    savemat(folder / "setid.mat", {key: np.array([numbers], dtype=np.uint16) for key, numbers in SPLITS.items()})


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with a miniature of the official files, which the data set now fetches."""
    folder = tmp_path / "site"
    folder.mkdir()
    write_official(folder)
    monkeypatch.setenv("no_proxy", "*")
    with serve(folder) as url:
        monkeypatch.setattr(flowers, "SOURCES", sources_at(url, folder, flowers.SOURCES))
        yield folder


def numbers(split) -> list[int]:
    return [int(name[-9:-4]) for name in split.names]


def test_official_files_are_fetched_and_split_as_redo_does(site: Path, tmp_path: Path):
    opened = open_dataset(flowers.FLOWERS, None, 48, DataHome(tmp_path / "home"))
    assert {name: numbers(split) for name, split in opened.items()} == {
        "train": [5, 6, 7, 8],
        "val": [2, 4],
        "test": [1, 3],
    }
    train = opened["train"]
    assert train.labels is not None
    assert train.labels.tolist() == [LABELS[i - 1] - 1 for i in (5, 6, 7, 8)]
    assert train.classes == ("1", "2", "3")
    assert (train.origin, train.provides) == ("official", {"labels", "masks"})


def test_the_official_split_is_a_setting(site: Path, tmp_path: Path):
    opened = open_dataset(flowers.FLOWERS, {"split": "official"}, 48, DataHome(tmp_path / "home"))
    assert numbers(opened["train"]) == [1, 3]
    assert numbers(opened["test"]) == [5, 6, 7, 8]
    with pytest.raises(BadRecipe, match="'redo' or 'official'"):
        open_dataset(flowers.FLOWERS, {"split": "other"}, 48, DataHome(tmp_path / "home"))


def test_masks_are_what_is_not_blue(site: Path, tmp_path: Path):
    opened = open_dataset(flowers.FLOWERS, None, HEIGHT, DataHome(tmp_path / "home"))
    for split in opened.values():
        assert split.masks is not None
        for number, mask in zip(numbers(split), split.masks > 127, strict=True):
            truth = disc(number)[:, (WIDTH - HEIGHT) // 2 :][:, :HEIGHT]
            assert (mask & truth).sum() / (mask | truth).sum() > 0.97


@pytest.mark.parametrize(
    ("colour", "foreground"),
    [
        ((0, 0, 254), False),
        ((0, 90, 200), False),  # no red
        ((90, 0, 200), False),  # no green
        ((90, 90, 254), False),
        ((1, 1, 255), True),  # blue that JPEG smeared
        ((230, 180, 20), True),
    ],
)
def test_redos_rule_calls_background_what_lacks_red_or_green_or_has_that_blue(colour, foreground):
    shown = np.full((2, 3, 3), colour, np.uint8)
    assert (flowers._foreground(shown, "", "redo") == foreground).all()


def test_redos_rule_is_a_setting(site: Path, tmp_path: Path):
    home = DataHome(tmp_path / "home")
    ours, redos = (
        open_dataset(flowers.FLOWERS, {"masks": rule}, HEIGHT, home)["test"] for rule in ("tolerant", "redo")
    )
    assert ours.masks is not None
    assert redos.masks is not None
    shown = decode_image((home.folder("flowers") / "segmim" / "segmim_00001.jpg").read_bytes(), "")
    red, green, blue = np.moveaxis(shown, 2, 0)
    truth = ~((red == 0) | (green == 0) | (blue == 254))[:, (WIDTH - HEIGHT) // 2 :][:, :HEIGHT]
    assert ((redos.masks[0] > 127) == truth).all()
    assert (redos.masks[0] != ours.masks[0]).any()
    with pytest.raises(BadRecipe, match="masks setting of flowers is 'tolerant' or 'redo'"):
        open_dataset(flowers.FLOWERS, {"masks": "iem"}, 48, home)


def test_an_archives_masks_are_not_read_by_redos_rule(tmp_path: Path):
    home = DataHome(tmp_path / "home")
    add_archive(home, "flowers", packaged(tmp_path / "x.zip", {"train": [1], "val": [2], "test": [3, 4, 5, 6, 7, 8]}))
    with pytest.raises(BadRecipe, match="brings masks of its own"):
        open_dataset(flowers.FLOWERS, {"masks": "redo"}, 48, home)


@pytest.mark.parametrize("official", [True, False], ids=["official", "archive"])
def test_what_is_scored_can_be_the_middle_of_a_flower(request, tmp_path: Path, official: bool):
    home = DataHome(tmp_path / "home")
    if official:
        request.getfixturevalue("site")
    else:
        splits = {"train": SPLITS["trnid"], "valid": SPLITS["valid"], "test": SPLITS["tstid"]}
        add_archive(home, "flowers", packaged(tmp_path / "x.zip", splits))
    side = round(HEIGHT * 128 / 152)
    whole = open_dataset(flowers.FLOWERS, None, HEIGHT, home)
    middle = open_dataset(flowers.FLOWERS, {"test_crop": "middle"}, side, home)
    edge = (HEIGHT - side) // 2
    for split in ("val", "test"):
        cut = whole[split].rgb(slice(None))[:, :, edge : edge + side, edge : edge + side]
        assert (middle[split].rgb(slice(None)) == cut).all()
    assert middle["train"].rgb(0).shape == (1, 3, side, side)


def test_flowers_do_without_segmentations_and_take_them_later(site: Path, tmp_path: Path):
    home, aside = DataHome(tmp_path / "home"), site / "aside"
    (site / "102segmentations.tgz").rename(aside)
    assert open_dataset(flowers.FLOWERS, None, 48, home)["train"].provides == {"labels"}
    aside.rename(home.folder("flowers") / "102segmentations.tgz")
    assert open_dataset(flowers.FLOWERS, None, 48, home)["train"].provides == {"labels", "masks"}


def test_a_picture_that_the_official_file_lacks_is_named(site: Path, tmp_path: Path):
    home = DataHome(tmp_path / "home")
    open_dataset(flowers.FLOWERS, None, 48, home)
    (home.folder("flowers") / "jpg" / "image_00004.jpg").unlink()
    with pytest.raises(BadData, match=r"image_00004\.jpg: cannot read"):
        open_dataset(flowers.FLOWERS, None, 32, home)


def packaged(path: Path, splits: dict[str, list[int]]) -> Path:
    rows = [f"images/{i}.jpg,{LABELS[i - 1]},{split}" for split, chosen in splits.items() for i in chosen]
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("labels.csv", "\n".join(["file,label,split", *rows]))
        for i in range(1, 9):
            file.writestr(f"images/{i}.jpg", jpeg(i, (40, 120, 40)))
    return path


def test_an_added_archive_stands_in_for_the_official_files(tmp_path: Path):
    home = DataHome(tmp_path / "home")
    splits = {"train": SPLITS["trnid"], "valid": SPLITS["valid"], "test": SPLITS["tstid"]}
    add_archive(home, "flowers", packaged(tmp_path / "x.zip", splits))
    opened = open_dataset(flowers.FLOWERS, None, 48, home)
    assert opened["train"].names == tuple(f"images/{i}.jpg" for i in SPLITS["tstid"])
    assert opened["test"].names == tuple(f"images/{i}.jpg" for i in SPLITS["trnid"])
    assert opened["train"].origin.startswith("archive:")
    assert len(open_dataset(flowers.FLOWERS, {"split": "official"}, 48, home)["train"]) == 2


def test_official_files_come_before_an_archive(site: Path, tmp_path: Path):
    home = DataHome(tmp_path / "home")
    home.fetch("flowers", flowers.SOURCES)
    add_archive(home, "flowers", packaged(tmp_path / "x.zip", {"train": [1], "val": [2], "test": [3, 4, 5, 6, 7, 8]}))
    assert open_dataset(flowers.FLOWERS, None, 48, home)["train"].origin == "official"


def test_an_archive_without_the_official_split_is_refused(tmp_path: Path):
    home = DataHome(tmp_path / "home")
    add_archive(home, "flowers", packaged(tmp_path / "x.zip", {"train": [1, 2, 3], "test": [4, 5, 6, 7, 8]}))
    with pytest.raises(BadData, match="lacks the official split"):
        open_dataset(flowers.FLOWERS, None, 48, home)


def png(values: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(values.astype(np.uint8)).save(file, "PNG")
    return file.getvalue()


def trimapped(path: Path, masks: dict[int, np.ndarray]) -> Path:
    """An archive with splits of its own and masks for some pictures."""
    split = {5: "val", 6: "val", 7: "test", 8: "test"}
    rows = [
        f"images/{i}.jpg,{f'masks/{i}.png' if i in masks else ''},{LABELS[i - 1]},{split.get(i, 'train')}"
        for i in range(1, 9)
    ]
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("index.csv", "\n".join(["image,mask,label,split", *rows]))
        for i in range(1, 9):
            file.writestr(f"images/{i}.jpg", jpeg(i, (40, 120, 40)))
        for i, mask in masks.items():
            file.writestr(f"masks/{i}.png", png(mask))
    return path


def test_an_archive_with_its_own_splits_and_trimaps_keeps_and_says_them(tmp_path: Path):
    home = DataHome(tmp_path / "home")
    border = disc(9)  # around every smaller disc
    trimaps = {i: np.where(disc(i), 1, 2 * border) for i in (1, 5, 7)}
    add_archive(home, "flowers", trimapped(tmp_path / "x.zip", trimaps))
    opened = open_dataset(flowers.FLOWERS, None, 48, home)
    assert {name: len(split) for name, split in opened.items()} == {"train": 4, "val": 2, "test": 2}
    for split in opened.values():
        assert split.masked is not None
        assert split.masked.tolist() == [Path(name).stem in "157" for name in split.names]
        assert split.ignored is not None
        assert split.ignored[split.masked].any()
        assert split.ignore == "2"
        assert split.origin.endswith(", its own split")
    with pytest.raises(BadRecipe, match="splits of its own"):
        open_dataset(flowers.FLOWERS, {"split": "official"}, 48, home)


def test_an_archives_masks_may_have_two_values(tmp_path: Path):
    home = DataHome(tmp_path / "home")
    add_archive(home, "flowers", trimapped(tmp_path / "x.zip", {i: disc(i) for i in range(1, 9)}))
    train = open_dataset(flowers.FLOWERS, None, 48, home)["train"]
    assert (train.masked, train.ignored) == (None, None)
    assert train.origin.endswith(", its own split")
    assert train.ignore == ""
    with pytest.raises(BadData, match="data.ignore=3 names 3"):
        open_dataset(flowers.FLOWERS, {"ignore": "3"}, 48, home)


def test_settings_of_an_archives_masks_are_refused_where_there_is_none(site: Path, tmp_path: Path):
    with pytest.raises(BadRecipe, match="added archive's masks"):
        open_dataset(flowers.FLOWERS, {"foreground": "1"}, 48, DataHome(tmp_path / "home"))


def test_older_records_keep_their_settings():
    assert plain(flowers.Config()) == {"split": "redo"}


def test_without_network_or_files_the_error_says_where_to_put_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(flowers, "SOURCES", unreachable(flowers.SOURCES))
    monkeypatch.setenv("no_proxy", "*")
    with pytest.raises(DataMissing, match=r"102flowers\.tgz \(344,862,509 bytes\)"):
        open_dataset(flowers.FLOWERS, None, 48, DataHome(tmp_path))


def test_the_record_names_its_official_files():
    record: Dataset = flowers.FLOWERS
    assert [source.file for source in record.sources if source.optional] == ["102segmentations.tgz"]
    assert all(url.startswith("https://") for source in record.sources for url in source.urls)


def test_the_shared_package_has_the_published_counts(tmp_path: Path):
    shared = Path(os.environ.get("LGBENCH_SHARED") or Path(__file__).parents[3] / "shared") / "data"
    if not (shared / "flowers102_64.zip").exists():
        pytest.skip("needs flowers102_64.zip in the shared folder")
    home = DataHome(tmp_path)
    add_archive(home, "flowers", shared / "flowers102_64.zip")
    opened = open_dataset(flowers.FLOWERS, None, 64, home)
    assert {name: len(split) for name, split in opened.items()} == {"train": 6149, "val": 1020, "test": 1020}
    assert len(opened["train"].classes) == 102


def test_the_shared_trimaps_have_the_published_floors(tmp_path: Path, shared: Path):
    """The archive's description states the mean IoU of four trivial masks with the border left out."""
    from lgbench_floors.trivial import trivial_mask
    from lgbench_metrics.masks.confusion import iou, score_masks

    home = DataHome(tmp_path)
    add_archive(home, "flowers", shared / "data" / "flowers102_masked_64.zip")
    opened = open_dataset(flowers.FLOWERS, None, 64, home)
    assert {name: len(split) for name, split in opened.items()} == {"train": 7807, "val": 142, "test": 240}
    test = opened["test"].scored()
    assert len(test) == 239
    assert test.masks is not None
    stated = {"full": 0.444, "centre-ellipse": 0.660, "otsu": 0.691, "two-means": 0.749}
    for name, value in stated.items():
        masks = trivial_mask(name, test.rgb(np.arange(len(test))))
        assert score_masks(iou, masks, test.masks > 127, ignored=test.ignored).value == pytest.approx(value, abs=0.0006)
