"""Unpacking official archives: whole or not at all, and faults that say what to do."""

import errno
import io
import tarfile
import tempfile
from pathlib import Path

import pytest

from lgbench.errors import BadData, RunFailed
from lgbench_datasets.unpack import unpacked


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    path = tmp_path / "some.tgz"
    with tarfile.open(path, "w:gz") as tar:
        for name in ("jpg/a.jpg", "jpg/b.jpg"):
            member = tarfile.TarInfo(name)
            member.size = 3
            tar.addfile(member, io.BytesIO(b"abc"))
    return path


def left(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if not path.name.endswith(".lock")]


@pytest.mark.parametrize(
    ("where", "name", "number"),
    [(Path, "write_bytes", errno.ENOSPC), (tempfile, "mkdtemp", errno.EROFS), (Path, "replace", errno.EACCES)],
)
def test_a_folder_that_cannot_be_written_says_what_to_do(archive: Path, monkeypatch, where, name: str, number: int):
    def refuse(*arguments: object, **options: object) -> None:
        raise OSError(number, "no")

    with monkeypatch.context() as patched:
        patched.setattr(where, name, refuse)
        with pytest.raises(RunFailed, match="choose another folder|make room"):
            unpacked(archive, archive.parent / "jpg", r"jpg/(.*)")
    assert left(archive.parent) == ["some.tgz"]
    folder = unpacked(archive, archive.parent / "jpg", r"jpg/(.*)")
    assert (folder / "b.jpg").read_bytes() == b"abc"


def test_an_archive_that_is_not_here_is_not_taken_for_a_full_disk(tmp_path: Path):
    with pytest.raises(BadData, match=r"gone\.tgz is not here"):
        unpacked(tmp_path / "gone.tgz", tmp_path / "jpg", r"jpg/(.*)")
    assert left(tmp_path) == []
