"""FS-100: faces of 100 people from FaceScrub (Ng and Winkler, ICIP 2014), for generation only.

There is no public archive: FaceScrub is a list of addresses, many of which are dead, and we know of no list of the 100
people that papers (EnhancedTGAN, ComGAN) took. Everybody's copy differs, so the origin holds a hash of its contents.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lgbench.errors import BadData, BadRecipe

from .by_hand import FS100
from .photographs import Photograph, photographs

if TYPE_CHECKING:
    from lgbench.data import DataHome, RawDataset

__all__ = ["FS100", "Config"]

ENDINGS = frozenset({".jpg", ".jpeg", ".png"})
EVERY = 10  # of each person's pictures, sorted, the 10th, 20th, ... are for testing


@dataclass(frozen=True, slots=True)
class Config:
    """Settings of the faces.

    Attributes:
        people: how many to take, the first by name of their folders; there must be as many.
    """

    people: int = 100


def build(config: Config, resolution: int, home: DataHome) -> RawDataset:
    """A folder of faces for each person, in the data set's own folder, put there by hand.

    Every tenth picture of a person, in the order of the names, is for testing.

    Raises:
        BadData: too few people, or a person with fewer than 10 pictures.
        BadRecipe: fewer than one person is asked for.
        DataMissing: there are no pictures.
    """
    if config.people < 1:
        raise BadRecipe(f"fs-100 has 1 person or more, not {config.people}.")
    folder = home.folder("fs-100")
    people = _people(folder)
    if not people:
        raise home.missing("fs-100", FS100.by_hand)
    if len(people) < config.people:
        raise BadData(
            f"{folder} has folders of {len(people)} people, not {config.people}; add some, or set data.people."
        )
    chosen = dict(list(people.items())[: config.people])
    splits: dict[str, list[Photograph]] = {"train": [], "test": []}
    for label, (person, files) in enumerate(chosen.items()):
        if len(files) < EVERY:
            raise BadData(f"{folder / person} has {len(files)} pictures; {EVERY} are needed for one to be tested on.")
        for number, file in enumerate(files, 1):
            split = "test" if number % EVERY == 0 else "train"
            splits[split].append(Photograph(name=f"{person}/{file.name}", image=file, label=label))
    used = sorted(file.relative_to(folder) for files in chosen.values() for file in files)
    which = home.content(folder, [path.as_posix() for path in used])[:12]
    return photographs(splits, origin=f"by hand:{which}", classes=list(chosen))


def locate(home: DataHome) -> Path | None:
    """The data set's folder, if there are faces in it."""
    folder = home.folder("fs-100")
    return folder if _people(folder) else None


def _people(folder: Path) -> dict[str, list[Path]]:
    """The pictures of every person who has any, both in the order of their names."""
    people = {
        below.name: sorted(file for file in below.iterdir() if file.suffix.lower() in ENDINGS and file.name[0] != ".")
        for below in (sorted(folder.iterdir()) if folder.is_dir() else ())
        if below.is_dir() and not below.name.startswith(".")
    }
    return {person: files for person, files in people.items() if files}
