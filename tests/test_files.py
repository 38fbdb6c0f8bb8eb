"""Files appear whole or not at all, with the modes their folders ask for; damaged ones are named."""

from __future__ import annotations

import errno
import logging
import os
import stat
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pytest

from lgbench.errors import RunFailed
from lgbench.files import atomic, keep, read_arrays, read_json, read_sound, write_json, writing
from lgbench.permissions import make_folder, owner_of


@pytest.fixture
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize(
    ("umask", "folder", "inner", "file"),
    [
        (0o022, 0o755, 0o755, 0o644),
        (0o077, 0o755, 0o700, 0o600),  # a folder of one's own: the umask decides
        (0o007, 0o755, 0o770, 0o660),
        (0o077, 0o2775, 0o2775, 0o664),  # a group's
        (0o022, 0o2770, 0o2775, 0o664),
        (0o077, 0o1777, 0o1777, 0o644),  # everybody's: what one has made, others may read
    ],
    indirect=["umask"],
)
def test_modes_follow_the_umask_and_shared_folders(tmp_path: Path, umask: int, folder: int, inner: int, file: int):
    home = tmp_path / "home"
    home.mkdir()
    home.chmod(folder)
    write_json(home / "prepared" / "meta.json", {})
    assert oct(mode(home / "prepared")) == oct(inner)
    assert oct(mode(home / "prepared" / "meta.json")) == oct(file)


@pytest.mark.parametrize(
    ("number", "advice"),
    [
        *((number, "make room") for number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)),
        *((number, "belongs to") for number in (errno.EACCES, errno.EPERM, errno.EROFS)),
        *((number, "another folder") for number in (errno.ENOTDIR, errno.EEXIST, errno.ENAMETOOLONG, errno.EISDIR)),
        *((number, "file system") for number in (errno.EIO, errno.ESTALE, errno.EMFILE)),
    ],
)
def test_what_cannot_be_written_says_why_and_what_to_do(tmp_path: Path, number: int, advice: str):
    with pytest.raises(RunFailed, match=rf"Cannot write .*{os.strerror(number)}.*{advice}"), writing(tmp_path / "x"):
        raise OSError(number, os.strerror(number))


def test_a_folder_that_was_removed_meanwhile_is_told_apart_from_a_missing_source(tmp_path: Path):
    with pytest.raises(RunFailed, match="removed meanwhile"), writing(tmp_path / "gone" / "log"):
        (tmp_path / "gone" / "log").write_text("")
    with pytest.raises(FileNotFoundError), writing(tmp_path / "x"):
        Path("/nowhere/else").read_text()


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="there is no folder in which nothing can be made")
def test_a_place_where_no_folder_can_be_made_is_one_clear_line():
    with pytest.raises(RunFailed, match="none can be made there"):
        write_json(Path("/proc/nothing/here/file.json"), {})


@pytest.mark.parametrize("place", ["file/run", "file"])
def test_a_file_where_a_folder_should_be_is_one_clear_line(tmp_path: Path, place: str):
    (tmp_path / "file").touch()
    with pytest.raises(RunFailed, match="Cannot write"), atomic(tmp_path / place / "x.json"):
        pass


def test_what_fails_leaves_the_old_file_and_no_part(tmp_path: Path):
    (tmp_path / "x").write_text("old")
    with pytest.raises(ZeroDivisionError), atomic(tmp_path / "x") as file:
        file.write(b"%d" % (1 // 0))
    assert [path.name for path in tmp_path.iterdir()] == ["x"]
    assert (tmp_path / "x").read_text() == "old"


def test_a_device_or_a_pipe_is_written_to_and_stays_one(tmp_path: Path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    for path in (pipe, Path(os.devnull)):
        with atomic(path) as file:
            file.write(b"whole")
        assert not path.is_file()
    assert os.read(reader, 9) == b"whole"
    os.close(reader)


def test_a_cache_that_cannot_be_written_is_told_once_and_costs_nothing(tmp_path: Path, caplog):
    (tmp_path / "moments").touch()  # a file where the folder should be
    with caplog.at_level(logging.WARNING):
        kept = [keep(tmp_path / "moments" / name, lambda file: file.write(b"x")) for name in ("a", "b")]
    assert kept == [False, False]
    assert caplog.text.count("not kept") == 1
    assert f"belongs to {owner_of(tmp_path)}" in caplog.text
    assert keep(tmp_path / "other" / "a", lambda file: file.write(b"x"))


def test_a_cache_on_a_full_disk_says_so_and_not_whose_it_is(tmp_path: Path, caplog):
    def write(file: BinaryIO) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with caplog.at_level(logging.WARNING):
        assert not keep(tmp_path / "full" / "a", write)
    assert os.strerror(errno.ENOSPC) in caplog.text
    assert "belongs to" not in caplog.text


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[" * 100_000, b"5", b"[1]"])
def test_a_damaged_json_file_is_named_with_what_to_do(tmp_path: Path, content: bytes):
    path = tmp_path / "done.json"
    path.write_bytes(content)
    with pytest.raises(RunFailed, match=r"done\.json is damaged .*Delete it"):
        read_sound(path, dict, "Delete it.")


@dataclass(frozen=True)
class Kept:
    step: int
    names: tuple[str, ...] = ()


@pytest.mark.parametrize(
    ("content", "told"),
    [("{}", "step: Field required"), ('{"step": "5"}', "step: "), ('{"step": 5, "names": ["a", 1]}', r"names\.1: ")],
)
def test_a_sound_file_that_holds_something_else_is_named_with_where(tmp_path: Path, content: str, told: str):
    path = tmp_path / "kept.json"
    write_json(path, asdict(Kept(5, ("a", "b"))))
    assert read_sound(path, Kept, "Delete it.") == Kept(5, ("a", "b"))
    path.write_text(content)
    with pytest.raises(RunFailed, match=rf"kept\.json is damaged \({told}.*\)\. Delete it\."):
        read_sound(path, Kept, "Delete it.")


def test_text_is_utf8_whatever_the_system_says(tmp_path: Path, monkeypatch):
    monkeypatch.setattr("locale.getpreferredencoding", lambda *_: "ascii")
    (tmp_path / "x.json").write_bytes('{"title": "Üñï"}'.encode())
    assert read_json(tmp_path / "x.json") == {"title": "Üñï"}


@pytest.mark.parametrize("damage", [b"", b"PK", b"no zip at all", None])
def test_damaged_arrays_are_named_with_what_to_do(tmp_path: Path, damage: bytes | None):
    path = tmp_path / "samples.npz"
    np.savez(path, images=np.arange(10_000))
    path.write_bytes(path.read_bytes()[:9000] if damage is None else damage)
    with pytest.raises(RunFailed, match=r"samples\.npz is damaged .*Delete it"):
        read_arrays(path, "Delete it.")


def test_arrays_that_are_gone_are_called_missing(tmp_path: Path):
    with pytest.raises(RunFailed, match=r"samples\.npz is missing\. Run it again\."):
        read_arrays(tmp_path / "samples.npz", "Run it again.")


def test_a_byte_of_a_files_frame_that_is_another_is_named_or_does_no_harm(tmp_path: Path):
    """Whatever zipfile and numpy make of it: a version to come, a password, a method that nobody knows, ..."""
    path, arrays = tmp_path / "x.npz", {"images": np.arange(48, dtype=np.uint8), "x": np.ones(2)}
    np.savez(path, **arrays)  # pyright: ignore[reportArgumentType]
    whole, told = path.read_bytes(), 0
    for place in (*range(200), *range(len(whole) - 200, len(whole))):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
        try:
            read_arrays(path, "Delete it.")
        except RunFailed:
            told += 1
    assert told > 100


def test_whole_arrays_come_back(tmp_path: Path):
    np.savez(tmp_path / "x.npz", a=np.arange(3), b=np.ones((2, 2)))
    assert read_arrays(tmp_path / "x.npz", "")["a"].tolist() == [0, 1, 2]


def test_folders_are_made_with_those_above_them(tmp_path: Path):
    make_folder(tmp_path / "a" / "b" / "c")
    make_folder(tmp_path / "a" / "b" / "c")
    assert (tmp_path / "a" / "b" / "c").is_dir()
