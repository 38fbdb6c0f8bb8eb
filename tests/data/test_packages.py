"""Portable archives and folders of pictures."""

import csv
import io
import os
from pathlib import Path

import numpy as np
import pytest
from pictured import zipped
from PIL import Image

from lgbench.data import (
    DataHome,
    add_archive,
    archive_dataset,
    folder_dataset,
    inspect_archive,
    open_dataset,
    resolve_dataset,
)
from lgbench.errors import BadData, BadRecipe, DataMissing, UnknownName

RANDOM = np.random.default_rng(0)


def png(array: np.ndarray | None = None, mode: str | None = None, ending: str = "PNG") -> bytes:
    array = RANDOM.integers(0, 256, (8, 8, 3), dtype=np.uint8) if array is None else array
    file = io.BytesIO()
    picture = Image.fromarray(array)
    (picture.convert(mode) if mode else picture).save(file, ending)
    return file.getvalue()


def table(rows: list[dict]) -> bytes:
    file = io.StringIO()
    writer = csv.DictWriter(file, rows[0].keys())
    writer.writeheader()
    writer.writerows(rows)
    return file.getvalue().encode()


def masked(path: Path, masks: list[np.ndarray], mode: str | None = None) -> Path:
    names = [f"{i}.png" for i in range(len(masks))]
    rows = [{"image": f"images/{name}", "mask": f"masks/{name}", "split": "train"} for name in names]
    files = {"index.csv": table(rows)} | {f"images/{name}": png() for name in names}
    return zipped(path, files | {f"masks/{name}": png(m, mode) for name, m in zip(names, masks, strict=True)})


def box(value: int = 255) -> np.ndarray:
    array = np.zeros((8, 8), dtype=np.uint8)
    array[2:5, 3:6] = value
    return array


def test_labels_start_at_zero_in_the_order_of_the_table(tmp_path: Path):
    rows = [
        {"file": f"images/{i}.png", "label": label, "class_name": name, "split": split}
        for i, (label, name, split) in enumerate([(10, "ten", "train"), (2, "two", "valid"), (2, "two", "test")])
    ]
    files = {"labels.csv": table(rows)} | {row["file"]: png() for row in rows}
    opened = open_dataset(archive_dataset("x", zipped(tmp_path / "x.zip", files)), None, 8, DataHome(tmp_path))
    assert {name: split.labels.tolist() for name, split in opened.items() if split.labels is not None} == {
        "train": [1],
        "val": [0],
        "test": [0],
    }
    assert opened["train"].classes == ("two", "ten")


def test_words_are_labels_too(tmp_path: Path):
    rows = [{"file": f"{name}.png", "class_name": name} for name in ("tulip", "rose", "lily")]
    files = {"labels.csv": table(rows)} | {row["file"]: png() for row in rows}
    info = inspect_archive("x", zipped(tmp_path / "x.zip", files))
    assert info.classes == ("lily", "rose", "tulip")
    assert info.provides == {"labels"}


def test_without_splits_a_fifth_is_held_out_by_name(tmp_path: Path):
    rows = [{"image": f"images/{i}.png"} for i in range(20)]
    files = {row["image"]: png() for row in rows}
    home = DataHome(tmp_path)
    one = zipped(tmp_path / "one.zip", {"index.csv": table(rows)} | files)
    two = zipped(tmp_path / "two.zip", {"index.csv": table(rows[::-1])} | files)
    held = [set(open_dataset(archive_dataset("x", path), None, 8, home)["test"].names) for path in (one, two)]
    assert held[0] == held[1]
    assert len(held[0]) == 4


@pytest.mark.parametrize(("value", "mode"), [(1, None), (255, None), (255, "1"), (255, "RGB"), (38, "P")])
def test_two_valued_masks_are_foreground_and_background(tmp_path: Path, value: int, mode: str | None):
    path = masked(tmp_path / "x.zip", [box(value), box(value) * 0], mode)
    masks = open_dataset(archive_dataset("x", path), None, 8, DataHome(tmp_path))["train"].masks
    assert masks is not None
    assert (masks[0] == box()).all()
    assert (masks[1] == 0).all()


def test_label_maps_ask_which_values_are_foreground(tmp_path: Path):
    path = masked(tmp_path / "x.zip", [box(1), box(8), box(9)])  # each of them alone looks like a mask
    record, home = archive_dataset("x", path), DataHome(tmp_path)
    assert inspect_archive("x", path).mask_values == (0, 1, 8, 9)
    with pytest.raises(BadData, match=r"data\.foreground=8,9"):
        open_dataset(record, None, 8, home)
    masks = open_dataset(record, {"foreground": "8, 9"}, 8, home)["train"].masks
    assert masks is not None
    assert [m.max() for m in masks] == [0, 255, 255]
    for wrong in ("sky", "256"):
        with pytest.raises(BadRecipe, match="foreground"):
            open_dataset(record, {"foreground": wrong}, 8, home)


def test_every_fault_of_an_archive_is_named(tmp_path: Path):
    rows = [{"image": f"{i}.png", "mask": "" if i == 3 else f"m{i}.png"} for i in range(5)]
    files = (
        {"index.csv": table(rows)} | {f"{i}.png": png() for i in range(4)} | {f"m{i}.png": png(box()) for i in range(5)}
    )
    files["0.png"] = files["0.png"][:60]
    files["1.png"] = b"no picture"
    files["m2.png"] = png(box()[:4])
    path = zipped(tmp_path / "x.zip", files)
    with pytest.raises(BadData) as caught:
        add_archive(DataHome(tmp_path), "x", path)
    text = str(caught.value)
    for fault in ("4 problem(s)", "0.png: truncated", "1.png: truncated or unreadable", "2.png: mask of 8 x 4 pixels"):
        assert fault in text
    assert "4.png: not in the archive" in text
    assert DataHome(tmp_path).archives() == {}


def test_a_broken_checksum_inside_the_zip_is_named(tmp_path: Path):
    path = zipped(tmp_path / "x.zip", {"index.csv": table([{"image": "a.png"}]), "a.png": png()})
    data = bytearray(path.read_bytes())
    data[data.index(b"IDAT") + 20] ^= 255
    path.write_bytes(data)
    with pytest.raises(BadData, match=r"a\.png: truncated or unreadable"):
        inspect_archive("x", path)


@pytest.mark.parametrize("name", ["../a.png", "/a.png", "images/../../a.png", "C:\\a.png", "..\\a.png"])
def test_names_that_lead_out_of_the_archive_are_refused(tmp_path: Path, name: str):
    path = zipped(tmp_path / "x.zip", {"index.csv": table([{"image": "a.png"}]), "a.png": png(), name: b""})
    with pytest.raises(BadData, match="leads out of the archive"):
        archive_dataset("x", path)


def test_absurd_sizes_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("lgbench.data.store.LARGEST_FILE", 1000)
    path = zipped(tmp_path / "x.zip", {"index.csv": table([{"image": "a.png"}]), "a.png": bytes(1001)})
    with pytest.raises(BadData, match="1,001 bytes"):
        archive_dataset("x", path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "row per picture"),
        (b"name\na.png\n", "column `file` or `image`"),
        (b"image\na.png\na.png\n", "more than once"),
        (b"image,split\na.png,holdout\n", "split 'holdout'"),
        (b"image,label\na.png,\n", "no label"),
        (b"\xff\xfe\x00", "UTF-8"),
    ],
)
def test_a_malformed_table_says_what_is_wrong(tmp_path: Path, content: bytes, message: str):
    with pytest.raises(BadData, match=message):
        archive_dataset("x", zipped(tmp_path / "x.zip", {"index.csv": content, "a.png": png()}))


def test_what_is_not_an_archive_is_refused(tmp_path: Path):
    (tmp_path / "x.zip").write_bytes(b"no zip")
    with pytest.raises(BadData, match="not a readable zip"):
        archive_dataset("x", tmp_path / "x.zip")
    with pytest.raises(BadData, match="no pictures"):
        archive_dataset("x", zipped(tmp_path / "y.zip", {"a.txt": b"no picture"}))


def test_an_added_archive_is_found_by_its_name(tmp_path: Path):
    home = DataHome(tmp_path / "home")
    info = add_archive(home, "horses", masked(tmp_path / "x.zip", [box(), box()]))
    assert info.path == home.archives()["horses"]
    record = resolve_dataset("horses", {}, home)
    assert open_dataset(record, None, 8, home)["train"].origin == f"archive:{info.sha256[:12]}"
    with pytest.raises(UnknownName, match="Did you mean 'horses'"):
        resolve_dataset("horse", {}, home)
    with pytest.raises(BadRecipe, match="lower-case"):
        add_archive(home, "../horses", tmp_path / "x.zip")


def placed(root: Path, *names: str) -> Path:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png(box()) if "masks" in path.parts else png(ending="JPEG" if name.endswith("jpg") else "PNG"))
    return root


def describe(root: Path) -> dict[str, list]:
    splits = open_dataset(folder_dataset(root), None, 8, DataHome(root.parent / "home"))
    return {
        name: [split.names, split.masks is not None, None if split.labels is None else split.labels.tolist()]
        for name, split in splits.items()
    }


def test_a_folder_of_loose_pictures_is_split_by_name(tmp_path: Path):
    root = placed(tmp_path / "x", *(f"{i}.jpg" for i in range(9)), "deep/er/9.png", ".hidden.png", "notes.txt")
    found = describe(root)
    assert {*found} == {"train", "test"}
    assert sum(len(split[0]) for split in found.values()) == 10
    assert found["train"][1:] == [False, None]
    assert folder_dataset(root).name == "folder:x"


def test_masks_lie_beside_images_by_stem(tmp_path: Path):
    found = describe(placed(tmp_path / "x", "images/a.jpg", "masks/a.png", "images/b.jpg", "masks/b.png", "cover.jpg"))
    assert sorted(name for split in found.values() for name in split[0]) == ["images/a.jpg", "images/b.jpg"]
    assert all(split[1] for split in found.values())


@pytest.mark.parametrize("order", ["{split}/{role}/{name}", "{role}/{split}/{name}"])
def test_splits_and_roles_come_in_either_order(tmp_path: Path, order: str):
    names = [
        order.format(split=split, role=role, name=f"a.{ending}")
        for split in ("train", "valid", "test")
        for role, ending in (("images", "jpg"), ("masks", "png"))
    ]
    found = describe(placed(tmp_path / "x", *names))
    assert {name: (len(split[0]), split[1]) for name, split in found.items()} == {
        "train": (1, True),
        "val": (1, True),
        "test": (1, True),
    }


def test_one_level_of_folders_are_classes(tmp_path: Path):
    found = describe(placed(tmp_path / "x", "train/rose/a.png", "train/lily/b.png", "test/lily/c.png"))
    assert found["train"][2] == [0, 1]
    assert found["test"][2] == [0]


def test_a_class_may_be_called_train_or_masks(tmp_path: Path):
    found = describe(
        placed(tmp_path / "x", *(f"{kind}/{i}.png" for kind in ("train", "car", "masks") for i in range(4)))
    )
    labels = sorted(label for split in found.values() for label in split[2])
    assert labels == [0] * 4 + [1] * 4 + [2] * 4
    assert not any(split[1] for split in found.values())


def test_the_origin_of_a_folder_follows_its_content(tmp_path: Path):
    root, home = placed(tmp_path / "x", "a.png", "b.png"), DataHome(tmp_path / "home")
    origin = open_dataset(folder_dataset(root), None, 8, home)["train"].origin
    os.utime(root / "a.png", ns=(1, 1))
    assert open_dataset(folder_dataset(root), None, 8, home)["train"].origin == origin
    (root / "a.png").write_bytes(png())
    assert open_dataset(folder_dataset(root), None, 8, home)["train"].origin != origin


def test_folders_that_lead_nowhere_are_refused(tmp_path: Path):
    with pytest.raises(DataMissing, match="no such folder"):
        resolve_dataset(f"folder:{tmp_path / 'absent'}", {}, DataHome(tmp_path))
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadData, match="no pictures"):
        resolve_dataset(f"folder:{tmp_path / 'empty'}", {}, DataHome(tmp_path))


def test_a_zip_serves_as_a_folder(tmp_path: Path):
    record = resolve_dataset(f"folder:{masked(tmp_path / 'x.zip', [box()])}", {}, DataHome(tmp_path))
    assert record.name == "folder:x"
    assert record.provides == {"masks"}


def test_the_shared_horses_keep_their_masks(tmp_path: Path):
    shared = Path(os.environ.get("LGBENCH_SHARED") or Path(__file__).parents[3] / "shared") / "data"
    if not (shared / "weizmann_horses_128.zip").exists():
        pytest.skip("needs weizmann_horses_128.zip in the shared folder")
    opened = open_dataset(folder_dataset(shared / "weizmann_horses_128.zip"), None, 64, DataHome(tmp_path))
    assert {name: len(split) for name, split in opened.items()} == {"train": 243, "val": 21, "test": 64}
    masks = np.concatenate([split.masks for split in opened.values() if split.masks is not None])
    assert masks.mean() / 255 == pytest.approx(0.315, abs=0.001)  # its description says 31.5 %
