"""Files below a folder or in a zip, by name, whichever it is."""

from __future__ import annotations

import zipfile
import zlib
from collections import Counter
from pathlib import Path, PurePosixPath, PureWindowsPath

from lgbench.errors import BadData

from .names import ENDINGS

__all__ = ["Root", "is_utf8", "listed", "opened_root", "read_file"]

Root = Path | zipfile.Path
"""A folder, or the top of a zip."""

HIDDEN = (".", "__MACOSX", "@eaDir", "Thumbs.db", "desktop.ini")  # what systems leave in folders
LARGEST_FILE = 256 << 20  # bytes of one picture or table, uncompressed: more is a mistake or a bomb
LARGEST_ARCHIVE = 256 << 30  # bytes of all files together, uncompressed


def opened_root(path: Path) -> Root:
    """The folder `path`, or the top of the zip, if that holds nothing unsafe.

    Raises:
        BadData: it is neither, or holds unsafe names or absurd sizes.
    """
    return path if path.is_dir() else zipfile.Path(_zip(path))


def read_file(root: Root, name: str) -> bytes:
    """Bytes of a file by its name; raises `BadData` naming it."""
    if _leads_out(name):
        raise BadData(f"{name}: leads out of the data set")
    path = root.joinpath(name)
    try:
        if isinstance(path, Path):
            _check_file(path, name)
            if not path.stat().st_size:  # what a system makes up when it is read (/proc/...) may have no end
                return b""
        return path.read_bytes()
    except FileNotFoundError:
        raise BadData(f"{name}: not in the {'folder' if isinstance(root, Path) else 'archive'}") from None
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError) as error:
        raise BadData(f"{name}: truncated or unreadable ({error})") from error


def _check_file(path: Path, name: str) -> None:
    """A pipe would be waited for, and a device may have no end."""
    if path.is_symlink() and not path.exists():
        raise BadData(f"{name}: a link that leads nowhere")
    if not path.is_file() and path.exists():
        raise BadData(f"{name}: not a file, but a folder, a pipe or a device")
    if (size := path.stat().st_size) > LARGEST_FILE:
        raise BadData(f"{name}: {size:,} bytes; more than {LARGEST_FILE:,} are refused")


def listed(root: Root) -> tuple[list[str], list[str]]:
    """Names of all pictures below a folder or in a zip, sorted, and of all other files; hidden ones are left out."""
    try:
        names = _names_below(root) if isinstance(root, Path) else _names_in(root.root)
    except OSError as error:
        raise BadData(f"{error.filename} cannot be read ({error.strerror}).") from error
    shown = [name for name in names if not any(part.startswith(HIDDEN) for part in name.split("/") if part != ".")]
    pictures = sorted(name for name in shown if PurePosixPath(name).suffix.lower() in ENDINGS)
    for name in pictures:
        if not is_utf8(name):
            raise BadData(f"{root} has a picture whose name is not UTF-8: {name!a}. Rename it.")
    return pictures, sorted({*shown} - {*pictures})


def _names_in(file: zipfile.ZipFile) -> list[str]:
    return [entry.filename for entry in file.infolist() if not entry.is_dir()]


def _names_below(root: Path, folder: Path | None = None, above: frozenset[tuple[int, int]] = frozenset()) -> list[str]:
    """Names of files relative to `root`, with those that links to folders lead to, except back up."""
    folder, found = folder or root, []
    state = folder.stat()
    above |= {(state.st_dev, state.st_ino)}
    for path in folder.iterdir():
        if path.name.startswith(HIDDEN):
            continue
        if not path.is_dir():
            found.append(path.relative_to(root).as_posix())
        elif (path.stat().st_dev, path.stat().st_ino) not in above:
            found += _names_below(root, path, above)
    return found


def _zip(path: Path) -> zipfile.ZipFile:
    """A zip that holds nothing unsafe."""
    try:
        file = zipfile.ZipFile(path)
    except (OSError, ValueError, NotImplementedError, zipfile.BadZipFile) as error:
        raise BadData(f"{path} is not a readable zip file ({error}).") from error
    for entry in file.infolist():
        name = entry.filename
        if _leads_out(name):
            raise BadData(f"{path} holds the name {name!r}, which leads out of the archive; it is refused.")
        if entry.flag_bits & 1:
            raise BadData(f"{path}: {name} is encrypted; archives must not be.")
        if entry.file_size > LARGEST_FILE:
            raise BadData(f"{path}: {name} has {entry.file_size:,} bytes; more than {LARGEST_FILE:,} is refused.")
    places = Counter(PurePosixPath(name).as_posix() for name in file.namelist())  # ./0.png is 0.png
    twice = [name for name, times in places.items() if times > 1]
    if twice:
        raise BadData(f"{path} holds {twice[0]!r} more than once: which one is meant?")
    if (total := sum(entry.file_size for entry in file.infolist())) > LARGEST_ARCHIVE:
        raise BadData(f"{path} unpacks to {total:,} bytes; more than {LARGEST_ARCHIVE:,} is refused.")
    return file


def is_utf8(name: str) -> bool:
    """Whether a name can be written down; names of files need not be text."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _leads_out(name: str) -> bool:
    place = PureWindowsPath(name)  # reads both kinds of slashes
    return bool(place.root or place.drive or ".." in place.parts)
