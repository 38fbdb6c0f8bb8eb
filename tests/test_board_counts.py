"""What a board counts: runs and not records, seeds that its file lists, and numbers of one protocol at a time."""

from __future__ import annotations

from pathlib import Path

import pytest
from board_records import BOARD, IMAGES, PROTOCOL, a_record, board_tables, commit, make_root, markdown, measured, seeds

from lgbench.leaderboard import add, build, read_boards, why_not
from lgbench.record import Record, read_record, write_record

VARIANTS = (
    BOARD.replace('methods = ["lrgan"]\n', 'presets = ["smoke"]\n')
    + '[[variant]]\nname = "base"\nmethod = "lrgan"\n'
    + '[[variant]]\nname = "threes"\nmethod = "lrgan"\nset = { "training.category" = 3 }\n'
)
TRAIN = {**PROTOCOL, "split": "train"}
OF_A_CLASS = {"recipe": {"training": {"flip": True, "category": 3}}}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return make_root(tmp_path)


def read(folder: Path, record: dict) -> Record:
    return read_record(write_record(folder, record))


def add_to(root: Path, first: dict, values: dict) -> None:
    """Commit a run's first record and one that adds numbers to it."""
    kept = read(root / "runs/first", first)
    further = write_record(root / "runs/first", {**first, "values": first["values"] | values, "adds_to": kept.id})
    for path in (root / "runs/first", further):
        add(root, path)


def segmented(flipped: bool) -> dict:
    return {"name": "unet", "steps": 1, "parameters": {}, "wall_s": 1.0, "border": 0.5, "flipped": flipped}


def test_flags_polarity_and_runs_are_counted_once_a_run(root: Path):
    first = a_record({"iou": measured(0.5)}, flags=("identical",), segmentation=segmented(True))
    add_to(root, first, {"fid": measured(9.0, IMAGES)})
    (line,) = board_tables(root)[0].lines
    assert line.flags == {"identical": 1}
    assert (
        line.polarity == "Polarity by the border: turned over in 1 of 1 runs; it was right in 1 of 1 (the masks' IoU "
        "against their complements')"
    )
    assert "(2 runs)" not in markdown(root)
    assert "| 1 |\n" in (root / "leaderboards/README.md").read_text()


def test_seeds_that_the_file_does_not_list_are_named(root: Path):
    commit(root, *seeds("lrgan", 0.5, 0.6, 0.7, 0.8))
    assert "| 4 (not listed: 3) |" in markdown(root)


def test_the_table_of_most_numbers_comes_first_and_the_index_names_its_protocol(tmp_path: Path):
    root = make_root(tmp_path, BOARD.replace('split = "test"\n', ""))
    alone = a_record({"iou": measured(1.0, TRAIN)}, method="milgan")
    commit(root, *seeds("lrgan", 0.5, 0.6, 0.7), alone)
    found = [(table.part, [line.method for line in table.lines]) for table in board_tables(root)]
    usual, other = (measured(0.5, protocol)["protocol_id"] for protocol in (PROTOCOL, TRAIN))
    assert found == [(f"IoU, protocol {usual}", ["lrgan"]), (f"IoU, protocol {other}", ["milgan"])]
    build(root)
    assert f"lrgan smoke: 0.60 ± 0.25 (IoU, protocol {usual})" in (root / "leaderboards/README.md").read_text()


def test_numbers_of_several_splits_say_why_they_stand_in_no_column(tmp_path: Path):
    root = make_root(tmp_path, BOARD.replace('split = "test"\n', ""))
    commit(root, *seeds("lrgan", 0.5), a_record({"iou@test": measured(0.6), "iou@train": measured(0.7, TRAIN)}, seed=1))
    reasons = {why for table in board_tables(root) for line in table.lines for why in line.cells["iou"].why}
    assert reasons == {"scored as iou@test and iou@train, and the benchmark names no split"}


def test_a_board_that_ranks_takes_no_generator_of_one_class(root: Path, tmp_path: Path):
    (board,) = read_boards(root)
    record = read(tmp_path / "one", a_record({"iou": measured(0.5)}, **OF_A_CLASS))
    assert "generators of one class each" in str(why_not(board, record))


def test_a_variant_that_says_no_class_has_runs_of_all(tmp_path: Path):
    (board,) = read_boards(make_root(tmp_path, VARIANTS))
    usual, class_of = (
        read(tmp_path / n, a_record({"iou": measured(0.5)}, **c)) for n, c in (("a", {}), ("b", OF_A_CLASS))
    )
    assert (board.row_of(usual), board.row_of(class_of)) == ("base", "threes")


def test_floors_alone_stand_below_an_ablations_heading(tmp_path: Path):
    root = make_root(tmp_path, 'floors = ["otsu"]\n' + VARIANTS)
    commit(root, *seeds("lrgan", 0.5), a_record({"iou": measured(0.6, TRAIN)}, method="otsu"))
    assert "| Rank |" not in markdown(root)
