"""A finished run, alone on a machine without its data, and the capsule of it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from finished import finished

from lgbench.capsule import pack
from lgbench.features import extractors

METRICS = "default,max-f,mae,memorisation,two-sample-1nn-random,1nn,is-contextual"


@pytest.fixture(scope="session")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LGBENCH_HOME", str(tmp_path_factory.mktemp("home")))
        return finished(tmp_path_factory.mktemp("runs"), METRICS)


@pytest.fixture
def run(original: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The run on a machine that has neither its data nor any network."""
    monkeypatch.setenv("LGBENCH_HOME", str(tmp_path / "nothing"))

    def refuse(*args: object, **more: object) -> None:
        raise AssertionError("a network was loaded")

    monkeypatch.setattr(extractors, "load_extractor", refuse)
    monkeypatch.setattr("lgbench.evaluation.parts.load_extractor", refuse)
    folder = Path(shutil.copytree(original, tmp_path / "run"))
    for weights in folder.rglob("*.safetensors"):
        weights.unlink()
    return folder


@pytest.fixture
def capsule(run: Path, tmp_path: Path) -> Path:
    return pack(run, tmp_path / "run.capsule.zip")[0]
