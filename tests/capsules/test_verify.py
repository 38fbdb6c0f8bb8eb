"""What is found in a capsule whose numbers, words or files are not what the run stored."""

from __future__ import annotations

import io
import json
import re
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from finished import SETTINGS, finished, lgbench
from forged import DERIVED, numbers_of, rewritten, signed

from lgbench.capsule import pack, read_npz
from lgbench.plugins import registry
from lgbench.record import protocol_id
from lgbench.verify import verify


def test_what_cannot_be_made_from_what_is_stored_is_told_and_why(capsule: Path):
    def cut_short(held: dict[str, bytes]) -> None:
        name = next(name for name in held if name.startswith("predictions-"))
        arrays = read_npz(name, held[name])
        content = io.BytesIO()
        np.savez(content, bits=arrays["bits"][0, 0], side=arrays["side"])
        held[name] = content.getvalue()

    found = {check.name: check for check in verify(rewritten(capsule, cut_short), registry().metrics)}
    assert found["msc"].outcome == found["iou"].outcome == "not derived"
    assert re.search(r"reads agreement, which cannot be made from what is stored \(\w+Error: .+\)", found["msc"].told)
    assert "ValueError: Masks must be two arrays of one shape" in found["iou"].told


def test_verify_derives_every_number_and_succeeds(capsule: Path):
    checks = {check.name: check for check in verify(capsule, registry().metrics)}
    assert {name for name, check in checks.items() if check.outcome == "match"} >= DERIVED
    assert not [check for check in checks.values() if check.outcome == "mismatch"]
    result = lgbench("verify", capsule)
    assert result.exception is None
    assert not result.return_value
    assert "0 mismatch" in result.output


def test_verify_reads_the_truth_from_the_data_set_where_it_is_asked_to(
    capsule: Path, original: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    monkeypatch.setenv("LGBENCH_HOME", str(tmp_path / "home"))
    result = lgbench("verify", capsule, "--data")
    assert result.exception is None, result.output
    assert "0 mismatch" in result.output


@pytest.mark.parametrize("metric", sorted(DERIVED))
@pytest.mark.parametrize("field", ["value", "details", "n", "interval"])
def test_a_changed_number_is_found_though_every_hash_was_computed_anew(capsule: Path, metric: str, field: str):
    def change(held: dict[str, bytes]) -> None:
        record = json.loads(held["record.json"])
        value = record["values"][metric]
        if field == "details" and value["details"]:
            value["details"] = {name: number * 0.99 + 1e-4 for name, number in value["details"].items()}
        elif field == "interval" and value["interval"]:
            value["interval"][1] += 1e-4
        elif field == "n":
            value["n"] += 1
        else:
            value["value"] = value["value"] * 0.999 + 1e-4
        held["record.json"] = json.dumps(record).encode()

    checks = verify(rewritten(capsule, change), registry().metrics)
    assert metric in {check.name for check in checks if check.outcome == "mismatch"}


def test_a_protocol_that_says_another_aggregation_is_found(capsule: Path):
    def change(held: dict[str, bytes]) -> None:
        record = json.loads(held["record.json"])
        value = record["values"]["iou"]
        value["protocol"]["aggregation"] = "pooled"
        value["protocol_id"] = protocol_id(value["protocol"])
        held["record.json"] = json.dumps(record).encode()

    found = {check.name: check for check in verify(rewritten(capsule, change), registry().metrics)}
    assert found["iou"].outcome == "mismatch"
    assert "aggregation was pooled, is per_image" in found["iou"].told


@pytest.mark.parametrize("version", [99, 2, 0, -1])
def test_a_changed_number_is_found_under_a_version_that_its_metric_does_not_have(capsule: Path, version: int):
    def change(record: dict) -> None:
        record["values"]["iou"]["value"] = record["values"]["iou"]["details"]["per_image"] = 0.9
        record["values"]["iou"]["protocol"]["metric_version"] = version

    found = [check for check in verify(signed(capsule, change), registry().metrics) if check.outcome == "mismatch"]
    assert f"values.iou: iou has no version {version} here" in {check.told for check in found}
    assert lgbench("verify", capsule.with_name("changed.zip")).return_value == 1


def test_a_number_of_an_older_version_is_derived_by_the_installed_one_and_both_are_told(capsule: Path):
    newer = replace(registry().metrics["coverage"], version=2)
    found = {check.name: check for check in verify(capsule, registry().metrics | {"coverage": newer})}
    value = numbers_of(capsule)["coverage"]["value"]
    told = f"version 1, which said {value:.9g}, is not the installed 2, which says {value:.9g}"
    assert (found["coverage"].outcome, found["coverage"].told) == ("not derived", told)


def test_a_capsule_of_which_nothing_can_be_derived_is_no_success(capsule: Path):
    def change(held: dict[str, bytes]) -> None:
        record = json.loads(held["record.json"])
        gone = [name for name in record["artefacts"] if name.startswith("evidence-")]
        for name in gone:
            del held[name], record["artefacts"][name]
        held["record.json"] = json.dumps(record).encode()

    result = lgbench("verify", rewritten(capsule, change))
    assert result.return_value == 1
    assert "0 match, 0 mismatch" in result.output


PROTOCOLS = [
    *(("iou", *said) for said in (("split", "val"), ("polarity", "committed (border)"), ("threshold", 0.4))),
    *(("msc", *said) for said in (("split", "train"), ("polarity", "oracle"))),
    *(("iou", *said) for said in (("crop", "pad"), ("origin", "another copy"), ("dataset_version", 2))),
    *(("fid-random", *said) for said in (("extractor", "inception"), ("extractor", None), ("crop", "squeeze"))),
    ("max-f", "polarity", "committed (border)"),
    ("coverage", "dataset_config", {"images": 24}),
]


@pytest.mark.parametrize(("name", "field", "said"), PROTOCOLS)
def test_a_protocol_that_says_another_thing_than_what_is_stored_is_found(
    capsule: Path, name: str, field: str, said: object
):
    def change(record: dict) -> None:
        assert record["values"][name]["protocol"].get(field) != said
        record["values"][name]["protocol"][field] = said

    told = [check.told for check in verify(signed(capsule, change), registry().metrics) if check.outcome == "mismatch"]
    assert any(field in each for each in told)


@pytest.mark.parametrize(("field", "said"), [("split", "val"), ("origin", "another copy"), ("resolution", None)])
def test_a_protocol_is_found_that_is_another_in_all_numbers(capsule: Path, field: str, said: object):
    def change(record: dict) -> None:
        for value in record["values"].values():
            value.get("protocol", {})[field] = said

    found = {check.name: check for check in verify(signed(capsule, change), registry().metrics)}
    assert found["iou"].outcome == "mismatch"
    assert f"{field} was {said}" in found["iou"].told


def test_a_number_that_goes_by_the_name_of_another_metric_or_split_is_found(capsule: Path):
    def change(record: dict) -> None:
        record["values"]["iou"] = record["values"]["dice"]
        record["values"]["acc@val"] = record["values"].pop("acc")

    found = {check.name: check.told for check in verify(signed(capsule, change), registry().metrics)[:2]}
    assert found == {
        "iou": "is called by another name than its metric, dice",
        "acc@val": "is called by another split than it is of, test",
    }


@pytest.mark.parametrize("splits", ["train,test", "test,val", "val,train"])
def test_what_is_of_no_split_is_derived_beside_several(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, splits: str):
    monkeypatch.setenv("LGBENCH_HOME", str(tmp_path / "home"))
    monkeypatch.setitem(SETTINGS, "evaluation.split", splits)  # pyright: ignore[reportArgumentType]
    run = finished(tmp_path / "runs", "iou,coverage")
    found = verify(pack(run, tmp_path / "run.capsule.zip")[0], registry().metrics)
    assert [check.outcome for check in found] == ["match"] * 3


@pytest.mark.parametrize(
    ("table", "field", "said"),
    [
        ("", "seed", 7),
        ("", "resolution", 64),
        ("method", "name", "milgan"),
        ("generator", "lstm", 9),
        ("training", "steps", 2000),
        ("segmentation", "steps", 1),
        ("regularizers", "binarisation", {"weight": 1.0}),
    ],
)
def test_a_recipe_that_is_not_what_the_run_wrote_is_found(capsule: Path, table: str, field: str, said: object):
    def change(record: dict) -> None:
        (record["recipe"][table] if table else record["recipe"])[field] = said
        if table in ("", "method"):
            record["method" if table else field] = said
        if (table, field) == ("training", "steps"):
            record["training"]["steps"] = said
        for value in record["values"].values():
            if field == "resolution" and "protocol" in value:
                value["protocol"]["resolution"] = said

    found = [check for check in verify(signed(capsule, change), registry().metrics) if check.outcome == "mismatch"]
    assert {"recipe.json", "identity.json"} <= {check.name for check in found}
    assert all(f"{table}.{field}".strip(".") in check.told for check in found if check.name.endswith(".json"))


def test_what_a_later_scoring_writes_anew_is_no_other_recipe(capsule: Path):
    def scored_again(held: dict[str, bytes]) -> None:
        recipe = json.loads(held["recipe.json"])
        recipe["evaluation"] |= {"metrics": "iou", "threshold": 0.4}
        recipe["data"]["images"], recipe["preset"] = 9, "small"
        recipe["training"]["log_every"], recipe["segmentation"]["polarity"] = 1, "border"
        held["recipe.json"] = json.dumps(recipe).encode()

    found = verify(rewritten(capsule, scored_again), registry().metrics)
    assert not [check for check in found if check.outcome == "mismatch"]


@pytest.mark.parametrize("name", ["recipe.json", "identity.json"])
def test_a_recipe_that_is_none_is_a_mismatch_and_one_that_was_taken_out_is_told(capsule: Path, name: str):
    for content in (b"[]", b"{", b'{"settings": 1}', b'{"training": {}, "segmentation": []}'):
        changed = rewritten(capsule, lambda held, content=content: held.update({name: content}))
        found = {check.name: check.outcome for check in verify(changed, registry().metrics)}
        assert found[name] == "mismatch"

    def taken_out(held: dict[str, bytes]) -> None:
        del held[name]

    taken = rewritten(capsule, taken_out)
    assert {check.name: check.outcome for check in verify(taken, registry().metrics)}[name] == "not derived"


@pytest.mark.parametrize("metric", ["iou", "coverage", "fid-random"])
def test_a_number_that_is_said_to_be_missing_and_can_be_derived_is_found(capsule: Path, metric: str):
    was = numbers_of(capsule)[metric]["value"]
    changed = signed(capsule, lambda record: record["values"].update({metric: {"not_available": "the metric failed"}}))
    found = [check for check in verify(changed, registry().metrics) if check.outcome == "mismatch"]
    assert [check.name for check in found] == [metric]
    assert f"not available (the metric failed), and by what is stored it is {was:.9g}" in found[0].told


def test_a_flag_that_was_taken_out_is_found(capsule: Path):
    with zipfile.ZipFile(capsule) as archive:
        flags = json.loads(archive.read("record.json"))["training"]["flags"]
    assert "untaught" in flags
    for flag in flags:
        changed = signed(capsule, lambda record, flag=flag: record["training"]["flags"].remove(flag))
        found = [check for check in verify(changed, registry().metrics) if check.outcome == "mismatch"]
        assert [check.name for check in found] == ["flags"]
        assert f"shows {flag}, and" in found[0].told


@pytest.mark.parametrize(
    ("kind", "numbers", "flag"),
    [
        ("samples", {"alphas": 0}, "all_bg"),
        ("samples", {"alphas": 255}, "all_fg"),
        ("samples", {"difference": 0}, "identical"),
        ("predictions", {"bits": 0}, "finds_nothing"),
        ("predictions", {"bits": 255, "side": 10**12}, "finds_all"),
        ("taught", {"iou": 0}, "untaught"),
    ],
)
def test_what_is_stored_is_held_against_the_flags(capsule: Path, kind: str, numbers: dict[str, int], flag: str):
    def change(held: dict[str, bytes]) -> None:
        record = json.loads(held["record.json"])
        record["training"]["flags"] = []
        name, content = next(name for name in held if name.startswith(f"{kind}-")), io.BytesIO()
        arrays = read_npz(name, held[name])
        np.savez(content, **arrays | {key: np.full_like(arrays[key], number) for key, number in numbers.items()})  # pyright: ignore
        held[name] = content.getvalue()
        held["record.json"] = json.dumps(record).encode()

    told = [check.told for check in verify(rewritten(capsule, change), registry().metrics) if check.name == "flags"]
    assert any(f"{kind}-" in each and f"shows {flag}, and" in each for each in told)


def test_changed_predictions_are_found_though_every_hash_was_computed_anew(capsule: Path):
    def change(held: dict[str, bytes]) -> None:
        name = next(name for name in held if name.startswith("predictions-"))
        arrays = read_npz(name, held[name])
        content = io.BytesIO()
        np.savez(content, bits=~arrays["bits"], side=arrays["side"])
        held[name] = content.getvalue()

    found = {check.name: check.outcome for check in verify(rewritten(capsule, change), registry().metrics)}
    assert found["iou"] == found["acc"] == "mismatch"
    assert found["coverage"] == "match"
