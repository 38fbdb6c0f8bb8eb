"""CIFAR-10 from miniatures of its official archive and of the JPEG copy."""

import hashlib
import io
import os
import tarfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from official import encoded, serve, sources_at, tar, unreachable

from lgbench.data import DataHome, open_dataset
from lgbench.errors import BadData, DataMissing
from lgbench_datasets import cifar10

COUNTS = {"train": 100, "test": 20}
FILES = {"train": [f"data_batch_{i}.bin" for i in range(1, 6)], "test": ["test_batch.bin"]}
JPEG_FILE = "cifar10_jpeg.tar.xz"


def pictures(batch: int) -> tuple[np.ndarray, np.ndarray]:
    """Labels and pictures, (20,) and (20, 32, 32, 3), of one batch."""
    random = np.random.default_rng(batch)
    return random.permutation(np.arange(20) % 10), random.integers(0, 256, (20, 32, 32, 3), dtype=np.uint8)


def batch_file(batch: int) -> bytes:
    """The official form: for each picture its label, then all red, all green and all blue values, row by row."""
    rows = (
        bytes([label]) + b"".join(p[..., c].tobytes() for c in range(3))
        for label, p in zip(*pictures(batch), strict=True)
    )
    return b"".join(rows)


def write_official(folder: Path) -> None:
    names = [name for files in FILES.values() for name in files]
    files = {f"cifar-10-batches-bin/{name}": batch_file(i) for i, name in enumerate(names)}
    tar(folder / "cifar-10-binary.tar.gz", {"cifar-10-batches-bin/batches.meta.txt": b"airplane\n", **files})


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cifar10, "COUNTS", COUNTS)
    monkeypatch.setenv("no_proxy", "*")


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    folder = tmp_path / "site"
    folder.mkdir()
    write_official(folder)
    with serve(folder) as url:
        monkeypatch.setattr(cifar10, "SOURCES", sources_at(url, folder, cifar10.SOURCES))
        yield folder


def colour(split: str, label: int, number: int) -> tuple[int, int, int]:
    return (20 * label + 20, 10 * number, 200 if split == "train" else 50)


def put_jpegs(home: DataHome, monkeypatch: pytest.MonkeyPatch, skip: str = "") -> Path:
    """A miniature of the JPEG copy, in the data set's folder, plain colours inside."""
    path = home.folder("cifar10") / JPEG_FILE
    path.parent.mkdir(parents=True)
    with tarfile.open(path, "w:xz") as archive:
        for split, count in COUNTS.items():
            for label, kind in enumerate(cifar10.CLASSES):
                for number in range(count // 10):
                    plain = np.broadcast_to(np.array(colour(split, label, number), np.uint8), (32, 32, 3))
                    member, content = tarfile.TarInfo(f"{split}/{kind}/{number:04d}.jpg"), encoded(plain.copy())
                    member.size = len(content)
                    if member.name != skip:
                        archive.addfile(member, io.BytesIO(content))
    checksum = "sha256:" + hashlib.sha256(path.read_bytes()).hexdigest()
    monkeypatch.setattr(cifar10, "JPEG", replace(cifar10.JPEG, checksum=checksum))
    return path


def test_official_pictures_are_fetched_bit_by_bit(site: Path, tmp_path: Path):
    opened = open_dataset(cifar10.CIFAR10, None, None, DataHome(tmp_path / "home"))
    assert {name: len(split) for name, split in opened.items()} == COUNTS
    for split, batches in (("train", range(5)), ("test", [5])):
        labels, images = (np.concatenate(parts) for parts in zip(*map(pictures, batches), strict=True))
        assert opened[split].labels is not None
        np.testing.assert_array_equal(opened[split].labels, labels)
        np.testing.assert_array_equal(opened[split].images, images.transpose(0, 3, 1, 2))
    train = opened["train"]
    assert (train.origin, train.provides, train.classes) == ("official", {"labels"}, cifar10.CLASSES)
    assert train.names[20] == "data_batch_2.bin/0000"


def test_two_homes_have_the_same_fingerprints(site: Path, tmp_path: Path):
    one, two = (open_dataset(cifar10.CIFAR10, None, 32, DataHome(tmp_path / name)) for name in ("one", "two"))
    assert {s: one[s].fingerprint for s in one} == {s: two[s].fingerprint for s in two}
    assert one["train"].fingerprint != one["test"].fingerprint


def test_the_jpeg_copy_stands_in_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    home = DataHome(tmp_path)
    put_jpegs(home, monkeypatch)
    opened = open_dataset(cifar10.CIFAR10, None, 32, home)
    assert {name: len(split) for name, split in opened.items()} == COUNTS
    for split, part in opened.items():
        assert part.labels is not None
        assert part.origin == "jpeg quality 75"
        assert np.bincount(part.labels).tolist() == [COUNTS[split] // 10] * 10
        for name, label, image in zip(part.names, part.labels, part.images, strict=True):
            folder, kind, file = name.split("/")
            assert (folder, kind) == (split, cifar10.CLASSES[label])
            assert np.abs(image.mean(axis=(1, 2)) - colour(split, int(label), int(file[:4]))).max() < 4


def test_the_jpeg_copy_is_decompressed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    home, calls = DataHome(tmp_path), []
    put_jpegs(home, monkeypatch)
    read = cifar10._jpeg_files
    monkeypatch.setattr(cifar10, "_jpeg_files", lambda archive: calls.append(archive) or read(archive))
    for _ in range(2):
        open_dataset(cifar10.CIFAR10, None, 32, home)
    assert len(calls) == 1


def test_official_files_come_before_the_jpeg_copy(site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    home = DataHome(tmp_path / "home")
    put_jpegs(home, monkeypatch)
    (site / "cifar-10-binary.tar.gz").rename(home.folder("cifar10") / "cifar-10-binary.tar.gz")
    assert open_dataset(cifar10.CIFAR10, None, 32, home)["train"].origin == "official"


def test_a_jpeg_copy_that_lacks_a_picture_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    home = DataHome(tmp_path)
    put_jpegs(home, monkeypatch, skip="train/frog/0003.jpg")
    with pytest.raises(BadData, match="has 9 pictures in train/frog, not 10"):
        open_dataset(cifar10.CIFAR10, None, 32, home)


def test_another_file_of_the_name_is_refused(tmp_path: Path):
    home = DataHome(tmp_path)
    (home.folder("cifar10")).mkdir(parents=True)
    (home.folder("cifar10") / JPEG_FILE).write_bytes(b"something else")
    with pytest.raises(BadData, match="is not the official file"):
        open_dataset(cifar10.CIFAR10, None, 32, home)


def test_a_truncated_jpeg_copy_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    home = DataHome(tmp_path)
    path = put_jpegs(home, monkeypatch)
    path.write_bytes(path.read_bytes()[:-2000])
    checksum = "sha256:" + hashlib.sha256(path.read_bytes()).hexdigest()
    monkeypatch.setattr(cifar10, "JPEG", replace(cifar10.JPEG, checksum=checksum))
    with pytest.raises(BadData, match="truncated or unreadable"):
        open_dataset(cifar10.CIFAR10, None, 32, home)


def test_a_truncated_batch_is_named(site: Path, tmp_path: Path):
    home = DataHome(tmp_path / "home")
    open_dataset(cifar10.CIFAR10, None, 32, home)
    path = home.folder("cifar10") / "cifar-10-batches-bin" / "data_batch_3.bin"
    path.write_bytes(path.read_bytes()[:-3073])
    with pytest.raises(BadData, match=r"data_batch_3\.bin has 58,387 bytes, expected 61,460"):
        open_dataset(cifar10.CIFAR10, None, 16, home)


def test_without_files_the_error_names_both_archives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(cifar10, "SOURCES", unreachable(cifar10.SOURCES))
    with pytest.raises(DataMissing) as error:
        open_dataset(cifar10.CIFAR10, None, 32, DataHome(tmp_path))
    assert "cifar-10-binary.tar.gz (170,052,171 bytes)" in str(error.value)
    assert f"{JPEG_FILE} (sha256:f3b28570" in str(error.value)


def test_the_real_jpeg_copy_has_its_published_statistics(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    folder = os.environ.get("LGBENCH_TEST_DATA")
    if not folder or not (Path(folder) / JPEG_FILE).exists():
        pytest.skip(f"LGBENCH_TEST_DATA names no folder with {JPEG_FILE}")
    monkeypatch.setattr(cifar10, "COUNTS", {"train": 50_000, "test": 10_000})
    home = DataHome(tmp_path)
    home.folder("cifar10").mkdir(parents=True)
    (home.folder("cifar10") / JPEG_FILE).symlink_to(Path(folder) / JPEG_FILE)
    opened = open_dataset(cifar10.CIFAR10, None, 32, home)
    assert {name: len(split) for name, split in opened.items()} == {"train": 50_000, "test": 10_000}
    means = np.mean(opened["train"].images, axis=(0, 2, 3)) / 255
    np.testing.assert_allclose(means, [0.4913, 0.4821, 0.4465], atol=1e-4)
