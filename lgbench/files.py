"""Writing so that nothing is ever half-written: to a sibling first, then renamed into place."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from .errors import RunBusy, RunFailed

__all__ = [
    "UNWRITABLE",
    "atomic",
    "canonical_json",
    "exclusive",
    "read_json",
    "sha256_of_file",
    "sha256_of_json",
    "sweep_parts",
    "write_json",
    "writing",
]

PART = ".part"
UNWRITABLE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES)  # what a user can do something about


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Say what to do where `path` cannot be written.

    Raises:
        RunFailed: the disk is full or the folder cannot be written.
    """
    try:
        yield
    except OSError as error:
        if error.errno in UNWRITABLE:
            raise RunFailed(
                f"Cannot write {path}: {error.strerror}. What was there before is untouched; "
                "make room (or choose another folder) and run the same command again to resume."
            ) from error
        raise


@contextmanager
def atomic(path: Path) -> Iterator[BinaryIO]:
    """Open a temporary sibling of `path` for writing; it takes `path`'s place only if all goes well.

    Raises:
        RunFailed: the disk is full or the folder cannot be written; nothing is left behind.
    """
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", suffix=PART, delete=False) as file:
            temporary = Path(file.name)
            try:
                yield file  # pyright: ignore[reportReturnType]
                file.flush()
                os.fsync(file.fileno())
            except BaseException:
                temporary.unlink(missing_ok=True)
                raise
        temporary.chmod(0o644)
        temporary.replace(path)


def sweep_parts(folder: Path) -> None:
    """Remove what processes that were killed while writing have left below `folder`; the caller holds it alone."""
    for part in folder.rglob(f".*{PART}"):
        part.unlink(missing_ok=True)


@contextmanager
def exclusive(folder: Path, what: str) -> Iterator[None]:
    """Hold `folder` alone for as long as the context lasts.

    Raises:
        RunBusy: another process holds it.
    """
    from filelock import FileLock, Timeout

    folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(folder / ".lock", timeout=0):
            yield
    except Timeout:
        raise RunBusy(f"Another process is at work on {what} in {folder}. Wait for it, or stop it first.") from None


def canonical_json(value: Any) -> str:
    """The one spelling of `value` that is hashed: sorted keys, no spaces."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def sha256_of_json(value: Any) -> str:
    """SHA-256 of `value`'s canonical JSON, hex."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


def sha256_of_file(path: Path) -> str:
    """SHA-256 of a file's bytes, hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_json(path: Path, value: Any) -> None:
    """Write `value` as indented JSON with sorted keys, atomically."""
    with atomic(path) as file:
        file.write((json.dumps(value, indent=2, sort_keys=True, allow_nan=False) + "\n").encode())


def read_json(path: Path) -> Any:
    """Read what `write_json` wrote."""
    return json.loads(path.read_text())
