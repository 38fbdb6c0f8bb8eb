"""Official archives are unpacked once, beside themselves, and are never half there."""

from __future__ import annotations

import os
import re
import shutil
import tarfile
import tempfile
import zlib
from pathlib import Path, PurePosixPath

from lgbench.errors import BadData
from lgbench.files import writing

__all__ = ["unpacked"]


def unpacked(archive: Path, target: Path, pattern: str) -> Path:
    """The folder with those files of a tar (compressed or not) that are wanted; made in one pass, once.

    It is made under another name until it is whole, by one process while others wait. Where `target` exists, it is
    taken as it is and the archive is not looked at.

    Args:
        archive: the tar file.
        target: the folder to make.
        pattern: matches the whole name of a wanted file in the archive; its first group is the name below `target`.

    Raises:
        BadData: the archive is truncated, unreadable, or has no file that is wanted.
        RunFailed: the disk is full or the folder cannot be written; nothing half-made is left.
    """
    from lgbench.data import alone

    with writing(target), alone(target, archive.name):
        if target.is_dir():
            return target
        for stale in target.parent.glob(f".{target.name}.making.*"):
            shutil.rmtree(stale)
        making = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}.making."))
        try:
            _extract(archive, making, re.compile(pattern))
            making.chmod(0o755)
            making.replace(target)
        finally:
            shutil.rmtree(making, ignore_errors=True)
    return target


def _extract(archive: Path, folder: Path, pattern: re.Pattern[str]) -> None:
    again = "delete it and fetch it again"
    found = 0
    if not os.access(archive, os.R_OK):  # or else it would read as a folder that cannot be written
        raise BadData(f"{archive} is not here or may not be read; {again}.")
    try:
        with tarfile.open(archive, "r|*") as tar:
            for member in tar:
                wanted = pattern.fullmatch(member.name.removeprefix("./"))
                file = tar.extractfile(member) if wanted and member.isfile() else None
                if wanted and file:
                    path = folder / _inside(wanted[1], archive)
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_bytes(file.read())
                    found += 1
            # tarfile takes an early end between two files for the end; a whole archive closes with a block of zeros
            if tar.fileobj is None or tar.fileobj.tell() != tar.offset + tarfile.BLOCKSIZE:
                raise tarfile.ReadError("it has no end")
    except (tarfile.TarError, EOFError, zlib.error) as error:
        raise BadData(f"{archive} is truncated or unreadable ({error}); {again}.") from error
    if not found:
        raise BadData(f"{archive} has none of the files that belong in it ({pattern.pattern}); {again}.")


def _inside(name: str, archive: Path) -> PurePosixPath:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts:
        raise BadData(f"{archive} has a file {name!r} that would lie outside its folder; it is not the official one.")
    return path
