"""Records that were written anew with another claim: what cannot be is refused by `add`, `build` and `check`."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from board_records import IMAGES, PROTOCOL, a_record, board_tables, commit, lines, make_root, markdown, measured, seeds

from lgbench.benchmark import BadBenchmark
from lgbench.files import sha256_of_json
from lgbench.leaderboard import add, build, check
from lgbench.leaderboard.markdown import escape
from lgbench.plain import csv_safe
from lgbench.record import BadRecord, read_record, record_id


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return make_root(tmp_path)


def honest() -> dict[str, Any]:
    iou = measured(0.5, pooled=0.4, per_image=0.5, gap=0.1) | {"interval": [0.4, 0.6]}
    record = a_record({"iou": iou, "fid": measured(30.0, IMAGES)})
    record["baselines"] = {"full": {"iou": 0.2}}
    return record


def forged(path: str, value: Any) -> dict[str, Any]:
    """An honest record in which something else stands, with hash and id made anew."""
    record = copy.deepcopy(honest())
    *outer, last = path.split("/")
    part = record
    for key in outer:
        part = part[key]
    part[last] = value
    record["recipe_hash"] = sha256_of_json(record["recipe"])
    return record | {"id": record_id(record)}


def written(folder: Path, record: dict[str, Any]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "record.json"
    path.write_text(json.dumps(record))
    return path


def test_an_honest_record_is_taken(root: Path):
    assert len(commit(root, honest())) == 1
    build(root)
    assert check(root) == []


FORGERIES = [
    ("values/iou/value", 7, "7, which iou cannot be"),
    ("values/iou/value", -0.1, "which iou cannot be"),
    ("values/iou/value", 0.7, "outside its own interval|as it was aggregated"),
    ("values/iou/details/per_image", 0.9, "0.9 as it was aggregated"),
    ("values/iou/details/pooled", 1.5, "pooled is 1.5"),
    ("values/iou/interval", [0.6, 0.7], "outside its own interval 0.6 .. 0.7"),
    ("values/iou/intervals", {"pooled": [0.45, 0.6]}, "pooled is 0.4, outside its own interval 0.45 .. 0.6"),
    ("values/iou/intervals", {"pooled": [0.3, 1.2]}, "interval of pooled is 0.3 .. 1.2, which iou cannot be"),
    ("values/iou/intervals", {"per_image": [0.3, 0.6]}, "not that of per_image"),
    ("values/iou/intervals", {"median": [0.3, 0.6]}, "interval of median, and no such value"),
    ("values/iou/n", 1, "of 1 images and has an interval"),
    ("values/iou/n", 0, "of 0 images"),
    ("values/iou/n", 17, "of 17 images, and there are 16"),
    ("values/fid/value", -5, "-5, which fid cannot be"),
    ("values/fid/n", 99, "of 99 images, and its protocol has 100 samples"),
    ("baselines/full/iou", -1, r"baselines\.full\.iou is -1"),
    ("baselines/full/iou", 2, r"baselines\.full\.iou is 2"),
    *((key, value, "recipe's") for key, value in (("seed", 1), ("method", "milgan"), ("preset", "paper"))),
    ("recipe/resolution", 64, "its resolution is 32, its recipe's 64"),
    ("recipe/method", {"name": "elgan"}, "its recipe's 'elgan'"),
    ("recipe/data", {}, "its dataset is 'flora', its recipe's None"),
    ("recipe/training", {"steps": 9000}, "done after 20 steps, and its recipe has 9000"),
    ("created", "2099-01-01T00:00:00+00:00", "has not come yet"),
    ("artefacts", {}, "has no artefacts"),
    ("artefacts", {"samples.npz": "0" * 64}, "no hash of anything"),
    ("data/fingerprints", {"test": "0" * 64}, "no hash of anything"),
    ("data/fingerprints", {"train": "a" * 64}, "different splits"),
    ("training/flags", ["diverged"], "diverged"),
]


@pytest.mark.parametrize(("path", "value", "told"), FORGERIES)
def test_what_contradicts_itself_is_refused_everywhere(root: Path, path: str, value: Any, told: str):
    file = written(root / "run", forged(path, value))
    read_record(file)  # its id fits: what is wrong is what it says
    with pytest.raises(BadRecord, match=f"contradicts itself.*({told})"):
        add(root, file.parent)
    placed = root / "leaderboards/flora-32/records/lrgan.json"
    placed.parent.mkdir(parents=True)
    placed.write_bytes(file.read_bytes())
    with pytest.raises(BadBenchmark, match=told):
        build(root)
    assert any("contradicts itself" in fault for fault in check(root))


@pytest.mark.parametrize(
    ("recipe", "told"),
    [
        ({"data": {"name": "flora", "count": 65}}, "its protocol has data.count=64, its recipe 65"),
        ({"evaluation": {"threshold": 0.7}}, "its protocol has evaluation.threshold=0.5, its recipe 0.7"),
    ],
)
def test_a_number_that_was_measured_otherwise_than_its_recipe_says_is_refused(root: Path, recipe: dict, told: str):
    record = honest()
    record["recipe"] |= recipe
    record["recipe_hash"] = sha256_of_json(record["recipe"])
    with pytest.raises(BadRecord, match=f"contradicts itself.*values.iou: {told}"):
        add(root, written(root / "run", record | {"id": record_id(record)}).parent)


@pytest.mark.parametrize("aggregation", ["pooled", "per_image"])
def test_a_score_outside_its_interval_is_refused_however_it_was_aggregated(root: Path, aggregation: str):
    path = root / "benchmarks/flora-32.toml"
    path.write_text(path.read_text().replace('aggregation = "per_image"', f'aggregation = "{aggregation}"'))
    iou = measured(0.982, PROTOCOL | {"aggregation": aggregation})
    inside, outside = (a_record({"iou": iou | {"interval": ends}}) for ends in ([0.97, 0.99], [0.338, 0.662]))
    assert len(commit(root, inside)) == 1
    with pytest.raises(BadRecord, match="outside its own interval"):
        commit(root, outside)


@pytest.mark.parametrize("seed", [-5, 2**31, 2**32])
def test_a_seed_that_no_run_can_have_is_refused(root: Path, seed: int):
    record = a_record({"iou": measured(0.5)}, seed=seed)
    with pytest.raises(BadRecord, match=f"its seed {seed} is none"):
        add(root, written(root / "run", record | {"id": record_id(record)}).parent)


@pytest.mark.parametrize(("metric", "version"), [("iou", 0), ("iou", 99), ("iou", -1), ("somebodys", 0)])
def test_a_version_that_no_metric_has_is_refused(root: Path, metric: str, version: int):
    value = measured(0.5, PROTOCOL | {"metric": metric, "metric_version": version})
    with pytest.raises(BadRecord, match=rf"{metric} has no version {version} here"):
        commit(root, a_record({metric: value}))


def test_a_metric_that_is_not_installed_has_no_range(root: Path):
    other = PROTOCOL | {"metric": "somebodys", "aggregation": None}
    assert len(commit(root, a_record({"somebodys": measured(1e9, other)}))) == 1


@pytest.mark.parametrize("kind", ["directory", "nested"])
def test_a_record_file_that_is_none_is_a_fault_with_its_name(root: Path, kind: str):
    path = root / "leaderboards/flora-32/records/d.json"
    path.parent.mkdir(parents=True)
    if kind == "directory":
        path.mkdir()
    else:
        path.write_text("[" * 100_000)
    assert any(str(path) in fault for fault in check(root))
    with pytest.raises(BadBenchmark, match=r"d\.json"):
        build(root)


def test_equal_artefacts_are_one_seed(root: Path):
    same = {"samples.npz": "d" * 64}
    commit(root, *(record | {"artefacts": same} for record in seeds("lrgan", 0.8, 0.8, 0.8)))
    (table,) = board_tables(root)
    (row,) = table.lines
    assert (row.attempted, row.done, len(row.runs), row.provisional) == (1, 1, 3, True)
    assert row.cells["iou"].seeds == 1
    assert row.cells["iou"].low is None
    assert "(3 runs)" in markdown(root)


def test_other_artefacts_are_other_seeds(root: Path):
    commit(root, *seeds("lrgan", 0.8, 0.8, 0.8))
    (row,) = board_tables(root)[0].lines
    assert (row.attempted, row.cells["iou"].seeds, row.provisional) == (3, 3, False)


@pytest.mark.parametrize(
    "name", ["=1+1", "+cmd", "-cmd|' /C calc'!A0", "@SUM(A1)", "\tx", "\r=1", "\uff1d1+1", "\uff20SUM(A1)"]
)
def test_no_cell_of_a_board_is_a_formula(root: Path, name: str):
    assert csv_safe(name) in (f"'{name}", "\\r=1")
    record = a_record({"iou": measured(0.5)}, method=name, preset=name)
    record["environment"]["device"] = name
    commit(root, record)
    assert all(cell[:1] not in {*"=+-@\t\r"} for line in lines(root) for cell in line.values())


@pytest.mark.parametrize("number", ["-0.5", "+1e-3", "-12", "0.1", "", "± 1", "5", "True"])
def test_numbers_stay_numbers(number: str):
    assert csv_safe(number) == number


@pytest.mark.parametrize(
    ("text", "forbidden"),
    [
        ("@somebody", "@somebody"),
        ("see https://x.y/z", "https://"),
        ("WWW.x.y", "WWW."),
        ("mail@some.where", "@some"),
        ("mends #12", "#12"),
        ("~~gone~~", "~~"),
        ("a\x1b[31m", "\x1b"),
        ("a\u202eb", "\u202e"),
        ("a\u200bb", "\u200b"),
    ],
)
def test_names_link_nowhere_call_nobody_and_hide_nothing(text: str, forbidden: str):
    assert forbidden not in escape(text)
