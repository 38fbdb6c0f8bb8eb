"""DeepFashion's synthesis subset from a miniature of its official files."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from lgbench.data import DataHome, open_dataset
from lgbench.errors import BadData, BadRecipe, DataMissing, RunFailed
from lgbench_datasets import deepfashion

h5py = pytest.importorskip("h5py", reason="h5py reads G2.h5")

COUNT, SIDE = 10, 128
COLOURS = [1, 2, 3, 1, 2, 3, 1, 2, 3, 3]
TRAIN, TEST = [1, 3, 2, 5, 6, 7, 8], [10, 4, 9]


def person(number: int) -> np.ndarray:
    """A class map (128, 128): hair, face, clothes, pants, legs from top to bottom, an arm to the right."""
    rows = np.zeros(SIDE, np.uint8)
    for region, top in ((1, 10), (2, 20), (3, 40), (4, 60), (5, 80)):
        rows[top : top + 20] = region
    plane = np.zeros((SIDE, SIDE), np.uint8)
    plane[:, 50:70] = rows[:, None]
    plane[40:60, 70 + number : 75 + number] = 6
    return plane


def picture(number: int) -> np.ndarray:
    """(3, 128, 128) in [0, 1]: the map as brightness, one channel brighter than the next."""
    return np.stack([person(number) * 0.1 + 0.02 * number + 0.05 * channel for channel in range(3)])


Arrays = dict[str, np.ndarray]


def write(folder: Path, turned: bool, harm: Callable[[Arrays], object] = lambda arrays: None) -> None:
    """The three files, after `harm` has done something to their arrays in place."""
    from scipy.io import savemat

    def stored(array: np.ndarray) -> np.ndarray:
        return np.swapaxes(array, -1, -2) if turned else array

    folder.mkdir(parents=True, exist_ok=True)
    mean = np.full((3, SIDE, SIDE), 0.3, np.float32)
    arrays = {
        "ih": np.stack([stored(picture(i)) for i in range(COUNT)]).astype(np.float32) - mean,
        "ih_mean": mean,
        "b_": np.stack([stored(person(i))[None] for i in range(COUNT)]).astype(np.float32),
        "color_": np.array(COLOURS, float)[:, None],
        "train_ind": np.array(TRAIN, float)[:, None],
        "test_ind": np.array(TEST, float)[:, None],
    }
    harm(arrays)
    with h5py.File(folder / "G2.h5", "w") as file:
        for name in ("ih", "ih_mean", "b_"):
            file[name] = arrays[name]
    savemat(folder / "language_original.mat", {"color_": arrays["color_"]})
    savemat(folder / "ind.mat", {name: arrays[name] for name in ("train_ind", "test_ind")})


@pytest.fixture(params=[True, False], ids=["columns first", "rows first"])
def home(tmp_path: Path, request: pytest.FixtureRequest) -> DataHome:
    home = DataHome(tmp_path / "home")
    write(home.folder("deepfashion"), request.param)
    return home


def test_official_files_give_upright_persons_their_regions_and_colours(home: DataHome, caplog):
    splits = open_dataset(deepfashion.DEEPFASHION, None, None, home)
    assert "3 colours here" in caplog.text
    for split, chosen in (("train", TRAIN), ("test", TEST)):
        found = splits[split]
        assert found.segments is not None
        assert found.attributes is not None
        assert (found.segment_names, found.provides) == (deepfashion.REGIONS, {"segments", "attributes"})
        assert found.attribute_names == ("colour 1", "colour 2", "colour 3")
        for row, number in enumerate(chosen):
            assert (found.segments[row] == person(number - 1)).all()
            assert np.abs(found.images[row] / 255 - picture(number - 1).clip(0, 1)).max() < 0.004
            assert found.attributes[row].tolist() == [int(COLOURS[number - 1] == colour) for colour in (1, 2, 3)]


def test_scgans_own_scaling_stretches_each_picture(home: DataHome):
    train = open_dataset(deepfashion.DEEPFASHION, {"norm": "per_image"}, None, home)["train"]
    assert {(int(image.min()), int(image.max())) for image in train.images} == {(0, 255)}


def test_what_is_missing_or_malformed_is_named(tmp_path: Path):
    from scipy.io import savemat

    home = DataHome(tmp_path / "home")
    with pytest.raises(DataMissing, match=r"(?s)G2\.h5, language_original\.mat.*files/deepfashion"):
        open_dataset(deepfashion.DEEPFASHION, None, None, home)
    folder = home.folder("deepfashion")
    write(folder, True)
    with pytest.raises(BadRecipe, match="norm of deepfashion"):
        open_dataset(deepfashion.DEEPFASHION, {"norm": "none"}, None, home)
    savemat(folder / "ind.mat", {"train_ind": np.array([[1], [11]]), "test_ind": np.array([[2]])})
    with pytest.raises(BadData, match="train_ind does not name"):
        open_dataset(deepfashion.DEEPFASHION, None, None, home)
    (folder / "G2.h5").write_bytes(b"cut short")
    savemat(folder / "ind.mat", {"train_ind": np.array([[1]]), "test_ind": np.array([[2]])})
    with pytest.raises(BadData, match="no HDF5 file"):
        open_dataset(deepfashion.DEEPFASHION, None, None, home)


def put(name: str, where: object, value: float) -> Callable[[Arrays], None]:
    """Writes `value` into an array."""
    return lambda arrays: arrays[name].__setitem__(where, value)


@pytest.mark.filterwarnings("error::RuntimeWarning")
@pytest.mark.parametrize(
    ("harm", "said"),
    [
        *((put("color_", 3, value), r"language_original\.mat: entry 4 of color_ is") for value in (np.nan, 0, 1.5)),
        *((put("train_ind", 2, value), r"ind\.mat: entry 3 of train_ind is") for value in (np.nan, np.inf, 0, -1, 2.5)),
        (put("test_ind", 0, 11), r"ind\.mat: test_ind does not name"),
        (put("test_ind", 0, 3), r"ind\.mat: picture 3 is named more than once in train_ind and test_ind"),
        (put("train_ind", 2, 1), r"ind\.mat: picture 1 is named more than once in train_ind;"),
        *((put("ih", (2, 0, 5, 5), value), r"G2\.h5: pixels of picture 3 are") for value in (np.nan, np.inf)),
        (put("ih_mean", (0, 5, 5), np.nan), r"G2\.h5: pixels of picture \d are"),
        *((put("b_", (2, 0, 5, 5), value), r"G2\.h5: the map of picture 3 has") for value in (np.nan, 7, -1, 0.5, 256)),
        (lambda arrays: put("b_", arrays["b_"] == 1, 0)(arrays), r"G2\.h5: the first 10 maps show no hair, so"),
        (lambda arrays: put("b_", arrays["b_"] == 5, 0)(arrays), r"G2\.h5: the first 10 maps show no legs, so"),
        (lambda arrays: put("b_", ..., 0)(arrays), r"G2\.h5: the first 10 maps show no hair and no legs"),
    ],
)
def test_damaged_files_are_named_with_what_is_wrong(tmp_path: Path, harm: Callable[[Arrays], None], said: str):
    home = DataHome(tmp_path / "home")
    write(home.folder("deepfashion"), True, harm)
    with pytest.raises(BadData, match=f"(?s){said}.*put the official file"):
        open_dataset(deepfashion.DEEPFASHION, None, None, home)


def test_who_lacks_h5py_is_told_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    import sys

    home = DataHome(tmp_path / "home")
    write(home.folder("deepfashion"), True)
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(RunFailed, match=r"lgbench\[deepfashion\]"):
        open_dataset(deepfashion.DEEPFASHION, None, None, home)
