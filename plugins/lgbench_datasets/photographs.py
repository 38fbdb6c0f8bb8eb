"""What the data sets of photographs share: reading files when they are asked for, masks that a user brings."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from lgbench.errors import BadData, BadRecipe, DataMissing

from .crops import Box, around

if TYPE_CHECKING:
    import numpy as np

    from lgbench.data import DataHome, RawDataset, Sample

__all__ = [
    "Photograph",
    "ReadMask",
    "check_choice",
    "marked",
    "matlab",
    "photographs",
    "read_bytes",
    "two_values",
    "with_masks",
]

ReadMask = Callable[[bytes, str], "np.ndarray"]
"""`(file's bytes, name for errors)` -> mask, (H, W): bool, or uint8 opacities."""

Splits = Mapping[str, Sequence["Photograph"]]


@dataclass(frozen=True, slots=True)
class Photograph:
    """A picture that is not read yet, and what is known about it.

    Attributes:
        name: path below the data set's pictures, with "/".
        image: its file.
        label: class index from 0.
        mask: its mask's file, where it has one.
        box: around its object, where it has one.
    """

    name: str
    image: Path
    label: int
    mask: Path | None = None
    box: Box | None = None


def check_choice(dataset: str, setting: str, value: str, choices: Sequence[str]) -> None:
    """Raises BadRecipe where `value` is none of `choices`."""
    if value not in choices:
        known = " or ".join(map(repr, choices))
        raise BadRecipe(f"The {setting} of {dataset} is {known}, not {value!r}.")


def two_values(data: bytes, name: str) -> np.ndarray:
    """A `ReadMask`: foreground is where the mask has its other value than 0, whichever that is, (H, W) bool.

    Raises:
        BadData: it has further values, as a soft mask, the noise of a JPEG or a trimap's border are, or no 0.
    """
    import numpy as np

    from lgbench.data import decode_mask

    mask = decode_mask(data, name)
    values = np.unique(mask).tolist()
    if len(values) > 2 or (len(values) == 2 and values[0] != 0):
        some = ", ".join(map(str, values[:6])) + (f", ... ({len(values)} in all)" if len(values) > 6 else "")
        raise BadData(f"{name}: values {some}; save it as PNG with 0 in the background and one value in the foreground")
    return mask > 0


def photographs(
    splits: Splits, *, origin: str, classes: Sequence[str], crop: str = "center", read_mask: ReadMask = two_values
) -> RawDataset:
    """The data set that a builder hands over; files are read when it is iterated over.

    It provides masks where a photograph has one; a split in which none has lacks them.

    Args:
        splits: split -> its photographs, in order.
        origin: which copy this is, for the protocol.
        classes: names in the order of the labels.
        crop: "center", or "bbox" for the `window` around the box of each photograph of "train", the middle of others.
    """
    from lgbench.data import RawDataset

    has = {split: [photograph.mask is not None for photograph in chosen] for split, chosen in splits.items()}
    bare = [split for split, here in has.items() if not any(here)]
    masked = len(bare) < len(splits)
    cuts = {split: _whole if crop == "center" else _around_box if split == "train" else _middle for split in splits}
    return RawDataset(
        # a map goes on after a file that fails, so all of them are named
        splits={
            split: partial(map, partial(_sample, cuts[split], read_mask), chosen) for split, chosen in splits.items()
        },
        counts={split: len(chosen) for split, chosen in splits.items()},
        origin=origin,
        provides=frozenset({"labels", "masks"} if masked else {"labels"}),
        classes=tuple(classes),
        crop=crop,
        lacks={split: frozenset({"masks"}) for split in bare} if masked else {},
        partial=frozenset({"masks"} if any(any(here) and not all(here) for here in has.values()) else ()),
    )


def with_masks(
    splits: Splits, folder: Path, home: DataHome, mask_of: Callable[[str], str] | None = None
) -> tuple[dict[str, list[Photograph]], str]:
    """Photographs with masks from a folder that a user filled, say with a pre-trained segmenter's output.

    Photographs without a mask leave "val" and "test": there is nothing to score them against. All stay in "train".

    Args:
        folder: where the masks are.
        mask_of: name of a photograph -> name of its mask below `folder`; by default the same, ending in ".png".

    Returns:
        The splits, and "masks <hash>" over the masks' names and contents, for the origin: other masks are another
        benchmark. Those of `lgbench data pseudo-masks` are "pseudo masks <hash>"; see `marked`.

    Raises:
        DataMissing: there is no such folder.
        BadData: it has no mask of any test photograph.
    """
    from lgbench.data import pseudo_masks_in

    mask_of = mask_of or _png
    named = f"they are to be named {', '.join(mask_of(photograph.name) for photograph in splits['test'][:2])}, ..."
    if not folder.is_dir():
        raise DataMissing(
            f"The setting `masks` leads to {folder}, which is not a folder. Put the masks there: {named} Without the "
            "setting, there are no masks."
        )
    found = {split: [_with_mask(p, folder / mask_of(p.name)) for p in chosen] for split, chosen in splits.items()}
    kept = {split: [p for p in chosen if p.mask or split == "train"] for split, chosen in found.items()}
    if not kept["test"]:
        raise BadData(f"{folder} has no mask of any test photograph; {named}")
    used = sorted(p.mask.relative_to(folder) for chosen in kept.values() for p in chosen if p.mask)
    kind = "pseudo masks" if pseudo_masks_in(folder) else "masks"
    return kept, f"{kind} {home.content(folder, [path.as_posix() for path in used])[:12]}"


def marked(raw: RawDataset, folder: Path) -> RawDataset:
    """The data set with masks from `folder`, marked as pseudo where a network made them."""
    from lgbench.data import pseudo_masks_in

    maker = pseudo_masks_in(folder)
    return replace(raw, pseudo={**raw.pseudo, "masks": maker}) if maker else raw


def read_bytes(path: Path, name: str) -> bytes:
    """A file's bytes; raises BadData naming it."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise BadData(f"{name}: cannot read {path} ({error.strerror})") from error


def matlab(path: Path, *keys: str) -> list[np.ndarray]:
    """Variables of a MATLAB file, at least one-dimensional, cells and records unwrapped.

    Raises:
        BadData: it is truncated, unreadable or lacks one of them.
    """
    import numpy as np
    from scipy.io import loadmat

    try:
        read = loadmat(path, squeeze_me=True)
        return [np.atleast_1d(read[key]) for key in keys]
    except Exception as error:  # scipy's reader raises what its parts do: all mean the same to a user
        reason = str(error) or type(error).__name__
        raise BadData(
            f"{path} is truncated or has no {', '.join(keys)} ({reason}); put the official file there."
        ) from error


def _whole(photograph: Photograph, pixels: np.ndarray) -> np.ndarray:
    return pixels  # the middle is cut when it is prepared, where objects that the cut loses are counted


def _middle(photograph: Photograph, pixels: np.ndarray) -> np.ndarray:
    from lgbench.data import central_square

    return central_square(pixels)


def _around_box(photograph: Photograph, pixels: np.ndarray) -> np.ndarray:
    if photograph.box is None:
        raise BadData(f"{photograph.name}: has no bounding box to crop by")
    return around(photograph.box, pixels)


def _sample(cut: Callable[[Photograph, np.ndarray], np.ndarray], read_mask: ReadMask, photograph: Photograph) -> Sample:
    from lgbench.data import Sample, decode_image

    name = photograph.name
    image = decode_image(read_bytes(photograph.image, name), name)
    mask = None
    if photograph.mask:
        mask = read_mask(read_bytes(photograph.mask, name), f"mask of {name}")
        if mask.shape != image.shape[:2]:  # seen here: cropping would hide it
            size, its = (" x ".join(map(str, array.shape[1::-1])) for array in (mask, image))
            raise BadData(f"{name}: mask of {size} pixels, image of {its}")
        mask = cut(photograph, mask)
    return Sample(image=cut(photograph, image), mask=mask, label=photograph.label, name=name)


def _with_mask(photograph: Photograph, mask: Path) -> Photograph:
    return replace(photograph, mask=mask if mask.is_file() else None)


def _png(name: str) -> str:
    return str(PurePosixPath(name).with_suffix(".png"))
