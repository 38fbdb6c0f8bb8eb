"""Preparation: one resolution, whole or not at all, and faults named together."""

import errno
import os
import stat
import subprocess
import sys
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lgbench import Dataset
from lgbench.data import DataHome, RawDataset, Sample, Split, check_prepared, open_dataset, prepare, prepared_folders
from lgbench.errors import BadData, BadRecipe, RunFailed

RANDOM = np.random.default_rng(0)


def samples(count: int = 5, height: int = 8, width: int = 8, colour: bool = True) -> list[Sample]:
    shape = (height, width, 3) if colour else (height, width)
    return [
        Sample(
            image=RANDOM.integers(0, 256, shape, dtype=np.uint8),
            mask=RANDOM.random((height, width)) > 0.5,
            instances=RANDOM.integers(0, 3, (height, width), dtype=np.uint8),
            label=i % 2,
            name=f"picture{i}",
        )
        for i in range(count)
    ]


def dataset(train: list[Sample], provides: Iterable[str] = ("masks", "instances", "labels"), **more) -> RawDataset:
    splits: dict[str, Callable[[], Iterable[Sample]]] = {"train": lambda: train, "test": lambda: train[:2]}
    counts = {"train": len(train), "test": 2}
    return RawDataset(splits, counts, "made", frozenset(provides), classes=("cat", "dog"), **more)


def make(raw: RawDataset, root: Path, resolution: int = 8) -> dict[str, Split]:
    return prepare(raw, "made", {"a": 1}, resolution, root)


def test_pictures_of_the_right_size_keep_their_bytes(tmp_path: Path):
    train = samples()
    split = make(dataset(train), tmp_path)["train"]
    assert isinstance(split.images, np.memmap)
    assert split.images.shape == (5, 3, 8, 8)
    assert (split.images == np.stack([s.image.transpose(2, 0, 1) for s in train])).all()
    assert split.masks is not None
    assert (split.masks == np.stack([s.mask for s in train]) * 255).all()
    assert split.instances is not None
    assert (split.instances == np.stack([s.instances for s in train])).all()
    assert split.labels is not None
    assert split.labels.dtype == np.int32
    assert split.labels.tolist() == [0, 1, 0, 1, 0]
    assert split.names == tuple(s.name for s in train)
    assert (split.channels, len(split), split.classes, split.origin) == (3, 5, ("cat", "dog"), "made")


def test_image_and_mask_are_cropped_and_resized_alike(tmp_path: Path):
    white = np.zeros((40, 64, 3), dtype=np.uint8)
    white[10:30, 30:50] = 255
    sample = Sample(image=white, mask=white[..., 0] > 0, instances=(white[..., 0] > 0) * np.uint8(7), name="box")
    split = make(dataset([sample] * 2, provides=("masks", "instances")), tmp_path)["train"]
    expected = Image.fromarray(white[:, 12:52, 0]).resize((8, 8), Image.Resampling.BILINEAR)
    assert split.masks is not None
    assert split.instances is not None
    assert (split.images[0] == np.asarray(expected)).all()
    assert (split.masks[0] == np.asarray(expected)).all()
    assert set(np.unique(split.instances)) == {0, 7}


def test_a_fine_pattern_is_averaged_rather_than_sampled(tmp_path: Path):
    stripes = np.zeros((64, 64), dtype=np.uint8)
    stripes[:, ::2] = 255
    split = make(dataset([Sample(stripes, name="stripes")] * 2, provides=()), tmp_path)["train"]
    assert abs(split.images[0, 0, 1:-1, 1:-1].astype(float) - 127.5).max() < 8


def test_grey_stays_grey_and_expands_on_demand(tmp_path: Path):
    split = make(dataset(samples(colour=False)), tmp_path)["train"]
    assert split.channels == 1
    rgb = split.rgb([1, 2])
    assert rgb.shape == (2, 3, 8, 8)
    assert (rgb == split.images[1:3]).all()
    assert split.rgb(3).shape == (1, 3, 8, 8)


def test_one_coloured_picture_makes_all_splits_coloured(tmp_path: Path):
    train = [*samples(4, colour=False), *samples(1)]
    prepared = make(dataset(train), tmp_path)
    assert [split.channels for split in prepared.values()] == [3, 3]
    assert (prepared["train"].images[0] == train[0].image).all()


def test_a_class_can_be_chosen_by_index_or_name(tmp_path: Path):
    split = make(dataset(samples()), tmp_path)["train"]
    dogs = split.only("dog")
    assert dogs.names == ("picture1", "picture3")
    assert (dogs.images == split.images[[1, 3]]).all()
    assert dogs.fingerprint == split.only(1).fingerprint != split.fingerprint
    with pytest.raises(BadData, match="Did you mean 'dog'"):
        split.only("dogs")


def test_a_class_that_is_not_here_is_answered_with_what_to_do(tmp_path: Path):
    split = make(dataset(samples()), tmp_path)["train"]
    with pytest.raises(BadData, match=r"from 0 to 1\. Choose another, or all images \(training\.category=-1\)"):
        split.only(2)
    bare = make(dataset(samples(), provides=()), tmp_path / "bare")["train"]
    with pytest.raises(BadData, match=r"no labels.*training\.category=-1.*`lgbench data list`"):
        bare.only(3)


def test_classes_without_names_are_chosen_by_their_numbers(tmp_path: Path):
    split = make(replace(dataset(samples()), classes=()), tmp_path)["train"]
    assert split.only(1).names == ("picture1", "picture3")
    with pytest.raises(BadData, match="from 0 to 1"):
        split.only(2)
    with pytest.raises(BadData, match="numbers, 0 to 1"):
        split.only("dog")


def test_the_second_call_reads_no_sample(tmp_path: Path):
    raw = dataset(samples())
    first = make(raw, tmp_path)
    blind = replace(raw, splits={split: lambda: pytest.fail("read again") for split in raw.splits})
    assert make(blind, tmp_path)["train"].fingerprint == first["train"].fingerprint


@pytest.mark.parametrize("change", [{"origin": "other"}, {"provides": frozenset({"labels"})}, {"crop": "none"}])
def test_another_copy_of_the_data_is_prepared_apart(tmp_path: Path, change: dict):
    raw = dataset(samples())
    make(raw, tmp_path)
    make(replace(raw, **change), tmp_path)
    assert len(prepared_folders(tmp_path, "made")) == 2


def test_a_split_may_lack_what_others_have(tmp_path: Path):
    train = samples()
    bare = [replace(sample, mask=None) for sample in train]
    raw = replace(dataset(train), lacks={"train": frozenset({"masks"})})
    raw = replace(raw, splits={"train": lambda: bare, "test": raw.splits["test"]})
    opened = make(raw, tmp_path)
    assert opened["train"].masks is None
    assert opened["train"].only("dog").masks is None
    assert opened["train"].provides == {"instances", "labels"}
    assert opened["test"].masks is not None
    assert opened["test"].provides == {"masks", "instances", "labels"}
    (folder,) = prepared_folders(tmp_path, "made")
    assert check_prepared(folder) == []


def test_masks_that_a_split_is_said_to_lack_are_not_looked_at(tmp_path: Path):
    raw = replace(dataset(samples()), lacks={"train": frozenset({"masks"})})
    assert make(raw, tmp_path)["train"].masks is None


def test_what_a_split_does_not_lack_must_be_there(tmp_path: Path):
    raw = replace(dataset([replace(s, mask=None) for s in samples()]), lacks={"train": frozenset({"masks"})})
    with pytest.raises(BadData, match="picture0: has no mask"):  # of the test split
        make(raw, tmp_path)


def test_lacking_nothing_that_is_provided_changes_no_folder(tmp_path: Path):
    raw = dataset(samples(), provides=("labels",))
    make(raw, tmp_path)
    make(replace(raw, lacks={"train": frozenset({"masks"})}), tmp_path)
    assert len(prepared_folders(tmp_path, "made")) == 1
    make(replace(raw, lacks={"train": frozenset({"labels"})}), tmp_path)
    assert len(prepared_folders(tmp_path, "made")) == 2


def test_folders_keep_the_names_they_had(tmp_path: Path):
    make(replace(dataset(samples()), origin="fixed"), tmp_path)
    assert [folder.name for folder in prepared_folders(tmp_path, "made")] == ["made-8-b3196928bc1c"]


def test_the_fingerprint_tells_contents_apart_and_nothing_else(tmp_path: Path):
    raw = dataset(samples())
    prints = [make(raw, tmp_path / folder)["train"].fingerprint for folder in "ab"]
    other = make(dataset(samples()), tmp_path / "c")["train"].fingerprint
    assert prints[0] == prints[1] != other


def failing(faults: int) -> Iterable[Sample]:
    def read(i: int) -> Sample:
        if i < faults:
            raise BadData(f"picture{i}.jpg: truncated")
        return samples(1)[0]

    return map(read, range(30))


def test_all_faulty_files_are_named_in_one_error(tmp_path: Path):
    good = samples(3)
    wrong = [
        replace(good[0], mask=np.zeros((4, 8), dtype=bool), name="small mask"),
        replace(good[1], mask=None, name="no mask"),
        replace(good[2], label=2, name="odd label"),
    ]
    with pytest.raises(BadData) as caught:
        make(dataset([*wrong, *good]), tmp_path)
    text = str(caught.value)
    assert "small mask: mask of 8 x 4 pixels, image of 8 x 8" in text
    assert "no mask: has no mask" in text
    assert "odd label: label 2" in text
    assert not prepared_folders(tmp_path, "made")


def test_ten_faults_are_enough(tmp_path: Path):
    raw = replace(dataset(samples()), splits={"train": lambda: failing(25)}, counts={"train": 30})
    with pytest.raises(BadData) as caught:
        make(raw, tmp_path)
    named = str(caught.value)
    assert "picture9.jpg" in named
    assert "picture10.jpg" not in named


def test_fewer_samples_than_promised_are_refused(tmp_path: Path):
    with pytest.raises(BadData, match="has 9 pictures, but 5 came"):
        make(replace(dataset(samples()), counts={"train": 9}), tmp_path)
    assert list(tmp_path.glob("made-*")) == []


def test_data_without_train_pictures_are_refused(tmp_path: Path):
    raw = dataset(samples())
    for splits in (("test",), ()):
        some = replace(raw, splits={name: raw.splits[name] for name in splits}, counts=dict.fromkeys(splits, 2))
        with pytest.raises(BadData, match="none to train on"):
            make(some, tmp_path)


@pytest.mark.parametrize(
    "error",
    [EOFError("Compressed file ended"), EOFError(), zlib.error("bad"), zipfile.BadZipFile("bad"), tarfile.ReadError()],
)
@pytest.mark.parametrize("when", ["build", "read"])
def test_a_damaged_file_of_a_data_set_is_one_clear_error(tmp_path: Path, error: Exception, when: str):
    def truncated():
        yield samples()[0]
        raise error

    def build(config: object, resolution: int, home: DataHome) -> RawDataset:
        if when == "build":
            raise error
        return replace(dataset(samples()), splits={"train": truncated}, counts={"train": 4})

    record = Dataset(name="made", summary="", build=build)
    with pytest.raises(BadData, match=r"A file of the data set made is damaged .*data verify made"):
        open_dataset(record, None, 8, DataHome(tmp_path))
    assert not list((tmp_path / "prepared").glob("*made-*making*"))


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_is_told_with_its_owner(tmp_path: Path):
    (tmp_path / "prepared").mkdir()
    (tmp_path / "prepared").chmod(0o500)
    with pytest.raises(RunFailed, match="belongs to"):
        make(dataset(samples()), tmp_path / "prepared")
    assert list((tmp_path / "prepared").iterdir()) == []


@pytest.mark.parametrize("call", ["mkdir", "replace"])
@pytest.mark.parametrize("number", [errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC])
def test_what_keeps_a_preparation_from_its_folder_is_told(tmp_path: Path, monkeypatch, call: str, number: int):
    raw = dataset(samples())
    honest = getattr(Path, call)

    def refuse(self, *args, **kwargs):
        if ".making." in self.name:
            raise OSError(number, os.strerror(number), str(self))
        return honest(self, *args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(Path, call, refuse)
        told = "make room" if number == errno.ENOSPC else "belongs to"
        with pytest.raises(RunFailed, match=f"Cannot prepare made .*{told}.*LGBENCH_HOME"):
            make(raw, tmp_path)
    assert not list(tmp_path.glob("*making*"))
    assert len(make(raw, tmp_path)["train"]) == 5


def test_what_is_prepared_and_cannot_be_read_is_told_with_its_owner(tmp_path: Path, monkeypatch):
    raw = dataset(samples())
    make(raw, tmp_path)

    def refuse(path, *args, **kwargs):
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(np, "load", refuse)
    with pytest.raises(RunFailed, match=r"images\.npy belongs to .*LGBENCH_HOME"):
        make(raw, tmp_path)


@pytest.mark.skipif(os.name != "posix", reason="there are no such modes")
def test_what_is_prepared_is_open_to_those_whom_the_umask_and_a_shared_folder_name(tmp_path: Path):
    before = os.umask(0o077)
    try:
        make(dataset(samples()), tmp_path / "own")
        (tmp_path / "shared").mkdir()
        (tmp_path / "shared").chmod(0o2770)
        make(dataset(samples()), tmp_path / "shared")
    finally:
        os.umask(before)
    for name, folder_mode, file_mode in (("own", 0o700, 0o600), ("shared", 0o2770, 0o660)):
        (folder,) = prepared_folders(tmp_path / name, "made")
        for path in (folder, *folder.rglob("*")):
            assert stat.S_IMODE(path.stat().st_mode) == (folder_mode if path.is_dir() else file_mode), path


def test_a_killed_preparation_is_not_taken_for_whole(tmp_path: Path):
    code = """
import os, sys
from pathlib import Path
import numpy as np
from lgbench.data import RawDataset, Sample, prepare

def dying():
    for i in range(5):
        if i == 3 and sys.argv[2] == "die":
            os._exit(9)
        yield Sample(np.full((8, 8, 3), i, dtype=np.uint8), name=str(i))

raw = RawDataset({"train": dying}, {"train": 5}, "made")
print(len(prepare(raw, "made", {}, 8, Path(sys.argv[1]))["train"]))
"""
    run = [sys.executable, "-c", code, str(tmp_path)]
    assert subprocess.run([*run, "die"], check=False).returncode == 9
    assert list(tmp_path.glob(".made-*.making.*"))
    assert prepared_folders(tmp_path, "made") == []
    assert subprocess.run([*run, "live"], check=True, capture_output=True, text=True).stdout == "5\n"
    assert list(tmp_path.glob(".made-*.making.*")) == []


def test_two_processes_prepare_once(tmp_path: Path):
    code = """
import sys, time
from pathlib import Path
import numpy as np
from lgbench.data import RawDataset, Sample, prepare

def slow():
    with open(sys.argv[1] + "/made", "a") as file:
        file.write("x")
    for i in range(5):
        time.sleep(0.3)
        yield Sample(np.full((8, 8), i, dtype=np.uint8), name=str(i))

assert len(prepare(RawDataset({"train": slow}, {"train": 5}, "made"), "made", {}, 8, Path(sys.argv[1]))["train"]) == 5
"""
    processes = [subprocess.Popen([sys.executable, "-c", code, str(tmp_path)]) for _ in range(2)]
    assert [process.wait(60) for process in processes] == [0, 0]
    assert (tmp_path / "made").read_text() == "x"


def test_a_damaged_folder_is_made_again(tmp_path: Path):
    raw = dataset(samples())
    first = make(raw, tmp_path)["train"].fingerprint
    (folder,) = prepared_folders(tmp_path, "made")
    assert check_prepared(folder) == []
    os.truncate(folder / "train" / "images.npy", 200)
    assert check_prepared(folder) != []
    assert make(raw, tmp_path)["train"].fingerprint == first


def test_a_flipped_bit_is_found(tmp_path: Path):
    make(dataset(samples()), tmp_path)
    (folder,) = prepared_folders(tmp_path, "made")
    images = np.load(folder / "test" / "images.npy", mmap_mode="r+")
    images[0, 0, 0, 0] ^= 1
    images.flush()
    assert check_prepared(folder) == [f"{folder / 'test'} differs from its fingerprint"]


def test_a_full_disk_says_what_to_do(tmp_path: Path):
    def full() -> Iterable[Sample]:
        raise OSError(28, "No space left on device")
        yield

    with pytest.raises(RunFailed, match="make room"):
        make(replace(dataset(samples()), splits={"train": full}, counts={"train": 1}), tmp_path)
    assert list(tmp_path.glob(".made-*.making.*")) == []


@dataclass(frozen=True)
class Config:
    digits: int = 3


def test_opening_a_record_fills_its_settings(tmp_path: Path):
    asked = []

    def build(config: Config, resolution: int, home: DataHome) -> RawDataset:
        asked.append((config, resolution))
        return dataset(samples())

    record = Dataset(name="made", summary="", build=build, config=Config, resolution=16)
    home = DataHome(tmp_path)
    seen = []
    assert open_dataset(record, None, None, home, lambda *report: seen.append(report))["train"].images.shape[-1] == 16
    assert seen[-1] == ("prepare made", 7, 7)
    open_dataset(record, {"digits": 5}, 8, home)
    open_dataset(record, Config(7), 8, home)
    assert asked == [(Config(3), 16), (Config(5), 8), (Config(7), 8)]
    with pytest.raises(BadRecipe, match="Did you mean 'digits'"):
        open_dataset(record, {"digit": 5}, 8, home)


def faces(count: int = 4, height: int = 8, width: int = 12) -> list[Sample]:
    """Pictures with class maps, attributes and landmarks: the second landmark is the centre of the marked pixel."""
    found = []
    for i in range(count):
        segments = np.zeros((height, width), np.uint8)
        segments[2, 3 + i] = 1
        segments[0] = 255
        landmarks = np.array([[0, 0], [3 + i, 2]], np.float32)
        image = RANDOM.integers(0, 256, (height, width, 3), dtype=np.uint8)
        found.append(
            Sample(image, name=f"face{i}", segments=segments, attributes=np.array([i % 2, 1]), landmarks=landmarks)
        )
    return found


def conditional(train: list[Sample]) -> RawDataset:
    names = {"segment_names": ("rest", "nose"), "attribute_names": ("old", "here")}
    return replace(dataset(train, ("segments", "attributes", "landmarks")), **names)


def test_class_maps_attributes_and_landmarks_are_prepared_with_the_pictures(tmp_path: Path):
    split = make(conditional(faces()), tmp_path)["train"]
    assert (split.segment_names, split.attribute_names) == (("rest", "nose"), ("old", "here"))
    assert split.segments is not None
    assert split.landmarks is not None
    assert split.attributes is not None
    assert (split.segments.shape, split.segments.dtype) == ((4, 8, 8), np.uint8)
    assert set(np.unique(split.segments)) == {0, 1, 255}
    assert split.attributes.tolist() == [[0, 1], [1, 1], [0, 1], [1, 1]]
    for i in range(4):  # the square leaves out two columns on the left
        assert split.landmarks[i].tolist() == [[-2, 0], [1 + i, 2]]
        assert split.segments[i, 2, 1 + i] == 1
    assert check_prepared(prepared_folders(tmp_path, "made")[0]) == []


def test_landmarks_stay_on_what_they_mark_where_pictures_shrink(tmp_path: Path):
    """The centre of a block of four pixels, 0.5 of the first, is the centre of the pixel that it becomes."""
    point = np.array([[0.5, 0.5], [6.5, 2.5]], np.float32)
    samples = [replace(face, landmarks=point) for face in faces(height=8, width=8, count=2)]
    split = make(conditional(samples), tmp_path, resolution=4)["train"]
    assert split.landmarks is not None
    assert split.landmarks[0].tolist() == [[0, 0], [3, 1]]


def test_what_is_known_follows_the_choice_of_images(tmp_path: Path):
    split = make(conditional(faces()), tmp_path)["train"]
    parts = split.at(np.array([2, 0]), {"images", "attributes", "landmarks"})
    assert set(parts) == {"images", "attributes", "landmarks"}
    assert parts["landmarks"][:, 1, 0].tolist() == [3, 1]
    assert (parts["images"] == split.rgb([2, 0])).all()
    with pytest.raises(BadData, match="no masks"):
        split.at(np.array([0]), {"masks"})


@pytest.mark.parametrize(("value", "shown"), [(0, "rest"), (1, "nose"), (255, "ignored")])
def test_class_maps_of_one_class_everywhere_are_refused(tmp_path: Path, value: int, shown: str):
    train = faces()
    alike = [replace(face, segments=np.full((8, 12), value, np.uint8)) for face in train]
    with pytest.raises(BadData, match=f"class maps of train are {shown} everywhere"):
        make(conditional(alike), tmp_path)
    make(conditional([alike[0], *train[1:]]), tmp_path)  # some may be


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ({"segments": np.full((8, 12), 2, np.uint8)}, "values \\[2\\]"),
        ({"segments": np.zeros((8, 8), np.uint8)}, "segments of 8 x 8"),
        ({"segments": None}, "no segments"),
        ({"attributes": np.array([0, 1, 1])}, "2 of 0 or 1"),
        ({"attributes": np.array([0, 2])}, "2 of 0 or 1"),
        ({"landmarks": np.zeros((2, 3), np.float32)}, "landmarks of shape"),
        ({"landmarks": np.full((2, 2), np.nan, np.float32)}, "finite"),
        ({"landmarks": np.zeros((3, 2), np.float32)}, "landmarks of shape"),
    ],
)
def test_conditions_that_do_not_fit_are_named_with_their_picture(tmp_path: Path, fault: dict, said: str):
    train = faces()
    train[1] = replace(train[1], **fault)
    with pytest.raises(BadData, match=said) as error:
        make(conditional(train), tmp_path)
    assert "face1" in str(error.value)
