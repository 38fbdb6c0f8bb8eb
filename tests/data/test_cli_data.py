"""`lgbench data`: a thin door to fetching, verifying and adding."""

import hashlib
import io
import os
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from lgbench import Dataset, Source
from lgbench.cli import data as module
from lgbench.cli.data import data
from lgbench.cli.listing import info
from lgbench.data import DataHome, add_archive, open_dataset, resolve_dataset
from lgbench.errors import BadData, BadRecipe, DataMissing, UnknownName
from lgbench.plugins import registry

URLS = ("http://127.0.0.1:9/a.bin",)
FILE = Source("a.bin", URLS, "sha256:" + hashlib.sha256(b"right").hexdigest(), 2_000_000)


def build(config, resolution, home):
    raise AssertionError("nothing here opens a data set")


RECORDS = {
    "made": Dataset(name="made", summary="painted", build=build, offline=True, provides=frozenset({"masks"})),
    "filed": Dataset(name="filed", summary="from files", build=build, licence="free", sources=(FILE,)),
    "closed": Dataset(
        name="closed",
        summary="gone",
        build=build,
        sources=(replace(FILE, urls=()),),
        by_hand="Ask its authors for a.bin.",
    ),
    "loose": Dataset(
        name="loose",
        summary="a folder of one's own",
        build=build,
        splits="as many as there are",
        by_hand="Put pictures into files/loose.",
        locate=lambda home: home.folder("loose") if any(home.folder("loose").glob("*.png")) else None,
    ),
    "sharing": Dataset(
        name="sharing",
        summary="from another's files",
        build=build,
        sources=(FILE,),
        locate=lambda home: home.folder("filed") if home.has("filed", (FILE,)) else None,
    ),
}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DataHome:
    monkeypatch.setenv("LGBENCH_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("COLUMNS", raising=False)
    monkeypatch.setattr(module, "_records", lambda: RECORDS)
    return DataHome()


def run(*arguments: str) -> str:
    result = CliRunner().invoke(data, arguments, catch_exceptions=False)
    assert result.exit_code == 0
    return result.output


def archive(path: Path) -> Path:
    picture = io.BytesIO()
    Image.fromarray(np.zeros((8, 8, 3), dtype=np.uint8)).save(picture, "PNG")
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("index.csv", "image\na.png\nb.png\n")
        file.writestr("a.png", picture.getvalue())
        file.writestr("b.png", picture.getvalue())
    return path


def test_list_says_what_is_here(home: DataHome, tmp_path: Path):
    add_archive(home, "mine", archive(tmp_path / "x.zip"))
    lines = {line.split()[0]: line for line in run("list").splitlines() if line}
    assert "offline" in lines["made"]
    assert "masks" in lines["made"]
    assert "to fetch (2 MB)" in lines["filed"]
    assert "free" in lines["filed"]
    assert "archive" in lines["mine"]


def test_add_keeps_an_archive_and_verify_finds_it_good(home: DataHome, tmp_path: Path):
    assert "mine: 1 train, 1 test" in run("add", "mine", str(archive(tmp_path / "x.zip")))
    open_dataset(resolve_dataset("mine", RECORDS, home), None, 8, home)
    assert run("verify", "mine").count("good") == 2


def test_add_of_a_folder_says_how_to_use_it(home: DataHome, tmp_path: Path):
    (tmp_path / "mine").mkdir()
    with pytest.raises(BadRecipe, match=r"Zip it .*python -m zipfile -c mine.zip .*--dataset folder:"):
        CliRunner().invoke(data, ["add", "mine", str(tmp_path / "mine")], catch_exceptions=False)


def test_add_refuses_the_name_of_an_installed_data_set(home: DataHome, tmp_path: Path):
    with pytest.raises(BadRecipe, match="under another name"):
        run("add", "made", str(archive(tmp_path / "x.zip")))
    assert home.archives() == {}


def test_verify_finds_a_wrong_file(home: DataHome):
    assert "absent" in run("verify", "filed")
    home.folder("filed").mkdir(parents=True)
    (home.folder("filed") / "a.bin").write_bytes(b"right")
    assert "good" in run("verify", "filed")
    (home.folder("filed") / "a.bin").write_bytes(b"wrong")
    with pytest.raises(BadData, match="expected sha256:"):
        run("verify", "filed")


def test_fetch_prints_the_folder(home: DataHome):
    home.folder("filed").mkdir(parents=True)
    (home.folder("filed") / "a.bin").write_bytes(b"right")
    assert str(home.folder("filed")) in run("fetch", "filed")
    assert "needs no files" in run("fetch", "made")
    with pytest.raises(UnknownName, match="Did you mean 'filed'"):
        run("fetch", "field")


def put(home: DataHome, name: str, file: str) -> Path:
    home.folder(name).mkdir(parents=True, exist_ok=True)
    (home.folder(name) / file).write_bytes(b"right")
    return home.folder(name)


def here(name: str) -> str:
    (line,) = (line for line in run("list").splitlines() if line.startswith(f"{name} "))
    return line[len(name) :].strip()


@pytest.mark.parametrize(("name", "file"), [("closed", "a.bin"), ("loose", "a.png")])
def test_what_nobody_can_fetch_is_put_by_hand(home: DataHome, name: str, file: str):
    assert here(name).startswith("by hand")
    with pytest.raises(DataMissing) as error:
        run("fetch", name)
    assert RECORDS[name].by_hand in str(error.value)
    assert str(home.folder(name)) in str(error.value)
    assert run("verify", name).startswith("absent")
    folder = put(home, name, file)
    assert here(name).startswith("yes")
    assert run("fetch", name) == f"{folder}\n"
    assert run("verify", name).startswith("good" if RECORDS[name].sources else "unknown")


def test_a_wrong_file_that_was_put_by_hand_is_found(home: DataHome):
    (put(home, "closed", "a.bin") / "a.bin").write_bytes(b"wrong")
    with pytest.raises(BadData, match="expected sha256:"):
        run("verify", "closed")


def test_files_that_another_data_set_has_are_here(home: DataHome):
    assert here("sharing").startswith("to fetch")
    folder = put(home, "filed", "a.bin")
    assert here("sharing").startswith("yes")
    assert run("fetch", "sharing") == f"{folder}\n"
    assert run("verify", "sharing") == f"good    {folder / 'a.bin'}\n"


def test_what_makes_a_fetched_data_set_more_is_told_after_the_download(home: DataHome, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(RECORDS, "filed", replace(RECORDS["filed"], by_hand="Masks are optional."))
    put(home, "filed", "a.bin")
    result = CliRunner().invoke(data, ["fetch", "filed"], catch_exceptions=False)
    assert (result.stdout, "Masks are optional." in result.stderr) == (f"{home.folder('filed')}\n", True)


def test_the_command_line_fails_with_the_instruction_and_no_traceback(tmp_path: Path):
    code = "import sys; sys.argv = ['lgbench', 'data', 'fetch', 'cars']; from lgbench.cli import main; main()"
    environment = os.environ | {"LGBENCH_HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "put cars_train.tgz" in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr


def test_info_tells_licence_citation_splits_and_what_to_put_by_hand():
    cars = registry().datasets["cars"]
    told = CliRunner().invoke(info, ["cars"], catch_exceptions=False).output
    for fact in (cars.licence, cars.citation, cars.splits, cars.by_hand):
        assert fact
        assert fact in told
    assert "locate" not in told


@pytest.mark.parametrize("name", sorted(registry().datasets))
def test_info_names_walks_and_shows_nobody_a_function(name: str):
    told = CliRunner().invoke(info, [name], catch_exceptions=False).output
    assert "<function" not in told
    walks = registry().datasets[name].walks
    assert (f"walks: {', '.join(walks)}\n" in told) == bool(walks)


def test_every_data_set_of_our_own_says_how_it_is_had(tmp_path: Path):
    home = DataHome(tmp_path)
    nine = {"cub", "cars", "dogs", "fs-100", "lfw", "cifar10", "clevr6", "apc", "lsun-car"}
    assert nine <= set(registry().datasets)
    for record in registry().datasets.values():
        assert record.offline or record.licence
        assert record.splits
        assert record.offline or record.fetched or record.by_hand, record.name
        assert home.locate(record) is None


def test_mnist_in_its_shared_folder_is_here(home: DataHome):
    mnist = [registry().datasets[name] for name in ("mnist-one", "mnist-two")]
    assert [home.locate(record) for record in mnist] == [None, None]
    for source in mnist[0].sources:
        put(home, "mnist", source.file)
    assert [home.locate(record) for record in mnist] == [home.folder("mnist")] * 2


def test_the_command_group_loads_neither_numpy_nor_rich():
    code = "import sys, lgbench.cli.data; sys.exit(bool({'numpy', 'torch', 'rich'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    ("train", "told"), [(12, "score `val` with `--set evaluation.split=val`, or say"), (3, "It has no test split: say")]
)
def test_add_tells_that_nothing_is_there_to_test_on(home: DataHome, tmp_path: Path, train: int, told: str):
    picture = io.BytesIO()
    Image.fromarray(np.zeros((8, 8, 3), dtype=np.uint8)).save(picture, "PNG")
    with zipfile.ZipFile(tmp_path / "shoes.zip", "w") as file:
        for index in range(train):
            file.writestr(f"train/{index}.png", picture.getvalue())
    assert told in run("add", "shoes", str(tmp_path / "shoes.zip"))
    assert "no test split" not in run("add", "two", str(archive(tmp_path / "two.zip")))


@pytest.mark.parametrize(
    ("values", "named"), [((0, 1, 15, 255), True), ((0, 1, 2), False), ((0, 127, 255), False), (range(256), False)]
)
def test_add_names_the_value_of_borders_in_label_maps(home: DataHome, tmp_path: Path, values, named: bool):
    picture, mask = io.BytesIO(), io.BytesIO()
    Image.fromarray(np.zeros((16, 16, 3), dtype=np.uint8)).save(picture, "PNG")
    Image.fromarray(np.resize(np.array(values, dtype=np.uint8), (16, 16))).save(mask, "PNG")
    with zipfile.ZipFile(tmp_path / "voc.zip", "w") as file:
        for name in ("a", "b", "c"):
            file.writestr(f"images/{name}.png", picture.getvalue())
            file.writestr(f"masks/{name}.png", mask.getvalue())
    assert ("data.ignore=255" in run("add", "voc", str(tmp_path / "voc.zip"))) == named


def test_masks_that_tell_nothing_apart_are_told_when_they_are_added(home: DataHome, tmp_path: Path):
    picture, mask = io.BytesIO(), io.BytesIO()
    Image.fromarray(np.zeros((8, 8, 3), dtype=np.uint8)).save(picture, "PNG")
    Image.fromarray(np.full((8, 8), 255, dtype=np.uint8)).save(mask, "PNG")
    with zipfile.ZipFile(tmp_path / "full.zip", "w") as file:
        for name in ("a", "b", "c"):
            file.writestr(f"images/{name}.png", picture.getvalue())
            file.writestr(f"masks/{name}.png", mask.getvalue())
    assert "Its masks are 255 everywhere" in run("add", "full", str(tmp_path / "full.zip"))
