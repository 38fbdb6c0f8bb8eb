"""What a board's definition may say: a slip is refused with what was meant, and nothing is built from it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from board_records import BOARD, PROTOCOL, a_record, commit, make_root, measured

from lgbench.benchmark import BadBenchmark
from lgbench.errors import UnknownName
from lgbench.leaderboard import build, check


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return make_root(tmp_path)


def test_a_board_that_asks_for_numbers_no_paper_has_is_refused(root: Path):
    (root / "benchmarks/flora-32.toml").write_text(BOARD.replace('dataset = "Flora"', 'dataset = "Fauna"'))
    with pytest.raises(BadBenchmark, match="Fauna"):
        build(root)


@pytest.mark.parametrize("fault", ["colour = 1\n", "title = 2\n", "= broken\n"])
def test_a_malformed_definition_is_named(root: Path, fault: str):
    path = root / "benchmarks/flora-32.toml"
    path.write_text(fault + BOARD)
    with pytest.raises(BadBenchmark, match=r"flora-32\.toml"):
        build(root)


SLIPS = [
    ('name = "iou", label', 'name = "ioo", label', "metric 'ioo'.*Did you mean 'iou'"),
    ('name = "fid"', 'name = "fit"', "metric 'fit'.*Did you mean 'fid'"),
    ('name = "fid"', 'name = "fid@tran"', "split 'tran'.*Did you mean 'train'"),
    ('split = "test"', 'split = "tst"', "split 'tst'.*Did you mean 'test'"),
    ('"iou", label', '"iou.poled", label', "detail of iou 'poled'.*Did you mean 'pooled'"),
    ('dataset = "flora"', 'dataset = "florra"', "data set 'florra'.*Did you mean 'flora'"),
    ('["lrgan"]', '["lrgam"]', "method 'lrgam'.*Did you mean 'lrgan'"),
    ('["lrgan"]', '["lrgan"]\nfloors = ["emty"]', "method 'emty'.*Did you mean 'empty'"),
    ('["lrgan"]', '["lrgan"]\npresets = ["smok"]', "preset 'smok'.*Did you mean 'smoke'"),
    ('methods = ["lrgan"]', '[[variant]]\nname = "a"\nmethod = "lrgam"\npreset = "smoke"', "method 'lrgam'"),
    ('methods = ["lrgan"]', '[[variant]]\nname = "a"\nmethod = "lrgan"\npreset = "smok"', "preset 'smok'"),
]


@pytest.mark.parametrize(("right", "wrong", "told"), SLIPS)
def test_a_name_that_stands_for_nothing_is_refused_with_the_nearest(root: Path, right: str, wrong: str, told: str):
    if "poled" in wrong:
        commit(root, a_record({"iou": measured(0.5, pooled=0.7)}))
    ours, _, _ = BOARD.partition("[[reported]]")
    (root / "benchmarks/flora-32.toml").write_text(ours.replace(right, wrong))
    with pytest.raises(BadBenchmark, match=f"benchmarks/flora-32.toml: nothing installed offers the {told}"):
        build(root)
    assert len([fault for fault in check(root) if re.search(told, fault)]) == 1


def test_names_of_a_plugin_that_is_missing_are_those_of_its_records(root: Path):
    ours, _, _ = BOARD.partition("[[reported]]")
    theirs = ours.replace('"fid"', '"sharpness"').replace('["lrgan"]', '["sharpgan"]\npresets = ["sharp"]')
    (root / "benchmarks/flora-32.toml").write_text(theirs)
    values = {"iou": measured(0.5), "sharpness": measured(1.0, {**PROTOCOL, "metric": "sharpness"})}
    commit(root, a_record(values, method="sharpgan", preset="sharp"))
    build(root)
    assert check(root) == []


def test_a_board_on_an_archive_that_somebody_adds_is_built_before_its_first_run(root: Path):
    ours, _, _ = BOARD.partition("[[reported]]")
    (root / "benchmarks/flora-32.toml").write_text(ours.replace('dataset = "flora"', 'dataset = "zebras"'))
    build(root)
    assert check(root) == []


@pytest.mark.parametrize(
    "rows",
    [
        'methods = ["lrgan", "otsu"]\nfloors = ["otsu"]',
        'methods = ["otsu"]\nfloors = true',
        'floors = ["otsu"]\n[[variant]]\nname = "a"\nmethod = "otsu"\npreset = "smoke"',
    ],
)
def test_a_floor_is_no_row_that_is_ranked(root: Path, rows: str):
    ours, _, _ = BOARD.partition("[[reported]]")
    (root / "benchmarks/flora-32.toml").write_text(ours.replace('methods = ["lrgan"]', rows))
    with pytest.raises(BadBenchmark, match="'otsu' is among its floors and its rows: a floor is not ranked"):
        build(root)


@pytest.mark.parametrize(
    ("field", "told"),
    [
        ('split = ["test"]', r"iou\.split=\['test'\] does not fit"),
        ("split = 5", r"iou\.split=5 does not fit"),
        ('resolution = "32"', r"iou\.resolution='32' does not fit"),
        ("samples = -1", r"iou\.samples=-1 does not fit"),
        ("threshold = true", r"iou\.threshold.*=True does not fit"),
        ('splt = "test"', r"protocol: a protocol has no 'splt'"),
    ],
)
def test_what_a_paper_is_said_to_measure_by_is_a_protocols(root: Path, field: str, told: str):
    path = root / "benchmarks/flora-32.toml"
    path.write_text(f"{BOARD}protocol = {{ iou = {{ {field} }} }}\n")
    with pytest.raises(BadBenchmark, match=told):
        build(root)
    path.write_text(f'{BOARD}protocol = {{ iou = {{ split = "test", resolution = 32, threshold = 0.5 }} }}\n')
    build(root)


def test_an_unknown_board_is_told_the_nearest(root: Path):
    with pytest.raises(UnknownName, match="'flora-32'"):
        build(root, ["flora-23"])
