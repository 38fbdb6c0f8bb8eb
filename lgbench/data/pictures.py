"""Files of a data set become arrays: decoded, checked, and masks read as foreground or not."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterable, Iterator

import numpy as np

from lgbench.errors import BadData, BadRecipe
from lgbench.records import PARTS

from .samples import RawDataset, Sample

__all__ = ["MOST_PROBLEMS", "central_square", "decode_image", "decode_mask", "foreground_table", "report", "sound"]

MOST_PROBLEMS = 10  # one screen
IGNORED = 255  # in class maps: no class
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


def foreground_table(values: Iterable[int], setting: str, where: str) -> np.ndarray:
    """A table that turns mask values into foreground: `table[values]` is bool, or uint8 opacity for "soft".

    Args:
        values: all values that occur in the masks of the data set, 0..255.
        setting: "" takes the only value besides 0 for foreground; "8,9" takes these; "soft" reads opacities.
        where: the data set, for the error.

    Raises:
        BadData: masks with several values, and `setting` does not say which are foreground.
        BadRecipe: `setting` is none of the above.
    """
    if setting == "soft":
        return np.arange(256, dtype=np.uint8)
    table = np.zeros(256, dtype=bool)
    if setting:
        try:
            table[[_value(text) for text in setting.split(",")]] = True
        except ValueError:
            raise BadRecipe(
                f"foreground = {setting!r} is neither a list of mask values from 0 to 255, such as '8,9', nor 'soft'."
            ) from None
        return table
    several = sorted(set(values) - {0})
    if len(several) > 1:
        shown = ", ".join(map(str, several[:12])) + (", ..." if len(several) > 12 else "")
        raise BadData(
            f"The masks of {where} have several values besides 0 ({shown}): they are label maps or soft masks. Say "
            "which values are foreground, for instance with `--set data.foreground=8,9`, or "
            "`--set data.foreground=soft` where the values are opacities."
        )
    table[1:] = True
    return table


def _value(text: str) -> int:
    value = int(text)
    if not 0 <= value <= 255:
        raise ValueError(text)
    return value


def sound(
    samples: Iterable[Sample], raw: RawDataset, provides: frozenset[str], problems: list[str]
) -> Iterator[Sample]:
    """Those of `samples` that can be used; what is wrong with the others is added to `problems`.

    Args:
        raw: says what its labels, class maps and attributes are, and how its pictures become square.
        provides: what these samples have of `PARTS`.

    Stops when `problems` has `MOST_PROBLEMS` entries. An iterator that can go on after a `BadData` (a `map` can, a
    generator cannot) has all its faulty files named, not only the first.
    """
    iterator = iter(samples)
    while len(problems) < MOST_PROBLEMS:
        try:
            sample = next(iterator)
        except StopIteration:
            return
        except BadData as error:
            problems.append(str(error))
            continue
        fault = _fault(sample, raw, provides)
        if fault:
            problems.append(f"{sample.name}: {fault}")
        else:
            yield sample


def _fault(sample: Sample, raw: RawDataset, provides: frozenset[str]) -> str | None:
    image = sample.image
    if image.dtype != np.uint8 or not (image.ndim == 2 or (image.ndim == 3 and image.shape[2] == 3)) or not image.size:
        return f"an image of shape {image.shape} and type {image.dtype}; (H, W) or (H, W, 3) uint8 is needed"
    if raw.crop != "center" and image.shape[0] != image.shape[1]:
        return f"{image.shape[1]} x {image.shape[0]} pixels, but its data set says that pictures are square"
    for part, attribute in PARTS.items():
        if part in provides and getattr(sample, attribute) is None:
            return f"has no {attribute}"
    for part, types in (("mask", (np.bool_, np.uint8)), ("instances", (np.uint8,)), ("segments", (np.uint8,))):
        array = getattr(sample, part)
        if array is None:
            continue
        if array.shape != image.shape[:2]:
            size, its = (" x ".join(map(str, a.shape[1::-1])) for a in (array, image))
            return f"{part} of {size} pixels, image of {its}"
        if array.dtype not in types:
            return f"{part} of type {array.dtype}"
    return _misnamed(sample, raw)


def _misnamed(sample: Sample, raw: RawDataset) -> str | None:
    """What is wrong with the values of what a data set names."""
    classes, segments, attributes = len(raw.classes), len(raw.segment_names), len(raw.attribute_names)
    if sample.label is not None and (sample.label < 0 or (classes and sample.label >= classes)):
        return f"label {sample.label} is not one of the {classes} classes"
    if sample.segments is not None:
        unknown = np.setdiff1d(sample.segments, [*range(segments), IGNORED])
        if unknown.size:
            return f"class map with the values {unknown.tolist()}, but there are {segments} classes of segments"
    if sample.attributes is not None and (
        np.shape(sample.attributes) != (attributes,) or not np.isin(sample.attributes, (0, 1)).all()
    ):
        return f"attributes {np.asarray(sample.attributes).tolist()}; {attributes} of 0 or 1 are needed"
    if sample.landmarks is not None and (
        sample.landmarks.ndim != 2 or sample.landmarks.shape[1] != 2 or not np.isfinite(sample.landmarks).all()
    ):
        return f"landmarks of shape {sample.landmarks.shape}; finite (P, 2) are needed"
    return None


def report(where: str, problems: list[str]) -> BadData:
    """One error that names all of `problems`."""
    count = f"{len(problems)} or more" if len(problems) >= MOST_PROBLEMS else str(len(problems))
    lines = "".join(f"\n  - {problem}" for problem in problems)
    return BadData(f"{count} problem(s) in {where}:{lines}\nReplace or remove these files, then run the command again.")
