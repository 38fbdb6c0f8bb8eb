"""CIFAR-10 (Krizhevsky 2009): the official binary archive, or a copy of it as JPEG files."""

from __future__ import annotations

import lzma
import re
import tarfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

from lgbench.errors import BadData, DataMissing

from .official import CIFAR10
from .official import CIFAR10_JPEG as JPEG
from .unpack import unpacked

if TYPE_CHECKING:
    from lgbench.data import DataHome, RawDataset, Sample

__all__ = ["CIFAR10", "Config", "build"]

SOURCES = (CIFAR10.sources[0],)  # without the JPEG copy

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
COUNTS = {"train": 50_000, "test": 10_000}
BATCHES = {"train": tuple(f"data_batch_{i}.bin" for i in range(1, 6)), "test": ("test_batch.bin",)}
SIDE = 32
ROW = 1 + 3 * SIDE * SIDE  # a label, then the red, the green and the blue plane


@dataclass(frozen=True, slots=True)
class Config:
    """CIFAR-10 has nothing to set: 50,000 training and 10,000 test pictures, as published."""


def build(config: Config, resolution: int, home: DataHome) -> RawDataset:
    """The official pictures where they are here, else the JPEG copy where that is, else the official ones, fetched.

    JPEG changed the pixels, so the copy's origin is another ("jpeg quality 75") and its scores stand apart.

    Raises:
        BadData: a file is truncated or is not what its name says.
        DataMissing: neither archive is here, and the official one cannot be fetched.
    """
    if not home.has("cifar10", SOURCES) and home.has("cifar10", (JPEG,)):
        return _jpeg(home.fetch("cifar10", (JPEG,)) / JPEG.file)
    try:
        folder = home.fetch("cifar10", SOURCES)
    except DataMissing as error:
        raise DataMissing(
            f"{error}\nA copy as JPEG files, {JPEG.file} ({JPEG.checksum}), is taken from the same folder."
        ) from error
    return _official(folder)


def locate(home: DataHome) -> Path | None:
    """The data set's folder, if the official archive or the JPEG copy is in it."""
    has = home.has("cifar10", SOURCES) or home.has("cifar10", (JPEG,))
    return home.folder("cifar10") if has else None


def _official(folder: Path) -> RawDataset:
    pattern = r"cifar-10-batches-bin/((?:data_batch_[1-5]|test_batch)\.bin)"
    batches = unpacked(folder / "cifar-10-binary.tar.gz", folder / "cifar-10-batches-bin", pattern)
    return _raw({split: partial(_rows, batches, split) for split in BATCHES}, "official")


def _raw(splits: Mapping[str, Callable[[], Iterable[Sample]]], origin: str) -> RawDataset:
    from lgbench.data import RawDataset

    return RawDataset(
        splits=splits, counts=dict(COUNTS), origin=origin, provides=frozenset({"labels"}), classes=CLASSES
    )


def _rows(folder: Path, split: str) -> Iterator[Sample]:
    """Samples of the batches of one split, in the official order."""
    import numpy as np

    from lgbench.data import Sample

    expected = COUNTS[split] // len(BATCHES[split]) * ROW
    for batch in BATCHES[split]:
        data = _batch(folder / batch, expected)
        for number, row in enumerate(data.reshape(-1, ROW)):
            image = np.ascontiguousarray(row[1:].reshape(3, SIDE, SIDE).transpose(1, 2, 0))
            yield Sample(image=image, label=int(row[0]), name=f"{batch}/{number:04d}")


def _batch(path: Path, expected: int):
    import numpy as np

    again = f"Delete the folder {path.parent} and run the command again: it is unpacked anew."
    try:
        data = np.fromfile(path, dtype=np.uint8)
    except OSError as error:
        raise BadData(f"{path} cannot be read ({error.strerror}). {again}") from error
    if len(data) != expected:
        raise BadData(f"{path} has {len(data):,} bytes, expected {expected:,}. {again}")
    return data


def _jpeg(archive: Path) -> RawDataset:
    read = cache(partial(_jpeg_files, archive))  # once for both splits, and only where they are prepared
    return _raw({split: partial(_decoded, read, split) for split in COUNTS}, "jpeg quality 75")


def _decoded(read: Callable[[], dict[str, bytes]], split: str) -> Iterable[Sample]:
    files = {name: data for name, data in read().items() if name.startswith(f"{split}/")}
    return map(_picture, files, files.values())


def _picture(name: str, data: bytes) -> Sample:
    from lgbench.data import Sample, decode_image

    image = decode_image(data, name)
    if image.shape != (SIDE, SIDE, 3):
        raise BadData(f"{name}: shape {image.shape}, expected {(SIDE, SIDE, 3)}")
    return Sample(image=image, label=CLASSES.index(name.split("/")[1]), name=name)


def _jpeg_files(archive: Path) -> dict[str, bytes]:
    """Name -> file, as they follow each other in the archive; it is decompressed once, as a stream."""
    again = "Put an intact copy there, or remove it to have the official archive fetched."
    wanted = re.compile(rf"(?:train|test)/(?:{'|'.join(CLASSES)})/\d+\.jpg")
    files = {}
    try:
        with tarfile.open(archive, "r|xz") as tar:
            for member in tar:
                name = member.name.removeprefix("./")
                file = tar.extractfile(member) if member.isfile() and wanted.fullmatch(name) else None
                if file:
                    files[name] = file.read()
    except (tarfile.TarError, lzma.LZMAError, EOFError) as error:
        raise BadData(f"{archive} is truncated or unreadable ({error}). {again}") from error
    for split, count in COUNTS.items():
        for kind in CLASSES:
            found = sum(name.startswith(f"{split}/{kind}/") for name in files)
            if found != count // len(CLASSES):
                raise BadData(
                    f"{archive} has {found:,} pictures in {split}/{kind}, not {count // len(CLASSES):,}. {again}"
                )
    return files
