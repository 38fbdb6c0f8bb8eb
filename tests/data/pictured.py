"""Small pictures with exact masks, as files in folders and zips."""

import io
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from PIL import Image

from lgbench.data import DataHome, Split, folder_dataset, open_dataset

__all__ = ["SIDE", "box", "encoded", "opened", "pairs", "picture", "placed", "zipped"]

SIDE = 8
RANDOM = np.random.default_rng(0)


def picture(height: int = SIDE, width: int = SIDE) -> np.ndarray:
    """Random colours, no two pictures alike."""
    return RANDOM.integers(0, 256, (height, width, 3), dtype=np.uint8)


def box(number: int = 0) -> np.ndarray:
    """A mask, (8, 8) bool: a square of nine pixels that moves with `number`."""
    mask = np.zeros((SIDE, SIDE), dtype=bool)
    top, left = 1 + number % 4, 1 + number // 4 % 4
    mask[top : top + 3, left : left + 3] = True
    return mask


def encoded(image: np.ndarray | Image.Image, ending: str = "png", **options) -> bytes:
    """A file of a picture."""
    file = io.BytesIO()
    kind = {"jpg": "JPEG", "tif": "TIFF", "pgm": "PPM"}.get(ending.lower(), ending.upper())
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(file, kind, **options)
    return file.getvalue()


def placed(root: Path, files: Mapping[str, bytes]) -> Path:
    """`root` with these files below it."""
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return root


def zipped(path: Path, files: Mapping[str, bytes]) -> Path:
    """A zip of these files."""
    with zipfile.ZipFile(path, "w") as file:
        for name, content in files.items():
            file.writestr(name, content)
    return path


def pairs(
    mask: Callable[[np.ndarray], np.ndarray | Image.Image],
    count: int = 16,
    image_name: str = "images/{}.png",
    mask_name: str = "masks/{}.png",
) -> dict[str, bytes]:
    """Files of pictures and their masks, the `i`th of which shows `mask(box(i))`."""
    files = {image_name.format(i): encoded(picture()) for i in range(count)}
    return files | {mask_name.format(i): encoded(mask(box(i)), mask_name.rpartition(".")[2]) for i in range(count)}


def opened(path: Path, resolution: int = SIDE, **settings: object) -> dict[str, Split]:
    """The splits of a folder or a zip, prepared beside it."""
    return open_dataset(folder_dataset(path), settings, resolution, DataHome(path.parent / "home"))
