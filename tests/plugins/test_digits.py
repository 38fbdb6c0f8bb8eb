import gzip
import itertools
import os
from pathlib import Path

import numpy as np
import pytest

from lgbench.errors import BadData, BadRecipe, DataMissing
from lgbench_datasets.digits import DIGITS_ONE, TEST_WRITERS_FROM, DigitsOne, build, load_tiles
from lgbench_datasets.digits_scene import draw_scene, render
from lgbench_datasets.mnist import MNIST_ONE, MNIST_TWO, SOURCES, Mnist, build_one, build_two, read_idx

SHARED = Path(os.environ.get("LGBENCH_SHARED", Path(__file__).resolve().parents[3] / "shared"))
OFFICIAL = SHARED / "data" / "mnist"
needs_mnist = pytest.mark.skipif(not OFFICIAL.is_dir(), reason=f"MNIST's files are not in {OFFICIAL}")


class Home:
    """Data sets' files below one folder; nothing is fetched."""

    def __init__(self, root):
        self.root = root
        self.asked = []

    def folder(self, name):
        return self.root / name

    def fetch(self, dataset_name, sources):
        self.asked.append((dataset_name, sources))
        raise DataMissing(dataset_name)


def idx(array):
    array = np.asarray(array, np.uint8)
    return bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape) + array.tobytes()


@pytest.fixture
def home(tmp_path):
    """Twelve and five digits, three white bars wide and high enough to be counted, in MNIST's format."""
    folder = tmp_path / "mnist"
    folder.mkdir()
    for prefix, count in (("train", 12), ("t10k", 5)):
        tiles = np.zeros((count, 28, 28), np.uint8)
        tiles[:, 6:22, 10:18] = 255
        (folder / f"{prefix}-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(tiles)))
        (folder / f"{prefix}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(np.arange(count) % 10)))
    return Home(tmp_path)


def worlds(home):
    return {
        "digits-one": (build(DigitsOne(images=300, test_images=60), 32, home), 1),
        "mnist-one": (build_one(Mnist(), 32, home), 1),
        "mnist-two": (build_two(Mnist(), 64, home), 2),
    }


@pytest.mark.parametrize("name", ["digits-one", "mnist-one", "mnist-two"])
def test_a_picture_is_one_grey_outside_its_digits_and_white_blends_in(home, name):
    raw, _ = worlds(home)[name]
    for split in ("train", "test"):
        for sample in raw.splits[split]():
            outside = sample.image[sample.mask == 0]
            grey = int(np.median(outside))
            assert 0 <= grey <= 200
            assert np.all(np.abs(outside.astype(int) - grey) <= 1)  # an alpha below half a level is not seen in mask
            alpha = sample.mask / 255
            assert np.abs(grey + alpha * (255 - grey) - sample.image).max() <= 1.01


def test_the_canvas_is_exactly_constant_where_alpha_is_zero():
    tiles, _ = load_tiles()
    for index in range(100):
        scene = draw_scene(0, "train", index, 1, len(tiles))
        image, alpha = render(scene, tiles, 32)
        assert set(np.unique(image[alpha == 0])) == {scene.grey}
        assert np.array_equal(image, np.rint(scene.grey + alpha * (255 - scene.grey)))


@pytest.mark.parametrize(("digits", "canvas"), [(1, 48), (2, 78)])
def test_scales_angles_and_places_cover_the_papers_ranges(digits, canvas):
    scenes = [draw_scene(0, "train", i, digits, 50) for i in range(3000)]
    placed = [d for scene in scenes for d in scene.digits]
    assert {d.side for d in placed} == set(range(22, 35))
    assert -45 <= min(d.angle for d in placed) < -44
    assert 44 < max(d.angle for d in placed) <= 45
    assert {scene.grey for scene in scenes} == set(range(201))
    assert min(d.top for d in placed) == 0
    assert max(d.top + d.side for d in placed) == canvas
    for number in range(digits):
        low, high = number * canvas // digits, (number + 1) * canvas // digits
        own = [scene.digits[number] for scene in scenes]
        assert min(d.left for d in own) == low
        assert max(d.left + d.side for d in own) == high


def test_digits_cover_what_the_published_samples_show():
    raw = build(DigitsOne(images=1000), 32, None)
    fraction = np.array([(sample.mask >= 128).mean() for sample in raw.splits["train"]()])
    assert 0.03 < fraction.mean() < 0.115
    assert ((fraction > 0.02) & (fraction < 0.15)).mean() > 0.99


@needs_mnist
@pytest.mark.parametrize(
    ("builder", "side", "mean", "outer"),
    [(build_one, 32, (0.03, 0.115), (0.02, 0.15)), (build_two, 64, (0.013, 0.074), (0.01, 0.1))],
)
def test_mnist_covers_what_the_published_samples_show(builder, side, mean, outer):
    raw = builder(Mnist(), side, Home(SHARED / "data"))
    assert raw.origin == "official"  # compressed again, yet the same digits
    assert raw.counts == {"train": 60000, "val": 10000, "test": 10000}
    some = itertools.islice(raw.splits["train"](), 600)
    fraction = np.array([(sample.mask >= 128).mean() for sample in some])
    assert mean[0] < fraction.mean() < mean[1]
    assert ((fraction > outer[0]) & (fraction < outer[1])).mean() > 0.85  # the thinnest strokes stay below


def test_two_digits_lie_left_and_right_and_the_label_names_both(home):
    raw, _ = worlds(home)["mnist-two"]
    for index, sample in enumerate(raw.splits["train"]()):
        assert set(np.unique(sample.instances)) == {0, 1, 2}
        assert not np.any(sample.instances[:, :32] == 2)
        assert not np.any(sample.instances[:, 32:] == 1)
        assert np.array_equal(sample.instances > 0, sample.mask >= 128)
        scene = draw_scene(0, "train", index, 2, 12)
        left, right = (d.source % 10 for d in scene.digits)
        assert raw.classes[sample.label] == f"{left}{right}"
        assert left == index % 10


@pytest.mark.parametrize("name", ["digits-one", "mnist-one", "mnist-two"])
def test_the_same_seed_gives_the_same_bytes(home, name):
    first, second = (list(worlds(home)[name][0].splits["train"]()) for _ in range(2))
    for a, b in zip(first, second, strict=True):
        assert a.image.tobytes() == b.image.tobytes()
        assert a.mask.tobytes() == b.mask.tobytes()
        assert a.label == b.label


def test_a_picture_does_not_depend_on_how_many_there_are():
    few, many = (list(build(DigitsOne(images=n), 32, None).splits["train"]()) for n in (5, 50))
    for a, b in zip(few, many[:5], strict=True):
        assert np.array_equal(a.image, b.image)


def test_another_seed_places_the_digits_otherwise():
    a, b = (next(iter(build(DigitsOne(seed=seed), 32, None).splits["train"]())) for seed in (0, 1))
    assert a.label == b.label
    assert not np.array_equal(a.image, b.image)


def test_no_writer_of_the_test_split_is_seen_in_training():
    tiles, labels = load_tiles()
    assert tiles.shape == (1797, 28, 28)
    # every writer begins with 0 to 9, twice: the split falls on such a beginning
    assert labels[TEST_WRITERS_FROM : TEST_WRITERS_FROM + 20].tolist() == 2 * list(range(10))
    raw = build(DigitsOne(images=1415, test_images=382), 32, None)
    assert [s.label for s in raw.splits["train"]()] == labels[:TEST_WRITERS_FROM].tolist()
    assert [s.label for s in raw.splits["test"]()] == labels[TEST_WRITERS_FROM:].tolist()


def test_enlarged_digits_are_white_strokes_inside_a_black_border():
    tiles, labels = load_tiles()
    assert tiles[:, :4].max() == tiles[:, 24:].max() == tiles[:, :, :4].max() == tiles[:, :, 24:].max() == 0
    assert np.median(tiles.max(axis=(1, 2))) == 255
    assert 0.05 < (tiles > 127).mean() < 0.25
    zeros = tiles[labels == 0].mean(axis=0)
    assert zeros[13:15, 13:15].mean() < 40 < zeros[13:15, 8:11].mean()  # a hole inside its ring


@pytest.mark.parametrize(("record", "side"), [(DIGITS_ONE, 32), (MNIST_ONE, 32), (MNIST_TWO, 64)])
def test_the_records_keep_their_promises(home, record, side):
    raw = record.build(record.config(), record.resolution, home)
    sample = next(iter(raw.splits["test"]()))
    assert record.grey
    assert record.offline == (not record.sources)
    assert raw.provides == record.provides
    assert sample.image.shape == sample.mask.shape == sample.instances.shape == (side, side)
    assert sample.image.dtype == sample.mask.dtype == sample.instances.dtype == np.uint8


def test_other_digits_in_mnists_format_are_not_passed_off_as_mnist(home):
    raw = build_one(Mnist(), 32, home)
    assert raw.counts == {"train": 12, "val": 5, "test": 5}
    assert raw.origin.startswith("archive:")
    labels = home.root / "mnist" / "t10k-labels-idx1-ubyte.gz"
    labels.write_bytes(gzip.compress(idx([4, 3, 2, 1, 0])))
    assert build_one(Mnist(), 32, home).origin != raw.origin


def test_missing_files_are_fetched_for_the_data_set_that_was_asked_for(tmp_path):
    home = Home(tmp_path)
    with pytest.raises(DataMissing):
        build_two(Mnist(), 64, home)
    assert home.asked == [("mnist-two", SOURCES)]


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda packed: packed[: len(packed) // 2], "cannot be read"),
        (lambda packed: gzip.compress(gzip.decompress(packed)[:-9]), "truncated"),
        (lambda packed: gzip.compress(b"\0\0\x08\x01" + gzip.decompress(packed)[4:]), "not an idx file"),
        (lambda packed: gzip.compress(b""), "not an idx file"),
        (lambda packed: b"<html>not here</html>", "cannot be read"),
    ],
    ids=["half a gzip", "half an idx", "labels for pictures", "empty", "an error page"],
)
def test_a_damaged_file_is_named_with_advice(home, damage, says):
    path = home.root / "mnist" / "train-images-idx3-ubyte.gz"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(BadData, match=says) as caught:
        build_one(Mnist(), 32, home)
    assert path.name in str(caught.value)
    assert "Remove it" in str(caught.value)


def test_labels_that_do_not_match_the_pictures_are_refused(home):
    path = home.root / "mnist" / "t10k-labels-idx1-ubyte.gz"
    for wrong in (np.arange(4), np.full(5, 11)):
        path.write_bytes(gzip.compress(idx(wrong)))
        with pytest.raises(BadData, match="t10k-labels"):
            build_one(Mnist(), 32, home)


def test_an_idx_file_reads_as_the_array_that_was_written(tmp_path):
    array = np.random.default_rng(0).integers(0, 256, (3, 28, 28), np.uint8)
    (tmp_path / "x.gz").write_bytes(gzip.compress(idx(array)))
    assert np.array_equal(read_idx(tmp_path / "x.gz", (28, 28)), array)


@pytest.mark.parametrize(
    "make",
    [
        lambda: build(DigitsOne(images=0), 32, None),
        lambda: build(DigitsOne(val_images=0), 32, None),
        lambda: build(DigitsOne(seed=-1), 32, None),
        lambda: build(DigitsOne(), 4, None),
    ],
    ids=["no pictures", "no val pictures", "negative seed", "four pixels"],
)
def test_settings_that_make_no_sense_are_refused(make):
    with pytest.raises(BadRecipe, match="digits-one needs"):
        make()
