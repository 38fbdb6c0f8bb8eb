"""One file for a reviewer: a run's record with all that its numbers were computed from, and nothing to run."""

from __future__ import annotations

import hashlib
import io
import json
import math
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from .errors import LgbenchError, RunFailed
from .evaluation.stored import EVIDENCE
from .files import sha256_of_file, write_bytes
from .record import CAPSULE, RECORD_FILE, read_record, record_file

__all__ = ["MANIFEST", "BadCapsule", "members", "pack", "read_npz"]

MANIFEST = "capsule.json"
FORMAT = 1
NAME = re.compile(r"[A-Za-z0-9_][\w.-]*(/[A-Za-z0-9_][\w.-]*){0,3}", re.ASCII)
MOST_FILES, MOST_BYTES = 1000, 1 << 32
EPOCH = (1980, 1, 1, 0, 0, 0)  # the same bytes on any day
BROKEN = (OSError, ValueError, EOFError, KeyError, RuntimeError, NotImplementedError, zipfile.BadZipFile, zlib.error)

TOLD = ("recipe.json", "request.json", "identity.json", "arithmetic.json", "sessions.json")
"""What a run's folder says of itself: what was asked for, what was learnt from, and where it was computed."""


class BadCapsule(LgbenchError):
    """A file that is no capsule, or one that is damaged or made to do harm."""


def pack(path: Path, out: Path | None = None) -> tuple[Path, dict[str, str]]:
    """Write a run's capsule.

    Args:
        path: a run's folder, whose first record is meant, or one of its records.
        out: the file; by default "<run>-<id>.capsule.zip" beside the run's folder.

    Returns:
        The file, and what was left out: name -> why.

    Raises:
        RunFailed: the run has no record, or stored files are missing or were altered; or `out` is another file.
    """
    source = record_file(path)
    folder, record = source.parent, read_record(source)
    files = {RECORD_FILE: source, **{name: folder / name for name in TOLD if (folder / name).is_file()}}
    for log in sorted(folder.glob("*/log.jsonl")):
        files[log.relative_to(folder).as_posix()] = log
    for grid in sorted((folder / "train" / "grids").glob("*.png"))[-1:]:
        files["grid.png"] = grid
    left_out = {name: "weights" for name in record.artefacts if name.endswith(".safetensors")}
    for name in sorted(record.artefacts.keys() - left_out.keys()):
        files[name] = folder / name
        if not files[name].is_file() or sha256_of_file(files[name]) != record.artefacts[name]:
            raise RunFailed(f"{files[name]} is missing or not what the record was scored from. Run the command again.")
    if not any(name.startswith(f"{EVIDENCE}-") for name in files):
        left_out[EVIDENCE] = "the run was scored before it was kept: no number can be derived again"
    hashes = {name: sha256_of_file(file) for name, file in sorted(files.items())}
    told = {"format": FORMAT, "record": record.id, "files": hashes, "left_out": left_out}
    out = out or folder.parent / f"{folder.name}-{record.id[:8]}{CAPSULE}"
    _write(out, {MANIFEST: (json.dumps(told, indent=2, sort_keys=True) + "\n").encode(), **files})
    return out, left_out


def _write(out: Path, files: Mapping[str, bytes | Path]) -> None:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, source in files.items():
            archive.writestr(_entry(name), source if isinstance(source, bytes) else source.read_bytes())
    if out.exists() and out.read_bytes() != content.getvalue():
        raise RunFailed(f"{out} is there already and is another file. Remove it, or name another with --out.")
    write_bytes(out, content.getbuffer())


def _entry(name: str) -> zipfile.ZipInfo:
    """How a capsule's file is described, but for its length, its sum and its place."""
    entry = zipfile.ZipInfo(name, EPOCH)
    entry.compress_type, entry.create_system, entry.external_attr = zipfile.ZIP_DEFLATED, 3, 0o600 << 16
    return entry


def members(path: Path) -> dict[str, bytes]:
    """All that a capsule holds, by name, as its manifest says.

    Contents have their hashes; dates, attributes and whatever else the archive says of a file must be what `pack`
    writes. Not seen are bits by which the same contents are only compressed otherwise (those that fill a last byte,
    say), and the headers of a capsule of 2 GiB, or with a file of that, which are others.

    Raises:
        BadCapsule: it is no capsule, a file in it is missing, unknown or not as its hash says, or it would do harm.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            _harmless(path, archive.infolist())
            found = {name: archive.read(name) for name in archive.namelist()}
            _as_written(path, archive, found)
        manifest = json.loads(found.pop(MANIFEST).decode())
        files = {str(name): str(sha256) for name, sha256 in manifest["files"].items()}
        if manifest["format"] != FORMAT:
            raise BadCapsule(f"{path} is a capsule of format {manifest['format']!r}; this lgbench reads {FORMAT}.")
    except (*BROKEN, AttributeError, TypeError, RecursionError, MemoryError) as error:
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise BadCapsule(f"{path} is no whole capsule ({reason}). Ask for it again.") from None
    for name in sorted({*files, RECORD_FILE} - found.keys()):
        raise BadCapsule(f"{path} lacks {name}, which its manifest names. Ask for it again.")
    for name in sorted(found.keys() - files.keys()):
        raise BadCapsule(f"{path} holds {name!r}, which its manifest does not name. Ask for it again.")
    for name, content in found.items():
        if hashlib.sha256(content).hexdigest() != files[name]:
            raise BadCapsule(f"{path}: {name} is not what its hash says. Ask for it again.")
    return found


def _harmless(path: Path, entries: list[zipfile.ZipInfo]) -> None:
    names = [entry.filename for entry in entries]
    if odd := [name for name in names if not NAME.fullmatch(name)]:
        raise BadCapsule(f"{path} holds a file named {odd[0][:80]!r}, as no capsule does: it is not opened.")
    if len({*names}) < len(names):
        raise BadCapsule(f"{path} holds two files of one name, as no capsule does: it is not opened.")
    size = sum(entry.file_size for entry in entries)
    if len(names) > MOST_FILES or size > MOST_BYTES:
        told = f"{len(names):,} files of {size:,} bytes"
        raise BadCapsule(f"{path} holds {told}, more than a capsule may: it is not opened.")


def _as_written(path: Path, archive: zipfile.ZipFile, found: Mapping[str, bytes]) -> None:
    """Refuse an archive whose headers are not those that `_write` gives to what was found in it."""
    if max([path.stat().st_size, *map(len, found.values())]) * 1.05 > zipfile.ZIP64_LIMIT:
        return
    place, directory, count = 0, b"", len(found)
    with path.open("rb") as file:
        for entry in archive.infolist():
            ours = _entry(entry.filename)
            ours.CRC, ours.file_size, ours.compress_size = entry.CRC, len(found[entry.filename]), entry.compress_size
            header = ours.FileHeader(zip64=False)
            file.seek(place)
            if file.read(len(header)) != header:
                raise BadCapsule(f"{path}: {entry.filename} is described as in no capsule. Ask for it again.")
            directory += b"PK\1\2" + bytes([ours.create_version, ours.create_system]) + header[4:30]
            directory += struct.pack("<3H2L", 0, 0, 0, ours.external_attr, place) + entry.filename.encode()
            place += len(header) + ours.compress_size
        end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, count, count, len(directory), place, 0)
        file.seek(place)
        if file.read() != directory + end:
            raise BadCapsule(f"{path} has a table of contents as no capsule has. Ask for it again.")


def read_npz(name: str, content: bytes) -> dict[str, np.ndarray]:
    """The arrays of a file of a capsule: numbers alone, each as large as the file itself says.

    Raises:
        BadCapsule: it is damaged or holds something else, a pickle, say.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return dict(_arrays(name, archive))
    except BadCapsule:
        raise
    except Exception as error:  # whatever its maker made zipfile and numpy stumble over
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise BadCapsule(f"{name} does not hold arrays ({reason}). Ask for the capsule again.") from None


def _arrays(name: str, archive: zipfile.ZipFile) -> Iterator[tuple[str, np.ndarray]]:
    for entry in archive.infolist():
        if entry.compress_type != zipfile.ZIP_STORED:
            raise BadCapsule(f"{name} holds a compressed array, as no run writes: it is not read.")
        with archive.open(entry) as file:
            np.lib.format.read_magic(file)
            shape, fortran, dtype = np.lib.format.read_array_header_1_0(file)  # as numpy writes such arrays
            if dtype.hasobject or dtype.kind not in "biufSU":
                raise BadCapsule(f"{name} holds objects (a pickle): it is not read.")
            rest = file.read()
        count = math.prod(shape)
        if count * dtype.itemsize != len(rest):
            raise BadCapsule(f"{name} holds {len(rest):,} bytes of an array of {count * dtype.itemsize:,}.")
        array = np.frombuffer(rest, dtype, count)
        yield entry.filename.removesuffix(".npy"), array.reshape(shape, order="F" if fortran else "C")
