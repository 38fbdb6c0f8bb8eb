"""Waiting for another process instead of doing the same work twice."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lgbench.files import writing
from lgbench.locks import Lock, Taken
from lgbench.permissions import in_the_way, make_folder

__all__ = ["alone"]

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
