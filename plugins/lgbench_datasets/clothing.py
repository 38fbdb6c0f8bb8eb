"""Clothing Co-Parsing (Yang, Luo and Lin, CVPR 2014) in DeepFashion's seven regions, from an added archive.

Its 58 kinds of clothes become regions by a table. Skin is one label there, so a rule of thumb divides it: above the
first row of upper clothes it is face; else above the last row of upper clothes and pants, arms; the rest legs. A V-neck
is arms then, and hands below a hem are legs.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from lgbench.errors import BadData

from .deepfashion import REGIONS
from .label_maps import Fit, Labelled, crop_of, labelled_splits, mapped
from .mapped import CLOTHING

if TYPE_CHECKING:
    import numpy as np

    from lgbench.data import DataHome, RawDataset
    from lgbench.data.store import Root

__all__ = ["CLOTHING", "Config", "build", "regions_of"]

HAIR, FACE, UPPER, PANTS, LEGS, ARMS = range(1, len(REGIONS))
SKIN = 41
LARGEST = 58
GROUPS: Mapping[int, tuple[int, ...]] = {
    0: (0, 1, 2, 33, 56),
    HAIR: (19, 20),
    FACE: (15, 17, 47),
    UPPER: (4, 5, 6, 8, 10, 11, 13, 14, 22, 23, 24, 26, 29, 35, 37, 38, 46, 48, 49, 50, 51, 52, 54, 55),
    PANTS: (3, 25, 27, 30, 31, 40, 42),
    LEGS: (7, 12, 16, 21, 28, 32, 36, 39, 43, 44, 45, 53, 58),
    ARMS: (9, 18, 34, 57),
}
"""Region -> numbers of `labels.json`, all but skin."""

RULE = "skin divided by a rule of thumb"


@dataclass(frozen=True, slots=True)
class Config:
    """Settings of the persons.

    Attributes:
        fit: how pictures, 128 x 192, become square: "pad" adds to the sides, "squeeze" loses the aspect ratio, "crop"
            cuts the middle out, which loses head and feet.
    """

    fit: Fit = "pad"


def build(config: Config, resolution: int, home: DataHome) -> RawDataset:
    """The archive added under this name; masks are the person. Maps without upper clothes are left out and counted.

    Raises:
        BadData: a picture has no map, or a map a value beyond 58.
        BadRecipe: a setting that is not one of the above.
        DataMissing: it was not added.
    """
    from lgbench.data import open_package, origin_of

    crop, archive = crop_of("clothing", config.fit), home.archives().get("clothing")
    if archive is None:
        raise home.missing("clothing", CLOTHING.by_hand)
    package = open_package(archive)
    origin = origin_of(archive, home)
    splits = labelled_splits(package)
    bare = _without_upper(package.root, splits, home, origin)
    kept = {split: [pair for pair in pairs if pair.labels not in bare] for split, pairs in splits.items()}
    note = f"{len(bare):,} persons of {archive} are left out: their maps have no upper clothes to divide skin by."
    return replace(
        mapped(package.root, kept, REGIONS, _meant, origin),
        provides=frozenset({"segments", "masks"}),
        crop=crop,
        drawn=package.drawn,
        pseudo={"segments": RULE},
        notes=(note,) if bare else (),
    )


build.accepts_archive = True  # pyright: ignore[reportFunctionMemberAccess]  `lgbench data add clothing FILE.zip`


def regions_of(values: np.ndarray) -> np.ndarray:
    """DeepFashion's regions, (H, W) uint8, of a map with the numbers of `labels.json`, (H, W) uint8.

    Raises:
        BadData: it has another number, or no upper clothes to divide skin by.
    """
    import numpy as np

    if values.max() > LARGEST:
        raise BadData(f"a class map with the value {values.max()}; Clothing Co-Parsing has 0 to {LARGEST}")
    table = np.zeros(LARGEST + 1, np.uint8)
    for region, numbers in GROUPS.items():
        table[list(numbers)] = region
    found = table[values]
    if not (found == UPPER).any():
        raise BadData("a class map without upper clothes, so that nothing tells face, arms and legs apart")
    first = np.flatnonzero((found == UPPER).any(axis=1))[0]
    last = np.flatnonzero(np.isin(found, (UPPER, PANTS)).any(axis=1))[-1]
    rows = np.arange(len(values))[:, None]
    skin = np.where(rows < first, FACE, np.where(rows < last, ARMS, LEGS))
    return np.where(values == SKIN, skin, found).astype(np.uint8)


def _meant(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return regions_of(values), values > 0


def _without_upper(root: Root, splits: Mapping[str, list[Labelled]], home: DataHome, origin: str) -> frozenset[str]:
    """Maps without upper clothes; all are looked at once."""
    import numpy as np

    from lgbench.data import decode_mask
    from lgbench.data.store import read_file

    def compute() -> str:
        names = [pair.labels for pairs in splits.values() for pair in pairs]
        maps = ((name, decode_mask(read_file(root, name), name)) for name in names)
        return json.dumps([name for name, values in maps if not np.isin(values, GROUPS[UPPER]).any()])

    return frozenset(json.loads(home.remembered(f"upper clothes {Path(str(root))}", origin, compute)))
