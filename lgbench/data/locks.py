"""Waiting for another process instead of doing the same work twice."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["alone"]

logger = logging.getLogger(__name__)


@contextmanager
def alone(path: Path, what: str) -> Iterator[None]:
    """Hold the lock file `.<name>.lock` beside `path`, waiting for whoever holds it; a killed holder lets go.

    Args:
        path: the file or folder that is about to appear.
        what: for the log line that says what is being waited for.
    """
    from filelock import FileLock, Timeout

    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path.parent / f".{path.name}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        logger.info("Another process is at work on %s; waiting for it.", what)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()
