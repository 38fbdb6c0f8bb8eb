"""Files of pictures whose channels hold more than is read of them."""

import struct
import zlib
from collections.abc import Callable

import numpy as np
import pytest
from pictured import encoded
from PIL import Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from lgbench.data import decode_image, decode_mask
from lgbench.data.pictures import decode_picture, decode_values
from lgbench.errors import BadData

SIDE = 4
READERS: list[Callable[[bytes], object]] = [
    lambda data: decode_image(data, "x"),
    lambda data: decode_picture(data, "x", (255, 255, 255)),
    lambda data: decode_mask(data, "x"),
    lambda data: decode_values(data, "x"),
]


def deep(channels: int) -> np.ndarray:
    """(4, 4, channels) uint16, whose low bytes are not its high ones."""
    return (np.arange(SIDE * SIDE * channels).reshape(SIDE, SIDE, channels) * 1000).astype(np.uint16)


def png(kind: int, channels: int) -> bytes:
    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in deep(channels))
    header = struct.pack(">IIBBBBB", SIDE, SIDE, 16, kind, 0, 0, 0)
    chunks = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


def ppm(magic: str, highest: int) -> bytes:
    values = deep(3) // (65536 // (highest + 1))
    body = " ".join(map(str, values.ravel())).encode() if magic == "P3" else values.astype(">u2").tobytes()
    return f"{magic} {SIDE} {SIDE} {highest}\n".encode() + body


def tiff(channels: int, photometric: int, compression: int = 1, planes: int = 1) -> bytes:
    """Tags by number: width, height, bits, compression, photometric, where and how many the bytes are, and so on."""
    pixels = deep(channels).astype("<u2")
    layers = [pixels] if planes == 1 else [pixels[..., i] for i in range(channels)]
    stored = [layer.tobytes() if compression == 1 else zlib.compress(layer.tobytes()) for layer in layers]
    starts = [8 + sum(map(len, stored[:i])) for i in range(len(stored))]
    tags = ImageFileDirectory_v2(b"II*\0\0\0\0\0")
    for tag, value in ((256, SIDE), (257, SIDE), (258, (16,) * channels), (259, compression), (262, photometric)):
        tags[tag] = value
    for tag, value in ((273, tuple(starts)), (277, channels), (278, SIDE), (279, tuple(map(len, stored)))):
        tags[tag] = value
    tags[284] = planes
    if channels == 4 and photometric == 2:
        tags[338] = 2
    end = starts[-1] + len(stored[-1])
    return b"II*\0" + struct.pack("<I", end) + b"".join(stored) + tags.tobytes(end)


COLOURED = {
    "PNG, RGB": png(2, 3),
    "PNG, grey and alpha": png(4, 2),
    "PNG, RGBA": png(6, 4),
    "PPM": ppm("P6", 65535),
    "PPM of 10 bits": ppm("P6", 1023),
    "plain PPM": ppm("P3", 65535),
    "TIFF, RGB": tiff(3, 2),
    "TIFF, RGBA": tiff(4, 2),
    "TIFF, CMYK": tiff(4, 5),
    "TIFF, packed": tiff(3, 2, compression=8),
    "TIFF, in planes": tiff(3, 2, planes=2),
}


@pytest.mark.parametrize("kind", COLOURED)
def test_colours_of_more_than_8_bits_are_refused_since_8_of_them_would_be_read(kind: str):
    for read in READERS:
        with pytest.raises(BadData, match="more than 8 bits a channel.*save it with 8"):
            read(COLOURED[kind])


@pytest.mark.parametrize("ending", ["png", "tif", "pgm"])
def test_greys_of_more_than_8_bits_are_masks_where_8_say_as_much_and_never_pictures(ending: str):
    square = np.eye(SIDE, dtype=np.uint16)
    for high in (1, 65535):
        data = encoded(square * high, ending)
        for read in READERS[:2]:
            with pytest.raises(BadData, match="more than 8 bits a channel.*save it with 8"):
                read(data)
        assert decode_mask(data, "x").tolist() == (square * min(high, 255)).tolist()
    with pytest.raises(BadData, match="values from 0 to 1000; save it"):
        decode_mask(encoded(square * 1000, ending), "x")


@pytest.mark.parametrize(
    ("ending", "modes"),
    [
        ("png", ["1", "L", "LA", "P", "RGB", "RGBA"]),
        ("tif", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr"]),
        ("ppm", ["1", "L", "RGB"]),
        ("bmp", ["1", "L", "P", "RGB", "RGBA"]),
    ],
)
def test_what_has_8_bits_a_channel_is_read(ending: str, modes: list[str]):
    colours = Image.fromarray((deep(3) % 256).astype(np.uint8))
    for mode in modes:
        for read in READERS[:2]:
            read(encoded(colours.convert(mode), ending))
