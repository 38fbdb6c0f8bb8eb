"""TFRecord files of `tf.train.Example`s, read without TensorFlow and record by record.

A file is a sequence of: length (uint64), its checksum (uint32), that many bytes, their checksum (uint32), all
little-endian; perhaps compressed with gzip as a whole. An example is a protocol buffer that maps names to lists of
byte strings, of float32 or of integers.
"""

from __future__ import annotations

import gzip
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

from lgbench.errors import BadData

if TYPE_CHECKING:
    import numpy as np

__all__ = ["features", "floats", "masked_crc32c", "octets", "read_records"]

LARGEST = 1 << 30  # bytes of one record: more is a damaged length
VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5  # wire types of protocol buffers


def read_records(path: Path, *, check: bool = False) -> Iterator[bytes]:
    """The records of a TFRecord file, compressed with gzip or not, one in memory at a time.

    Args:
        path: the file.
        check: compare every record with its own checksum, too; slow, and gzip has checked the whole file anyway.

    Raises:
        BadData: it is no TFRecord file, or it is truncated or damaged; raised where the reading gets to it.
    """
    try:
        with path.open("rb") as plain:
            packed = not _is_header(plain.read(12))
            plain.seek(0)
            # a plain file may start with gzip's magic bytes, but then its first checksum is right
            file = cast(BinaryIO, gzip.GzipFile(fileobj=plain)) if packed else plain
            number = 0
            while header := file.read(12):
                yield _record(file, header, number, check)
                number += 1
    except gzip.BadGzipFile as error:
        raise BadData(f"{path} is not a TFRecord file, or it is damaged ({error}).") from error
    except (EOFError, zlib.error, ValueError) as error:
        raise BadData(f"{path} is truncated or damaged ({error}).") from error


def _is_header(header: bytes) -> bool:
    return len(header) == 12 and masked_crc32c(header[:8]) == struct.unpack("<I", header[8:])[0]


def _record(file: BinaryIO, header: bytes, number: int, check: bool) -> bytes:
    if not _is_header(header):
        raise ValueError(f"record {number} has no valid length")
    (length,) = struct.unpack("<Q", header[:8])
    if length > LARGEST:
        raise ValueError(f"record {number} claims {length:,} bytes")
    record, trailer = file.read(length), file.read(4)
    if len(record) < length or len(trailer) < 4:
        raise EOFError(f"it ends within record {number}")
    if check and masked_crc32c(record) != struct.unpack("<I", trailer)[0]:
        raise ValueError(f"record {number} has another checksum than it should")
    return record


def _crc32c_table() -> list[int]:
    table = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
        table.append(value)
    return table


CRC32C = _crc32c_table()


def masked_crc32c(data: bytes) -> int:
    """The checksum of TFRecord files: CRC-32C (Castagnoli), rotated right by 15 bits, plus 0xa282ead8, mod 2^32."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = CRC32C[(crc ^ byte) & 0xFF] ^ crc >> 8
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def features(record: bytes) -> dict[str, memoryview]:
    """The features of a serialized `tf.train.Example` by name, not decoded yet: see `floats` and `octets`.

    Raises:
        BadData: the record is not such an example.
    """
    found = {}
    try:
        for group in _parts(memoryview(record), 1):
            for entry in _parts(group, 1):
                fields = dict(_fields(entry))
                found[bytes(fields[1]).decode()] = fields[2]
    except (IndexError, KeyError, ValueError, TypeError) as error:
        raise BadData(f"a record is not a tf.train.Example ({type(error).__name__}: {error})") from error
    return found


def floats(feature: memoryview) -> np.ndarray:
    """The values of a feature that is a list of floats: (N,) float32, empty where it is another kind of list."""
    import numpy as np

    return np.frombuffer(b"".join(part for group in _parts(feature, 2) for part in _parts(group, 1)), "<f4")


def octets(feature: memoryview) -> np.ndarray:
    """The bytes of a feature that is a list of byte strings, joined: (N,) uint8, empty for another kind of list."""
    import numpy as np

    return np.concatenate([np.zeros(0, np.uint8), *map(_joined, _parts(feature, 1))])


def _joined(strings: memoryview) -> np.ndarray:
    import numpy as np

    # pictures come as one string per byte: tag, length 1, the byte. A million of them need arithmetic, not a loop.
    data = np.frombuffer(strings, np.uint8)
    if len(data) % 3 == 0 and (data[0::3] == 1 << 3 | BYTES).all() and (data[1::3] == 1).all():
        return data[2::3]
    return np.frombuffer(b"".join(_parts(strings, 1)), np.uint8)


def _parts(message: memoryview, number: int) -> list[memoryview]:
    """The values of all fields of this number, as bytes."""
    return [value for found, value in _fields(message) if found == number]


def _fields(message: memoryview) -> Iterator[tuple[int, memoryview]]:
    """Number and encoded value of every field of a protocol buffer."""
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        number, kind = tag >> 3, tag & 7
        start = at
        if kind == VARINT:
            _, end = _varint(message, at)
        elif kind == BYTES:
            length, start = _varint(message, at)
            end = start + length
        elif kind in (FIXED32, FIXED64):
            end = start + (4 if kind == FIXED32 else 8)
        else:
            raise ValueError(f"field {number} is of unknown type {kind}")
        if end > len(message):
            raise ValueError(f"field {number} is cut off")
        yield number, message[start:end]
        at = end


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    """An integer of 7 bits a byte, lowest first, and where it ends."""
    value = shift = 0
    while True:
        byte = message[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at
