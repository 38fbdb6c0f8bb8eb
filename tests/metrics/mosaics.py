"""Mosaics: blocks of colours that tell their class, darkened by an attribute."""

from __future__ import annotations

import numpy as np

from lgbench import Dataset, NoConfig
from lgbench.data.samples import RawDataset, Sample

COLOURS = np.array([[255, 150, 150], [150, 255, 150], [150, 150, 255], [255, 255, 150]], np.uint8)


def mosaics(config: NoConfig, resolution: int, home: object) -> RawDataset:
    def samples(split: str):
        random = np.random.default_rng(len(split))
        for index in range(80):
            maps = random.integers(0, 4, (4, 4), dtype=np.uint8).repeat(resolution // 4, 0).repeat(resolution // 4, 1)
            dark = random.integers(0, 2)
            image = COLOURS[maps] - np.uint8(76 * dark)
            attributes = np.array([dark, 0], np.uint8)
            yield Sample(image, name=f"{split}-{index}", segments=maps, attributes=attributes)

    return RawDataset(
        splits={split: lambda split=split: samples(split) for split in ("train", "test")},
        counts={"train": 80, "test": 80},
        origin="procedural",
        provides=frozenset({"segments", "attributes"}),
        segment_names=("red", "green", "blue", "yellow"),
        attribute_names=("dark", "never"),
    )


MOSAICS = Dataset(
    name="mosaics",
    summary="coloured blocks",
    build=mosaics,
    provides=frozenset({"segments", "attributes"}),
    resolution=16,
    offline=True,
)
