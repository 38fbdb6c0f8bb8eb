"""Files that would hang, fill the memory or end in a traceback: one clear line each."""

import errno
import os
import sys
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pictured import encoded, opened, picture, placed, zipped

from lgbench.data import DataHome, add_archive, archive_dataset, folder_dataset, open_package
from lgbench.data.store import listed, opened_root, read_file
from lgbench.errors import BadData, BadRecipe

POSIX = pytest.mark.skipif(sys.platform == "win32", reason="needs pipes and links")


def some() -> dict[str, bytes]:
    return {f"{i}.png": encoded(picture()) for i in range(4)}


def pipe(path: Path) -> None:
    os.mkfifo(path)


def endless(path: Path) -> None:
    path.symlink_to("/dev/zero")


def dangling(path: Path) -> None:
    path.symlink_to(path.parent / "nowhere")


def made_up(path: Path) -> None:
    path.symlink_to("/proc/kmsg")  # told as an empty file, and waited for by who reads it


def huge(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(1 << 30)  # it takes no room on the disk


@POSIX
@pytest.mark.parametrize("name", ["x.png", "masks/0.png", "labels.csv"])
@pytest.mark.parametrize(
    ("make", "said"),
    [
        (pipe, "not a file, but a folder, a pipe or a device"),
        (endless, "not a file, but a folder, a pipe or a device"),
        (dangling, "a link that leads nowhere"),
        (huge, "1,073,741,824 bytes; more than 268,435,456 are refused"),
    ],
)
def test_what_is_no_file_is_named(tmp_path: Path, name: str, make: Callable, said: str):
    files = some() | {f"masks/{i}.png": encoded(np.eye(8, dtype=np.uint8)) for i in range(1, 4)}
    path = placed(tmp_path / "x", files)
    make(path / name)
    with pytest.raises(BadData, match=f"{name}: {said}"):
        opened(path)


@pytest.mark.skipif(not Path("/proc/kmsg").exists(), reason="needs a file that the system makes up")
@pytest.mark.parametrize(
    ("name", "said"),
    [("x.png", "0 bytes; not a picture"), ("labels.csv", "needs a heading"), ("masks/0.png", "0 bytes; not a picture")],
)
def test_a_file_that_the_system_makes_up_is_not_waited_for(tmp_path: Path, name: str, said: str):
    files = some() | {f"masks/{i}.png": encoded(np.eye(8, dtype=np.uint8)) for i in range(1, 4)}
    path = placed(tmp_path / "x", files)
    made_up(path / name)
    with pytest.raises(BadData, match=f"{name}.*{said}"):
        opened(path)


def test_a_folder_on_a_device_that_fails_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def fail(path: Path) -> str:
        raise OSError(errno.EIO, "Input/output error", str(path))

    monkeypatch.setattr("lgbench.data.home.sha256_of_file", fail)
    with pytest.raises(BadData, match=r"0\.png cannot be read \(Input/output error\)"):
        opened(placed(tmp_path / "x", some()))


@POSIX
def test_names_that_are_no_text_are_refused(tmp_path: Path):
    path = placed(tmp_path / "x", some())
    try:
        with open(os.fsencode(path) + b"/caf\xe9.png", "wb") as file:
            file.write(encoded(picture()))
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    with pytest.raises(BadData, match=r"name is not UTF-8: 'caf\\udce9.png'"):
        folder_dataset(path)
    (path / "caf\udce9.png").unlink()
    path.rename(tmp_path / "caf\udce9")
    with pytest.raises(BadData, match="its name is not UTF-8"):
        folder_dataset(tmp_path / "caf\udce9")


@POSIX
def test_other_files_whose_names_are_no_text_are_told_in_plain_letters(tmp_path: Path):
    path = placed(tmp_path / "x", some() | {"a\x1b[31m\n.txt": b""})
    assert open_package(path).notes[0].isprintable()


@pytest.mark.parametrize("length", [80, 200, 240])
def test_long_names_are_prepared(tmp_path: Path, length: int):
    path = placed(tmp_path / ("n" * length), {f"{'m' * (length - 5)}{i}.png": encoded(picture()) for i in range(4)})
    assert sum(map(len, opened(path).values())) == 4


@pytest.mark.parametrize("name", ["n" * 300, "n" * 81, "a/b", "A", "[/red]"])
def test_names_that_cannot_be_kept_are_refused(tmp_path: Path, name: str):
    with pytest.raises(BadRecipe, match="cannot name a data set"):
        add_archive(DataHome(tmp_path), name, zipped(tmp_path / "x.zip", some()))


@pytest.mark.parametrize("packed", ["./images/{}", ".//{}", "images/./{}"])
def test_names_with_dots_for_folders_are_names_as_others(tmp_path: Path, packed: str):
    named = {packed.format(name): content for name, content in some().items()}
    package = open_package(zipped(tmp_path / "x.zip", named))
    assert (len(package.items), package.notes) == (4, ())
    assert sum(map(len, opened(tmp_path / "x.zip").values())) == 4


@pytest.mark.parametrize("name", ["1.png", "./1.png", ".//1.png"])
def test_an_entry_that_is_there_twice_is_refused(tmp_path: Path, name: str):
    path = zipped(tmp_path / "x.zip", some())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with zipfile.ZipFile(path, "a") as file:
            file.writestr(name, encoded(picture()))
    with pytest.raises(BadData, match=r"holds '1\.png' more than once"):
        archive_dataset("x", path)


@pytest.mark.parametrize(
    "content",
    [
        b"file,label\n" + b"0.png,1\n" * 100_000,
        b"file" + b"," * 100_000 + b"\n0.png\n",
        b"file,x1,y1\n" + b"0.png,1,1\n" * 1_100_000,
    ],
)
def test_tables_that_unpack_to_much_are_refused_soon(tmp_path: Path, content: bytes):
    name = "landmarks.csv" if b"x1" in content else "labels.csv"
    with zipfile.ZipFile(tmp_path / "x.zip", "w", zipfile.ZIP_DEFLATED) as file:
        for picture_name, shown in (some() | {name: content}).items():
            file.writestr(picture_name, shown)
    with pytest.raises(BadData, match="far more rows than|more than 1,000,000 rows or 2,000 columns"):
        archive_dataset("x", tmp_path / "x.zip")


def test_what_killed_additions_left_behind_is_removed(tmp_path: Path):
    home = DataHome(tmp_path / "home")
    left = [home.root / "archives" / f".{name}.zip.abc.part" for name in ("mine", "yours")]
    for path in left:
        placed(path.parent, {path.name: b"half"})
    add_archive(home, "mine", zipped(tmp_path / "x.zip", some()))
    assert [path.exists() for path in left] == [False, True]
    assert list(home.archives()) == ["mine"]


def test_an_archive_that_changes_while_it_is_added_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    home, path = DataHome(tmp_path / "home"), zipped(tmp_path / "x.zip", some())
    before = add_archive(home, "mine", path)
    monkeypatch.setattr("lgbench.data.archive.sha256_of_file", lambda path: "another")
    with pytest.raises(BadData, match="changed while it was copied"):
        add_archive(home, "mine", path)
    assert home.archives()["mine"].read_bytes() == path.read_bytes()
    assert before.path == home.archives()["mine"]


def test_a_byte_of_a_zips_frame_that_is_another_is_told_or_does_no_harm(tmp_path: Path):
    """Whatever zipfile makes of it: a version to come, a password, a method that nobody knows, ..."""
    path, told = tmp_path / "x.zip", 0
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("images/1.png", b"x" * 99)
    whole = path.read_bytes()
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
        try:
            root = opened_root(path)
            read_file(root, listed(root)[0][0])
        except (BadData, IndexError):  # nothing in it has the name of a picture any more
            told += 1
    assert told > 50
