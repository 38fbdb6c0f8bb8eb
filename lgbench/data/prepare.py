"""Data sets become memory-mapped uint8 arrays of one resolution, once, under a name that says what is in them."""

from __future__ import annotations

import hashlib
import logging
import re
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from lgbench.errors import BadData, BadRecipe, RunFailed
from lgbench.files import UNWRITABLE, read_json, sha256_of_json, write_json
from lgbench.records import PARTS

from .checks import Sides, report, sound
from .download import Progress
from .locks import alone
from .samples import RawDataset, Sample
from .split import Split
from .squares import central_square

__all__ = ["PREPARE_VERSION", "check_prepared", "prepare", "prepared_folders"]

PREPARE_VERSION = 1  # raised whenever the same files would give other arrays
SPLIT_NAMES = ("train", "val", "test")

logger = logging.getLogger(__name__)


class _Colour(Exception):
    """A coloured picture in a data set that was taken for grey."""


def prepare(
    raw: RawDataset,
    name: str,
    config: Mapping[str, Any],
    resolution: int,
    root: Path,
    progress: Progress | None = None,
) -> dict[str, Split]:
    """Bring every sample to `resolution` and open the result; at once where that has been done before.

    The largest centre square is resized with Pillow's antialiased bilinear filter; a mask becomes opacities 0..255 and
    goes the same way, instances take the nearest pixel. A square of the right size is taken as it is.

    Args:
        config: settings of the data set, as JSON would hold them.
        resolution: side, pixels.
        root: folder of all prepared data sets; this one lies in `<name>-<resolution>-<key>` below it, key being the
            first 12 hex digits of the SHA-256 of name, config, resolution, origin, crop, counts, what it provides, what
            its splits lack of that, and `PREPARE_VERSION`.
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
    key = {
        "name": name,
        "config": dict(config),
        "resolution": resolution,
        "origin": raw.origin,
        "crop": raw.crop,
        # official files may come with or without their optional ones
        "counts": dict(raw.counts),
        "provides": sorted(raw.provides),
        "version": PREPARE_VERSION,
    }
    if lacks := {split: sorted(raw.provides & parts) for split, parts in raw.lacks.items() if raw.provides & parts}:
        key["lacks"] = lacks  # absent where nothing is lacking: folders that were prepared before keep their names
    folder = root / f"{_safe(name)}-{resolution}-{sha256_of_json(key)[:12]}"
    if ready := _open(folder):
        return ready
    with alone(folder, f"the data set {name}"):
        if ready := _open(folder):  # somebody else made it meanwhile
            return ready
        _sweep(folder)
        _make(raw, name, key, folder, progress)
    ready = _open(folder)
    assert ready is not None
    return ready


def prepared_folders(root: Path, name: str) -> list[Path]:
    """Folders below `root` that hold data set `name`, at any resolution."""
    found = re.compile(re.escape(_safe(name)) + r"-\d+-[0-9a-f]{12}")
    return sorted(path for path in root.glob("*") if path.is_dir() and found.fullmatch(path.name))


def check_prepared(folder: Path) -> list[str]:
    """What is wrong with a prepared folder: each split's arrays are read and compared with their fingerprint."""
    splits = _open(folder)
    if splits is None:
        return [f"{folder} is incomplete or damaged"]
    return [
        f"{folder / name} differs from its fingerprint"
        for name, split in splits.items()
        if _fingerprint({part: getattr(split, part) for part in ("images", *PARTS)}) != split.fingerprint
    ]


def _safe(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name)


def _open(folder: Path) -> dict[str, Split] | None:
    """The splits of a complete folder; None where there is none or it cannot be used."""
    if not folder.is_dir():
        return None
    try:
        names = [name for name in SPLIT_NAMES if (folder / name).is_dir()]
        splits = {name: _open_split(folder / name) for name in names}
        if set(names) != set(next(iter(splits.values()))[1]):
            raise ValueError("a split is missing")
    except (OSError, ValueError, KeyError, TypeError, StopIteration) as error:
        logger.warning("%s is damaged (%s) and will be made again.", folder, error)
        return None
    return {name: split for name, (split, _) in splits.items()}


def _open_split(folder: Path) -> tuple[Split, list[str]]:
    meta = read_json(folder / "meta.json")
    arrays = {part: np.load(folder / f"{part}.npy", mmap_mode="r") for part in meta["parts"]}
    split = Split(
        **arrays,
        classes=tuple(meta["classes"]),
        segment_names=tuple(meta.get("segment_names", ())),
        attribute_names=tuple(meta.get("attribute_names", ())),
        fingerprint=meta["fingerprint"],
        origin=meta["origin"],
        provides=frozenset(meta["provides"]),
        crop=meta["key"]["crop"],
        read_names=partial(read_json, folder / "names.json"),
    )
    return split, list(meta["counts"])


def _sweep(folder: Path) -> None:
    """Remove a damaged folder and what killed preparations left behind; the caller holds the lock."""
    for stale in [folder, *folder.parent.glob(f".{folder.name}.making.*")]:
        if stale.is_dir():
            shutil.rmtree(stale)


def _make(raw: RawDataset, name: str, key: Mapping[str, Any], folder: Path, progress: Progress | None) -> None:
    making = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}.making."))
    try:
        try:
            _write(raw, name, key, making, 1, progress)
        except _Colour:
            _write(raw, name, key, making, 3, progress)
        making.chmod(0o755)
        making.replace(folder)
    except OSError as error:
        if error.errno in UNWRITABLE:
            raise RunFailed(
                f"Cannot prepare {name} in {folder.parent}: {error.strerror}. Nothing half-made is left; make room, or "
                "choose another folder with the environment variable LGBENCH_HOME, and run the same command again."
            ) from error
        raise
    finally:
        shutil.rmtree(making, ignore_errors=True)


def _write(
    raw: RawDataset, name: str, key: Mapping[str, Any], making: Path, channels: int, progress: Progress | None
) -> None:
    """Write all splits below `making`, or raise one error that names all faulty files."""
    counts = {split: raw.counts[split] for split in SPLIT_NAMES if raw.counts.get(split)}
    if not counts:
        raise BadData(f"The data set {name} has no pictures.")
    problems: list[str] = []
    tick = _ticker(name, sum(counts.values()), progress)
    for split, count in counts.items():
        provides = raw.provided(split)
        sides = Sides()
        samples = _seen(sound(raw.splits[split](), raw, provides, problems), sides)
        names = _write_split(samples, provides, making / split, count, channels, key["resolution"], tick)
        if not problems and len(names) != count:
            raise BadData(f"The data set {name} says that {split!r} has {count:,} pictures, but {len(names):,} came.")
        if not problems and (fault := sides.fault(split)):
            problems.append(fault)
        if not problems:
            _describe(making / split, names, provides, raw, counts, key)
    if problems:
        raise report(f"data set {name}", problems)


def _seen(samples: Iterable[Sample], sides: Sides) -> Iterator[Sample]:
    for sample in samples:
        sides.see(sample)
        yield sample


def _ticker(name: str, total: int, progress: Progress | None) -> Callable[[], None]:
    done = 0

    def tick() -> None:
        nonlocal done
        done += 1
        if progress:
            progress(f"prepare {name}", done, total)

    return tick


def _write_split(
    samples, provides: frozenset[str], folder: Path, count: int, channels: int, side: int, tick
) -> list[str]:
    """Write the arrays of one split row by row; returns the samples' names."""
    folder.mkdir(exist_ok=True)
    parts = ["images", *(part for part in PARTS if part in provides)]
    names = []
    files = {part: (folder / f"{part}.npy").open("wb") for part in parts}
    try:
        first: dict[str, np.ndarray] = {}
        for sample in samples:
            rows = _rows(sample, side, channels)
            for part, file in files.items():
                if part not in first:
                    first[part] = rows[part]
                    _write_header(file, rows[part], count)
                if rows[part].shape != first[part].shape:
                    raise BadData(f"{sample.name}: {part} of shape {rows[part].shape}, others {first[part].shape}.")
                file.write(rows[part].tobytes())
            names.append(sample.name)
            tick()
    finally:
        for file in files.values():
            file.close()
    return names


def _write_header(file: BinaryIO, row: np.ndarray, count: int) -> None:
    header = {"descr": np.lib.format.dtype_to_descr(row.dtype), "fortran_order": False, "shape": (count, *row.shape)}
    np.lib.format.write_array_header_1_0(file, header)


def _rows(sample: Sample, side: int, channels: int) -> dict[str, np.ndarray]:
    """One row of every array."""
    image = _resized(central_square(sample.image), side)
    if image.ndim == 3 and channels == 1:
        raise _Colour
    image = image.transpose(2, 0, 1) if image.ndim == 3 else np.broadcast_to(image, (channels, side, side))
    rows = {"images": image}
    if sample.mask is not None:
        opacity = sample.mask.astype(np.uint8) * 255 if sample.mask.dtype == np.bool_ else sample.mask
        rows["masks"] = _resized(central_square(opacity), side)
    for part in ("instances", "segments"):
        if (values := getattr(sample, part)) is not None:
            rows[part] = _resized(central_square(values), side, nearest=True)
    if sample.label is not None:
        rows["labels"] = np.asarray(sample.label, dtype="<i4")
    if sample.attributes is not None:
        rows["attributes"] = np.asarray(sample.attributes, dtype=np.uint8)
    if sample.landmarks is not None:
        rows["landmarks"] = _moved(sample.landmarks, sample.image.shape[:2], side)
    return rows


def _moved(landmarks: np.ndarray, size: Sequence[int], side: int) -> np.ndarray:
    """Landmarks of a picture of `size` (height, width) where its central square, brought to `side`, shows them."""
    height, width = size
    square = min(height, width)
    corner = np.array([(width - square) // 2, (height - square) // 2])
    return ((landmarks - corner + 0.5) * (side / square) - 0.5).astype("<f4")


def _resized(array: np.ndarray, side: int, nearest: bool = False) -> np.ndarray:
    from PIL import Image

    if array.shape[:2] == (side, side):
        return array
    how = Image.Resampling.NEAREST if nearest else Image.Resampling.BILINEAR  # Pillow's bilinear is antialiased
    return np.asarray(Image.fromarray(np.ascontiguousarray(array)).resize((side, side), how, reducing_gap=None))


def _describe(
    folder: Path,
    names: list[str],
    provides: frozenset[str],
    raw: RawDataset,
    counts: Mapping[str, int],
    key: Mapping[str, Any],
) -> None:
    parts = [part for part in ("images", *PARTS) if (folder / f"{part}.npy").exists()]
    arrays = {part: np.load(folder / f"{part}.npy", mmap_mode="r") for part in parts}
    write_json(folder / "names.json", names)
    write_json(
        folder / "meta.json",
        {
            "parts": parts,
            "counts": dict(counts),
            "origin": raw.origin,
            "provides": sorted(provides),
            "classes": list(raw.classes),
            "segment_names": list(raw.segment_names),
            "attribute_names": list(raw.attribute_names),
            "fingerprint": _fingerprint(arrays),
            "key": dict(key),
        },
    )


def _fingerprint(arrays: Mapping[str, np.ndarray | None]) -> str:
    """SHA-256 over name, type, shape and bytes of all parts, hex."""
    digest = hashlib.sha256()
    for part, array in sorted(arrays.items()):
        if array is not None:
            digest.update(f"{part} {array.dtype.str} {array.shape}\n".encode())
            for start in range(0, len(array), 1024):
                digest.update(np.ascontiguousarray(array[start : start + 1024]).data)
    return digest.hexdigest()
