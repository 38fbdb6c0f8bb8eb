"""Who may read and write what is made: what the umask says, and in a folder that people share, they too."""

from __future__ import annotations

import logging
import os
import stat
from pathlib import Path

__all__ = ["in_the_way", "make_folder", "owner_of", "share"]

logger = logging.getLogger(__name__)

SHARED = stat.S_ISGID | stat.S_ISVTX
READERS = stat.S_IRUSR | stat.S_IRGRP | stat.S_IROTH


def make_folder(folder: Path) -> None:
    """Make a folder and those above it; below a folder that several people share, it is shared with them too."""
    if folder.is_dir():
        return
    if folder.parent != folder:
        make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    share(folder)


def share(path: Path) -> None:
    """Open what was just made to those who share its folder: setgid says with a group, sticky with everybody.

    In other folders it keeps the mode that the umask gave it.
    """
    folder = path.parent.stat().st_mode
    if not folder & SHARED:
        return
    file = 0o666 if folder & stat.S_ISGID else READERS  # what everybody may write, nobody can trust
    given = folder & (0o777 | SHARED if path.is_dir() else file)
    try:
        path.chmod(stat.S_IMODE(path.stat().st_mode) | given)
    except OSError:  # a file system without modes
        logger.debug("%s keeps its mode", path, exc_info=True)


def owner_of(path: Path) -> str:
    """Name of the user to whom a file belongs, or their number where no name is known."""
    try:
        return path.owner()
    except (KeyError, NotImplementedError, OSError):
        try:
            return f"user {path.stat().st_uid}"
        except OSError:
            return "somebody else"


def in_the_way(path: Path) -> str:
    """The nearest thing that is there, of `path` and the folders above it, and whose it is."""
    there = next((place for place in (path, *path.parents) if os.path.lexists(place)), path)
    return f"{there} belongs to {owner_of(there)}"
