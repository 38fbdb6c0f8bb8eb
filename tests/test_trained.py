"""What `load_run` gives back is what the run has learnt: nothing of it is learnt anew from other pictures."""

from __future__ import annotations

import itertools
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from finished import lgbench
from run_worlds import scenes

from lgbench import load_run, trained
from lgbench.errors import RunFailed

SMALL = {
    "training.steps": 2,
    "training.batch": 4,
    "segmentation.steps": 2,
    "segmentation.batch": 4,
    "evaluation.samples": 8,
}


def carried_out(tmp_path: Path, method: str, *more: str) -> Path:
    settings = {} if method == "nearest-mask" else SMALL
    flags = [part for k, v in settings.items() for part in ("--set", f"{k}={v}")]
    command = ["run", "--method", method, "--dataset", f"folder:{tmp_path / 'photos'}", "--preset", "smoke"]
    asked = [*command, *flags, *more, "--resolution", 16, "--set", "evaluation.metrics=iou", "--device", "cpu"]
    result = lgbench(*asked, "--runs", tmp_path / "runs")
    assert result.exception is None, result.output
    (record,) = tmp_path.glob("runs/*/record.json")
    return record.parent


@pytest.mark.parametrize("method", ["nearest-mask", "lrgan"])
def test_pictures_that_are_others_now_are_not_taken_for_those_learnt_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str
):
    monkeypatch.setenv("LGBENCH_HOME", str(tmp_path / "home"))
    scenes(tmp_path / "photos", (255, 0, 0), 24)
    run = carried_out(tmp_path, method)
    before = load_run(run, "cpu").splits()["train"].rgb(slice(None))
    scenes(tmp_path / "photos", (0, 255, 0), 24)
    with pytest.raises(RunFailed, match="learnt from something else than what is here now"):
        load_run(run, "cpu").splits()
    scenes(tmp_path / "photos", (255, 0, 0), 24)
    assert np.array_equal(load_run(run, "cpu").splits()["train"].rgb(slice(None)), before)


BORDER = ("--set", "segmentation.polarity=border")


@pytest.mark.parametrize("kept", [True, False])
def test_layers_that_the_border_decided_need_no_pictures_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept: bool
):
    monkeypatch.setenv("LGBENCH_HOME", str(tmp_path / "home"))
    scenes(tmp_path / "photos", (255, 0, 0), 24)
    run = carried_out(tmp_path, "lrgan", *BORDER)
    before = load_run(run, "cpu").segmenter
    if not kept:
        (run / "polarity.json").unlink()

    def gone(*_: object) -> None:
        raise AssertionError("the pictures were opened")

    monkeypatch.setattr(trained, "open_splits", gone)
    after = load_run(run, "cpu").segmenter
    assert before is not None
    assert after is not None
    assert before.border is not None
    assert (after.border, after.flipped) == (before.border, before.flipped)


@pytest.mark.parametrize(
    ("method", "more"), [("nearest-mask", ()), ("lrgan", (*BORDER, "--set", "generator.conditional=true"))]
)
def test_pictures_are_opened_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str, more: tuple[str, ...]):
    monkeypatch.setenv("LGBENCH_HOME", str(tmp_path / "home"))
    scenes(tmp_path / "photos", (255, 0, 0), 24)
    run = carried_out(tmp_path, method, *more)
    (run / "polarity.json").unlink(missing_ok=True)
    opened, told = [], trained.open_splits

    def counted(*asked: Any) -> Any:
        opened.append(told(*asked))
        return opened[-1]

    monkeypatch.setattr(trained, "open_splits", counted)
    again = load_run(run, "cpu")
    assert len(opened) == 1
    assert again.splits()["train"] is opened[0]["train"]
    assert len(opened) == 1


def test_weights_that_are_missing_or_damaged_are_told_how_to_come_by(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("LGBENCH_HOME", str(tmp_path / "home"))
    scenes(tmp_path / "photos", (255, 0, 0), 24)
    run = carried_out(tmp_path, "lrgan")
    for stage, damaged in itertools.product(("train", "segment"), (True, False)):
        path = next((run / stage).glob("*.safetensors"))
        whole = path.read_bytes()
        path.unlink()
        if damaged:
            path.write_bytes(whole[:100])
        with pytest.raises(RunFailed) as refused:
            load_run(run, "cpu")
        told = str(refused.value)
        assert told.startswith(
            f"{path} does not hold this network's weights" if damaged else f"{path} is missing. Copy"
        )
        assert "No such file" not in told
        assert f"Copy it from where the run was made, or delete {run} and run its command again" in told
        path.write_bytes(whole)
    shutil.rmtree(run)  # with less of it gone, the record is found and nothing is trained
    assert carried_out(tmp_path, "lrgan") == run
    assert load_run(run, "cpu").segmenter is not None
