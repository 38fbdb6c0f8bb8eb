"""Small SCGANs and rivals, batches with class maps and attributes, and a data set of both, for the plugins' tests."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch

from lgbench import Dataset, ImageSpec
from lgbench.data.samples import RawDataset, Sample
from lgbench.layers import Batch
from lgbench_scgan.config import SCGANConfig, WGANConfig
from lgbench_scgan.model import SCGAN, WGAN

SEGMENTS, ATTRIBUTES = 7, 5
SPEC = ImageSpec(32, segments=SEGMENTS, attributes=ATTRIBUTES)
PLAIN = replace(SPEC, attributes=0)


def small(order="stepwise", spec=SPEC) -> SCGAN:
    return SCGAN(SCGANConfig(order=order, g=4, nz=6), spec)


def rival(attributes=ATTRIBUTES, spec=SPEC) -> WGAN:
    return WGAN(WGANConfig(g=4, nz=6), spec, attributes)


def batch(n=4, spec=SPEC) -> Batch:
    """Noise under random class maps in blocks of 8, and random attributes where the data have any."""
    side = spec.resolution
    maps = torch.randint(SEGMENTS, (n, side // 8, side // 8), dtype=torch.uint8)
    return Batch(
        images=torch.rand(n, 3, side, side) * 2 - 1,
        segments=maps.repeat_interleave(8, 1).repeat_interleave(8, 2),
        attributes=torch.randint(2, (n, ATTRIBUTES)).float() if spec.attributes else None,
    )


@dataclass(frozen=True)
class Mosaics:
    images: int = 24
    attributes: bool = True


def mosaics(config: Mosaics, resolution: int, home: object) -> RawDataset:
    """Blocks of seven colours, darkened by the attributes that are on; the block says the class."""
    colours = np.random.default_rng(7).integers(100, 256, (SEGMENTS, 3))

    def samples(split: str):
        def draw():
            random = np.random.default_rng(len(split))
            for index in range(config.images):
                maps = random.integers(0, SEGMENTS, (4, 4), dtype=np.uint8).repeat(resolution // 4, 0)
                maps = maps.repeat(resolution // 4, 1)
                attributes = random.integers(0, 2, ATTRIBUTES, dtype=np.uint8)
                image = (colours[maps] - 20 * attributes.sum()).clip(0, 255).astype(np.uint8)
                known = attributes if config.attributes else None
                yield Sample(image, segments=maps, attributes=known, name=f"{split}-{index}")

        return draw

    provides = {"segments", "attributes"} if config.attributes else {"segments"}
    return RawDataset(
        splits={split: samples(split) for split in ("train", "test")},
        counts=dict.fromkeys(("train", "test"), config.images),
        origin="procedural",
        provides=frozenset(provides),
        segment_names=tuple("abcdefg"),
        attribute_names=tuple("vwxyz") if config.attributes else (),
    )


MOSAICS = Dataset(
    name="mosaics",
    summary="coloured blocks with class maps and attributes",
    build=mosaics,
    config=Mosaics,
    provides=frozenset({"segments", "attributes"}),
    resolution=32,
    offline=True,
)
