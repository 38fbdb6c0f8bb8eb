"""Waiting for another process instead of doing the same work twice."""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lgbench.files import canonical_json, keep, read_json, sha256_of_file, writing
from lgbench.locks import Lock, Taken
from lgbench.permissions import in_the_way, make_folder

__all__ = ["alone", "alone_and_whole"]

SEAL = "seal.json"
"""In a folder that is kept: the hashes of the files that it is kept for."""

PAUSE = 0.2  # seconds between two looks at a lock that is taken

logger = logging.getLogger(__name__)


@contextmanager
def alone(path: Path, what: str) -> Iterator[None]:
    """Hold the lock file `.<name>.lock` beside `path`, waiting for whoever holds it; a killed holder lets go.

    A lock file that others keep to themselves is done without: what is made appears whole, whoever makes it.

    Args:
        path: the file or folder that is about to appear.
        what: for the log line that says what is being waited for.

    Raises:
        RunFailed: nothing can be written beside `path`.
    """
    lock = Lock(path.parent / f".{path.name}.lock")
    with writing(path):
        make_folder(path.parent)
        _wait(lock, what)
    try:
        yield
    finally:
        lock.release()


@contextmanager
def alone_and_whole(folder: Path, what: str) -> Iterator[None]:
    """Hold a folder of networks that is kept for others as `alone` does; one that was damaged is gone, and told.

    Its weights and `done.json` are hashed when it is left without an error, and compared when it is held again.
    """
    with alone(folder, what):
        if not _whole(folder):
            logger.warning("%s is damaged; it is made again.", folder)
            shutil.rmtree(folder, ignore_errors=True)
        yield
        if not (folder / SEAL).exists():
            names = [
                path.name for path in folder.iterdir() if path.suffix == ".safetensors" or path.name == "done.json"
            ]
            seal = canonical_json({name: sha256_of_file(folder / name) for name in names})
            keep(folder / SEAL, lambda file: file.write(seal.encode()))


def _whole(folder: Path) -> bool:
    """Whether the files of a folder are those that were sealed; nobody knows it of one without a seal."""
    if not (folder / SEAL).exists():
        return True
    try:
        seal = read_json(folder / SEAL)
        return bool(seal) and all(sha256_of_file(folder / name) == digest for name, digest in seal.items())
    except (OSError, ValueError, AttributeError, TypeError):
        return False


def _wait(lock: Lock, what: str) -> None:
    told = False
    while True:
        try:
            lock.acquire()
        except Taken as taken:
            if not told:
                logger.warning("Another process is at work on %s; waiting for it: %s", what, taken)
            told = True
            time.sleep(PAUSE)
        except PermissionError:
            if not lock.path.exists():
                raise
            logger.warning("Without a lock on %s: %s.", what, in_the_way(lock.path))
            return
        else:
            return
