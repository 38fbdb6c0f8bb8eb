"""Prepared arrays are those of the pictures that are there: by content, by version, by name, and undamaged."""

import os
import shutil
import unicodedata
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pictured import box, encoded, opened, pairs, picture, placed, zipped

from lgbench import Dataset, Source
from lgbench.data import (
    DataHome,
    MaskConfig,
    RawDataset,
    Sample,
    check_prepared,
    folder_dataset,
    open_dataset,
    open_package,
    prepare,
    prepared_folders,
)
from lgbench.data.division import draw_splits, draw_val
from lgbench.data.home import stamp_of
from lgbench.errors import BadData
from lgbench.files import read_json, write_json

THEN = (1_700_000_000_000_000_000, 1_700_000_000_000_000_000)


def scene(colour: tuple[int, int, int]) -> bytes:
    """A file that is always of one size."""
    return encoded(np.full((8, 8, 3), colour, np.uint8), "bmp")


def overwritten(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def swapped(path: Path, content: bytes) -> None:
    path.with_name("new").write_bytes(content)
    os.utime(path.with_name("new"), ns=THEN)
    path.with_name("new").replace(path)


def copied(path: Path, content: bytes) -> None:
    """As `cp -p` and `rsync -t` do."""
    source = path.parent.parent / "source"
    source.write_bytes(content)
    os.utime(source, ns=THEN)
    shutil.copy2(source, path)


@pytest.mark.parametrize("how", [overwritten, swapped, copied])
@pytest.mark.parametrize("packed", ["folder", "zip"])
def test_files_that_changed_under_their_size_and_time_are_other_data(tmp_path: Path, packed: str, how: Callable):
    def made(colour: tuple[int, int, int]) -> dict[str, bytes]:
        return {f"{i}.bmp": scene(colour) for i in range(16)}

    path = placed(tmp_path / "x", made((250, 0, 0)))
    files = sorted(path.iterdir())
    if packed == "zip":
        path = zipped(path / "x.zip", made((250, 0, 0)))
        files = [path]
    for file in files:
        os.utime(file, ns=THEN)
    red = opened(path)["train"]
    new = {file: scene((0, 0, 250)) for file in files}
    if packed == "zip":
        new = {path: zipped(tmp_path / "new.zip", made((0, 0, 250))).read_bytes()}
    sizes = [file.stat().st_size for file in files]
    for file, content in new.items():
        how(file, content)
        os.utime(file, ns=THEN)
    assert [file.stat().st_size for file in files] == sizes
    blue = opened(path)["train"]
    assert (red.images[:, 0] > 200).all()
    assert (blue.images[:, 2] > 200).all()
    assert blue.origin != red.origin


def test_an_official_file_that_changed_under_its_size_and_time_is_noticed(tmp_path: Path):
    import hashlib

    home = DataHome(tmp_path / "home")
    file = home.folder("filed") / "a.bin"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"right")
    os.utime(file, ns=THEN)
    source = Source("a.bin", (), f"sha256:{hashlib.sha256(b'right').hexdigest()}")
    home.fetch("filed", [source])
    file.write_bytes(b"wrong")
    os.utime(file, ns=THEN)
    with pytest.raises(BadData, match="not the official file"):
        home.fetch("filed", [source])


@pytest.mark.parametrize("size", [10, 10_000, 1_000_000])
@pytest.mark.parametrize("at", [0, -1])
def test_a_stamp_looks_at_bytes_where_the_system_says_the_same(
    tmp_path: Path, size: int, at: int, monkeypatch: pytest.MonkeyPatch
):
    """As on images of file systems, whose times and inodes are fixed."""
    content = bytearray(size)
    file = placed(tmp_path, {"a": bytes(content)}) / "a"
    state = file.stat()
    monkeypatch.setattr(Path, "stat", lambda self: state)
    before = stamp_of(file)
    content[at] = 1
    file.write_bytes(content)
    assert stamp_of(file) != before


def test_what_did_not_change_is_not_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = placed(tmp_path / "x", {f"{i}.bmp": scene((i, 0, 0)) for i in range(4)})
    first = opened(path)["train"].origin
    monkeypatch.setattr("lgbench.data.home.sha256_of_file", lambda path: pytest.fail("read again"))
    assert opened(path)["train"].origin == first


def test_growing_a_set_moves_no_picture():
    few, many = [f"{i}.png" for i in range(100)], [f"{i}.png" for i in range(1000)]
    small, large = draw_splits(few), draw_splits(many)
    assert all(small[name] == large[name] for name in few)
    val = draw_val(many)
    assert draw_val(few) == val & {*few}
    assert 0.17 < sum(split == "test" for split in large.values()) / 1000 < 0.23
    assert 0.07 < len(val) / 1000 < 0.13
    assert draw_splits(many[::-1]) == large


@pytest.mark.parametrize(
    "called",
    [
        "a/{}.png",
        "b/deep/{}.png",
        "{}.jpg",
        "images/{}.PNG",
        unicodedata.normalize("NFD", "é/{}.png"),
    ],
)
def test_a_pictures_side_depends_on_its_own_name_alone(called: str):
    plain = [*draw_splits([f"{i}.png" for i in range(100)]).values()]
    assert [*draw_splits([called.format(i) for i in range(100)]).values()] == plain


def test_composed_letters_make_no_difference():
    names = [unicodedata.normalize("NFC", f"café{i}.png") for i in range(50)]
    other = [unicodedata.normalize("NFD", name) for name in names]
    assert [*draw_splits(names).values()] == [*draw_splits(other).values()]


@pytest.mark.parametrize("count", range(2, 12))
@pytest.mark.parametrize("name", ["{}.png", "{}/image.png", "x{0}y/{0}.png"])
def test_there_is_always_something_to_train_and_to_test_on(name: str, count: int):
    names = [name.format(i) for i in range(count)]
    assert {*draw_splits(names).values()} == {"train", "test"}
    assert len(draw_val(names)) < count
    assert bool(draw_val(names)) or count < 10


@pytest.mark.parametrize("splits", [None, ["train", "test"], ["train"], ["train", "val", "test"]])
def test_an_archive_without_val_gives_a_tenth_of_train(tmp_path: Path, splits: list[str] | None):
    names = [f"{i}.png" for i in range(300)]
    rows = [name if splits is None else f"{name},{splits[i % len(splits)]}" for i, name in enumerate(names)]
    heading = "image" if splits is None else "image,split"
    shown = encoded(picture())
    files = dict.fromkeys(names, shown) | {"index.csv": "\n".join([heading, *rows]).encode()}
    package = open_package(zipped(tmp_path / "x.zip", files))
    counts = package.counts
    assert sum(counts.values()) == 300
    if splits and "val" in splits:
        assert counts == {"train": 100, "val": 100, "test": 100}
        assert package.drawn == frozenset()
        assert package.raw("archive:0", MaskConfig()).origin == "archive:0"
        return
    assert package.drawn == ({"train", "val", "test"} if splits is None else {"val"})
    drawn = "val and test by hash" if splits is None else "val by hash"
    assert package.raw("archive:0", MaskConfig()).origin == f"archive:0, {drawn}"
    assert 0.05 < counts["val"] / (counts["val"] + counts["train"]) < 0.16
    if splits:
        val = {item.image for item in package.items if item.split == "val"}
        assert all(splits[i % len(splits)] == "train" for i, name in enumerate(names) if name in val)


def test_masks_of_a_drawn_val_that_tell_nothing_are_taken_for_none(tmp_path: Path):
    """Its pictures were chosen by their names: a user has nothing to mend."""
    files = pairs(lambda mask: mask.astype(np.uint8) * 255, 20)
    val = [item.image for item in open_package(placed(tmp_path / "x", files)).items if item.split == "val"]
    assert val
    for name in val:
        files[name.replace("images", "masks")] = encoded(np.zeros((8, 8), np.uint8))
    splits = opened(placed(tmp_path / "x", files))
    assert splits["val"].masked is not None
    assert not splits["val"].masked.any()
    assert splits["test"].masked is None


def samples(count: int = 6) -> list[Sample]:
    return [
        Sample(picture(), mask=box(i), label=i % 2, name=f"picture{i}", attributes=np.array([i % 2]))
        for i in range(count)
    ]


def raw(train: list[Sample]) -> RawDataset:
    return RawDataset(
        {"train": lambda: train, "test": lambda: train[:3]},
        {"train": len(train), "test": 3},
        "made",
        frozenset({"masks", "labels", "attributes"}),
        classes=("cat", "dog"),
        attribute_names=("old",),
    )


def flipped(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def other_type(path: Path) -> None:
    np.save(path, np.load(path).astype(np.float32))


def other_rows(path: Path) -> None:
    array = np.load(path)
    np.save(path, np.concatenate([array, array[:2]]))


def zeros(path: Path) -> None:
    """As a power cut leaves what was not written out."""
    path.write_bytes(bytes(path.stat().st_size))


def blank(path: Path) -> None:
    np.save(path, np.zeros_like(np.load(path)))


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def removed(path: Path) -> None:
    path.unlink()


def a_list(path: Path) -> None:
    path.write_text("[]")


def nested(path: Path) -> None:
    path.write_text("[" * 100_000)


def renamed(path: Path) -> None:
    write_json(path, read_json(path) | {"classes": ["dog", "cat"]})


ARRAY_FAULTS = [flipped, other_type, other_rows, zeros, blank, emptied, cut, removed]
FAULTS = [(f"{part}.npy", fault) for part in ("images", "masks", "labels", "attributes") for fault in ARRAY_FAULTS]
FAULTS += [("meta.json", fault) for fault in (emptied, cut, removed, a_list, nested, renamed, zeros)]
FAULTS += [("names.json", fault) for fault in (emptied, cut, removed, a_list)]


@pytest.mark.parametrize(("file", "damage"), FAULTS, ids=lambda value: getattr(value, "__name__", value))
@pytest.mark.parametrize("split", ["train", "test"])
def test_damaged_arrays_are_made_again_with_a_note(
    tmp_path: Path, split: str, file: str, damage: Callable, caplog: pytest.LogCaptureFixture
):
    train = samples()
    first = prepare(raw(train), "made", {}, 8, tmp_path)
    (folder,) = prepared_folders(tmp_path, "made")
    assert check_prepared(folder) == []
    damage(folder / split / file)
    assert check_prepared(folder)
    again = prepare(raw(train), "made", {}, 8, tmp_path)
    assert "it will be made again" in caplog.text
    assert check_prepared(folder) == []
    for name, before in first.items():
        assert again[name].fingerprint == before.fingerprint
        assert again[name].classes == ("cat", "dog")
    assert (again["train"].images == np.stack([sample.image.transpose(2, 0, 1) for sample in train])).all()


def test_another_version_of_a_data_set_is_prepared_apart(tmp_path: Path):
    """An edited painter must not be answered with the old pictures; version 1 keeps the folders that there are."""
    home = DataHome(tmp_path)
    train = samples()
    record = Dataset(name="made", summary="", build=lambda *_: raw(train), resolution=8)
    open_dataset(record, None, None, home)
    (before,) = prepared_folders(home.prepared_root, "made")
    open_dataset(replace(record, version=1), None, None, home)
    assert prepared_folders(home.prepared_root, "made") == [before]
    open_dataset(replace(record, version=2), None, None, home)
    assert len(prepared_folders(home.prepared_root, "made")) == 2


def test_pictures_that_were_divided_otherwise_are_not_mixed_in(tmp_path: Path):
    """Version 1 divided them by the order of their hashes."""
    assert folder_dataset(placed(tmp_path / "x", {f"{i}.png": encoded(picture()) for i in range(2)})).version == 2
