"""The faces with 68 landmarks from an added archive."""

import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from portrait_files import landmark_table, pictures, points

from lgbench.cli.data import data as command
from lgbench.data import DataHome, Split, add_archive, open_dataset
from lgbench.errors import BadData, BadRecipe, DataMissing
from lgbench.offers import ImageSpec
from lgbench_datasets.face_regions import rasterise
from lgbench_datasets.faces68 import FACES68

COUNT = 30
PARTS = ["helen_test"] * 8 + ["helen_train"] * 12 + ["afw"] * 10
FILES = [f"images/{part}_{i}.jpg" for i, part in enumerate(PARTS)]
PADDED = [0.5 if i in (3, 25) else 0.05 for i in range(COUNT)]


def opened(home: DataHome, **settings: object) -> dict[str, Split]:
    return open_dataset(FACES68, settings, 32, home)


def added(tmp_path: Path, landmarks: np.ndarray, columns: dict, files: Sequence[str] = FILES) -> DataHome:
    return added_with(tmp_path, {"landmarks.csv": landmark_table(files, landmarks, columns)}, files)


def added_with(tmp_path: Path, tables: dict[str, bytes], files: Sequence[str] = FILES) -> DataHome:
    with zipfile.ZipFile(tmp_path / "faces.zip", "w") as file:
        for name, data in (pictures(files) | tables).items():
            file.writestr(name, data)
    home = DataHome(tmp_path / "home")
    add_archive(home, "faces68", tmp_path / "faces.zip")
    return home


def test_columns_that_the_builder_reads_are_not_told_as_unread(tmp_path: Path, monkeypatch):
    monkeypatch.setenv("LGBENCH_HOME", str(tmp_path / "home"))
    columns = {"part": PARTS, "padded_fraction": PADDED, "weather": ["fine"] * COUNT}
    added(tmp_path, points(COUNT), columns)
    for name, told in (("faces68", ["weather"]), ("other", ["part", "padded_fraction", "weather"])):
        said = CliRunner().invoke(command, ["add", name, str(tmp_path / "faces.zip")]).output
        assert [word for word in ("part", "padded_fraction", "weather") if word in said] == told


def test_helens_test_part_is_tested_on_and_padded_faces_are_left_out(tmp_path: Path, caplog):
    home = added(tmp_path, points(COUNT), {"part": PARTS, "padded_fraction": PADDED})
    splits = opened(home)
    assert "2 faces of faces68 are left out" in caplog.text
    assert [len(splits["test"]), sum(map(len, splits.values()))] == [7, 28]
    assert all("helen_test" in name for name in splits["test"].names)
    assert not any("helen_test" in name for split in ("train", "val") for name in splits[split].names)
    for split in splits.values():
        assert (split.provides, split.pseudo) == ({"segments", "landmarks"}, {})
        assert split.segments is not None
        assert (split.segments == rasterise(np.asarray(split.landmarks), 32)).all()
    assert sum(map(len, opened(home, padded=1.0).values())) == COUNT


def test_faces_of_one_photograph_are_all_trained_on_or_none(tmp_path: Path):
    files = [f"images/helen_test_{i}.jpg" for i in range(4)] + [
        "images/helen_train_7_1.jpg",
        "images/helen_train_7_2.jpg",
    ]
    files += [f"images/afw_{photograph}_{face}.jpg" for photograph in range(14) for face in (1, 2, 3)]
    parts = [next(part for part in {*PARTS} if part in file) for file in files]
    splits = opened(added(tmp_path, points(len(files)), {"part": parts}, files))
    names = {split: {name.rpartition("_")[0] for name in splits[split].names if "afw" in name} for split in splits}
    assert names["val"]
    assert names["train"]
    assert not names["val"] & names["train"]
    assert FACES68.version == 2


@pytest.mark.parametrize(
    ("place", "called", "heading"),
    [
        ("landmarks.csv", "{}.jpg", "Image"),
        ("images/landmarks.csv", "images/{}", "FILE_NAME"),
        ("Landmarks.CSV", "{}", "file"),
        ("images/landmarks.csv", "{}.JPG", "File name"),
    ],
)
def test_a_table_that_archives_may_have_is_read(tmp_path: Path, place: str, called: str, heading: str):
    expected = opened(added(tmp_path, points(COUNT), {"part": PARTS, "padded_fraction": PADDED}))
    columns = {"Part": PARTS, "Padded fraction": PADDED}
    table = landmark_table([called.format(Path(file).stem) for file in FILES], points(COUNT), columns)
    first, _, rows = table.decode().partition("\n")
    first = first.replace("file", heading).replace("x", " X").replace("y", " Y")
    found = opened(added_with(tmp_path, {place: f"{first}\n{rows}".replace(",", ";").encode()}))
    assert {split: data.names for split, data in found.items()} == {s: data.names for s, data in expected.items()}
    for split, data in found.items():
        assert np.array_equal(np.asarray(data.landmarks), np.asarray(expected[split].landmarks))


def test_without_parts_splits_are_drawn_by_names(tmp_path: Path):
    assert {*opened(added(tmp_path, points(COUNT), {}))} == {"train", "val", "test"}


def test_what_is_wrong_with_an_archive_is_named(tmp_path: Path):
    with pytest.raises(DataMissing, match="lgbench data add faces68"):
        opened(DataHome(tmp_path / "none"))
    home = added(tmp_path, points(COUNT), {"padded_fraction": ["much"] * COUNT})
    with pytest.raises(BadData, match="padded_fraction"):
        opened(home)
    with pytest.raises(BadRecipe, match="from 0 to 1"):
        opened(home, padded=2.0)


def test_scgan_leaves_its_classifier_out_where_there_are_no_attributes_and_says_so(caplog):
    from lgbench_scgan.config import SCGANConfig, SCGANMethod
    from lgbench_scgan.game import scgan
    from lgbench_scgan.model import SCGAN

    spec = ImageSpec(32, segments=7)
    game = scgan(SCGANMethod(d=2), SCGAN(SCGANConfig(g=2), spec), spec)
    assert "attributes" not in game.reads
    assert "no attributes" in caplog.text
