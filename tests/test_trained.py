"""What `load_run` gives back is what the run has learnt: nothing of it is learnt anew from other pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from finished import lgbench
from run_worlds import scenes

from lgbench import load_run
from lgbench.errors import RunFailed

SMALL = {
    "training.steps": 2,
    "training.batch": 4,
    "segmentation.steps": 2,
    "segmentation.batch": 4,
    "evaluation.samples": 8,
}


def carried_out(tmp_path: Path, method: str) -> Path:
    flags = [] if method == "nearest-mask" else [part for k, v in SMALL.items() for part in ("--set", f"{k}={v}")]
    command = ["run", "--method", method, "--dataset", f"folder:{tmp_path / 'photos'}", "--preset", "smoke"]
    asked = [*command, *flags, "--resolution", 16, "--set", "evaluation.metrics=iou", "--device", "cpu"]
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
