"""Files of pictures and masks become arrays."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np

from lgbench.errors import BadData

__all__ = ["central_square", "decode_image", "decode_mask"]

BROKEN = (OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error)  # what Pillow raises on bad files


def decode_image(data: bytes, name: str) -> np.ndarray:
    """Pixels of an image file: (H, W) uint8 where it is grey, else (H, W, 3) uint8; transparency is dropped.

    Raises:
        BadData: the file is truncated, unreadable or has more than 8 bits a channel.
    """
    picture = _decode(data, name)
    return np.asarray(picture.convert("L" if picture.mode in ("1", "L", "LA") else "RGB"))


def central_square(pixels: np.ndarray) -> np.ndarray:
    """The largest square in the middle of a picture or mask, (H, W) or (H, W, 3); a square one as it is."""
    height, width = pixels.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return pixels[top : top + side, left : left + side]


def decode_mask(data: bytes, name: str) -> np.ndarray:
    """Values of a mask file, (H, W) uint8: 0 and 1 where it has one bit, palette indices where it has a palette.

    Raises:
        BadData: the file is truncated, unreadable or has more than 8 bits a channel.
    """
    picture = _decode(data, name)
    if picture.mode not in ("1", "L", "P"):
        picture = picture.convert("L")
    return np.asarray(picture).astype(np.uint8)


def _decode(data: bytes, name: str):
    from PIL import Image

    try:
        picture = Image.open(io.BytesIO(data))
        picture.load()
    except (*BROKEN, Image.DecompressionBombError) as error:
        # Pillow names the in-memory buffer, which tells nobody anything
        why = "not an image" if isinstance(error, Image.UnidentifiedImageError) else str(error)
        raise BadData(f"{name}: truncated or unreadable ({len(data)} bytes; {why})") from error
    if picture.mode[0] in "IF":  # I, I;16, F
        raise BadData(f"{name}: more than 8 bits a channel (mode {picture.mode}); save it with 8")
    return picture
