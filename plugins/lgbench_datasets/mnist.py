"""`mnist-one` and `mnist-two`: LR-GAN's data sets, made from MNIST's official files."""

from __future__ import annotations

import gzip
import hashlib
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lgbench.errors import BadData

from .official import MNIST_ONE, MNIST_TWO

if TYPE_CHECKING:
    import numpy as np

    from lgbench.data import DataHome, RawDataset

__all__ = ["MNIST_ONE", "MNIST_TWO", "Mnist", "build_one", "build_two", "read_idx"]

SOURCES = MNIST_ONE.sources


@dataclass(frozen=True, slots=True)
class Mnist:
    """What can be varied.

    Attributes:
        seed: another seed scales, turns and places the digits otherwise.
    """

    seed: int = 0


CONTENT = {  # MD5 of the uncompressed files: copies that were compressed again are the same data
    "train-images-idx3-ubyte.gz": "6bbc9ace898e44ae57da46a324031adb",
    "train-labels-idx1-ubyte.gz": "a25bea736e30d166cdddb491f175f624",
    "t10k-images-idx3-ubyte.gz": "2646ac647ad5339dbf082846283269ea",
    "t10k-labels-idx1-ubyte.gz": "27ae3e4e09519cfbb04c329615203637",
}


def build_one(config: Mnist, resolution: int, home: DataHome) -> RawDataset:
    """One digit on each grey canvas, one picture for each of MNIST's.

    Raises:
        BadData: a file is truncated or is not what its name says.
        BadRecipe: the seed or the resolution makes no sense.
        DataMissing: the files are not here and cannot be fetched.
    """
    return build("mnist-one", 1, config, resolution, home)


def build_two(config: Mnist, resolution: int, home: DataHome) -> RawDataset:
    """Two digits side by side on each grey canvas; the left one of picture i is MNIST's i-th. Raises as `build_one`."""
    return build("mnist-two", 2, config, resolution, home)


def build(name: str, digits: int, config: Mnist, resolution: int, home: DataHome) -> RawDataset:
    from .digits_scene import Written, digit_pictures

    folder = locate(home) or home.fetch(name, SOURCES)
    splits, contents = {}, []
    for split, prefix in (("train", "train"), ("test", "t10k")):
        images = read_idx(folder / f"{prefix}-images-idx3-ubyte.gz", (28, 28))
        classes = read_idx(folder / f"{prefix}-labels-idx1-ubyte.gz", ())
        if len(images) != len(classes) or len(images) == 0 or classes.max() > 9:
            raise BadData(
                f"{folder}: {prefix}-images has {len(images)} pictures, {prefix}-labels {len(classes)} labels; there "
                "must be one of 0 to 9 for each. Put MNIST's four files there, or remove these to have them fetched."
            )
        splits[split] = Written(images, classes, len(images))
        contents += [images, classes]
    # MNIST has no digits to spare: "val" places its last training digits otherwise
    train, held = splits["train"], splits["test"].pictures
    last = train.tiles[-held:]
    splits["val"] = Written(last, train.labels[-held:], len(last))
    return digit_pictures(
        name=name,
        splits=splits,
        seed=config.seed,
        resolution=resolution,
        digits=digits,
        origin=origin_of(contents),
    )


def locate(home: DataHome) -> Path | None:
    """The folder that has all four files, `mnist` or either data set's own; None if there is none."""
    for candidate in ("mnist", "mnist-one", "mnist-two"):
        folder = home.folder(candidate)
        if all((folder / source.file).is_file() for source in SOURCES):
            return folder
    return None


def origin_of(contents: Iterable[np.ndarray]) -> str:
    """ "official" where the files hold MNIST itself, else "archive:" and a hash: other digits are another benchmark."""
    own = hashlib.sha256()
    official = True
    for array, expected in zip(contents, CONTENT.values(), strict=True):
        raw = idx_header(array) + array.tobytes()
        own.update(raw)
        official &= hashlib.md5(raw, usedforsecurity=False).hexdigest() == expected
    return "official" if official else f"archive:{own.hexdigest()[:12]}"


def idx_header(array: np.ndarray) -> bytes:
    """Header of an idx file of unsigned bytes: two zeros, the type 8, the number of axes, big-endian lengths."""
    return bytes([0, 0, 8, array.ndim]) + b"".join(length.to_bytes(4, "big") for length in array.shape)


def read_idx(path: Path, item: tuple[int, ...]) -> np.ndarray:
    """Read a compressed idx file of unsigned bytes.

    Args:
        path: the .gz file.
        item: shape that every entry must have, say (28, 28), or () for labels.

    Returns:
        (N, *item) uint8, read-only.

    Raises:
        BadData: the file cannot be decompressed, is truncated, or holds something else.
    """
    import numpy as np

    advice = "Remove it and run the same command again to have it fetched, or put an intact copy there."
    try:
        raw = gzip.decompress(path.read_bytes())
    except (EOFError, gzip.BadGzipFile, zlib.error, OSError) as error:
        raise BadData(f"{path} cannot be read: {error}. {advice}") from error
    axes = 1 + len(item)
    lengths = [int.from_bytes(raw[4 + 4 * i : 8 + 4 * i], "big") for i in range(axes)]
    if raw[:4] != bytes([0, 0, 8, axes]) or tuple(lengths[1:]) != item:
        what = f"pictures of {item[0]} x {item[1]} bytes" if item else "labels"
        raise BadData(f"{path} is not an idx file of {what}: its header is {raw[: 4 + 4 * axes].hex()}. {advice}")
    body = np.frombuffer(raw, np.uint8, offset=min(len(raw), 4 + 4 * axes))
    expected = int(np.prod(lengths))
    if len(body) != expected:
        raise BadData(f"{path} is truncated or too long: {len(body)} bytes after the header, not {expected}. {advice}")
    return body.reshape(lengths)
