"""Writing so that nothing is ever half-written: to a sibling first, then renamed into place."""

from __future__ import annotations

import contextlib
import errno
import glob
import hashlib
import json
import logging
import os
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar

from .errors import RunBusy, RunFailed
from .locks import Lock, Taken
from .permissions import in_the_way, make_folder, share

if TYPE_CHECKING:
    import numpy as np
    from pydantic import ValidationError

Kind = TypeVar("Kind")

__all__ = [
    "FORBIDDEN",
    "UNWRITABLE",
    "atomic",
    "canonical_json",
    "exclusive",
    "faults_of",
    "keep",
    "read_arrays",
    "read_json",
    "read_sound",
    "sha256_of_file",
    "sha256_of_json",
    "sweep_parts",
    "write_bytes",
    "write_json",
    "writing",
]

PART = ".part"
STALE = 3600.0  # seconds after which nobody writes a part any more
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
FORBIDDEN = (errno.EROFS, errno.EACCES, errno.EPERM)
MISPLACED = (errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENAMETOOLONG, errno.ELOOP)
UNWRITABLE = (*FULL, errno.EROFS, errno.EACCES)  # what a user can do something about

logger = logging.getLogger(__name__)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Say what to do where `path` cannot be written.

    Raises:
        RunFailed: the disk is full, the folder cannot be written or is gone, or the device fails.
    """
    try:
        yield
    except OSError as error:
        advice = _advice(error, path)
        if advice is None:
            raise
        raise RunFailed(
            f"Cannot write {path}: {error.strerror or error}. What was there before is untouched; "
            f"{advice} and run the same command again to resume."
        ) from error


def _advice(error: OSError, path: Path) -> str | None:
    """What to do about an error of writing `path`; None where it is about something else."""
    if error.errno in FULL:
        return "make room (or choose another folder)"
    if error.errno in FORBIDDEN:
        return f"{in_the_way(path)}; choose another folder, or have this one opened to you,"
    if error.errno in MISPLACED:
        return "choose another folder: a file stands where a folder should be or the other way round, or a name is long"
    named = error.errno == errno.ENOENT and isinstance(error.filename, str | os.PathLike)
    missing = Path(error.filename) if named else None
    if missing and missing.is_relative_to(path.parent):
        return "its folder was removed meanwhile: leave it where it is,"
    if missing and path.is_relative_to(missing):
        return "choose another folder, as none can be made there,"
    if error.errno in (errno.EIO, getattr(errno, "ESTALE", None), errno.EMFILE, errno.ENFILE):
        return "see to the file system (or choose another folder)"
    return None


@contextmanager
def atomic(path: Path) -> Iterator[BinaryIO]:
    """Open a temporary sibling of `path` for writing; it takes `path`'s place only if all goes well.

    A device or a pipe (`/dev/stdout`) is written to itself.

    Raises:
        RunFailed: the disk is full or the folder cannot be written; nothing is left behind.
    """
    with writing(path):
        if path.parent == Path("/dev") or (path.exists() and not path.is_file() and not path.is_dir()):  # stays one
            with path.open("wb") as file:
                yield file
            return
        make_folder(path.parent)
        temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}{PART}")
        try:
            with temporary.open("xb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            share(temporary)
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


_told: set[str] = set()


def keep(path: Path, write: Callable[[BinaryIO], object]) -> bool:
    """Keep what is quicker to read than to compute again; where that cannot be, say so once and go on.

    Returns:
        Whether it is kept.
    """
    try:
        sweep_parts(path.parent, path.name, age=STALE)
        with atomic(path) as file:
            write(file)
    except RunFailed as error:
        if str(path.parent) not in _told:
            _told.add(str(path.parent))
            cause = error.__cause__
            assert isinstance(cause, OSError)  # `writing` says what to do about nothing else
            whose = "" if cause.errno in FULL else f": {in_the_way(path)}"
            logger.warning("%s is not kept for next time (%s)%s.", path, cause.strerror, whose)
        return False
    return True


def sweep_parts(folder: Path, name: str = "", *, age: float = 0) -> None:
    """Remove what processes that were killed while writing have left below `folder`.

    Args:
        name: of the file that they wrote; all where it is empty.
        age: spare what is younger, in seconds: the caller does not hold the folder alone.
    """
    for part in folder.rglob(f".{glob.escape(name)}*{PART}"):
        with contextlib.suppress(OSError):
            if time.time() - part.stat().st_mtime >= age:
                part.unlink()


@contextmanager
def exclusive(folder: Path, what: str) -> Iterator[None]:
    """Hold `folder` alone for as long as the context lasts.

    Raises:
        RunBusy: another process holds it, or held it where nobody can tell whether it still does.
        RunFailed: the folder cannot be written.
    """
    lock = Lock(folder / ".lock")
    try:
        with writing(lock.path):
            make_folder(folder)
            lock.acquire()
    except Taken as taken:
        raise RunBusy(f"Another process is at work on {what} in {folder}: {taken}") from None
    try:
        yield
    finally:
        lock.release()


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
    write_bytes(path, (json.dumps(value, indent=2, sort_keys=True, allow_nan=False) + "\n").encode())


def write_bytes(path: Path, content: bytes | memoryview) -> None:
    """Write a whole file, atomically."""
    with atomic(path) as file:
        file.write(content)


def read_json(path: Path) -> Any:
    """Read what `write_json` wrote.

    Raises:
        ValueError: it is no JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except RecursionError:
        raise ValueError("nested too deeply") from None


def faults_of(error: ValidationError) -> str:
    """What does not fit its type, and where, in one line; of many faults the first four."""
    faults = error.errors(include_url=False, include_input=False)
    told = "; ".join(f"{'.'.join(map(str, fault['loc'])) or 'it'}: {fault['msg']}" for fault in faults[:4])
    return told.replace("Value error, ", "") + (f"; and {len(faults) - 4} more" if len(faults) > 4 else "")


def read_sound(path: Path, kind: type[Kind], remedy: str) -> Kind:
    """Read what `write_json` wrote.

    Args:
        kind: of what type it is: a dataclass, say, each field of which is held to its own.
        remedy: what to do about a damaged file, as a sentence.

    Raises:
        RunFailed: the file is damaged.
    """
    from pydantic import TypeAdapter, ValidationError  # which takes longer to import than most files to read

    try:
        return TypeAdapter(kind).validate_json(path.read_bytes(), strict=True)
    except ValidationError as error:
        told = faults_of(error)
    except (OSError, ValueError) as error:
        told = str(error)
    raise RunFailed(f"{path} is damaged ({told}). {remedy}")


def read_arrays(path: Path, remedy: str) -> dict[str, np.ndarray]:
    """All arrays of an .npz file.

    Args:
        remedy: what to do about a damaged file, as a sentence.

    Raises:
        RunFailed: the file is missing or damaged.
    """
    import zipfile
    import zlib

    import numpy as np

    try:
        with np.load(path) as stored:
            return dict(stored)
    except (OSError, ValueError, TypeError, KeyError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
        reason = str(error) or type(error).__name__
        state = "missing" if isinstance(error, FileNotFoundError) else f"damaged ({reason.splitlines()[0]})"
        raise RunFailed(f"{path} is {state}. {remedy}") from None
