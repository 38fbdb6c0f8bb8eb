"""`lgbench data`: a thin door to fetching, verifying and adding."""

import hashlib
import io
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from lgbench import Dataset, Source
from lgbench.cli import data as module
from lgbench.cli.data import data
from lgbench.data import DataHome, open_dataset, resolve_dataset
from lgbench.errors import BadData, BadRecipe, UnknownName

FILE = Source("a.bin", (), "sha256:" + hashlib.sha256(b"right").hexdigest(), 2_000_000)


def build(config, resolution, home):
    raise AssertionError("nothing here opens a data set")


RECORDS = {
    "made": Dataset(name="made", summary="painted", build=build, offline=True, provides=frozenset({"masks"})),
    "filed": Dataset(name="filed", summary="from files", build=build, licence="free", sources=(FILE,)),
}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DataHome:
    monkeypatch.setenv("LGBENCH_HOME", str(tmp_path / "home"))
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
    home.add_archive("mine", archive(tmp_path / "x.zip"))
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


def test_the_command_group_loads_neither_numpy_nor_rich():
    code = "import sys, lgbench.cli.data; sys.exit(bool({'numpy', 'torch', 'rich'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
