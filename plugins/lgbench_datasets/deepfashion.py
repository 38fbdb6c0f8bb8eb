"""DeepFashion's synthesis subset (Zhu et al., ICCV 2017) from its official files, put by hand.

`G2.h5` has the pictures less their mean (`ih`, N x 3 x 128 x 128, and `ih_mean`) and the class maps (`b_`, N x 1 x 128
x 128, 0 to 6); `language_original.mat` the colour of what is worn (`color_`, from 1); `ind.mat` the official split
(`train_ind`, `test_ind`, from 1).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from lgbench.errors import BadData, RunFailed

from .mapped import DEEPFASHION
from .photographs import check_choice, matlab

if TYPE_CHECKING:
    import numpy as np

    from lgbench.data import DataHome, RawDataset, Sample

__all__ = ["DEEPFASHION", "REGIONS", "Config", "build"]

REGIONS = ("background", "hair", "face", "upper clothes", "pants", "legs", "arms")
"""Names of the classes 0 to 6, in the order in which the release numbers them."""

FILES = ("G2.h5", "language_original.mat", "ind.mat")
COLOURS = 17
HAIR, LEGS = 1, 5
LOOKED_AT = 64  # maps, to tell rows from columns


@dataclass(frozen=True, slots=True)
class Config:
    """Settings of the persons, split as officially: 70,000 train / 8,979 test.

    Attributes:
        norm: "global" reads the stored numbers with their mean as brightness from 0 to 1; "per_image" stretches each
            picture from its darkest to its brightest value, as SCGAN's code does.
    """

    norm: Literal["global", "per_image"] = "global"


def build(config: Config, resolution: int, home: DataHome) -> RawDataset:
    """The official files; the attributes are the colours that occur, one of which each person wears.

    Raises:
        BadData: a file is truncated or damaged, or they do not fit together.
        BadRecipe: a setting that is not one of the above.
        DataMissing: a file is not here.
        RunFailed: h5py is not installed.
    """
    import numpy as np

    from lgbench.data import RawDataset

    check_choice("deepfashion", "norm", config.norm, ("global", "per_image"))
    folder = locate(home)
    if folder is None:
        absent = [file for file in FILES if not (home.folder("deepfashion") / file).is_file()]
        raise home.missing("deepfashion", DEEPFASHION.by_hand, absent)
    colours = _counted(folder / "language_original.mat", "color_")
    found = np.unique(colours)
    splits = _splits(folder / "ind.mat", colours.size)
    notes = () if len(found) == COLOURS else (f"deepfashion has {len(found)} colours here; SCGAN's code {COLOURS}.",)
    return RawDataset(
        splits={
            split: partial(_samples, folder / "G2.h5", config.norm, chosen, colours[:, None] == found)
            for split, chosen in splits.items()
        },
        counts={split: len(chosen) for split, chosen in splits.items()},
        origin=f"official {home.content(folder, FILES)[:12]}",
        provides=frozenset({"segments", "attributes"}),
        segment_names=REGIONS,
        attribute_names=tuple(f"colour {colour}" for colour in found),
        notes=notes,
    )


def locate(home: DataHome) -> Path | None:
    """The folder that has the official files; None where one is not there."""
    folder = home.folder("deepfashion")
    return folder if all((folder / file).is_file() for file in FILES) else None


def _splits(path: Path, count: int) -> dict[str, list[int]]:
    """Indices from 0 of each split's pictures, none of which is named twice."""
    splits = {split: _counted(path, f"{split}_ind").tolist() for split in ("train", "test")}
    for split, chosen in splits.items():
        if not chosen or max(chosen) > count:
            raise BadData(
                f"{path}: {split}_ind does not name some of the {count:,} pictures; put the official file there."
            )
    if twice := [number for number, times in Counter(chain(*splits.values())).items() if times > 1]:
        its = " and ".join(f"{split}_ind" for split, chosen in splits.items() if twice[0] in chosen)
        raise BadData(f"{path}: picture {twice[0]} is named more than once in {its}; put the official file there.")
    return {split: [number - 1 for number in chosen] for split, chosen in splits.items()}


def _counted(path: Path, name: str) -> np.ndarray:
    """A variable of numbers that count from 1, (N,) int.

    Raises:
        BadData: it has another value.
    """
    import numpy as np

    (found,) = matlab(path, name)
    try:
        numbers = found.reshape(-1).astype(float)
    except (TypeError, ValueError) as error:
        raise BadData(f"{path}: {name} is not made of numbers ({error}); put the official file there.") from error
    good = np.isfinite(numbers) & (numbers >= 1) & (numbers == np.floor(numbers))
    if not good.all():
        first = int(np.flatnonzero(~good)[0])
        told = f"entry {first + 1:,} of {name} is {numbers[first]:g}, and they count from 1"
        raise BadData(f"{path}: {told}; put the official file there.")
    return numbers.astype(int)


def _samples(path: Path, norm: str, chosen: Sequence[int], attributes: np.ndarray) -> Iterator[Sample]:
    import numpy as np

    from lgbench.data import Sample

    with _opened(path) as file:
        images, maps, mean = (_array(file, name, path) for name in ("ih", "b_", "ih_mean"))
        if not len(images) == len(maps) == len(attributes):
            raise BadData(
                f"{path} has {len(images):,} pictures and {len(maps):,} maps, and language_original.mat "
                f"{len(attributes):,} colours; put the official files there."
            )
        turned = _turned(np.asarray(maps[:LOOKED_AT]), path)
        whole = np.asarray(mean, dtype=np.float32).reshape(images.shape[1:])
        for index in chosen:
            pixels, regions = np.asarray(images[index], dtype=np.float32) + whole, np.asarray(maps[index])
            if not np.isfinite(pixels).all():
                raise BadData(f"{path}: pixels of picture {index + 1} are not finite; put the official file there.")
            if not np.isin(regions, range(len(REGIONS))).all():
                raise BadData(
                    f"{path}: the map of picture {index + 1} has another value than 0 to {len(REGIONS) - 1}; put the "
                    "official file there."
                )
            picture, segments = _brightness(pixels, norm), regions.reshape(maps.shape[-2:]).astype(np.uint8)
            axes = (2, 1, 0) if turned else (1, 2, 0)
            yield Sample(
                image=np.ascontiguousarray(picture.transpose(axes)),
                name=f"{path.name}/{index}",
                segments=np.ascontiguousarray(segments.T) if turned else segments,
                attributes=attributes[index].astype(np.uint8),
            )


def _opened(path: Path) -> Any:
    try:
        import h5py
    except ImportError as error:
        raise RunFailed(f"Reading {path} takes h5py: `pip install lgbench[deepfashion]`.") from error
    try:
        return h5py.File(path, "r")
    except OSError as error:
        raise BadData(f"{path} is truncated or no HDF5 file ({error}); put the official file there.") from error


def _array(file: Any, name: str, path: Path) -> Any:
    if name not in file:
        raise BadData(f"{path} has no {name!r}; put the official file there.")
    return file[name]


def _brightness(picture: np.ndarray, norm: str) -> np.ndarray:
    """Stored numbers with their mean, (3, H, W), as uint8."""
    import numpy as np

    if norm == "per_image":
        picture = picture - picture.min()
        picture = picture / max(float(picture.max()), 1e-6)
    return (picture.clip(0, 1) * 255 + 0.5).astype(np.uint8)


def _turned(maps: np.ndarray, path: Path) -> bool:
    """Whether columns come before rows, as MATLAB writes them: then hair lies left of legs rather than above them.

    Raises:
        BadData: there is no hair, or there are no legs.
    """
    import numpy as np

    planes = maps.reshape(-1, *maps.shape[-2:])
    if bare := [REGIONS[region] for region in (HAIR, LEGS) if not (planes == region).any()]:
        raise BadData(
            f"{path}: the first {len(planes)} maps show no {' and no '.join(bare)}, so that nothing tells how persons "
            "stand; put the official file there."
        )
    middle = [[np.argwhere(planes == region)[:, axis].mean() for axis in (1, 2)] for region in (HAIR, LEGS)]
    down, right = (legs - hair for hair, legs in zip(*middle, strict=True))
    return bool(right > down)
