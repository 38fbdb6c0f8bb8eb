"""CamVid and Clothing Co-Parsing from small archives, and CamVid from SegNet's folders."""

import zipfile
from pathlib import Path

import numpy as np
import pytest
from official import encoded

from lgbench.data import DataHome, add_archive, open_dataset
from lgbench.errors import BadData, BadRecipe, DataMissing
from lgbench_datasets import camvid, clothing
from lgbench_datasets.clothing import ARMS, FACE, HAIR, LEGS, PANTS, SKIN, UPPER, regions_of

HEIGHT, WIDTH = 12, 16


def street(number: int) -> np.ndarray:
    values = np.full((HEIGHT, WIDTH), 3, np.uint8)  # road
    values[:4] = camvid.UNLABELLED
    values[4:8, 6:10] = number % 11
    return values


def segnet(folder: Path) -> None:
    for split, count in (("train", 6), ("val", 2), ("test", 3)):
        (folder / split).mkdir(parents=True)
        (folder / f"{split}annot").mkdir()
        for i in range(count):
            (folder / split / f"{i}.png").write_bytes(encoded(np.full((HEIGHT, WIDTH, 3), 20 * i, np.uint8), "PNG"))
            (folder / f"{split}annot" / f"{i}.png").write_bytes(encoded(street(i), "PNG"))


def zipped(path: Path, masks: list[np.ndarray], splits: list[str] | None = None) -> Path:
    rows = ["image,mask" + (",split" if splits else "")]
    with zipfile.ZipFile(path, "w") as file:
        for i, mask in enumerate(masks):
            file.writestr(f"images/{i}.jpg", encoded(np.full((*mask.shape, 3), 9 * i, np.uint8)))
            file.writestr(f"masks/{i}.png", encoded(mask, "PNG"))
            rows.append(f"images/{i}.jpg,masks/{i}.png" + (f",{splits[i]}" if splits else ""))
        file.writestr("index.csv", "\n".join(rows))
    return path


def test_segnets_folders_and_an_archive_of_them_give_the_same_maps(tmp_path: Path):
    ours, theirs = DataHome(tmp_path / "ours"), DataHome(tmp_path / "theirs")
    segnet(ours.folder("camvid"))
    splits = ["train"] * 6 + ["val"] * 2 + ["test"] * 3
    numbers = [*range(6), *range(2), *range(3)]
    add_archive(theirs, "camvid", zipped(tmp_path / "x.zip", [street(i) for i in numbers], splits))
    for home in (ours, theirs):
        opened = open_dataset(camvid.CAMVID, None, HEIGHT, home)
        assert {split: len(found) for split, found in opened.items()} == {"train": 6, "val": 2, "test": 3}
        for split in opened.values():
            assert split.segments is not None
            assert (split.provides, split.segment_names) == ({"segments"}, camvid.CLASSES)
            for row in range(len(split)):
                expected = np.where(street(row) == 11, 255, street(row))[:, 2:14]
                assert (split.segments[row] == expected).all()


def test_what_camvid_lacks_is_named(tmp_path: Path):
    home = DataHome(tmp_path)
    with pytest.raises(DataMissing, match="trainannot"):
        open_dataset(camvid.CAMVID, None, 12, home)
    segnet(home.folder("camvid"))
    with pytest.raises(BadRecipe, match=r"data\.fit of camvid"):
        open_dataset(camvid.CAMVID, {"fit": "stretch"}, 12, home)
    (home.folder("camvid") / "valannot" / "1.png").unlink()
    with pytest.raises(BadData, match="has no valannot/1.png"):
        open_dataset(camvid.CAMVID, None, 12, home)


def person(upper: int = 24) -> np.ndarray:
    """Hair, face, a jacket with hands beside it, jeans, bare legs and boots, on 0; 24 rows of 16."""
    values = np.zeros((24, 16), np.uint8)
    values[1:3, 6:10], values[3:6, 6:10] = 19, SKIN
    values[6:12, 5:11] = upper
    values[9:12, 3:5] = values[9:12, 11:13] = SKIN
    values[12:16, 6:10], values[16:20, 6:10], values[20:22, 6:10] = 25, SKIN, 7
    return values


def test_skin_is_face_above_the_clothes_arms_beside_them_and_legs_below():
    found = regions_of(person())
    assert (found[1:3, 6:10] == HAIR).all()
    assert (found[3:6, 6:10] == FACE).all()
    assert (found[6:12, 5:11] == UPPER).all()
    assert (found[9:12, 3:5] == ARMS).all()
    assert (found[12:16, 6:10] == PANTS).all()
    assert (found[16:22, 6:10] == LEGS).all()
    assert np.count_nonzero(found) == np.count_nonzero(person())


def test_every_kind_of_clothes_has_one_region():
    grouped = sorted([SKIN, *(number for numbers in clothing.GROUPS.values() for number in numbers)])
    assert grouped == list(range(clothing.LARGEST + 1))


def test_persons_without_upper_clothes_are_left_out_and_counted_and_truth_is_marked(tmp_path: Path, caplog):
    home = DataHome(tmp_path / "home")
    with pytest.raises(DataMissing, match="lgbench data add clothing"):
        open_dataset(clothing.CLOTHING, None, 24, home)
    add_archive(home, "clothing", zipped(tmp_path / "x.zip", [person(1 if i == 5 else 24) for i in range(20)]))
    splits = open_dataset(clothing.CLOTHING, None, 24, home)
    assert "1 persons" in caplog.text
    assert sum(map(len, splits.values())) == 19
    assert not any("/5.jpg" in name for split in splits.values() for name in split.names)
    for split in splits.values():
        assert (split.provides, split.crop) == ({"segments", "masks"}, "pad")
        assert split.pseudo == {"segments": clothing.RULE}
        assert split.segments is not None
        assert split.masks is not None
        assert (split.segments[0][:, 4:20] == regions_of(person())).all()
        assert (split.segments[0][:, :4] == 255).all()
        assert ((split.masks[0] > 127)[:, 4:20] == (person() > 0)).all()


def test_values_of_another_data_set_are_refused_with_the_file(tmp_path: Path):
    home = DataHome(tmp_path / "home")
    add_archive(home, "clothing", zipped(tmp_path / "x.zip", [np.where(person() == 7, 99, person())] * 12))
    with pytest.raises(BadData, match=r"masks/\d+.png.*the value 99"):
        open_dataset(clothing.CLOTHING, None, 24, home)
