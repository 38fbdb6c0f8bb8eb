"""Oxford 102 Category Flowers (Nilsback and Zisserman, ICVGIP 2008), official files or an added archive."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from lgbench.errors import BadData, BadRecipe
from lgbench.settings import later

from .crops import TestCrop, scored
from .official import FLOWERS
from .photographs import check_choice, matlab, read_bytes
from .unpack import unpacked

if TYPE_CHECKING:
    import numpy as np

    from lgbench.data import DataHome, RawDataset, Sample

__all__ = ["FLOWERS", "Config"]

SOURCES = FLOWERS.sources

BLUE = (0, 0, 254)  # behind a segmented flower
# Levels by which some channel must differ. JPEG smears the blue along the outline: of 40, 60, 80, 100 and 128, 80 has
# the best worst overlap (IoU 0.987) with known masks of four flower textures cut out at 500 pixels, JPEG 75 to 95.
TOLERANCE = 80
BORDER = "2"  # unlabelled, in trimaps of flowers


@dataclass(frozen=True, slots=True)
class Config:
    """Settings of the flowers.

    Attributes:
        split: "redo" trains on the 6,149 official test images and tests on the 1,020 official training images, as
            layered GANs have since ReDO (Chen et al., NeurIPS 2019); "official" is the other way round. "val" is the
            official one in both. An added archive with more pictures to train on than to test on has splits of its own,
            and keeps them; its origin says so.
        masks: how official segmentations, JPEGs of flowers before blue, are read: "tolerant" of what compression does
            to the blue, or by ReDO's rule, as the numbers of ReDO, IEM and those who compare with them are:
            background where red or green is 0 or blue 254.
        test_crop: pictures that are scored are cut to the largest centre square, or to its "middle", 128 of 152 parts
            of its side, as ComGAN's test has it.
        ignore: the value of an archive's masks that is left out of every mask score, where they have it: a trimap's
            border. The official masks have none.
        foreground: which values of an archive's masks are flower, as folders and archives have it.
    """

    split: Literal["redo", "official"] = "redo"
    masks: Literal["tolerant", "redo"] = later("tolerant")
    test_crop: TestCrop = later("square")
    ignore: str = later(BORDER)
    foreground: str = later("")


def build(config: Config, resolution: int, home: DataHome) -> RawDataset:
    """Official files where they are here, else an archive added under the name "flowers", else fetched files."""
    check_choice("flowers", "split", config.split, ("redo", "official"))
    check_choice("flowers", "masks setting", config.masks, ("tolerant", "redo"))
    check_choice("flowers", "test crop", config.test_crop, ("square", "middle"))
    archive = home.archives().get("flowers")
    if archive and not home.has("flowers", SOURCES):
        if config.masks == "redo":
            raise BadRecipe(
                f"ReDO's rule reads the official segmentations of flowers, and {archive} brings masks of its own: "
                "leave data.masks out, or remove the archive to have the official files fetched."
            )
        return scored(_archived(archive, config, home), config.test_crop)
    if (config.foreground, config.ignore) != ("", BORDER):
        raise BadRecipe(
            "foreground and ignore of flowers are about an added archive's masks; the official ones have none."
        )
    raw = _official(home.fetch("flowers", SOURCES), config.masks)
    return scored(_redo(raw) if config.split == "redo" else raw, config.test_crop)


build.accepts_archive = True  # pyright: ignore[reportFunctionMemberAccess]  `lgbench data add flowers FILE.zip`


def _archived(path: Path, config: Config, home: DataHome) -> RawDataset:
    """An added archive, whose splits are the official ones or, with more pictures in train than in test, its own."""
    from lgbench.data import MaskConfig, open_package, origin_of

    package = open_package(path)
    if package.drawn or set(package.counts) != {"train", "val", "test"}:
        raise BadData(f"{path} lacks the official split: its table needs a column `split` of train, valid and test.")
    ignore = "" if config.ignore == BORDER and int(BORDER) not in package.mask_values else config.ignore
    raw = package.raw(origin_of(path, home), MaskConfig(foreground=config.foreground, ignore=ignore))
    if raw.counts["train"] > raw.counts["test"]:
        if config.split == "official":
            raise BadRecipe(f"{path} has splits of its own rather than the official ones; leave data.split out.")
        return replace(raw, origin=f"{raw.origin}, its own split")
    return _redo(raw) if config.split == "redo" else raw


def _redo(raw: RawDataset) -> RawDataset:
    other = {"train": "test", "val": "val", "test": "train"}
    return replace(
        raw,
        splits={split: raw.splits[official] for split, official in other.items()},
        counts={split: raw.counts[official] for split, official in other.items()},
        lacks={split: raw.lacks[official] for split, official in other.items() if official in raw.lacks},
    )


def _official(folder: Path, rule: str) -> RawDataset:
    """The official files, whose pictures are unpacked once; masks by the `rule` of `Config.masks`."""
    from lgbench.data import RawDataset

    images = unpacked(folder / "102flowers.tgz", folder / "jpg", r"jpg/(image_\d{5}\.jpg)")
    masks = None
    if (folder / "102segmentations.tgz").exists():
        masks = unpacked(folder / "102segmentations.tgz", folder / "segmim", r"segmim/(segmim_\d{5}\.jpg)")
    labels = _matrix(folder / "imagelabels.mat", "labels")
    numbers = {
        split: sorted(_matrix(folder / "setid.mat", key).tolist())
        for split, key in (("train", "trnid"), ("val", "valid"), ("test", "tstid"))
    }
    if max(map(max, numbers.values())) > len(labels):
        raise BadData(f"{folder / 'setid.mat'} names image {max(map(max, numbers.values()))}, which has no label.")
    sample = partial(_sample, images, masks, rule, labels)
    return RawDataset(
        # a map goes on after a file that fails, so all of them are named
        splits={split: partial(map, sample, chosen) for split, chosen in numbers.items()},
        counts={split: len(chosen) for split, chosen in numbers.items()},
        origin="official",
        provides=frozenset({"labels", "masks"} if masks else {"labels"}),
        classes=tuple(str(label) for label in range(1, int(labels.max()) + 1)),
    )


def _matrix(path: Path, key: str) -> np.ndarray:
    (found,) = matlab(path, key)
    return found.reshape(-1)


def _sample(images: Path, masks: Path | None, rule: str, labels: np.ndarray, number: int) -> Sample:
    from lgbench.data import Sample, decode_image

    name = f"image_{number:05d}.jpg"
    mask = None
    if masks:
        shown = f"segmim_{number:05d}.jpg"
        mask = _foreground(decode_image(read_bytes(masks / shown, name), shown), shown, rule)
    image = decode_image(read_bytes(images / name, name), name)
    return Sample(image=image, mask=mask, label=int(labels[number - 1]) - 1, name=name)


def _foreground(shown: np.ndarray, name: str, rule: str) -> np.ndarray:
    """Where a segmented picture, (H, W, 3) uint8, does not show the blue behind the flower: (H, W) bool."""
    import numpy as np

    if shown.ndim != 3:
        raise BadData(f"{name}: grey, so there is no blue to tell the background by")
    if rule == "redo":
        red, green, blue = np.moveaxis(shown, 2, 0)
        return ~((red == 0) | (green == 0) | (blue == 254))
    distance = np.abs(shown.astype(np.int16) - np.array(BLUE, dtype=np.int16))
    return np.any(distance > TOLERANCE, axis=2)
