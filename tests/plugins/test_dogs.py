"""Stanford Dogs from a miniature of its official files."""

import io
import tarfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from official import encoded, serve, sources_at, tar, unreachable

from lgbench.data import DataHome, open_dataset
from lgbench.errors import BadData, BadRecipe, DataMissing
from lgbench_datasets import dogs

BREEDS = ("n02085620-Chihuahua", "n02085782-Japanese_spaniel", "n02099601-golden_retriever")
TRAIN = [(1, 11), (1, 12), (2, 21), (3, 31), (3, 32)]  # label and number
TEST = [(3, 39), (2, 29), (1, 19)]
WIDTH, HEIGHT = 60, 40
BOXES: list[tuple[int | str, ...]] = [(2, 2, 8, 8), (30, 10, 42, 18)]  # xmin, ymin, xmax, ymax; the second is larger


def file(label: int, number: int) -> str:
    return f"{BREEDS[label - 1]}/{BREEDS[label - 1][:9]}_{number}.jpg"


NAMES = [file(*dog) for dog in TRAIN + TEST]


def dog() -> np.ndarray:
    mask = np.zeros((HEIGHT, WIDTH), dtype=bool)
    mask[10:18, 30:42] = True
    return mask


def listed(chosen: list[tuple[int, int]]) -> bytes:
    from scipy.io import savemat

    names = np.empty((len(chosen), 1), dtype=object)
    names[:, 0] = [file(*its) for its in chosen]
    content = io.BytesIO()
    savemat(content, {"file_list": names, "labels": np.array([[label] for label, _ in chosen], dtype=np.uint8)})
    return content.getvalue()


def annotation(boxes: list[tuple[int | str, ...]]) -> bytes:
    corners = ("xmin", "ymin", "xmax", "ymax")
    rows = ("".join(f"<{corner}>{x}</{corner}>" for corner, x in zip(corners, box, strict=True)) for box in boxes)
    objects = "".join(f"<object><bndbox>{row}</bndbox></object>" for row in rows)
    return f"<annotation><folder>02085620</folder>{objects}</annotation>".encode()


def write_official(folder: Path) -> None:
    pixels = [np.where(dog()[..., None], [200, 9 * i, 60], [20, 80, 160]).astype(np.uint8) for i in range(len(NAMES))]
    tar(folder / "images.tar", {f"Images/{name}": encoded(its) for name, its in zip(NAMES, pixels, strict=True)})
    tar(folder / "annotation.tar", {f"Annotation/{name[:-4]}": annotation(BOXES) for name in NAMES})
    lists = {"file_list.mat": TRAIN + TEST, "train_list.mat": TRAIN, "test_list.mat": TEST}
    tar(folder / "lists.tar", {name: listed(chosen) for name, chosen in lists.items()})


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with a miniature of the official files, which the data set now fetches."""
    folder = tmp_path / "site"
    folder.mkdir()
    write_official(folder)
    monkeypatch.setenv("no_proxy", "*")
    with serve(folder) as url:
        monkeypatch.setattr(dogs, "SOURCES", sources_at(url, folder, dogs.SOURCES))
        yield folder


def test_official_files_are_fetched_split_and_labelled(site: Path, tmp_path: Path):
    opened = open_dataset(dogs.DOGS, None, 32, DataHome(tmp_path / "home"))
    for split, its in (("train", TRAIN), ("test", TEST)):
        assert opened[split].names == tuple(file(*which) for which in its)
        labels = opened[split].labels
        assert labels is not None
        assert labels.tolist() == [label - 1 for label, _ in its]
    train = opened["train"]
    assert train.classes == ("Chihuahua", "Japanese_spaniel", "golden_retriever")
    assert (train.origin, train.crop, train.provides) == ("official", "center", {"labels"})


def test_the_box_crop_takes_the_largest_dog(site: Path, tmp_path: Path):
    home = DataHome(tmp_path / "home")
    for name in NAMES:
        path = home.folder("dogs") / "masks" / f"{name[:-4]}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encoded(dog(), "PNG"))
    opened = open_dataset(dogs.DOGS, {"crop": "bbox", "masks": "masks"}, 18, home)
    train, test = opened["train"], opened["test"]
    assert (train.crop, test.crop) == ("bbox", "bbox")
    # 1.5 times the longer side of 12 is 18, around (36, 14): rows 5 to 22, columns 27 to 44, not resized
    assert ((train.rgb(slice(None))[:, 0] > 110) == dog()[5:23, 27:45]).all()
    assert test.masks is not None
    assert (test.masks[0] > 127).sum() < dog()[5:23, 27:45].sum()  # the whole picture's middle, made smaller


def test_masks_are_a_folder_and_test_pictures_without_one_are_left_out(site: Path, tmp_path: Path):
    home = DataHome(tmp_path / "home")
    path = home.folder("dogs") / "masks" / f"{file(2, 29)[:-4]}.png"
    path.parent.mkdir(parents=True)
    path.write_bytes(encoded(dog(), "PNG"))
    opened = open_dataset(dogs.DOGS, {"masks": "masks"}, HEIGHT, home)
    assert opened["test"].names == (file(2, 29),)
    assert len(opened["train"]) == len(TRAIN)
    assert (opened["train"].masks, opened["train"].provides) == (None, {"labels"})
    assert opened["test"].masks is not None
    assert ((opened["test"].masks > 127) == dog()[:, 10:50]).all()
    assert opened["test"].origin.startswith("official, masks ")


def test_two_openings_give_the_same(site: Path, tmp_path: Path):
    one, two = (open_dataset(dogs.DOGS, None, 32, DataHome(tmp_path / name)) for name in ("one", "two"))
    assert {n: s.fingerprint for n, s in one.items()} == {n: s.fingerprint for n, s in two.items()}


def test_a_picture_or_box_that_is_missing_is_named(site: Path, tmp_path: Path):
    home = DataHome(tmp_path / "home")
    open_dataset(dogs.DOGS, {"crop": "bbox"}, 32, home)
    (home.folder("dogs") / "Images" / file(1, 12)).unlink()
    with pytest.raises(BadData, match=r"n02085620_12\.jpg: cannot read"):
        open_dataset(dogs.DOGS, None, 16, home)
    box = home.folder("dogs") / "Annotation" / file(1, 12)[:-4]
    for broken in (annotation([]), b"<annotation>", annotation([(1, 2, 3, "x")])):
        box.write_bytes(broken)
        with pytest.raises(BadData, match=r"n02085620_12 has no readable bounding box .*delete .*Annotation to have"):
            open_dataset(dogs.DOGS, {"crop": "bbox"}, 16, home)


@pytest.mark.parametrize("beyond", [-600, 0, 100])  # in a file, between two files, in the header of one
def test_a_truncated_archive_is_named(site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, beyond: int):
    archive = site / "images.tar"
    with tarfile.open(archive) as opened:
        length = opened.getmembers()[3].offset + beyond
    archive.write_bytes(archive.read_bytes()[:length])
    with serve(site) as url:
        monkeypatch.setattr(dogs, "SOURCES", sources_at(url, site, dogs.SOURCES))
        with pytest.raises(BadData, match=r"images\.tar is truncated or unreadable .*delete it and fetch it again"):
            open_dataset(dogs.DOGS, None, 32, DataHome(tmp_path / "home"))


def test_lists_that_contradict_themselves_are_refused(site: Path, tmp_path: Path):
    home = DataHome(tmp_path / "home")
    open_dataset(dogs.DOGS, None, 32, home)
    path = home.folder("dogs") / "lists" / "test_list.mat"
    path.write_bytes(listed(TEST).replace(b"Chihuahua", b"Chihuahuo"))
    with pytest.raises(BadData, match="label 1 is 'Chihuahua' and 'Chihuahuo'"):
        open_dataset(dogs.DOGS, None, 16, home)


def test_a_crop_that_does_not_exist_is_refused(tmp_path: Path):
    with pytest.raises(BadRecipe, match="'center' or 'bbox', not 'box'"):
        open_dataset(dogs.DOGS, {"crop": "box"}, 32, DataHome(tmp_path))


def test_without_network_or_files_the_error_says_where_to_put_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(dogs, "SOURCES", unreachable(dogs.SOURCES))
    monkeypatch.setenv("no_proxy", "*")
    with pytest.raises(DataMissing, match=r"images\.tar \(793,579,520 bytes\)"):
        open_dataset(dogs.DOGS, None, 32, DataHome(tmp_path))
