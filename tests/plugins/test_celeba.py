"""CelebA from a miniature of its official files, put by hand, and from an added archive."""

import hashlib
import logging
import re
import shutil
import zipfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from official import encoded
from portrait_files import SIDE, landmark_table, pictures, points

from lgbench.cli import cost, dry_run
from lgbench.cli.data import add
from lgbench.data import DataHome, Split, add_archive, archive_columns, open_dataset
from lgbench.errors import BadData, BadRecipe, DataMissing
from lgbench.lookup import look_up
from lgbench.recipe import Request
from lgbench_datasets import celeba
from lgbench_datasets.face_regions import REGIONS, rasterise

COUNT, HEIGHT, WIDTH = 40, 218, 178
NAMES = [f"{i:06d}.jpg" for i in range(1, COUNT + 1)]
OTHERS = ("Bald", *celeba.ATTRIBUTES[:3], "Smiling", *celeba.ATTRIBUTES[3:])
BITS = np.random.default_rng(0).integers(0, 2, (COUNT, len(OTHERS)))
OURS = BITS[:, [OTHERS.index(name) for name in celeba.ATTRIBUTES]]
POINTS = points(COUNT, HEIGHT, WIDTH)
DOUBTFUL = [int(i == 4) for i in range(COUNT)]


def write(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / celeba.IMAGES).mkdir(parents=True)
    for name, data in pictures(NAMES, HEIGHT, WIDTH).items():
        (folder / celeba.IMAGES / name).write_bytes(data)
    rows = [f"{name} {' '.join(f'{2 * bit - 1:2d}' for bit in bits)}" for name, bits in zip(NAMES, BITS, strict=True)]
    (folder / "list_attr_celeba.txt").write_text("\n".join([str(COUNT), " ".join(OTHERS), *rows, ""]))
    parts = [f"{name} {0 if i < 20 else 1 if i < 30 else 2}" for i, name in enumerate(NAMES)]
    (folder / "list_eval_partition.txt").write_text("\n".join([*parts, ""]))
    landmarks = POINTS.copy()
    landmarks[7] = np.nan
    (folder / "landmarks.csv").write_bytes(landmark_table(NAMES, landmarks, {"doubtful": DOUBTFUL}))

    def found(file: str) -> str:
        path = folder / file
        return f"md5:{hashlib.md5(path.read_bytes()).hexdigest()}" if path.is_file() else "md5:" + "0" * 32

    monkeypatch.setattr(celeba, "SOURCES", tuple(replace(s, checksum=found(s.file)) for s in celeba.SOURCES))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DataHome:
    home = DataHome(tmp_path / "home")
    write(home.folder("celeba"), monkeypatch)
    return home


def opened(home: DataHome, side: int = 32, **settings: object) -> dict[str, Split]:
    return open_dataset(celeba.CELEBA, settings, side, home)


def numbers(split: Split) -> list[int]:
    return [int(Path(name).stem) - 1 for name in split.names]


def check(split: Split, side: int, shown: np.ndarray) -> None:
    """Everything known of each face is its own; `shown` are its landmarks where the square shows them at 64 px."""
    assert split.segments is not None
    assert split.attributes is not None
    assert split.landmarks is not None
    assert (split.segment_names, split.attribute_names) == (REGIONS, celeba.ATTRIBUTES)
    for row, i in enumerate(numbers(split)):
        assert (split.attributes[row] == OURS[i]).all()
        np.testing.assert_allclose(split.landmarks[row], (shown[i] + 0.5) * side / SIDE - 0.5, atol=0.02)
        assert (split.segments[row] == rasterise(np.asarray(split.landmarks[row]), side)).all()
        assert abs(int(split.images[row].mean()) - (10 + 5 * i)) <= 2


@pytest.mark.parametrize("side", [32, 64])
def test_official_files_give_attributes_and_regions_drawn_at_the_side_asked_for(home: DataHome, side: int, caplog):
    with caplog.at_level(logging.WARNING):
        splits = opened(home, side)
    assert "2 faces of celeba without landmarks" in caplog.text
    assert {split: len(found) for split, found in splits.items()} == {"train": 35, "test": 3}
    assert {4, 7} & {*numbers(splits["train"]), *numbers(splits["test"])} == set()
    for split in splits.values():
        check(split, side, points(COUNT))
        assert split.pseudo == {"landmarks": celeba.DETECTED, "segments": celeba.DETECTED}


def test_the_held_out_pictures_depend_on_their_names_alone(home: DataHome):
    every = opened(home, doubtful=True)["test"]
    assert len(every) == 4
    assert numbers(opened(home)["test"]) == [i for i in numbers(every) if not DOUBTFUL[i]]
    assert [len(split) for split in opened(home, split="official").values()] == [18, 10, 10]


def test_packed_pictures_are_read_as_unpacked_ones(home: DataHome, monkeypatch: pytest.MonkeyPatch):
    unpacked = opened(home)["train"]
    folder = home.folder("celeba")
    with zipfile.ZipFile(folder / "img_align_celeba.zip", "w") as file:
        for name in NAMES:
            file.write(folder / celeba.IMAGES / name, f"{celeba.IMAGES}/{name}")
    shutil.rmtree(folder / celeba.IMAGES)
    with pytest.raises(BadData, match="img_align_celeba.zip is not the official file"):
        opened(home, doubtful=True)
    zipped = celeba.SOURCES[0]
    checksum = f"md5:{hashlib.md5((folder / zipped.file).read_bytes()).hexdigest()}"
    monkeypatch.setattr(celeba, "SOURCES", (replace(zipped, checksum=checksum), *celeba.SOURCES[1:]))
    packed = opened(home, doubtful=True)["train"]
    assert (packed.images[:3] == unpacked.images[:3]).all()
    assert packed.origin.startswith("official, landmarks ")
    (folder / celeba.IMAGES).mkdir()  # beside what was checked, nobody reads it
    assert opened(home, doubtful=True)["train"].origin == packed.origin


def test_an_unpacked_picture_that_changes_is_noticed(home: DataHome):
    before = opened(home)["train"]
    for path in (home.folder("celeba") / celeba.IMAGES).iterdir():
        path.write_bytes(encoded(np.full((HEIGHT, WIDTH, 3), 250, np.uint8)))
    after = opened(home)["train"]
    assert before.origin != after.origin
    assert before.fingerprint != after.fingerprint


def test_label_maps_of_a_folder_are_taken_as_they_are(home: DataHome):
    folder = home.folder("celeba") / "maps"
    folder.mkdir()
    whole, cut = np.zeros((HEIGHT, WIDTH), np.uint8), np.full((128, 128), 6, np.uint8)
    whole[20:198, :] = 3  # the square in the middle
    for i, name in enumerate(NAMES[:-1]):
        (folder / f"{Path(name).stem}.png").write_bytes(encoded(whole if i % 2 else cut, "PNG"))
    for split in opened(home, maps="maps").values():
        assert split.segments is not None
        assert COUNT - 1 not in numbers(split)
        assert split.pseudo == {"segments": celeba.BROUGHT}  # landmarks.csv is there, and made none of them
        for row, i in enumerate(numbers(split)):
            assert (split.segments[row] == (3 if i % 2 else 6)).all()


def test_without_landmarks_there_are_attributes_alone_and_a_user_is_told_what_to_bring(home: DataHome, caplog):
    (home.folder("celeba") / "landmarks.csv").unlink()
    train = opened(home)["train"]
    assert train.provides == {"attributes"}
    assert "x68, y68" in caplog.text
    with pytest.raises(BadData, match="has no segments"):
        train.known(slice(None), ["segments"])


def archive(
    path: Path,
    columns: tuple[str, ...] = OTHERS,
    marks: bool = True,
    doubtful: Sequence[object] = DOUBTFUL,
    splits: Sequence[str] = (),
    bad: str | None = None,
) -> Path:
    """Faces with their tables; `bad` is the cell of the fourth picture's attribute `Male`."""
    files = [f"images/{name}" for name in NAMES]
    cells = [[file, *map(str, bits)] for file, bits in zip(files, BITS, strict=True)]
    if bad is not None:
        cells[3][1 + OTHERS.index("Male")] = bad
    rows = [",".join([*row, *splits[i : i + 1]]) for i, row in enumerate(cells)]
    with zipfile.ZipFile(path, "w") as file:
        for name, data in pictures(files).items():
            file.writestr(name, data)
        file.writestr("labels.csv", "\n".join([",".join(["file", *columns, *(["split"] if splits else [])]), *rows]))
        if marks:
            file.writestr("landmarks.csv", landmark_table(files, points(COUNT), {"doubtful": doubtful}))
    return path


def test_an_added_archive_gives_what_its_tables_tell_without_doubtful_faces(tmp_path: Path, caplog):
    home = DataHome(tmp_path / "home")
    info = add_archive(home, "celeba", archive(tmp_path / "faces.zip"), archive_columns(celeba.CELEBA))
    assert not info.notes  # the column `doubtful` is read
    splits = opened(home)
    assert "1 faces of" in caplog.text
    assert sum(map(len, splits.values())) == COUNT - 1
    assert {*splits} == {"train", "val", "test"}
    for split in splits.values():
        check(split, 32, points(COUNT))
        assert split.origin.startswith("archive:")
        assert "landmarks" in split.pseudo
    assert sum(map(len, opened(home, doubtful=True).values())) == COUNT


@pytest.mark.parametrize(("setting", "value"), [("split", "official"), ("landmarks", "others.csv"), ("maps", "maps")])
def test_what_an_archive_would_not_read_is_refused(tmp_path: Path, setting: str, value: str):
    home = DataHome(tmp_path / "home")
    add_archive(home, "celeba", archive(tmp_path / "faces.zip"))
    with pytest.raises(
        BadRecipe, match=rf"data\.{setting} of celeba is for the official files only.*landmarks\.csv of"
    ):
        opened(home, **{setting: value})


@pytest.mark.parametrize(("setting", "value"), [("doubtful", True), ("landmarks", "others.csv")])
def test_what_label_maps_would_not_read_is_refused(home: DataHome, setting: str, value: object):
    with pytest.raises(BadRecipe, match=rf"data\.{setting} of celeba is about landmarks"):
        opened(home, maps="maps", **{setting: value})


@pytest.mark.parametrize("cell", ["1", "1.0", "True", "true ", "TRUE"])
def test_a_doubtful_face_is_one_however_its_bit_is_written(home: DataHome, tmp_path: Path, cell: str):
    doubtful = [cell if bit else clear for bit, clear in zip(DOUBTFUL, COUNT * ["0", "", "0.0", "False"], strict=False)]
    (home.folder("celeba") / "landmarks.csv").write_bytes(landmark_table(NAMES, POINTS, {"doubtful": doubtful}))
    assert sum(map(len, opened(home).values())) == COUNT - 1
    added = DataHome(tmp_path / "added")
    add_archive(added, "celeba", archive(tmp_path / "faces.zip", doubtful=doubtful))
    assert sum(map(len, opened(added).values())) == COUNT - 1


@pytest.mark.parametrize("cell", ["2", "yes", "0.5", "nan"])
def test_a_cell_that_does_not_say_whether_a_face_is_doubtful_is_named(home: DataHome, tmp_path: Path, cell: str):
    doubtful = [cell if bit else "0" for bit in DOUBTFUL]
    (home.folder("celeba") / "landmarks.csv").write_bytes(landmark_table(NAMES, POINTS, {"doubtful": doubtful}))
    added = DataHome(tmp_path / "added")
    add_archive(added, "celeba", archive(tmp_path / "faces.zip", doubtful=doubtful))
    for of in (home, added):
        with pytest.raises(BadData, match=rf"landmarks\.csv.* has '{cell}' as doubtful of '(images/)?000005\.jpg'"):
            opened(of)


GONE = r"and none to train on\. 40 faces .*{why}.* left out\. So celeba has no train and no .*data\.doubtful=true keeps"


def test_where_all_faces_are_doubtful_a_user_is_told_so_and_how_to_keep_them(
    home: DataHome, tmp_path: Path, monkeypatch
):
    every = COUNT * [1]
    (home.folder("celeba") / "landmarks.csv").write_bytes(landmark_table(NAMES, POINTS, {"doubtful": every}))
    with pytest.raises(BadData, match=GONE.format(why=r"doubtful ones \(40\)")):
        opened(home)
    monkeypatch.setenv("LGBENCH_HOME", str(tmp_path / "added"))
    made = archive(tmp_path / "faces.zip", doubtful=every)
    assert CliRunner().invoke(add, ["celeba", str(made)]).exit_code == 0  # there is a setting that reads it
    with pytest.raises(BadData, match=GONE.format(why="doubtful landmarks")):
        opened(DataHome())
    assert sum(map(len, opened(DataHome(), doubtful=True).values())) == COUNT


def test_a_split_whose_faces_are_all_doubtful_does_not_vanish_in_silence(home: DataHome, tmp_path: Path, caplog):
    last = [int(i >= 30) for i in range(COUNT)]  # the official test split
    (home.folder("celeba") / "landmarks.csv").write_bytes(landmark_table(NAMES, POINTS, {"doubtful": last}))
    added = DataHome(tmp_path / "added")
    splits = ["test" if bit else "train" for bit in last]
    add_archive(added, "celeba", archive(tmp_path / "faces.zip", doubtful=last, splits=splits))
    for of, settings in ((home, {"split": "official"}), (added, {})):
        caplog.clear()
        assert {*opened(of, **settings)} == {"train", "val"}
        assert re.search(r"10 faces of .*\n.*So celeba has no test here\. data\.doubtful=true", caplog.text)
        caplog.clear()
        assert "test" in opened(of, doubtful=True, **settings)
        assert "So celeba" not in caplog.text


def test_where_no_face_has_landmarks_that_is_said(home: DataHome):
    table = landmark_table([f"faces/{name}" for name in NAMES], POINTS, {})
    (home.folder("celeba") / "landmarks.csv").write_bytes(table)
    with pytest.raises(BadData, match=GONE.format(why="without landmarks")):
        opened(home)


@pytest.mark.parametrize("cell", ["2", "", "?", "0.5"])
def test_an_attribute_with_one_bad_cell_is_named_with_its_picture(tmp_path: Path, cell: str):
    home = DataHome(tmp_path / "home")
    add_archive(home, "celeba", archive(tmp_path / "faces.zip", bad=cell))
    with pytest.raises(BadData, match=re.escape(f"has {cell!r} as Male of 'images/000004.jpg'")):
        opened(home)


def test_a_dry_run_looks_into_an_added_archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys):
    home = DataHome(tmp_path / "home")
    add_archive(home, "celeba", archive(tmp_path / "faces.zip"))
    monkeypatch.setattr(cost, "MEASURED", 1)
    small = {"generator.g": 4, "method.d": 4, "regularizers.segmentor.width": 4, "training.batch": 2}
    dry_run.show(look_up(Request("scgan", "celeba", "smoke", resolution=32, settings=small), home), home, "cpu")
    assert "segmentor" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("made", "message"),
    [
        ({"columns": ("Bald", "Black", *OTHERS[2:])}, "no column of zeros and ones called Black_Hair"),
        ({"marks": False}, "has no landmarks.csv"),
    ],
)
def test_an_archive_of_something_else_is_refused_with_what_it_lacks(tmp_path: Path, made: dict, message: str):
    home = DataHome(tmp_path / "home")
    add_archive(home, "celeba", archive(tmp_path / "faces.zip", **made))
    with pytest.raises(BadData, match=message):
        opened(home)


def test_an_archive_of_something_else_does_not_take_a_good_ones_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("LGBENCH_HOME", str(tmp_path / "home"))
    good, other = archive(tmp_path / "faces.zip"), archive(tmp_path / "other.zip", marks=False)
    assert CliRunner().invoke(add, ["celeba", str(good)], catch_exceptions=False).exit_code == 0
    with pytest.raises(BadData, match=re.escape(f"{other} has no landmarks.csv")):
        CliRunner().invoke(add, ["celeba", str(other)], catch_exceptions=False)
    kept = DataHome().archives()["celeba"]
    assert kept.read_bytes() == good.read_bytes()


def rows(landmarks: np.ndarray = POINTS, of: slice = slice(None)) -> list[str]:
    return landmark_table(NAMES, landmarks, {}).decode().splitlines()[of]


@pytest.mark.filterwarnings("error::RuntimeWarning")
@pytest.mark.parametrize(
    ("table", "said"),
    [
        ([*rows(), *rows(of=slice(3, 4))], "names '000003.jpg' more than once"),
        (rows((POINTS + 0.5) / WIDTH), "'000001.jpg' lie within 2 pixels; are they shares"),
        ([*rows(of=slice(3)), "000003.jpg,,1" + ",2" * 134], "'000003.jpg' are not 68 points"),
        *(
            ([*rows(of=slice(3)), f"000003.jpg,{x}" + ",2" * 135], "'000003.jpg' are not finite")
            for x in ("inf", "nan", "1e39", "-3e38", "1e400")
        ),
        ([",".join(reversed(row.split(","))) for row in [*rows(of=slice(3)), "1,2,3"]], "'' are not 68 points"),
    ],
)
def test_faulty_landmarks_are_named_with_their_picture(home: DataHome, table: list[str], said: str):
    (home.folder("celeba") / "landmarks.csv").write_text("\n".join(table))
    with pytest.raises(BadData, match=said):
        opened(home)


def test_who_has_none_of_the_files_is_told_where_they_belong(tmp_path: Path):
    home = DataHome(tmp_path / "home")
    with pytest.raises(DataMissing, match=r"(?s)landmarks\.csv.*lgbench data add celeba.*files/celeba.*list_attr"):
        opened(home)
    with pytest.raises(BadRecipe, match="'scgan' or 'official'"):
        opened(home, split="mine")


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("list_attr_celeba.txt", f"41\n{' '.join(OTHERS)}\n000001.jpg 1 1 1 1 1 1 1\n", "1 pictures, not 41"),
        (
            "list_attr_celeba.txt",
            f"2\n{' '.join(OTHERS)}\n" + "000001.jpg 1 1 1 1 1 1 1\n000001.jpg -1 1 1 1 1 1 1\n",
            "1 pictures twice",
        ),
        ("list_attr_celeba.txt", "1\nBald\n000001.jpg 1\n", "Black_Hair"),
        ("landmarks.csv", "file,x1,y1\n000001.jpg,1,2\n", "no column 'x2'"),
    ],
)
def test_a_table_that_is_not_the_official_one_is_named(home: DataHome, monkeypatch, file: str, text: str, message: str):
    (home.folder("celeba") / file).write_text(text)
    checksum = f"md5:{hashlib.md5(text.encode()).hexdigest()}"
    sources = tuple(replace(s, checksum=checksum) if s.file == file else s for s in celeba.SOURCES)
    monkeypatch.setattr(celeba, "SOURCES", sources)
    with pytest.raises(BadData, match=message):
        opened(home)
