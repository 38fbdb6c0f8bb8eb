"""DeepFashion's synthesis subset from a miniature of its official files."""

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


def write(folder: Path, turned: bool) -> None:
    from scipy.io import savemat

    def stored(array: np.ndarray) -> np.ndarray:
        return np.swapaxes(array, -1, -2) if turned else array

    folder.mkdir(parents=True, exist_ok=True)
    mean = np.full((3, SIDE, SIDE), 0.3, np.float32)
    with h5py.File(folder / "G2.h5", "w") as file:
        file["ih"] = np.stack([stored(picture(i)) for i in range(COUNT)]).astype(np.float32) - mean
        file["ih_mean"] = mean
        file["b_"] = np.stack([stored(person(i))[None] for i in range(COUNT)]).astype(np.float32)
    savemat(folder / "language_original.mat", {"color_": np.array(COLOURS, float)[:, None]})
    savemat(folder / "ind.mat", {"train_ind": np.array(TRAIN)[:, None], "test_ind": np.array(TEST)[:, None]})


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


def test_who_lacks_h5py_is_told_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    import sys

    home = DataHome(tmp_path / "home")
    write(home.folder("deepfashion"), True)
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(RunFailed, match=r"lgbench\[deepfashion\]"):
        open_dataset(deepfashion.DEEPFASHION, None, None, home)
