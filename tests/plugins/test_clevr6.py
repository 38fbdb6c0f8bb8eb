"""CLEVR6 from a miniature of its official file, and the reader of such files."""

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest

from lgbench.data import DataHome, open_dataset
from lgbench.errors import BadData, BadRecipe, DataMissing
from lgbench_datasets import clevr6, tfrecord

OBJECTS = [3, 7, 6, 10, 4, 5, 8, 3, 6, 4]  # in each scene; four of the first six are kept, and three later ones
SMALL = {"train_scenes": 6, "held_out": 1}


def varint(value: int) -> bytes:
    found = bytearray()
    while value >= 0x80:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*found, value])


def field(number: int, content: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(content)) + content


def example(features: dict[str, bytes]) -> bytes:
    """A serialized tf.train.Example of encoded features."""
    return field(1, b"".join(field(1, field(1, name.encode()) + field(2, f)) for name, f in features.items()))


def strings(*values: bytes) -> bytes:
    return field(1, b"".join(field(1, value) for value in values))


def one_string_per_byte(data: np.ndarray) -> bytes:
    """As CLEVR's pictures are stored."""
    flat = data.reshape(-1)
    return field(1, np.stack([np.full_like(flat, 10), np.ones_like(flat), flat], axis=1).tobytes())


def floats(values: list[float], packed: bool = True) -> bytes:
    numbers = [struct.pack("<f", value) for value in values]
    return field(2, field(1, b"".join(numbers)) if packed else b"".join(b"\x0d" + number for number in numbers))


def framed(record: bytes, checksum: bool = True) -> bytes:
    """A record as it stands in the file; the second checksum of large ones is left out, since it takes a second."""
    length = struct.pack("<Q", len(record))
    after = tfrecord.masked_crc32c(record) if checksum else 0
    return length + struct.pack("<I", tfrecord.masked_crc32c(length)) + record + struct.pack("<I", after)


def truth(number: int) -> np.ndarray:
    """Which entity each pixel of the whole picture shows, (240, 320)."""
    entities = np.zeros((240, 320), np.uint8)
    for entity in range(1, OBJECTS[number] + 1):
        entities[40 + 8 * number : 100 + 8 * number, 56 + 16 * entity : 68 + 16 * entity] = entity
    return entities


def scene(number: int) -> bytes:
    entities = truth(number)
    masks = (entities == np.arange(11)[:, None, None]) * np.uint8(255)
    image = np.stack([entities * 20, np.full_like(entities, 10 * number), 255 - entities * 20], axis=2)
    visible = [1.0] * (1 + OBJECTS[number]) + [0.0] * (10 - OBJECTS[number])
    features = {"image": one_string_per_byte(image), "x": floats([0.5] * 11), "visibility": floats(visible)}
    return example(features | {"mask": one_string_per_byte(masks)})


@pytest.fixture(scope="module")
def records() -> list[bytes]:
    return [framed(scene(number), checksum=False) for number in range(len(OBJECTS))]


@pytest.fixture
def home(tmp_path: Path, records: list[bytes]) -> DataHome:
    """A home with the miniature, compressed as the official file is."""
    home = DataHome(tmp_path / "home")
    put(home, gzip.compress(b"".join(records), compresslevel=1))
    return home


def put(home: DataHome, content: bytes) -> Path:
    path = home.folder("clevr6") / clevr6.FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def numbers(split) -> list[int]:
    return [int(name.removeprefix("scene ")) for name in split.names]


def test_scenes_of_up_to_six_objects_are_kept_and_divided_in_order(home: DataHome):
    opened = open_dataset(clevr6.CLEVR6, SMALL, 32, home)
    assert {name: numbers(split) for name, split in opened.items()} == {
        "train": [0, 2, 4, 5],
        "val": [8],
        "test": [9],
    }
    assert opened["train"].origin.startswith("file:")
    assert (opened["train"].crop, opened["train"].provides) == ("center192", {"masks", "instances"})


def test_how_many_objects_are_kept_is_a_setting(home: DataHome):
    opened = open_dataset(clevr6.CLEVR6, SMALL | {"most_objects": 10}, 32, home)
    assert [numbers(opened[split]) for split in ("train", "val", "test")] == [[0, 1, 2, 3, 4, 5], [8], [9]]


def test_pictures_masks_and_instances_are_the_central_192_pixels(home: DataHome):
    opened = open_dataset(clevr6.CLEVR6, SMALL, 192, home)
    for split in opened.values():
        assert split.instances is not None
        assert split.masks is not None
        for number, image, mask, instances in zip(
            numbers(split), split.images, split.masks, split.instances, strict=True
        ):
            expected = truth(number)[24:216, 64:256]
            np.testing.assert_array_equal(instances, expected)
            np.testing.assert_array_equal(mask, (expected > 0) * np.uint8(255))
            np.testing.assert_array_equal(image[0], expected * 20)
            assert (image[1] == 10 * number).all()


def test_objects_are_counted_once(home: DataHome, monkeypatch: pytest.MonkeyPatch):
    open_dataset(clevr6.CLEVR6, SMALL, 32, home)
    assert [path.name for path in home.folder("clevr6").glob("*.json")] == [f"{clevr6.FILE}.objects.json"]
    monkeypatch.setattr(clevr6, "_objects", lambda *_: pytest.fail("counted again"))
    open_dataset(clevr6.CLEVR6, SMALL | {"most_objects": 5, "train_scenes": 5}, 32, home)


def test_another_file_is_counted_anew(home: DataHome, records: list[bytes]):
    open_dataset(clevr6.CLEVR6, SMALL, 32, home)
    put(home, gzip.compress(b"".join(records[::-1]), compresslevel=1))
    assert numbers(open_dataset(clevr6.CLEVR6, SMALL, 32, home)["train"]) == [0, 1, 2, 4, 5]


def test_the_splits_share_one_reading_and_can_be_read_again(home: DataHome, monkeypatch: pytest.MonkeyPatch):
    raw = clevr6.build(clevr6.Config(**SMALL), 32, home)
    starts, read = [], clevr6.read_records
    monkeypatch.setattr(clevr6, "read_records", lambda path: starts.append(path) or read(path))
    names = [[sample.name for sample in raw.splits[split]()] for split in ("train", "val", "test")]
    assert len(starts) == 1
    assert [sample.name for sample in raw.splits["train"]()] == names[0]
    assert len(starts) == 2


def test_two_homes_have_the_same_fingerprints_compressed_alike(tmp_path: Path, home: DataHome):
    other = DataHome(tmp_path / "other")
    put(other, (home.folder("clevr6") / clevr6.FILE).read_bytes())
    one, two = (open_dataset(clevr6.CLEVR6, SMALL, 32, place) for place in (home, other))
    assert {s: one[s].fingerprint for s in one} == {s: two[s].fingerprint for s in two}


def test_a_truncated_file_is_refused(tmp_path: Path, home: DataHome):
    whole = (home.folder("clevr6") / clevr6.FILE).read_bytes()
    put(home, whole[: len(whole) // 2])
    with pytest.raises(BadData, match=r"tfrecords is truncated or damaged"):
        open_dataset(clevr6.CLEVR6, SMALL, 32, home)
    assert not list(home.folder("clevr6").glob("*.json"))


def test_too_few_scenes_are_refused(home: DataHome):
    with pytest.raises(BadData, match="has 10 scenes, of which 7 have at most 6 objects"):
        open_dataset(clevr6.CLEVR6, None, 32, home)


@pytest.mark.parametrize("setting", [{"most_objects": 0}, {"most_objects": 11}, {"held_out": 0}, {"train_scenes": 0}])
def test_senseless_settings_are_refused(home: DataHome, setting: dict[str, int]):
    with pytest.raises(BadRecipe, match="clevr6 needs most_objects from 1 to 10"):
        open_dataset(clevr6.CLEVR6, setting, 32, home)


def test_other_records_are_refused(tmp_path: Path):
    home = DataHome(tmp_path)
    put(home, framed(example({"label": floats([1.0])})))
    with pytest.raises(BadData, match="scene 0 has no 'visibility'"):
        open_dataset(clevr6.CLEVR6, SMALL, 32, home)
    put(home, framed(b"\xff\xff\xff"))
    with pytest.raises(BadData, match=r"scene 0: a record is not a tf\.train\.Example"):
        open_dataset(clevr6.CLEVR6, SMALL, 32, home)


def test_without_the_file_the_error_says_where_it_comes_from_and_goes(tmp_path: Path):
    with pytest.raises(DataMissing) as error:
        open_dataset(clevr6.CLEVR6, None, 32, DataHome(tmp_path))
    assert "https://storage.googleapis.com/multi-object-datasets/clevr_with_masks/" in str(error.value)
    assert str(tmp_path / "files" / "clevr6") in str(error.value)


def test_checksums_are_masked_crc32c():
    crc = 0xE3069283  # of "123456789", the check value in the catalogues of CRCs
    assert tfrecord.masked_crc32c(b"123456789") == ((crc >> 15 | crc << 17) + 0xA282EAD8) % 2**32


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_records_come_as_they_were_written(tmp_path: Path, pack):
    path, written = tmp_path / "x.tfrecords", [b"one", b"", b"three" * 100]
    path.write_bytes(pack(b"".join(map(framed, written))))
    assert list(tfrecord.read_records(path, check=True)) == written


def test_damage_is_found_where_it_is_looked_for(tmp_path: Path):
    path, whole = tmp_path / "x.tfrecords", bytearray(framed(b"first") + framed(b"second"))
    whole[14] ^= 1
    path.write_bytes(whole)
    assert next(tfrecord.read_records(path)) != b"first"
    with pytest.raises(BadData, match="record 0 has another checksum"):
        list(tfrecord.read_records(path, check=True))
    whole[len(framed(b"first"))] ^= 1  # the second record's length
    path.write_bytes(whole)
    with pytest.raises(BadData, match="record 1 has no valid length"):
        list(tfrecord.read_records(path))


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_a_file_that_ends_early_is_refused(tmp_path: Path, pack):
    path, whole = tmp_path / "x.tfrecords", pack(framed(b"first") + framed(b"second"))
    path.write_bytes(whole[:-3])
    with pytest.raises(BadData, match="is truncated or damaged"):
        list(tfrecord.read_records(path))


def test_other_files_are_refused(tmp_path: Path):
    path = tmp_path / "x.tfrecords"
    path.write_bytes(b"<html>404 Not Found</html>")
    with pytest.raises(BadData, match="is not a TFRecord file"):
        list(tfrecord.read_records(path))


def test_examples_are_decoded():
    long = bytes(range(200))
    found = tfrecord.features(
        example(
            {
                "packed": floats([0.5, -2.0]),
                "loose": floats([0.5, -2.0], packed=False),
                "strings": strings(b"ab", b"", long),
                "bytes": one_string_per_byte(np.frombuffer(long, np.uint8)),
            }
        )
    )
    for name in ("packed", "loose"):
        assert tfrecord.floats(found[name]).tolist() == [0.5, -2.0]
        assert tfrecord.octets(found[name]).tolist() == []
    assert tfrecord.octets(found["strings"]).tobytes() == b"ab" + long
    assert tfrecord.octets(found["bytes"]).tobytes() == long
    assert tfrecord.floats(found["strings"]).tolist() == []
