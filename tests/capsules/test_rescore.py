"""Numbers computed again from what a run has stored."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from finished import altered, finished, lgbench
from forged import DERIVED
from run_worlds import carry_out, recipe

from lgbench.capsule import pack
from lgbench.errors import RunFailed
from lgbench.evaluation.stored import restored
from lgbench.plugins import registry
from lgbench.record import BadRecord, Measured, read_record, record_files
from lgbench.rescore import rescore
from lgbench.score import Score


def numbers(path: Path) -> dict[str, Measured]:
    return {name: value for name, value in read_record(path).values.items() if isinstance(value, Measured)}


def test_every_number_is_computed_again_bit_for_bit_from_what_is_stored(run: Path):
    (path,) = record_files(run)
    assert numbers(path).keys() >= DERIVED
    found = rescore(run, registry().metrics, registry().plugins)
    assert not {*found.changed} & DERIVED
    assert found.path is None
    for name in DERIVED:
        kept = json.loads(path.read_text())["values"][name]
        again = {key: found.values[name].get(key, {}) for key in kept}
        assert {**again, "protocol": None} == {**kept, "protocol": None}


def test_what_cannot_be_computed_again_says_why(run: Path):
    reads_network = replace(registry().metrics["1nn"], compute=lambda evidence: evidence.game.features)
    found = rescore(run, registry().metrics | {"1nn": reads_network}, registry().plugins)
    assert {*found.changed} == {"1nn"}
    assert re.search("not .* the run's networks or its data set", found.changed["1nn"])
    assert len(record_files(run)) == 1


def test_evidence_from_before_a_part_was_kept_is_enough_where_the_data_set_has_no_such_thing(
    run: Path, tmp_path: Path, monkeypatch
):
    """Without instance maps in the data set there are none that ARI and MSC could have been of; else who knows."""

    def before(*told):
        split, kept = restored(*told)
        return split, {name: part for name, part in kept.items() if name not in ("true_segments", "instances")}

    carry_out(recipe(evaluation__metrics="iou,ari,msc"), tmp_path / "runs")
    monkeypatch.setattr("lgbench.rescore.restored", before)
    (squares,) = (tmp_path / "runs").iterdir()
    assert rescore(squares, registry().metrics, registry().plugins).changed == {}
    assert {"ari", "msc"} <= {*rescore(run, registry().metrics, registry().plugins).changed}


def test_rescoring_tells_that_all_is_the_same(run: Path):
    result = lgbench("rescore", run)
    assert result.exception is None
    assert "20 of 20 numbers are the same" in result.output


def test_folders_of_runs_are_rescored_run_by_run(run: Path, tmp_path: Path):
    shutil.copytree(run, tmp_path / "runs" / "a")
    shutil.copytree(run, tmp_path / "runs" / "more" / "b")
    result = lgbench("rescore", tmp_path / "runs", run)
    assert result.exception is None
    assert result.output.replace("\n", "").count("20 of 20 numbers are the same") == 3
    (tmp_path / "empty").mkdir()
    assert isinstance(lgbench("rescore", tmp_path / "empty").exception, BadRecord)


@pytest.mark.parametrize("flowers", [1, 2])
def test_agreement_is_derived_again_where_nothing_else_was_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flowers: int
):
    monkeypatch.setenv("LGBENCH_HOME", str(tmp_path / "home"))
    run = finished(tmp_path / "runs", "iou", flowers=flowers)
    assert lgbench("evaluate", run, "--metrics", "ari,msc", "--device", "cpu").exception is None
    (further,) = run.glob("record-*.json")
    assert "2 of 2 numbers are the same" in lgbench("rescore", further).output


def test_evidence_that_does_not_tell_what_a_partition_was_compared_with_gives_no_other_number(
    run: Path, monkeypatch: pytest.MonkeyPatch
):
    def earlier(*kept: Any) -> tuple[str, dict[str, Any]]:
        split, parts = restored(*kept)
        return split, {name: value for name, value in parts.items() if name != "true_segments"}

    monkeypatch.setattr("lgbench.rescore.restored", earlier)
    found = rescore(run, registry().metrics, registry().plugins)
    assert found.changed == dict.fromkeys(
        ("ari", "msc"), "not rescored: reads true_segments, which was not kept with the run"
    )
    assert found.path is None


@pytest.mark.parametrize("command", ["rescore", "results"])
def test_capsules_among_runs_are_passed_over_and_one_alone_is_told_what_reads_it(
    run: Path, capsule: Path, command: str
):
    both = lgbench(command, run, capsule)
    assert both.exception is None
    assert f"{capsule} is a capsule, and no run: passed over." in both.stderr
    alone = lgbench(command, capsule)
    assert isinstance(alone.exception, BadRecord)
    assert f"`lgbench verify {capsule}`" in str(alone.exception)


@pytest.mark.parametrize("name", ["recipe.json", "predictions-*.npz"])
@pytest.mark.parametrize("command", ["rescore", "results"])
def test_a_runs_other_files_are_told_to_be_no_records(run: Path, command: str, name: str):
    (file,) = run.glob(name)
    error = lgbench(command, file).exception
    assert isinstance(error, BadRecord)
    assert "name a run, or a record" in str(error)
    assert "delete" not in str(error)


def test_a_new_version_of_a_metric_makes_a_further_record_once(run: Path):
    def halved(evidence) -> Score:
        score = registry().metrics["coverage"].compute(evidence)
        return replace(score, value=score.value / 2, per_image=None)

    changed = replace(registry().metrics["coverage"], version=7, compute=halved)
    metrics = registry().metrics | {"coverage": changed}
    before = numbers(run / "record.json")
    first = rescore(run, metrics, registry().plugins)
    assert first.path is not None
    after, record = numbers(first.path), read_record(first.path)
    assert record.adds_to == read_record(run / "record.json").id
    assert after["coverage"].value == before["coverage"].value / 2
    assert after["coverage"].protocol.metric_version == 7
    assert after["iou"] == before["iou"]
    assert rescore(run, metrics, registry().plugins).path == first.path
    assert len(record_files(run)) == 2


def test_a_run_without_evidence_and_a_damaged_one_are_told(run: Path):
    (evidence,) = run.glob("evidence-*.npz")
    evidence.write_bytes(evidence.read_bytes()[:100])
    with pytest.raises(RunFailed, match="is damaged"):
        rescore(run, registry().metrics, [])
    with pytest.raises(RunFailed, match="not what the record was scored from"):
        pack(run)
    evidence.unlink()
    with pytest.raises(RunFailed, match="is missing"):
        rescore(run, registry().metrics, [])
    with pytest.raises(RunFailed, match="holds no record"):
        rescore(run / "train", registry().metrics, [])


@pytest.mark.parametrize("kind", ["predictions", "samples", "probabilities", "evidence"])
def test_a_file_that_is_not_what_the_record_was_scored_from_is_not_scored_again(run: Path, kind: str):
    path = next(run.glob(f"{kind}-*.npz"))
    altered(path)
    with pytest.raises(RunFailed, match=f"{path.name} is not what the record was scored from. Restore"):
        rescore(run, registry().metrics, registry().plugins)
    assert len(record_files(run)) == 1
