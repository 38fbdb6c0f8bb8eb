"""Files of pictures and masks become arrays."""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from lgbench.errors import BadData

if TYPE_CHECKING:
    from PIL import Image, ImageFile

__all__ = [
    "FORMATS",
    "NEARLY_GREY",
    "MaskValues",
    "Picture",
    "decode_image",
    "decode_mask",
    "decode_picture",
    "decode_values",
]

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF", "PPM")
"""What is read. Pillow guesses formats from contents, and would start Ghostscript on EPS that is named x.png."""

MOST_PIXELS = 1 << 26  # of one picture, before it is decoded: 8192 x 8192, 268 MB in memory
BROKEN = (OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error)  # what Pillow raises on bad files
PNG = b"\x89PNG\r\n\x1a\n"
NOT_PIXELS = (b"tEXt", b"zTXt", b"iTXt", b"iCCP")  # chunks of a PNG that may be larger than Pillow takes
FEW = 64  # colours that a label map may have; a photograph or a JPEG has more
NEARLY_GREY = 8  # levels between the channels of a grey, which rounding leaves
DEEP = 257  # steps of 16 bits in one of 8
LUMA = np.array([299, 587, 114])  # ITU-R BT.601, in thousandths


@dataclass(frozen=True, slots=True)
class Picture:
    """What a picture's file holds.

    Attributes:
        pixels: (H, W) uint8 where it is grey, else (H, W, 3) uint8.
        remarks: what its user should know of how it was read.
    """

    pixels: np.ndarray
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class MaskValues:
    """What a mask file holds.

    Attributes:
        values: (H, W) uint8.
        brightness: of the values that are indices into coloured palettes, 0 to 255.
        coloured: values that are the brightness of colours, not of greys.
    """

    values: np.ndarray
    brightness: Mapping[int, int] = field(default_factory=dict)
    coloured: frozenset[int] = frozenset()


def decode_image(data: bytes, name: str) -> np.ndarray:
    """Pixels of an image file as they are stored: (H, W) uint8 where it is grey, else (H, W, 3) uint8.

    Transparency is dropped, and so is an orientation: boxes and masks of official data sets are drawn on these pixels.

    Raises:
        BadData: the file is truncated, unreadable, too large or has more than 8 bits a channel.
    """
    return _pixels(_shallow(_decode(data, name), name))


def decode_picture(data: bytes, name: str, behind: tuple[int, int, int]) -> Picture:
    """A user's picture as every viewer shows it: turned as its EXIF orientation says, on the colour `behind` it."""
    stored = _decode(data, name)
    remarks = ("several frames; the first is read",) if _moves(stored) else ()
    picture = _upright(_shallow(stored, name))
    if picture.has_transparency_data and picture.convert("RGBA").getchannel("A").getextrema() != (255, 255):
        remarks += ("transparent in part; the colour behind is data.backdrop",)
        picture = _composed(picture.convert("RGBA"), behind, grey=picture.mode == "LA" and len({*behind}) == 1)
    return Picture(_pixels(picture), remarks)


def decode_mask(data: bytes, name: str) -> np.ndarray:
    """Values of a mask file, (H, W) uint8.

    Grey ones, and palettes of greys, by brightness (0 and 255 where there is one bit); coloured palettes by index, as
    Pascal VOC has them; other colours by brightness; transparency only where the colour says nothing.

    Raises:
        BadData: the file is truncated, unreadable or too large, has values above 255, colours of more than 8 bits a
            channel, or colours of one brightness.
    """
    return _values(_decode(data, name), name).values


def decode_values(data: bytes, name: str) -> MaskValues:
    """What a user's mask holds, as every viewer shows it; otherwise as `decode_mask`."""
    return _values(_upright(_decode(data, name)), name)


def _decode(data: bytes, name: str) -> Image.Image:
    from PIL import Image

    try:
        with warnings.catch_warnings():
            # of bombs, which are refused here in our words, and of damaged notes in a sound picture
            warnings.simplefilter("ignore")
            picture = Image.open(io.BytesIO(_without_text(data)), formats=FORMATS)
        if (pixels := picture.width * picture.height) > MOST_PIXELS:
            raise BadData(
                f"{name}: {picture.width:,} x {picture.height:,} pixels; more than {MOST_PIXELS:,} are refused "
                f"({pixels:,} here). Make it smaller."
            )
        if _is_narrowed(picture):
            raise BadData(f"{name}: more than 8 bits a channel, in colour; save it with 8")
        picture.load()
    except Image.DecompressionBombError as error:
        raise BadData(f"{name}: more than {MOST_PIXELS:,} pixels ({error}). Make it smaller.") from error
    except Image.UnidentifiedImageError as error:  # whose text names the in-memory buffer, which tells nobody anything
        kinds = ", ".join(FORMATS)
        raise BadData(
            f"{name}: truncated or unreadable ({len(data)} bytes; not a picture: {kinds} are read)"
        ) from error
    except BROKEN as error:
        raise BadData(f"{name}: truncated or unreadable ({len(data)} bytes; {error})") from error
    return picture


def _is_narrowed(picture: ImageFile.ImageFile) -> bool:
    """Whether Pillow keeps 8 bits of more a channel, as it does of colours in silence; asked before it reads them."""
    from PIL.TiffImagePlugin import BITSPERSAMPLE, TiffImageFile

    if picture.mode[0] in "IF":  # whose values are all kept
        return False
    if isinstance(picture, TiffImageFile):
        return max(picture.tag_v2.get(BITSPERSAMPLE, (1,))) > 8
    arguments = [tile.args for tile in picture.tile]
    if picture.format == "PPM":
        return any(isinstance(found, tuple) and found[-1] > 255 for found in arguments)  # the highest value
    return picture.format == "PNG" and any(";16" in (found or "") for found in arguments)


def _without_text(data: bytes) -> bytes:
    """A PNG without its texts and colour profile: a long history in one must not cost the picture."""
    if not data.startswith(PNG):
        return data
    kept, at = [PNG], len(PNG)
    while at + 8 <= len(data):
        end = at + 12 + int.from_bytes(data[at : at + 4])  # length, type, contents, checksum
        if data[at + 4 : at + 8] not in NOT_PIXELS:
            kept.append(data[at:end])
        at = end
    return b"".join(kept)


def _composed(picture: Image.Image, behind: tuple[int, int, int], grey: bool) -> Image.Image:
    from PIL import Image

    composed = Image.alpha_composite(Image.new("RGBA", picture.size, (*behind, 255)), picture)
    return composed.convert("L" if grey else "RGB")


def _moves(picture: Image.Image) -> bool:
    """Whether there is more than the first frame; the second picture of a camera's JPEG is a preview."""
    return picture.format != "MPO" and getattr(picture, "is_animated", False)


def _shallow(picture: Image.Image, name: str) -> Image.Image:
    if picture.mode[0] in "IF":  # I, I;16, F
        raise BadData(f"{name}: more than 8 bits a channel (mode {picture.mode}); save it with 8")
    return picture


def _upright(picture: Image.Image) -> Image.Image:
    from PIL import ImageOps

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # as in `_decode`
        return ImageOps.exif_transpose(picture)


def _pixels(picture: Image.Image) -> np.ndarray:
    return np.asarray(picture.convert("L" if picture.mode in ("1", "L", "LA") else "RGB"))


def _values(picture: Image.Image, name: str) -> MaskValues:
    if picture.mode[0] in "IF":
        deep = np.asarray(picture)
        if picture.mode[0] == "I" and deep.min() >= 0 and (deep % DEEP == 0).all():
            deep = deep // DEEP  # 16 bits for what 8 would do: 0 and 65535 are 0 and 255
        if deep.min() < 0 or deep.max() > 255 or (deep != np.floor(deep)).any():
            raise BadData(
                f"{name}: values from {deep.min():g} to {deep.max():g}; save it with whole ones from 0 to 255"
            )
        return MaskValues(deep.astype(np.uint8))
    if picture.mode == "P":
        return _palette_values(picture, name)
    if picture.has_transparency_data:
        return _transparent_values(picture, name)
    return _brightness(picture, name)


def _palette_values(picture: Image.Image, name: str) -> MaskValues:
    """Brightness where the whole palette is grey, else the indices; opacity where all that is used is one colour."""
    index = np.asarray(picture)
    colours = np.zeros((256, 3), dtype=np.int64)
    stored = np.array(picture.getpalette("RGB"), dtype=np.int64).reshape(-1, 3)
    colours[: len(stored)] = stored
    used = np.unique(index)
    if picture.has_transparency_data and len(np.unique(colours[used], axis=0)) == 1:
        return MaskValues(np.asarray(picture.convert("RGBA").getchannel("A")))
    brightness = (colours @ LUMA // sum(LUMA)).astype(np.uint8)
    if np.ptp(colours[used], axis=1).max() <= NEARLY_GREY and picture.has_transparency_data:
        return _transparent_values(picture, name)
    if np.ptp(colours, axis=1).max() <= NEARLY_GREY:
        return MaskValues(brightness[index])
    return MaskValues(index, {int(value): int(brightness[value]) for value in used})


def _transparent_values(picture: Image.Image, name: str) -> MaskValues:
    """The colour's brightness where the visible part has several colours or stands out, else the opacity."""
    alpha = np.asarray(picture.convert("RGBA").getchannel("A"))
    colour = np.asarray(picture.convert("RGB").convert("L"))
    shown, hidden = np.unique(colour[alpha > 0]), np.unique(colour[alpha == 0])
    if alpha.min() == 255 or len(shown) > 1:
        return _brightness(picture.convert("RGB"), name)
    if len(shown) == len(hidden) == 1 and hidden[0] > shown[0]:
        raise BadData(f"{name}: what is opaque is darker than what is transparent: either may be meant; save it grey")
    return MaskValues(colour if len(shown) == len(hidden) == 1 and hidden[0] < shown[0] else alpha)


def _brightness(picture: Image.Image, name: str) -> MaskValues:
    if picture.mode == "1":
        return MaskValues(np.asarray(picture).astype(np.uint8) * 255)
    if picture.mode in ("L", "LA"):
        return MaskValues(np.asarray(picture.convert("L")))
    coloured = picture.convert("RGB")  # Lab becomes grey by way of it alone
    values, channels = np.asarray(coloured.convert("L")), np.asarray(coloured).astype(np.int64)
    colours = np.unique(channels @ np.array([1 << 16, 1 << 8, 1]))
    if len(np.unique(values)) < len(colours) <= FEW:
        raise BadData(
            f"{name}: {len(colours)} colours, some of which are equally bright; save it in grey or with a palette"
        )
    return MaskValues(values, coloured=frozenset(values[np.ptp(channels, axis=2) > NEARLY_GREY].tolist()))
