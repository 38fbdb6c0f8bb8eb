"""Labeled Faces in the Wild from a miniature of its official files."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from official import encoded, serve, sources_at, tar, unreachable

from lgbench.data import DataHome, open_dataset
from lgbench.errors import BadData, BadRecipe, DataMissing
from lgbench_datasets import lfw

TRAIN = {"Zoe_Ball": 2, "Aaron_Guiel": 3}
TEST = {"Bono": 1, "Choi_Sung-hong": 4}
SIDE = 50
HAIR, SKIN, REST = (255, 0, 0), (0, 255, 0), (0, 0, 255)


def files(people: dict[str, int]) -> list[str]:
    return [f"{person}/{person}_{i:04d}.jpg" for person, count in people.items() for i in range(1, count + 1)]


def parts() -> np.ndarray:
    shown = np.full((SIDE, SIDE, 3), REST, dtype=np.uint8)
    shown[5:15, 10:40], shown[15:45, 12:38] = HAIR, SKIN
    return shown


def listed(people: dict[str, int]) -> bytes:
    return "\n".join([str(len(people)), *(f"{person}\t{count}" for person, count in people.items()), ""]).encode()


def write_official(folder: Path) -> None:
    for archive, below, level in (("lfw-funneled.tgz", "lfw_funneled", 60), ("lfw.tgz", "lfw", 180)):
        faces = {
            f"{below}/{name}": encoded(np.full((SIDE, SIDE, 3), [level, 20 * i, 90], dtype=np.uint8))
            for i, name in enumerate(files(TRAIN | TEST))
        }
        tar(folder / archive, faces | {f"{below}/pairs_01.txt": b"300"})
    (folder / "peopleDevTrain.txt").write_bytes(listed(TRAIN))
    (folder / "peopleDevTest.txt").write_bytes(listed(TEST))


def point_at(url: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, known in (("ARCHIVES", lfw.ARCHIVES), ("PEOPLE", lfw.PEOPLE)):
        sources = sources_at(url, folder, tuple(known.values()))
        monkeypatch.setattr(lfw, name, dict(zip(known, sources, strict=True)))


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with a miniature of the official files, which the data set now fetches."""
    folder = tmp_path / "site"
    folder.mkdir()
    write_official(folder)
    monkeypatch.setenv("no_proxy", "*")
    with serve(folder) as url:
        point_at(url, folder, monkeypatch)
        yield folder


def put_parts(home: DataHome, names: list[str]) -> None:
    folder = home.folder("lfw") / "parts_lfw_funneled_gt_images"
    folder.mkdir(parents=True)
    for name in names:
        (folder / f"{Path(name).stem}.ppm").write_bytes(encoded(parts(), "PPM"))


def test_view_1_splits_by_people_and_labels_are_people(site: Path, tmp_path: Path):
    opened = open_dataset(lfw.LFW, None, 32, DataHome(tmp_path / "home"))
    for split, people in (("train", TRAIN), ("test", TEST)):
        its = opened[split]
        assert its.names == tuple(files(people))
        assert its.labels is not None
        assert [its.classes[label] for label in its.labels] == [name.partition("/")[0] for name in files(people)]
    train = opened["train"]
    assert train.classes == ("Aaron_Guiel", "Bono", "Choi_Sung-hong", "Zoe_Ball")
    assert (train.origin, train.provides, train.masks) == ("official", {"labels"}, None)


def test_every_tenth_needs_no_lists(site: Path, tmp_path: Path):
    for source in lfw.PEOPLE.values():
        (site / source.file).unlink()
    opened = open_dataset(lfw.LFW, {"split": "every-tenth"}, 32, DataHome(tmp_path / "home"))
    assert opened["test"].names == (sorted(files(TRAIN | TEST))[9],)
    assert len(opened["train"]) == 9
    assert opened["train"].origin == "official, every tenth tested"


def test_original_pictures_are_others(site: Path, tmp_path: Path):
    home = DataHome(tmp_path / "home")
    funneled, original = (open_dataset(lfw.LFW, {"images": which}, 32, home)["train"] for which in lfw.ARCHIVES)
    assert funneled.names == original.names
    assert abs(int(funneled.images[0, 0, 0, 0]) - 60) < 5
    assert abs(int(original.images[0, 0, 0, 0]) - 180) < 5


def test_part_labels_are_masks_of_what_is_not_blue(site: Path, tmp_path: Path):
    home = DataHome(tmp_path / "home")
    put_parts(home, ["Bono/Bono_0001.jpg", "Choi_Sung-hong/Choi_Sung-hong_0003.jpg", "Zoe_Ball/Zoe_Ball_0001.jpg"])
    opened = open_dataset(lfw.LFW, {"masks": "parts_lfw_funneled_gt_images"}, SIDE, home)
    test = opened["test"]
    assert test.names == ("Bono/Bono_0001.jpg", "Choi_Sung-hong/Choi_Sung-hong_0003.jpg")
    assert (len(opened["train"]), opened["train"].scorable) == (5, 1)
    assert test.masks is not None
    assert ((test.masks > 127) == (parts() != REST).any(axis=2)).all()
    assert test.origin.startswith("official, masks ")
    with pytest.raises(BadRecipe, match="fit its funneled pictures"):
        open_dataset(lfw.LFW, {"masks": "parts_lfw_funneled_gt_images", "images": "original"}, SIDE, home)


def test_two_openings_give_the_same(site: Path, tmp_path: Path):
    one, two = (open_dataset(lfw.LFW, None, 32, DataHome(tmp_path / name)) for name in ("one", "two"))
    assert {n: s.fingerprint for n, s in one.items()} == {n: s.fingerprint for n, s in two.items()}


@pytest.mark.parametrize("content", [b"", b"2\nBono\t1\n", b"1\nBono 1\n", b"1\nBono\tone\n"])
def test_a_truncated_list_is_named(site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes):
    (site / "peopleDevTest.txt").write_bytes(content)
    with serve(site) as url:
        point_at(url, site, monkeypatch)
        with pytest.raises(BadData, match=r"peopleDevTest\.txt is truncated or malformed .*delete it"):
            open_dataset(lfw.LFW, None, 32, DataHome(tmp_path / "home"))


def test_pictures_that_a_list_names_must_be_there(site: Path, tmp_path: Path):
    home = DataHome(tmp_path / "home")
    open_dataset(lfw.LFW, None, 32, home)
    (home.folder("lfw") / "lfw_funneled" / "Bono" / "Bono_0001.jpg").unlink()
    with pytest.raises(BadData, match=r"peopleDevTest\.txt names 1 pictures that are not there, Bono/Bono_0001\.jpg"):
        open_dataset(lfw.LFW, None, 16, home)


@pytest.mark.parametrize(("setting", "value"), [("images", "deep"), ("split", "view-2")])
def test_a_setting_that_does_not_exist_is_refused(tmp_path: Path, setting: str, value: str):
    with pytest.raises(BadRecipe, match=f"{setting}.* of lfw is .*, not '{value}'"):
        open_dataset(lfw.LFW, {setting: value}, 32, DataHome(tmp_path))


def test_without_network_or_files_the_error_says_where_to_put_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (dead,) = unreachable([lfw.ARCHIVES["funneled"]])
    monkeypatch.setattr(lfw, "ARCHIVES", {"funneled": dead})
    monkeypatch.setenv("no_proxy", "*")
    with pytest.raises(DataMissing, match=r"lfw-funneled\.tgz \(243,346,528 bytes\)"):
        open_dataset(lfw.LFW, {"split": "every-tenth"}, 32, DataHome(tmp_path))
