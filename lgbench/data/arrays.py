"""A split's arrays, written row by row."""

from __future__ import annotations

import contextlib
import os
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

import numpy as np

from lgbench.errors import BadData
from lgbench.offers import PARTS

from .samples import IGNORED, Sample
from .split import digest_of
from .squares import Square
from .truth import Truth, opacity

__all__ = ["ARRAYS", "ColourFound", "SplitWriter", "fingerprint", "synced"]

ARRAYS = ("images", *PARTS, "masked")
"""What a split may have, each in a file of its own."""


class ColourFound(Exception):
    """A coloured picture in a data set that was taken for grey."""


class SplitWriter:
    """Brings samples to one size and writes them.

    Attributes:
        names: of the samples that were written.
        truth: which of them have masks that tell something.
        remarks: how many samples there are with each remark.
        classes: those that the class maps show, `IGNORED` for pixels of none.
    """

    def __init__(self, folder: Path, provides: frozenset[str], count: int, channels: int, square: Square) -> None:
        folder.mkdir(exist_ok=True)
        self.folder, self.count, self.channels, self.square = folder, count, channels, square
        self.parts = ["images", *(part for part in PARTS if part in provides)]
        self.names: list[str] = []
        self.truth = Truth()
        self.remarks: Counter[str] = Counter()
        self.classes: set[int] = set()
        self._first: dict[str, np.ndarray] = {}
        self._files: dict[str, BinaryIO] = {}

    def __enter__(self) -> SplitWriter:
        self._files = {part: (self.folder / f"{part}.npy").open("wb") for part in self.parts}
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for file in self._files.values():
            with file:
                if kind is None:
                    file.flush()
                    os.fsync(file.fileno())  # a power cut must not leave zeros under a name that says they are pictures

    def add(self, sample: Sample) -> None:
        """Write one row of every array.

        Raises:
            ColourFound: it has colours, and `channels` is 1.
            BadData: something of it has another shape than that of the samples before.
        """
        rows = self._rows(sample)
        for part, file in self._files.items():
            if part not in self._first:
                self._first[part] = rows[part]
                _write_header(file, rows[part], self.count)
            if rows[part].shape != self._first[part].shape:
                raise BadData(f"{sample.name}: {part} of shape {rows[part].shape}, others {self._first[part].shape}.")
            file.write(rows[part].tobytes())
        self.names.append(sample.name)
        self.remarks.update(sample.remarks)

    def write_masked(self) -> None:
        """Write which pictures have a mask, where not all of them do."""
        if "masks" in self.parts and not all(self.truth.masked):
            with (self.folder / "masked.npy").open("wb") as file:
                np.save(file, np.array(self.truth.masked))
                file.flush()
                os.fsync(file.fileno())

    def _rows(self, sample: Sample) -> dict[str, np.ndarray]:
        square = self.square
        image = square.image(sample.image)
        if image.ndim == 3 and self.channels == 1:
            raise ColourFound
        shape = (self.channels, square.side, square.side)
        rows = {"images": image.transpose(2, 0, 1) if image.ndim == 3 else np.broadcast_to(image, shape)}
        if "masks" in self.parts:
            rows |= self._mask_rows(sample)
        if sample.instances is not None:
            rows["instances"] = square.nearest(sample.instances, 0)
        if sample.segments is not None:
            rows["segments"] = square.nearest(sample.segments, IGNORED)
            self.classes.update(np.unique(sample.segments).tolist())
        if sample.label is not None:
            rows["labels"] = np.asarray(sample.label, dtype="<i4")
        if sample.attributes is not None:
            rows["attributes"] = np.asarray(sample.attributes, dtype=np.uint8)
        if sample.landmarks is not None:
            rows["landmarks"] = square.landmarks(sample.landmarks, sample.image.shape[:2])
        return rows

    def _mask_rows(self, sample: Sample) -> dict[str, np.ndarray]:
        shape = (self.square.side, self.square.side)
        masks, ignored = np.zeros(shape, dtype=np.uint8), None
        if sample.mask is not None:
            masks, ignored = self.square.mask(opacity(sample.mask), sample.ignored)
        self.truth.see(sample, self.square, masks, ignored)
        return {"masks": masks, "ignored": np.zeros(shape, dtype=bool) if ignored is None else ignored}


def _write_header(file: BinaryIO, row: np.ndarray, count: int) -> None:
    header = {"descr": np.lib.format.dtype_to_descr(row.dtype), "fortran_order": False, "shape": (count, *row.shape)}
    np.lib.format.write_array_header_1_0(file, header)


def synced(folder: Path) -> None:
    """Have what a folder lists on the disk, where the system can."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def fingerprint(arrays: Mapping[str, np.ndarray | None]) -> str:
    """SHA-256 over name, type, shape and bytes of all parts, hex."""
    return digest_of({part: array for part, array in sorted(arrays.items()) if array is not None})
