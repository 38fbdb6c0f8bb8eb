"""Samples are checked before they are prepared, and all that is wrong is told in one error."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import numpy as np

from lgbench.errors import BadData, BadPlugin
from lgbench.offers import PARTS

from .samples import IGNORED, RawDataset, Sample
from .squares import CROPS

__all__ = ["MOST_PROBLEMS", "REPLACE", "report", "sound"]

MOST_PROBLEMS = 10  # one screen
REPLACE = "Replace or remove these files, then run the command again."
MAPS: Mapping[str, tuple[type, ...]] = {
    "mask": (np.bool_, np.uint8),
    "ignored": (np.bool_,),
    "instances": (np.uint8,),
    "segments": (np.uint8,),
}
"""What has a value for each pixel, and of which types."""


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
        if not isinstance(sample, Sample):
            raise BadPlugin(f"A data set yields a {type(sample).__name__}, not a Sample: mend its plugin.")
        fault = _fault(sample, raw, provides)
        if fault:
            problems.append(f"{sample.name}: {fault}")
        else:
            yield sample


def _fault(sample: Sample, raw: RawDataset, provides: frozenset[str]) -> str | None:
    image = sample.image
    if not isinstance(image, np.ndarray):
        return f"an image that is a {type(image).__name__}; (H, W) or (H, W, 3) uint8 is needed"
    if image.dtype != np.uint8 or not (image.ndim == 2 or (image.ndim == 3 and image.shape[2] == 3)) or not image.size:
        return f"an image of shape {image.shape} and type {image.dtype}; (H, W) or (H, W, 3) uint8 is needed"
    if raw.crop not in CROPS and image.shape[0] != image.shape[1]:
        return f"{image.shape[1]} x {image.shape[0]} pixels, but its data set says that pictures are square"
    for part, attribute in PARTS.items():
        if part in provides - raw.partial and getattr(sample, attribute) is None:
            return f"has no {attribute}"
    for part, types in MAPS.items():
        array = getattr(sample, part)
        if array is None:
            continue
        if array.shape != image.shape[:2]:
            size, its = (" x ".join(map(str, a.shape[1::-1])) for a in (array, image))
            turned = array.shape == image.shape[1::-1]
            return f"{part} of {size} pixels, image of {its}" + (", as if one were turned (by EXIF?)" if turned else "")
        if array.dtype not in types:
            return f"{part} of type {array.dtype}"
    return _misnamed(sample, raw)


def _misnamed(sample: Sample, raw: RawDataset) -> str | None:
    """What is wrong with the values of what a data set names."""
    classes, segments, attributes = len(raw.classes), len(raw.segment_names), len(raw.attribute_names)
    if not isinstance(sample.label, int | np.integer | None):
        return f"label {sample.label!r} is no index"
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


def report(where: str, problems: list[str], remedy: str = REPLACE) -> BadData:
    """One error that names all of `problems`, and what to do about them."""
    count = f"{len(problems)} or more" if len(problems) >= MOST_PROBLEMS else str(len(problems))
    lines = "".join(f"\n  - {problem}" for problem in problems)
    return BadData(f"{count} problem(s) in {where}:{lines}\n{remedy}")
