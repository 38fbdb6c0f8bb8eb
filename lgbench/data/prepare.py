"""Data sets become memory-mapped uint8 arrays of one resolution, once, under a name that says what is in them."""

from __future__ import annotations

import logging
import re
import secrets
import shutil
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from lgbench.errors import BadData, BadRecipe, RunFailed
from lgbench.files import FORBIDDEN, UNWRITABLE, read_json, sha256_of_file, sha256_of_json, write_json
from lgbench.permissions import in_the_way, share

from .arrays import ARRAYS, ColourFound, SplitWriter, fingerprint, synced
from .checks import REPLACE, report, sound
from .download import Progress
from .locks import alone
from .samples import RawDataset
from .split import Split
from .squares import Square
from .truth import HALF

__all__ = ["PREPARE_VERSION", "check_prepared", "prepare", "prepared_folders"]

PREPARE_VERSION = 1  # raised whenever the same files would give other arrays
SPLIT_NAMES = ("train", "val", "test")
LONGEST_NAME = 80  # of a data set, in the names of folders
UNUSABLE = (OSError, EOFError, ValueError, KeyError, TypeError, AttributeError, StopIteration, RecursionError)
"""What reading damaged files may raise."""

logger = logging.getLogger(__name__)


def prepare(
    raw: RawDataset,
    name: str,
    config: Mapping[str, Any],
    resolution: int,
    root: Path,
    progress: Progress | None = None,
) -> dict[str, Split]:
    """Bring every sample to `resolution` and open the result; at once where that has been done before.

    Pictures become square as `raw.crop` says and are resized with Pillow's antialiased bilinear filter; masks become
    opacities 0..255 and go the same way, instances take the nearest pixel. A square of the right size is taken as it
    is. How many masks there are, and what became of them, `notes.notes_on` tells.

    Args:
        config: settings of the data set, as JSON would hold them.
        resolution: side, pixels.
        root: folder of all prepared data sets; this one lies in `<name>-<resolution>-<key>` below it, key being the
            first 12 hex digits of the SHA-256 of name, config, resolution, origin, crop, counts, version, reading, what
            is ignored of its masks, what made its pseudo truth, what it provides, what its splits or samples lack of
            that, and `PREPARE_VERSION`.
        progress: called as `(what, samples done, samples in all)`.

    Raises:
        BadData: files are truncated, unreadable or mis-sized, or lack their mask; up to 10 of them are named.
        RunFailed: the disk is full.
        BadRecipe: a resolution below 4 or above 2048.
    """
    if not 4 <= resolution <= 2048:
        raise BadRecipe(
            f"A resolution of {resolution} is out of range: images of 4 to 2048 pixels a side can be prepared."
        )
    key = _key(raw, name, config, resolution)
    folder = root / f"{_safe(name)}-{resolution}-{sha256_of_json(key)[:12]}"
    ready = _open(folder)
    if ready is None:
        with alone(folder, f"the data set {name}"):
            ready = _open(folder)  # somebody else may have made it meanwhile
            if ready is None:
                _make(raw, name, key, folder, progress)
                ready = _open(folder)
    assert ready is not None
    return ready


def _key(raw: RawDataset, name: str, config: Mapping[str, Any], resolution: int) -> dict[str, Any]:
    """What prepared arrays depend on; what is as usual is left out, so that older folders keep their names."""
    lacks = {split: sorted(raw.provides & parts) for split, parts in raw.lacks.items() if raw.provides & parts}
    unusual = {
        "dataset_version": raw.version if raw.version != 1 else None,
        "reading": raw.reading if raw.reading != 1 else None,
        "ignore": raw.ignore,
        "pseudo": dict(raw.pseudo),
        "partial": sorted(raw.partial),
        "lacks": lacks,
    }
    return {
        "name": name,
        "config": dict(config),
        "resolution": resolution,
        "origin": raw.origin,
        "crop": raw.crop,
        # official files may come with or without their optional ones
        "counts": dict(raw.counts),
        "provides": sorted(raw.provides),
        "version": PREPARE_VERSION,
        **{field: value for field, value in unusual.items() if value},
    }


def prepared_folders(root: Path, name: str) -> list[Path]:
    """Folders below `root` that hold data set `name`, at any resolution."""
    found = re.compile(re.escape(_safe(name)) + r"-\d+-[0-9a-f]{12}")
    return sorted(path for path in root.glob("*") if path.is_dir() and found.fullmatch(path.name))


def check_prepared(folder: Path) -> list[str]:
    """What is wrong with a prepared folder: all its files are read and compared with their hashes."""
    return _opened(folder)[1]


def _safe(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name)[:LONGEST_NAME]


def _open(folder: Path) -> dict[str, Split] | None:
    """The splits of a whole folder; None where there is none, or it cannot be used and is to be made again.

    Every byte is compared with its hash, each time: one or two seconds a gigabyte, against scores of what a failing
    disk or a power cut has made.
    """
    if not folder.is_dir():
        return None
    splits, faults = _opened(folder)
    for fault in faults:
        logger.warning("%s; it will be made again.", fault)
    return None if faults else splits


def _opened(folder: Path) -> tuple[dict[str, Split], list[str]]:
    """The splits of a folder, and what is wrong with it."""
    try:
        names = [name for name in SPLIT_NAMES if (folder / name).is_dir()]
        splits = {name: _open_split(folder / name) for name in names}
        if set(names) != set(next(iter(splits.values()))[1]):
            raise ValueError("a split is missing")
    except PermissionError as error:
        raise RunFailed(
            f"{folder} is prepared, and you cannot read it: {in_the_way(Path(error.filename or folder))}. Have it "
            "opened to you, or choose another folder with the environment variable LGBENCH_HOME."
        ) from error
    except UNUSABLE as error:
        return {}, [f"{folder} is incomplete or damaged ({error or type(error).__name__})"]
    faults = [
        f"{folder / name} differs from its fingerprint"
        for name, (split, _) in splits.items()
        if fingerprint({part: getattr(split, part) for part in ARRAYS}) != split.fingerprint
    ]
    return {name: split for name, (split, _) in splits.items()}, faults


def _open_split(folder: Path) -> tuple[Split, list[str]]:
    meta = read_json(folder / "meta.json")
    seal = meta.pop("seal", None)
    if seal is not None and (seal != sha256_of_json(meta) or meta["names"] != sha256_of_file(folder / "names.json")):
        raise ValueError("what describes it was changed")
    arrays = {part: np.load(folder / f"{part}.npy", mmap_mode="r") for part in meta["parts"]}
    if "facts" not in meta and _may_have_lost(arrays.get("masks")):
        raise ValueError("objects that preparation removed were not counted when it was made")
    split = Split(
        **arrays,
        classes=tuple(meta["classes"]),
        segment_names=tuple(meta.get("segment_names", ())),
        attribute_names=tuple(meta.get("attribute_names", ())),
        fingerprint=meta["fingerprint"],
        origin=meta["origin"],
        provides=frozenset(meta["provides"]),
        crop=meta["key"]["crop"],
        ignore=meta["key"].get("ignore", ""),
        pseudo=meta["key"].get("pseudo", {}),
        lost=meta.get("facts", {}).get("lost", {}),
        remarks=meta.get("facts", {}).get("remarks", {}),
        read_names=partial(read_json, folder / "names.json"),
    )
    return split, list(meta["counts"])


def _may_have_lost(masks: np.ndarray | None) -> bool:
    """Whether a mask is foreground or background everywhere."""
    if masks is None:
        return False
    lowest, highest = masks.min(axis=(1, 2)), masks.max(axis=(1, 2))
    return bool(((lowest > HALF) | (highest <= HALF)).any())


def _sweep(folder: Path) -> None:
    """Remove a damaged folder and what killed preparations left behind; the caller holds the lock."""
    for stale in [folder, *folder.parent.glob(f".{folder.name}.making.*")]:
        if stale.is_dir():
            shutil.rmtree(stale)


def _make(raw: RawDataset, name: str, key: Mapping[str, Any], folder: Path, progress: Progress | None) -> None:
    making = folder.with_name(f".{folder.name}.making.{secrets.token_hex(4)}")
    try:
        _sweep(folder)
        making.mkdir()
        try:
            _write(raw, name, key, making, 1, progress)
        except ColourFound:
            _write(raw, name, key, making, 3, progress)
        for path in (making, *sorted(making.rglob("*"))):
            share(path)
        making.replace(folder)
        synced(folder.parent)
    except OSError as error:
        if error.errno not in (*UNWRITABLE, *FORBIDDEN):
            raise
        advice = "make room"
        if error.errno in FORBIDDEN:
            advice = f"{in_the_way(Path(error.filename or folder))}: have it opened to you"
        raise RunFailed(
            f"Cannot prepare {name} in {folder.parent}: {error.strerror}. Nothing half-made is left; {advice}, or "
            "choose another folder with the environment variable LGBENCH_HOME, and run the same command again."
        ) from error
    finally:
        shutil.rmtree(making, ignore_errors=True)


def _write(
    raw: RawDataset, name: str, key: Mapping[str, Any], making: Path, channels: int, progress: Progress | None
) -> None:
    """Write all splits below `making`, or raise one error that names all faulty files."""
    counts = {split: raw.counts[split] for split in SPLIT_NAMES if raw.counts.get(split)}
    if "train" not in counts:
        has = " and ".join(counts) or "no"
        raise BadData(" ".join([f"The data set {name} has {has} pictures, and none to train on.", *raw.notes]))
    problems: list[str] = []
    tick = _ticker(name, sum(counts.values()), progress)
    square = Square(raw.crop, key["resolution"], raw.backdrop)
    for split, count in counts.items():
        provides = raw.provided(split)
        with SplitWriter(making / split, provides, count, channels, square) as writer:
            for sample in sound(raw.splits[split](), raw, provides, problems):
                writer.add(sample)
                tick()
        if problems:
            continue
        if len(writer.names) != count:
            raise BadData(
                f"The data set {name} says that {split!r} has {count:,} pictures, but {len(writer.names):,} came: "
                "mend its plugin."
            )
        drawn = split == "val" and split in raw.drawn
        if constant := writer.truth.check(split, drawn=drawn):
            problems.append(constant)
        if len(writer.classes) == 1 and not drawn:
            problems.append(_of_one_class(split, writer.classes, raw))
        writer.write_masked()
        _describe(making / split, writer, provides, raw, counts, key)
    if problems:
        remedy = "No file is behind this: mend the data set's plugin." if raw.origin == "procedural" else REPLACE
        raise report(f"data set {name}", problems, remedy)


def _of_one_class(split: str, classes: set[int], raw: RawDataset) -> str:
    """That the class maps of a split tell nothing apart."""
    names = dict(enumerate(raw.segment_names))
    shown = ", ".join(names.get(found, "ignored") for found in classes)
    return (
        f"the class maps of {split} are {shown} everywhere: are maps, or landmarks in pixels, those of these pictures?"
    )


def _ticker(name: str, total: int, progress: Progress | None) -> Callable[[], None]:
    done = 0

    def tick() -> None:
        nonlocal done
        done += 1
        if progress:
            progress(f"prepare {name}", done, total)

    return tick


def _describe(
    folder: Path,
    writer: SplitWriter,
    provides: frozenset[str],
    raw: RawDataset,
    counts: Mapping[str, int],
    key: Mapping[str, Any],
) -> None:
    parts = [part for part in ARRAYS if (folder / f"{part}.npy").exists()]
    arrays = {part: np.load(folder / f"{part}.npy", mmap_mode="r") for part in parts}
    write_json(folder / "names.json", writer.names)
    meta = {
        "parts": parts,
        "counts": dict(counts),
        "origin": raw.origin,
        "provides": sorted(provides),
        "classes": list(raw.classes),
        "segment_names": list(raw.segment_names),
        "attribute_names": list(raw.attribute_names),
        "facts": {
            "pictures": len(writer.names),
            "masked": sum(writer.truth.masked),
            "lost": dict(writer.truth.lost),
            "remarks": dict(writer.remarks),
        },
        "names": sha256_of_file(folder / "names.json"),
        "fingerprint": fingerprint(arrays),
        "key": dict(key),
    }
    write_json(folder / "meta.json", meta | {"seal": sha256_of_json(meta)})
    synced(folder)
