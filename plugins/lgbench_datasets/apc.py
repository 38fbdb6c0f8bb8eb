"""APC: objects in a shelf or a tote, of the MIT-Princeton team (Zeng et al., ICRA 2017), split as GENESIS does."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from lgbench.errors import BadData, BadRecipe

from .by_hand import APC
from .by_hand import APC_URL as URL
from .photographs import read_bytes

if TYPE_CHECKING:
    from lgbench.data import DataHome, RawDataset, Sample

__all__ = ["APC", "Config", "build"]

SEED = 0  # GENESIS's, for the order of the scenes
EMPTY = "scene-empty"  # scenes that show no object have no masks


@dataclass(frozen=True, slots=True)
class Config:
    """Settings of APC.

    Attributes:
        empty: "keep" has frames of empty scenes, with a mask that is background all over; "drop" leaves them out of
            every split. The division of the other scenes is the same in both.
    """

    empty: Literal["keep", "drop"] = "keep"


def build(config: Config, resolution: int, home: DataHome) -> RawDataset:
    """The frames of `training/{shelf,tote}/OBJECT/scene-*/`, whose scenes are divided 80 / 10 / 10.

    Scenes rather than frames are divided, so that no test frame has a neighbour in training: sorted, shuffled with
    seed 0, the first tenth "val", the next "test", the rest "train" (applied-ai-lab/genesis, datasets/apc_config.py).
    GENESIS resizes the shorter side to 128 and then crops the centre, masks by the nearest pixel; here the centre is
    cropped first and masks are resized as opacities, to be cut at one half. The label is the object's folder.

    Raises:
        BadData: no frames, or too few scenes for three splits.
        BadRecipe: `empty` is neither of its values.
        DataMissing: there is no folder `training`.
    """
    from lgbench.data import RawDataset

    if config.empty not in ("keep", "drop"):
        raise BadRecipe(f"The empty scenes of apc are to 'keep' or to 'drop', not {config.empty!r}.")
    root = home.folder("apc") / "training"
    if not root.is_dir():
        raise home.missing("apc", APC.by_hand)
    frames = _frames(root)
    divided = _divided(frames, root)
    classes = tuple(sorted({_object(scene) for scene in frames}))
    if config.empty == "drop":
        divided = {split: [scene for scene in scenes if EMPTY not in scene] for split, scenes in divided.items()}
    names = {split: sorted(name for scene in scenes for name in frames[scene]) for split, scenes in divided.items()}
    used = {f"{split}/{file}": file for split in names for name in names[split] for file in filter(None, _files(name))}
    sample = partial(_sample, root, classes)
    return RawDataset(
        # a map goes on after a file that fails, so all of them are named
        splits={split: partial(map, sample, chosen) for split, chosen in names.items()},
        counts={split: len(chosen) for split, chosen in names.items()},
        origin=f"folder:{home.content(root, used)[:12]}",
        provides=frozenset({"masks", "labels"}),
        classes=classes,
    )


def locate(home: DataHome) -> Path | None:
    """The data set's folder, if `training` is in it."""
    folder = home.folder("apc")
    return folder if (folder / "training").is_dir() else None


def _frames(root: Path) -> dict[str, list[str]]:
    """Scene -> its frames, as paths below `root`, both sorted as text: GENESIS's order of scenes."""
    scenes = sorted(path.relative_to(root).as_posix() for path in root.glob("*/*/scene-*") if path.is_dir())
    frames = {
        scene: sorted(f"{scene}/{path.name}" for path in (root / scene).glob("frame-*.color.png")) for scene in scenes
    }
    if not any(frames.values()):
        raise BadData(
            f"{root} has no frames: OBJECT/scene-NNNN/frame-NNNNNN.color.png below shelf and tote. Unpack {URL} again."
        )
    return frames


def _divided(frames: Mapping[str, list[str]], root: Path) -> dict[str, list[str]]:
    scenes = list(frames)
    random.Random(SEED).shuffle(scenes)
    tenth = len(scenes) // 10
    if not tenth:
        raise BadData(f"{root} has {len(scenes)} scenes; 10 are needed for three splits. Is it the whole folder?")
    return {"train": scenes[2 * tenth :], "val": scenes[:tenth], "test": scenes[tenth : 2 * tenth]}


def _object(path: str) -> str:
    return path.split("/")[1]


def _files(name: str) -> tuple[str, str]:
    """A frame and its mask, "" where it has none because it shows no object."""
    scene, _, frame = name.rpartition("/")
    return name, "" if EMPTY in name else f"{scene}/masks/{frame.replace('.color.', '.mask.')}"


def _sample(root: Path, classes: tuple[str, ...], name: str) -> Sample:
    import numpy as np

    from lgbench.data import Sample, decode_image, decode_mask

    _, its = _files(name)
    image = decode_image(read_bytes(root / name, name), name)
    mask = np.zeros(image.shape[:2], dtype=bool)
    if its:
        mask = decode_mask(read_bytes(root / its, its), its) == 255  # GENESIS divides by 255 and truncates
    return Sample(image=image, mask=mask, label=classes.index(_object(name)), name=name)
