"""One process at a time: locks of the file system where it has them, else a note that says who is at work.

A lock file holds its holder's host, process and time, so that whoever finds it taken can tell by whom. Not on filelock:
where a file system has no locks, what it does depends on its version, and none tells whom one is waiting for.
"""

from __future__ import annotations

import contextlib
import errno
import json
import logging
import os
import socket
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

from annotated_types import Gt, Lt

from .permissions import share

__all__ = ["Holder", "Lock", "Taken"]

logger = logging.getLogger(__name__)

BUSY = (errno.EAGAIN, errno.EACCES, errno.EDEADLK)
"""What a lock that somebody holds answers; other errors mean that there are no locks."""


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds a lock.

    Attributes:
        since: seconds since the epoch.
        born: when the process began, in a unit of the system's; tells it from a later one of the same number.
        noted: the file system has no locks, so this note is all there is.
    """

    host: str
    process: Annotated[int, Gt(0), Lt(2**31)]
    since: float
    born: str = ""
    noted: bool = False

    def __str__(self) -> str:
        return f"process {self.process} on {self.host}, since {time.ctime(self.since)}"

    @property
    def gone(self) -> bool:
        """Whether it certainly has ended; of another host's nobody can tell."""
        if self.host != socket.gethostname():
            return False
        return not _alive(self.process) or (self.born != _born(self.process))


class Taken(Exception):
    """Another process holds the lock; the text says which, for how long, and what to do.

    Args:
        told: that it is held is known from a note alone.
    """

    def __init__(self, path: Path, holder: Holder | None, told: bool = False) -> None:
        who = f"{holder}. " if holder else ""
        if holder and told and holder.host != socket.gethostname():
            advice = (
                f"This file system has no locks, so nobody here can tell whether it is still at work. If it is, wait "
                f"for it, or stop it first. If not, delete {path} and run the same command again to take over."
            )
        else:
            advice = "Wait for it, or stop it first."
        super().__init__(who + advice)


class Lock:
    """A lock file. The system lets go of it when its holder ends, however it ends."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: int | None = None
        self._note: Holder | None = None

    def acquire(self) -> None:
        """Take it.

        Raises:
            Taken: another process has it.
            OSError: the file cannot be made.
        """
        file = _open(self.path)
        try:
            _lock(file)
        except OSError as error:
            os.close(file)
            if error.errno in BUSY:
                raise Taken(self.path, _read(self.path)) from None
            self._note_down(error)
            return
        before = _read(self.path)
        if before and before.noted and not before.gone:  # somebody for whom there are no locks here
            os.close(file)
            raise Taken(self.path, before, told=True)
        self._file = file
        _write(file, _me(noted=False))

    def release(self) -> None:
        """Let go of it. A real lock's file stays, empty: deleting it could take away another's."""
        if self._file is not None:
            with contextlib.suppress(OSError):
                os.ftruncate(self._file, 0)
            os.close(self._file)
            self._file = None
        if self._note and _read(self.path) == self._note:
            with contextlib.suppress(OSError):
                self.path.unlink()
        self._note = None

    def _note_down(self, reason: OSError) -> None:
        """Take it by a note in the file, where there are no locks."""
        before, mine = _read(self.path), _me(noted=True)
        if before and not before.gone:
            raise Taken(self.path, before, told=True)
        why = reason.strerror or f"error {reason.errno}"
        logger.warning("There are no locks at %s (%s): a note in it says who is at work.", self.path, why)
        if before:
            logger.warning("It is taken over from %s, which has ended.", before)
        _put_aside(self.path)
        if not _pin(self.path, mine):  # somebody was quicker
            raise Taken(self.path, _read(self.path), told=True)
        self._note = mine


def _open(path: Path) -> int:
    """The lock file, made where it is missing; one that others own can be locked, though not written."""
    for flags in (os.O_RDWR, os.O_RDONLY):
        try:
            return os.open(path, flags)
        except FileNotFoundError:
            break
        except PermissionError:
            continue
    file = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    share(path)
    return file


if sys.platform == "win32":
    import msvcrt

    def _lock(file: int) -> None:
        os.lseek(file, 1 << 30, os.SEEK_SET)  # a byte that nobody reads: locked ones cannot be
        msvcrt.locking(file, msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _lock(file: int) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _me(noted: bool) -> Holder:
    return Holder(socket.gethostname(), os.getpid(), time.time(), _born(os.getpid()), noted)


def _write(file: int, holder: Holder) -> None:
    with contextlib.suppress(OSError):  # another's file, or a full disk: the lock holds without it
        os.ftruncate(file, 0)
        os.lseek(file, 0, os.SEEK_SET)
        os.write(file, json.dumps(asdict(holder)).encode())


def _read(path: Path) -> Holder | None:
    """Who is noted in a lock file; None where nobody is, or none that could be."""
    from pydantic import TypeAdapter  # which takes longer to import than a lock to take

    with contextlib.suppress(OSError, ValueError):
        return TypeAdapter(Holder).validate_json(path.read_bytes(), strict=True)
    return None


def _put_aside(path: Path) -> None:
    """Remove the note of a holder that has ended; one that somebody wrote meanwhile is put back."""
    aside = path.with_name(f"{path.name}.{os.getpid()}")
    with contextlib.suppress(FileNotFoundError):
        path.rename(aside)
        if (found := _read(aside)) and not found.gone:
            aside.rename(path)
            raise Taken(path, found, told=True)
        aside.unlink()


def _pin(path: Path, holder: Holder) -> bool:
    """Let a note appear, whole; False where there is one."""
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    draft.write_text(json.dumps(asdict(holder)), encoding="utf-8")
    share(draft)
    try:
        os.link(draft, path)
    except FileExistsError:
        return False
    except OSError:  # no links either
        draft.rename(path)
    finally:
        draft.unlink(missing_ok=True)
    return True


def _alive(process: int) -> bool:
    if sys.platform == "win32":  # there, signal 0 would end it
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _born(process: int) -> str:
    try:
        fields = Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace")
        return fields.rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""
