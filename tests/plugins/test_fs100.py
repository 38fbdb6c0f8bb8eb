"""FS-100 from a miniature of the folder that a user puts."""

from pathlib import Path

import numpy as np
import pytest
from official import encoded

from lgbench.data import DataHome, open_dataset
from lgbench.errors import BadData, BadRecipe, DataMissing
from lgbench_datasets import fs100

COUNTS = {"Aaron_Eckhart": 10, "Bill_Hader": 21, "Claire_Danes": 12}


def write_faces(folder: Path, counts: dict[str, int]) -> None:
    for person, count in counts.items():
        (folder / person).mkdir(parents=True)
        for i in range(1, count + 1):
            kind = ("JPEG", "jpg") if i % 2 else ("PNG", "png")
            pixels = np.full((40, 30, 3), [len(person), 10 * i, 90], dtype=np.uint8)
            (folder / person / f"{i:04d}.{kind[1]}").write_bytes(encoded(pixels, kind[0]))
        (folder / person / "notes.txt").write_text("no picture")


@pytest.fixture
def home(tmp_path: Path) -> DataHome:
    home = DataHome(tmp_path / "home")
    write_faces(home.folder("fs-100"), COUNTS)
    return home


def test_every_tenth_picture_of_each_person_is_for_testing(home: DataHome):
    opened = open_dataset(fs100.FS100, {"people": 3}, 32, home)
    assert opened["test"].names == (
        "Aaron_Eckhart/0010.png",
        "Bill_Hader/0010.png",
        "Bill_Hader/0020.png",
        "Claire_Danes/0010.png",
    )
    assert home.locate(fs100.FS100) == home.folder("fs-100")
    assert opened["test"].labels is not None
    assert opened["test"].labels.tolist() == [0, 1, 1, 2]
    assert len(opened["train"]) == sum(COUNTS.values()) - 4
    assert opened["train"].classes == tuple(COUNTS)
    assert opened["train"].provides == {"labels"}
    assert opened["train"].masks is None


def test_of_more_people_the_first_by_name_are_taken(home: DataHome):
    assert open_dataset(fs100.FS100, {"people": 2}, 32, home)["train"].classes == ("Aaron_Eckhart", "Bill_Hader")


def test_a_hundred_people_are_expected(home: DataHome):
    with pytest.raises(BadData, match="folders of 3 people, not 100"):
        open_dataset(fs100.FS100, None, 32, home)
    with pytest.raises(BadRecipe, match="1 person or more"):
        open_dataset(fs100.FS100, {"people": 0}, 32, home)


def test_the_origin_is_a_hash_of_the_pictures(home: DataHome, tmp_path: Path):
    other = DataHome(tmp_path / "other")
    write_faces(other.folder("fs-100"), COUNTS)
    one, two = (open_dataset(fs100.FS100, {"people": 3}, 32, where)["train"] for where in (home, other))
    assert one.origin.startswith("by hand:")
    assert (one.origin, one.fingerprint) == (two.origin, two.fingerprint)
    (other.folder("fs-100") / "Bill_Hader" / "0001.jpg").write_bytes(encoded(np.zeros((8, 8, 3), dtype=np.uint8)))
    assert open_dataset(fs100.FS100, {"people": 3}, 32, other)["train"].origin != one.origin


def test_a_person_with_too_few_pictures_is_named(home: DataHome):
    (home.folder("fs-100") / "Claire_Danes" / "0001.jpg").unlink()
    (home.folder("fs-100") / "Claire_Danes" / "0002.png").unlink()
    (home.folder("fs-100") / "Claire_Danes" / "0003.jpg").unlink()
    with pytest.raises(BadData, match="Claire_Danes has 9 pictures; 10 are needed"):
        open_dataset(fs100.FS100, {"people": 3}, 32, home)


def test_a_broken_picture_is_named(home: DataHome):
    (home.folder("fs-100") / "Bill_Hader" / "0005.jpg").write_bytes(b"no picture")
    with pytest.raises(BadData, match=r"Bill_Hader/0005\.jpg: truncated or unreadable"):
        open_dataset(fs100.FS100, {"people": 3}, 32, home)


def test_without_pictures_the_error_says_what_to_put_where(tmp_path: Path):
    home = DataHome(tmp_path)
    assert home.locate(fs100.FS100) is None
    with pytest.raises(DataMissing, match="No archive of it is offered") as raised:
        open_dataset(fs100.FS100, None, 32, home)
    assert "100 folders" in str(raised.value)
    assert str(home.folder("fs-100")) in str(raised.value)
