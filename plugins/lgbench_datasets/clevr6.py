"""CLEVR6: the scenes of CLEVR (with masks) that have at most six objects (Greff et al., IODINE, ICML 2019)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from lgbench.errors import BadData, BadRecipe
from lgbench.files import read_json, write_json

from .by_hand import CLEVR6
from .by_hand import CLEVR6_FILE as FILE
from .tfrecord import features, floats, octets, read_records

if TYPE_CHECKING:
    import numpy as np

    from lgbench.data import DataHome, RawDataset, Sample

__all__ = ["CLEVR6", "Config", "Scenes", "build"]

HEIGHT, WIDTH, ENTITIES = 240, 320, 11  # the first entity is the background
CROP = 192  # a square that leaves out the empty margins, as IODINE's
TOP, LEFT = (HEIGHT - CROP) // 2, (WIDTH - CROP) // 2


@dataclass(frozen=True, slots=True)
class Config:
    """Which scenes are kept, and for what. The papers state only the first two.

    Attributes:
        most_objects: a scene with more is left out, 1 to 10.
        train_scenes: the kept ones among this many first scenes of the file are "train".
        held_out: of the kept scenes behind those, the last `held_out` are "test", the `held_out` before them "val".
    """

    most_objects: int = 6
    train_scenes: int = 70_000
    held_out: int = 1_000


def build(config: Config, resolution: int, home: DataHome) -> RawDataset:
    """Scenes cropped to their central 192 pixels; the foreground is the union of the objects.

    The first call counts the objects of all scenes, which takes one pass over the file, and remembers them beside it.

    Raises:
        BadData: the file is truncated, or is not CLEVR with masks.
        BadRecipe: a setting that makes no sense.
        DataMissing: the file is not here.
    """
    from lgbench.data import RawDataset

    if not (1 <= config.most_objects < ENTITIES and config.train_scenes > 0 and config.held_out > 0):
        raise BadRecipe(
            f"clevr6 needs most_objects from 1 to {ENTITIES - 1}, and train_scenes and held_out above 0; "
            f"these are {config.most_objects}, {config.train_scenes} and {config.held_out}."
        )
    folder = locate(home)
    if folder is None:
        raise home.missing("clevr6", CLEVR6.by_hand)
    path = folder / FILE
    chosen = _divided(_object_counts(path, home), config, path)
    scenes = Scenes(path)
    return RawDataset(
        splits={split: partial(scenes.samples, numbers) for split, numbers in chosen.items()},
        counts={split: len(numbers) for split, numbers in chosen.items()},
        origin=f"file:{home.checksum(path, 'sha256')[:12]}",
        provides=frozenset({"masks", "instances"}),
        crop=f"center{CROP}",
    )


def locate(home: DataHome) -> Path | None:
    """The data set's folder, if the file is in it."""
    folder = home.folder("clevr6")
    return folder if (folder / FILE).is_file() else None


def _divided(objects: Sequence[int], config: Config, path: Path) -> dict[str, list[int]]:
    """Numbers of the kept scenes in each split, ascending."""
    kept = [number for number, count in enumerate(objects) if count <= config.most_objects]
    train = [number for number in kept if number < config.train_scenes]
    rest = kept[len(train) :]
    if not train or len(rest) < 2 * config.held_out:
        raise BadData(
            f"{path} has {len(objects):,} scenes, of which {len(kept):,} have at most {config.most_objects} objects: "
            f"too few for {config.train_scenes:,} training scenes and twice {config.held_out:,} after them. The "
            "official file has 100,000 scenes; is this another one?"
        )
    return {"train": train, "val": rest[-2 * config.held_out : -config.held_out], "test": rest[-config.held_out :]}


def _object_counts(path: Path, home: DataHome) -> list[int]:
    """Objects in each scene of the file, counted once for as long as it is the same."""
    from lgbench.data import alone

    index = path.with_name(f"{path.name}.objects.json")
    stamp = home.checksum(path, "sha256")
    with alone(index, f"the scenes of {path.name}"):
        try:
            known = read_json(index)
            if known["stamp"] == stamp:
                return [int(digit, 16) for digit in known["objects"]]
        except (OSError, ValueError, KeyError, TypeError):
            pass  # not made yet, or not by us
        counts = []
        for number, record in enumerate(read_records(path)):
            counts.append(_objects(record, number, path))
            if home.progress:
                home.progress(f"count objects in {path.name}", number + 1, 0)
        # a hexadecimal digit a scene: a list of numbers would be a line each
        write_json(index, {"stamp": stamp, "objects": "".join(f"{count:x}" for count in counts)})
    return counts


def _objects(record: bytes, number: int, path: Path) -> int:
    visibility = floats(_feature(record, "visibility", number, path))
    if len(visibility) != ENTITIES:
        raise BadData(f"{path}: scene {number} tells of {len(visibility)} entities, not {ENTITIES}.")
    return int((visibility[1:] > 0.5).sum())


def _feature(record: bytes, name: str, number: int, path: Path) -> memoryview:
    try:
        return features(record)[name]
    except KeyError:
        raise BadData(f"{path}: scene {number} has no {name!r}; this is not CLEVR with masks.") from None
    except BadData as error:
        raise BadData(f"{path}: scene {number}: {error}") from error


class Scenes:
    """The scenes of the file, which can only be read from its beginning: splits in their order share one reading."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.records: Iterator[bytes] = iter(())
        self.at: int | None = None  # number of the scene that comes next

    def samples(self, numbers: Sequence[int]) -> Iterator[Sample]:
        """The scenes of these numbers, ascending.

        Raises:
            BadData: the file ends before the last of them, or one is not as it should be.
        """
        if self.at is None or self.at > numbers[0]:
            self.records, self.at = read_records(self.path), 0
        for number in numbers:
            record = next(islice(self.records, number - self.at, None), None)
            if record is None:
                raise BadData(f"{self.path} ends before scene {number}; put the whole file there.")
            self.at = number + 1
            yield _sample(record, number, self.path)


def _sample(record: bytes, number: int, path: Path) -> Sample:
    from lgbench.data import Sample

    image = _pixels(record, "image", (HEIGHT, WIDTH, 3), number, path)[TOP : TOP + CROP, LEFT : LEFT + CROP]
    masks = _pixels(record, "mask", (ENTITIES, HEIGHT, WIDTH), number, path)
    # the strongest entity of a pixel; the background where none is there
    instances = masks[:, TOP : TOP + CROP, LEFT : LEFT + CROP].argmax(axis=0).astype("uint8")
    return Sample(image=image, mask=instances > 0, instances=instances, name=f"scene {number:05d}")


def _pixels(record: bytes, name: str, shape: tuple[int, ...], number: int, path: Path) -> np.ndarray:
    data = octets(_feature(record, name, number, path))
    expected = shape[0] * shape[1] * shape[2]
    if len(data) != expected:
        raise BadData(f"{path}: the {name} of scene {number} has {len(data):,} bytes, not {expected:,}.")
    return data.reshape(shape)
