"""LSUN Car (Yu et al. 2015) as IEM chose it: photographs of about 533 x 400 pixels, 1,040 of them for testing.

IEM is Savarese et al., Information-theoretic segmentation by inpainting error maximization, CVPR 2021.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from lgbench.errors import BadData, BadRecipe
from lgbench.files import read_json, sha256_of_json, write_json
from lgbench.settings import later

from .by_hand import LSUN_CAR
from .photographs import read_bytes, two_values

if TYPE_CHECKING:
    from lgbench.data import DataHome, RawDataset, Sample

__all__ = ["LSUN_CAR", "Config", "build"]

WIDTH, HEIGHT = 533, 400
PUBLISHED = {"train": 31_893, "test": 1_040}
PUBLISHED_MASKS = "Mask R-CNN, as IEM's authors published it"
ENDINGS = frozenset({".webp", ".jpg", ".jpeg", ".png"})

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Config:
    """Which photographs are for training. IEM says "around 533 x 400 among the first 200k".

    Attributes:
        first: how many photographs, in the order of their keys, are looked at.
        tolerance: pixels by which width and height may differ from 533 and 400.
        masks: folder of the test masks, relative to the data set's own: those that IEM's authors published, or what
            `lgbench data pseudo-masks` made; test photographs without one of the latter are not scored.
    """

    first: int = 200_000
    tolerance: int = 2
    masks: str = later("masks")


def build(config: Config, resolution: int, home: DataHome) -> RawDataset:
    """The photographs in `images`, those named in `test.txt` for testing, with masks where there is a folder `masks`.

    The masks of LSUN Car are a supervised network's: Mask R-CNN's, as IEM's authors published them. Only test
    photographs have one.

    Raises:
        BadData: a photograph cannot be read, or `test.txt` names one that is not here.
        BadRecipe: a setting that makes no sense.
        DataMissing: `images` or `test.txt` is not here.
    """
    from lgbench.data import RawDataset, pseudo_masks_in

    if config.first < 1 or config.tolerance < 0:
        raise BadRecipe("lsun-car needs first of at least 1 and tolerance of at least 0.")
    folder = home.folder("lsun-car")
    images, listing, masks = folder / "images", folder / "test.txt", folder / config.masks
    if locate(home) is None:
        raise home.missing("lsun-car", LSUN_CAR.by_hand, [path.name for path in (images, listing) if not path.exists()])
    files = _files(images)
    test = _tested(listing, files)
    chosen = {"train": _trained(config, folder, files, set(test), home), "test": [files[key] for key in test]}
    _compare({split: len(names) for split, names in chosen.items()})
    masked = masks.is_dir()
    maker = pseudo_masks_in(masks) if masked else ""
    # by their keys: copies that lie flat, and those that do not, are the same
    used = {f"{split} {Path(name).stem}": f"images/{name}" for split, names in chosen.items() for name in names}
    used |= {f"mask {Path(name).stem}": str(_mask_of(masks, name)) for name in chosen["test"]}
    return RawDataset(
        splits={
            "train": partial(map, partial(_sample, images, None), chosen["train"]),
            "test": partial(map, partial(_sample, images, masks if masked else None), chosen["test"]),
        },
        counts={split: len(names) for split, names in chosen.items()},
        origin=f"folder:{home.content(folder, used)[:12]}" + (", pseudo masks" if maker else ""),
        provides=frozenset({"masks"} if masked else ()),
        lacks={"train": frozenset({"masks"})},
        partial=frozenset({"masks"} if maker else ()),
        pseudo={"masks": maker or PUBLISHED_MASKS} if masked else {},
    )


def locate(home: DataHome) -> Path | None:
    """The data set's folder, if the photographs and the test list are in it."""
    folder = home.folder("lsun-car")
    return folder if (folder / "images").is_dir() and (folder / "test.txt").is_file() else None


def _files(images: Path) -> dict[str, str]:
    """Key -> file below `images`, in the order of the keys, which is the order of the official database."""
    found: dict[str, str] = {}
    for path in images.rglob("*"):
        if path.suffix.lower() in ENDINGS and not path.name.startswith("."):
            if path.stem in found:
                raise BadData(f"{images} has two photographs of the key {path.stem}; remove one.")
            found[path.stem] = path.relative_to(images).as_posix()
    if not found:
        raise BadData(f"{images} has no photographs ({', '.join(sorted(ENDINGS))}).")
    return dict(sorted(found.items()))


def _tested(listing: Path, files: Mapping[str, str]) -> list[str]:
    """Keys of the test photographs, ascending."""
    lines = [Path(line.strip()) for line in listing.read_text().splitlines() if line.strip()]
    keys = sorted({line.stem if line.suffix.lower() in ENDINGS else line.name for line in lines})
    absent = [key for key in keys if key not in files]
    if absent or not keys:
        what = f"{len(absent):,} photographs that are not in images, {absent[0]} first" if absent else "no photograph"
        raise BadData(
            f"{listing} names {what}. Put the published list there, and all photographs of the first 200,000."
        )
    return keys


def _trained(config: Config, folder: Path, files: Mapping[str, str], test: set[str], home: DataHome) -> list[str]:
    """Training photographs; their sizes are looked at once, which takes minutes."""
    from lgbench.data import alone

    candidates = [file for key, file in list(files.items())[: config.first] if key not in test]
    states = [(folder / "images" / file).stat() for file in candidates]
    seen = [(file, state.st_size, state.st_mtime_ns) for file, state in zip(candidates, states, strict=True)]
    stamp, memory = sha256_of_json([config.tolerance, seen]), folder / "train.json"
    with alone(memory, "the sizes of lsun-car"):
        try:
            known = read_json(memory)
            if known["stamp"] == stamp:
                return known["files"]
        except (OSError, ValueError, KeyError, TypeError):
            pass  # not made yet, or not by us
        kept = []
        for number, file in enumerate(candidates):
            if _fits(folder / "images" / file, config.tolerance):
                kept.append(file)
            if home.progress:
                home.progress("sizes of lsun-car", number + 1, len(candidates))
        if kept:  # none is an error, and not to be remembered
            write_json(memory, {"stamp": stamp, "files": kept})
    return kept


def _fits(path: Path, tolerance: int) -> bool:
    from PIL import Image

    try:
        with Image.open(path) as picture:
            width, height = picture.size
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise BadData(f"{path} is not a readable photograph ({error}); export it again.") from error
    return abs(width - WIDTH) <= tolerance and abs(height - HEIGHT) <= tolerance


def _compare(counts: Mapping[str, int]) -> None:
    if not counts["train"]:
        raise BadData(f"lsun-car has no training photograph of about {WIDTH} x {HEIGHT} pixels; were they resized?")
    for split, count in counts.items():
        if count != PUBLISHED[split]:
            logger.warning("lsun-car has %s %s photographs; IEM tells of %s.", count, split, PUBLISHED[split])


def _mask_of(masks: Path, name: str) -> Path:
    """The published masks lie flat, ours as the photographs do."""
    flat = masks / f"{Path(name).stem}.png"
    return flat if flat.is_file() else (masks / name).with_suffix(".png")


def _sample(images: Path, masks: Path | None, name: str) -> Sample:
    from lgbench.data import Sample, decode_image, pseudo_masks_in

    image, mask = decode_image(read_bytes(images / name, name), name), None
    if masks and ((path := _mask_of(masks, name)).is_file() or not pseudo_masks_in(masks)):
        mask = two_values(read_bytes(path, path.name), path.name)
    return Sample(image=image, mask=mask, name=name)
