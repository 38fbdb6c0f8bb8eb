"""Numbers added to a finished run."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from finished import altered, finished, lgbench

from lgbench.errors import RunFailed, UnknownName
from lgbench.files import read_json, write_json
from lgbench.record import read_record, record_files


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(autouse=True)
def _at_home(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LGBENCH_HOME", str(home))


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, home: Path) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LGBENCH_HOME", str(home))
        return finished(tmp_path_factory.mktemp("runs"), "iou")


@pytest.fixture
def run(trained: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(trained, tmp_path / "elsewhere" / "renamed"))


def test_numbers_are_added_as_a_further_record_wherever_the_run_lies(run: Path):
    (first,) = record_files(run)
    weights = {path: path.stat().st_mtime_ns for path in run.rglob("*.safetensors")}
    assert lgbench("evaluate", run, "--metrics", "ari,coverage", "--device", "cpu").exception is None
    kept, further = record_files(run)
    assert kept == first
    added, before = read_record(further), read_record(first)
    assert added.adds_to == before.id
    assert added.values.keys() == {"ari", "coverage"}
    assert added.artefacts.items() >= {k: v for k, v in before.artefacts.items() if k.endswith("safetensors")}.items()
    assert weights == {path: path.stat().st_mtime_ns for path in run.rglob("*.safetensors")}
    assert [path for path in run.parent.iterdir() if path.is_dir()] == [run]


def test_what_is_added_twice_is_one_record(run: Path):
    for _ in range(2):
        assert lgbench("evaluate", run, "--metrics", "ari", "--device", "cpu").exception is None
    assert len(record_files(run)) == 2


def test_a_run_that_learnt_from_other_pictures_is_not_scored_on_these(run: Path):
    identity = read_json(run / "identity.json")
    write_json(run / "identity.json", identity | {"data": "0" * 64})
    error = lgbench("evaluate", run, "--metrics", "ari", "--device", "cpu").exception
    assert isinstance(error, RunFailed)
    assert "its data differ" in str(error)
    assert len(record_files(run)) == 1


@pytest.mark.parametrize("network", ["train/generator", "train/critic", "segment/segmenter"])
def test_weights_that_are_not_what_the_record_is_of_are_not_scored_as_if_they_were(run: Path, network: str):
    path = run / f"{network}.safetensors"
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))  # loads as well as before
    refused = lgbench("evaluate", run, "--metrics", "ari,coverage", "--device", "cpu").exception
    assert isinstance(refused, RunFailed)
    assert f"{path.name} holds other weights than those that" in str(refused)
    assert len(record_files(run)) == 1


@pytest.mark.parametrize("names", ["", ",", " , "])
def test_no_names_of_metrics_are_refused_with_those_that_there_are(run: Path, names: str):
    error = lgbench("evaluate", run, "--metrics", names, "--device", "cpu").exception
    assert isinstance(error, UnknownName)
    assert all(told in str(error) for told in ("`default`", "`all`", "`lgbench list metrics`"))
    assert len(record_files(run)) == 1


@pytest.mark.parametrize("kind", ["predictions", "samples", "taught"])
def test_a_stored_file_that_is_another_is_told_of_and_made_again(run: Path, kind: str):
    (path,) = run.glob(f"{kind}-*.npz")
    content = path.read_bytes()
    altered(path)
    result = lgbench("evaluate", run, "--metrics", "dice,coverage", "--device", "cpu")
    assert result.exception is None
    assert f"{path.name} is not what the run's record was scored from" in " ".join(result.output.split())
    assert path.read_bytes() == content
    first, further = map(read_record, record_files(run))
    assert further.artefacts[path.name] == first.artefacts[path.name]


def test_an_unknown_metric_and_an_empty_folder_are_told(run: Path, tmp_path: Path):
    assert isinstance(lgbench("evaluate", run, "--metrics", "iuo").exception, UnknownName)
    (tmp_path / "empty").mkdir()
    error = lgbench("evaluate", tmp_path / "empty", "--metrics", "iou").exception
    assert isinstance(error, RunFailed)
    assert "not the folder of a finished run" in str(error)
