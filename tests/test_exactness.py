"""The program that measures how far runs drift apart tells what their logs and records hold."""

from __future__ import annotations

import importlib
import json
from pathlib import Path

import pytest
from click.testing import CliRunner

PROGRAM = Path(__file__).parent.parent / "benchmarks/exactness/drift.py"


@pytest.fixture
def drift(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(PROGRAM.parent)
    return importlib.import_module("drift")


def a_run(folder: Path, losses: list[float], fid: float) -> Path:
    (folder / "train").mkdir(parents=True)
    rows = [{"step": i, "seconds": i * fid, "critic": loss, "coverage": 0.5} for i, loss in enumerate(losses)]
    (folder / "train/log.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "record.json").write_text(json.dumps({"values": {"fid-random": {"value": fid}}}))
    return folder


def test_the_table_has_the_largest_difference_at_each_step_as_a_share_of_the_first_run(drift, tmp_path, monkeypatch):
    ran = []

    def made(place, runs: Path, command: list[str]) -> Path:
        ran.append(command)
        moved = {"two threads": [2.0] * 9 + [3.0]}.get(place.name, [2.0] * 10)
        return a_run(runs / place.name, moved, 7.0 if place.name != "bf16" else 8.0)

    monkeypatch.setattr(drift, "made", made)
    told = CliRunner().invoke(drift.main, ["lrgan", "flora", "--steps", "10", "--runs", str(tmp_path)])
    assert told.exit_code == 0, told.output
    rows = {row.split("|")[1].strip(): row.split("|")[2:-1] for row in told.output.splitlines()}
    assert [*rows][2:] == [place.name for place in drift.PLACES]
    assert [float(cell) for cell in rows["two threads"]] == [0, 0.5, 7.0]
    assert [float(cell) for cell in rows["bf16"]] == [0, 0, 8.0]
    assert all("training.steps=10" in command and "training.log_every=1" in command for command in ran)


def test_its_places_differ_in_what_they_say_and_only_one_in_the_seed(drift):
    first, again, *others = drift.PLACES
    assert (first.environment, first.settings, first.seed) == (again.environment, again.settings, again.seed)
    assert all((other[1:] != first[1:]) for other in others)
    assert [other.name for other in others if other.seed] == ["another seed"]
