"""Boards on the disk are a pure function of records and reported numbers."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from board_records import (
    BOARD,
    IMAGES,
    PROTOCOL,
    a_record,
    board_tables,
    commit,
    make_root,
    markdown,
    measured,
    missing,
    seeds,
)
from click.testing import CliRunner

from lgbench.benchmark import BadBenchmark
from lgbench.cli.board_page import built_page
from lgbench.cli.leaderboard import leaderboard
from lgbench.leaderboard import add, build, check, read_boards, record_name
from lgbench.record import BadRecord, read_record, write_record

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return make_root(tmp_path)


def test_building_twice_gives_the_same_bytes_whatever_the_order_of_records(root: Path, tmp_path: Path):
    records = [*seeds("lrgan", 0.5, 0.6, 0.7), *seeds("comgan", 0.4, 0.5), a_record({"iou": missing("no masks")})]
    commit(root, *records)
    build(root)
    files = {p: p.read_bytes() for p in (root / "leaderboards").rglob("*") if p.name in ("README.md", "board.csv")}
    assert build(root) == []
    other = tmp_path / "other"
    for name in ("benchmarks", "leaderboards/reported"):
        shutil.copytree(root / name, other / name)
    commit(other, *reversed(records))
    build(other)
    assert len(files) == 3
    assert all((other / path.relative_to(root)).read_bytes() == content for path, content in files.items())


def test_a_fresh_board_passes_the_check_and_a_stale_one_is_named(root: Path):
    commit(root, *seeds("lrgan", 0.5))
    assert any("flora-32/README.md is missing" in fault for fault in check(root))
    build(root)
    assert check(root) == []
    commit(root, *seeds("comgan", 0.6))
    faults = check(root)
    assert any("flora-32/board.csv is stale. Run `lgbench leaderboard build`" in fault for fault in faults)
    assert any("leaderboards/README.md is stale" in fault for fault in faults)


def test_an_edited_board_is_stale(root: Path):
    build(root)
    readme = root / "leaderboards/flora-32/README.md"
    readme.write_text(readme.read_text().replace("0.76", "0.99"))
    (fault,) = check(root, ["flora-32"])
    assert "README.md is stale" in fault


def test_an_altered_record_is_caught_and_not_shown(root: Path):
    (path,) = commit(root, *seeds("lrgan", 0.5))
    build(root)
    before = (root / "leaderboards/flora-32/board.csv").read_bytes()
    body = json.loads(path.read_text())
    body["values"]["iou"]["value"] = 0.99
    path.write_text(json.dumps(body))
    assert any(path.name in fault and "altered" in fault for fault in check(root))
    with pytest.raises(BadBenchmark, match="altered"):
        build(root)
    assert (root / "leaderboards/flora-32/board.csv").read_bytes() == before


@pytest.mark.parametrize(
    ("changes", "told"), [({"dataset": "digits"}, "data set is 'digits'"), ({"resolution": 64}, "resolution is 64 px")]
)
def test_a_record_on_the_wrong_board_is_caught(root: Path, changes: dict[str, Any], told: str):
    foreign = a_record({"iou": missing("no masks")}, **changes)
    assert commit(root, foreign) == []
    path = write_record(root / "run", foreign)
    target = root / "leaderboards/flora-32/records" / record_name(read_record(path))
    target.parent.mkdir(parents=True)
    shutil.copy(path, target)
    assert any(told in fault for fault in check(root))


def test_a_record_scored_by_other_knobs_than_the_board_asks_for_does_not_belong(root: Path):
    assert commit(root, a_record({"iou": measured(0.5, {**PROTOCOL, "aggregation": "pooled"})})) == []
    assert commit(root, a_record({"iou": measured(0.5, {**PROTOCOL, "split": "train"})})) == []
    assert commit(root, a_record({"fid": measured(9.0, {**IMAGES, "split": "train"})})) != []  # a knob of masks only


def test_a_board_of_pooled_scores_takes_what_is_never_pooled_beside_them(root: Path):
    path = root / "benchmarks/flora-32.toml"
    path.write_text(BOARD.replace('aggregation = "per_image"', 'aggregation = "pooled"'))
    iou = measured(0.5, {**PROTOCOL, "aggregation": "pooled"}, pooled=0.5, per_image=0.4)
    ari, each = measured(0.3, {**PROTOCOL, "metric": "ari"}), measured(0.4, PROTOCOL, pooled=0.5, per_image=0.4)
    assert commit(root, a_record({"iou": iou, "ari": ari})) != []
    assert commit(root, a_record({"iou": each, "ari": ari})) == []


SPLITS = {name: {**PROTOCOL, "split": name} for name in ("train", "test")}


def both_splits() -> dict[str, Any]:
    values = {f"iou@{name}": measured(value, SPLITS[name]) for name, value in (("train", 0.7), ("test", 0.5))}
    return a_record(values | {"fid": measured(9.0, IMAGES)}, baselines={"full": {"iou@train": 0.3, "iou@test": 0.2}})


@pytest.mark.parametrize(
    ("split", "columns", "shown"),
    [
        ("test", ["iou"], {"iou": (0.5, 0.2)}),
        ("train", ["iou"], {"iou": (0.7, 0.3)}),
        ("train,test", ["iou@test", "iou@train"], {"iou@test": (0.5, 0.2), "iou@train": (0.7, 0.3)}),
        ("test", ["iou", "iou@train"], {"iou": (0.5, 0.2), "iou@train": (0.7, 0.3)}),
    ],
)
def test_a_column_shows_the_split_that_it_asks_for(root: Path, split: str, columns: list[str], shown: dict[str, Any]):
    asked = "\n".join(f'{{ name = "{name}", better = "up" }},' for name in columns)
    text = BOARD.split("[[reported]]")[0].replace('split = "test"', f'split = "{split}"')
    (root / "benchmarks/flora-32.toml").write_text(
        text.replace("metrics = [", f"metrics = [\n{asked}").replace(IOU, "")
    )
    assert len(commit(root, both_splits())) == 1
    row, floor = board_tables(root)[0].lines
    assert {name: (row.cells[name].mean, floor.cells[name].mean) for name in columns} == shown
    assert row.cells["fid"].mean == 9.0


IOU = '{ name = "iou", label = "IoU", better = "up", digits = 2 },'


def test_a_run_of_one_split_stands_in_the_column_of_that_split_only(root: Path):
    path = root / "benchmarks/flora-32.toml"
    text = BOARD.replace(IOU, IOU + '\n  { name = "iou@train", better = "up" },').replace('split = "test"\n', "")
    path.write_text(text)
    commit(root, a_record({"iou": measured(0.5, SPLITS["test"])}))
    (row,) = board_tables(root)[0].lines
    assert (row.cells["iou"].mean, row.cells["iou@train"].mean) == (0.5, None)
    assert row.cells["iou@train"].why == ("not evaluated",)


def test_a_column_may_show_what_stands_beside_a_number(root: Path):
    column = '\n  { name = "iou.pooled", better = "up" },'
    (root / "benchmarks/flora-32.toml").write_text(BOARD.replace(IOU, IOU + column))
    commit(root, a_record({"iou": measured(0.5, pooled=0.7)}), *seeds("older", 0.4))
    (table,) = board_tables(root)
    row, older = table.lines
    assert [row.cells[name].mean for name in ("iou", "iou.pooled")] == [0.5, 0.7]
    assert older.cells["iou.pooled"].why == ("no pooled was noted",)
    assert table.protocols["iou.pooled"] == table.protocols["iou"]


def test_a_board_shows_the_pictures_that_are_named_after_its_records(root: Path):
    (name,) = commit(root, a_record({"iou": measured(0.5)}))
    folder = root / "leaderboards/flora-32/pictures"
    folder.mkdir()
    shown = f"{Path(name).stem}-grid.png"
    (folder / shown).write_bytes(b"")
    build(root)
    assert f"## Pictures\n\n![{shown}](pictures/{shown})" in (root / "leaderboards/flora-32/README.md").read_text()
    assert check(root) == []
    (folder / "holiday.png").write_bytes(b"")
    (fault,) = check(root)
    assert "pictures/holiday.png is of no record of this board" in fault


def test_a_board_can_ask_for_settings_of_its_data_set(root: Path):
    path = root / "benchmarks/flora-32.toml"
    path.write_text(BOARD.replace("[[reported]]", "[dataset_config]\ncount = 65\n\n[[reported]]"))
    assert commit(root, *seeds("lrgan", 0.5)) == []
    path.write_text(BOARD.replace("[[reported]]", "[dataset_config]\ncount = 64\n\n[[reported]]"))
    assert commit(root, *seeds("lrgan", 0.5)) != []


def test_a_renamed_copy_of_a_record_does_not_count_twice(root: Path):
    (path,) = commit(root, *seeds("lrgan", 0.5))
    shutil.copy(path, path.with_name("another.json"))
    assert any(f"must be named {path.name}" in fault for fault in check(root))


def test_the_gap_to_the_oracle_stands_beside_the_committed_value(root: Path):
    commit(root, a_record({"iou": measured(0.5, gap=0.25)}))
    assert "| 0.50 (gap 0.25) |" in markdown(root)


def test_a_board_folder_without_definition_is_a_fault(root: Path):
    build(root)
    (root / "leaderboards/ghost").mkdir()
    assert any("ghost has no definition" in fault for fault in check(root))


def test_adding_twice_is_adding_once(root: Path):
    record = a_record({"iou": measured(0.5)})
    assert commit(root, record) == commit(root, record)
    assert len(list((root / "leaderboards/flora-32/records").iterdir())) == 1


def test_a_run_without_record_cannot_be_added(root: Path):
    (root / "run").mkdir()
    with pytest.raises(BadRecord, match="No record"):
        add(root, root / "run")


def test_of_a_run_with_several_records_the_first_is_added_and_the_others_are_named(root: Path):
    first = write_record(root / "run", a_record({"iou": measured(0.5)}))
    further = write_record(root / "run", a_record({"iou": measured(0.6)}, adds_to=read_record(first).id))
    result = CliRunner().invoke(leaderboard, ["add", str(root / "run"), "--root", str(root)])
    assert result.exit_code == 0
    records = root / "leaderboards/flora-32/records"
    assert [path.name for path in records.iterdir()] == [record_name(read_record(first))]
    assert str(further) in result.output
    result = CliRunner().invoke(leaderboard, ["add", str(further), "--root", str(root)])
    assert "further records" not in result.output
    assert (records / record_name(read_record(further))).read_bytes() == further.read_bytes()


def test_a_capsule_beside_its_run_is_passed_over(root: Path):
    write_record(root / "runs/one", a_record({"iou": measured(0.5)}))
    (root / "runs/one-1a2b3c4d.capsule.zip").write_bytes(b"PK")
    runs = sorted(map(str, (root / "runs").iterdir()))
    result = CliRunner().invoke(leaderboard, ["add", *runs, "--root", str(root)])
    assert result.exit_code == 0
    assert "one-1a2b3c4d.capsule.zip is a capsule, and no run" in result.output
    assert len([*(root / "leaderboards/flora-32/records").iterdir()]) == 1


def test_the_index_names_the_leader(root: Path):
    commit(root, *seeds("a", 0.5), *seeds("b", 0.6))
    build(root)
    text = (root / "leaderboards/README.md").read_text()
    assert "| [Flora](flora-32/README.md) | flora, 32 px | IoU ↑ | b smoke\\*: 0.60 | 2 |" in text


def test_the_index_lists_boards_without_runs_apart(root: Path):
    commit(root, *seeds("lrgan", 0.5, 0.6, 0.7))
    waiting = (root / "benchmarks" / "flora-32.toml").read_text()
    (root / "benchmarks" / "a-board.toml").write_text(waiting)
    build(root)
    ran, waits = (root / "leaderboards" / "README.md").read_text().split("## No runs yet")
    assert "flora-32/README.md" in ran
    assert "a-board" not in ran
    assert "a-board/README.md" in waits
    assert "flora-32" not in waits


def test_the_index_names_the_settings_of_a_leader_that_are_not_its_presets(root: Path):
    overrides = {"training.steps": 7}
    commit(root, *(a_record({"iou": measured(0.5)}, seed=s, overrides=overrides) for s in range(3)))
    build(root)
    text = (root / "leaderboards/README.md").read_text()
    assert "| lrgan smoke (other settings than the preset's: training.steps 7): 0.50" in text


def test_the_command_line_adds_builds_checks_and_shows(root: Path):
    def call(*arguments: str) -> tuple[int, str]:
        result = CliRunner().invoke(leaderboard, [*arguments, "--root", str(root)], terminal_width=200)
        return result.exit_code, result.output

    write_record(root / "run", a_record({"iou": measured(0.5)}))
    write_record(root / "foreign", a_record({"iou": missing("no masks")}, resolution=64))
    assert call("add", str(root / "run"))[0] == 0
    status, told = call("add", str(root / "foreign"))
    assert status == 1
    assert "flora-32: its resolution is 64 px" in told
    status, told = call("check")
    assert status == 1
    assert "lgbench leaderboard build" in told
    assert call("build", "flora-32")[0] == 0
    assert call("check")[0] == 0
    status, told = call("show", "flora-32")
    assert status == 0
    assert "0.50" in told
    assert "ReDO" in told


def test_asking_for_help_does_not_import_what_boards_need():
    code = (
        "import sys; from click.testing import CliRunner; from lgbench.cli.leaderboard import leaderboard;"
        "CliRunner().invoke(leaderboard, ['build', '--help']);"
        "sys.exit(str({'pydantic', 'torch', 'pandas', 'scipy'} & set(sys.modules)) if"
        " {'pydantic', 'torch', 'pandas', 'scipy'} & set(sys.modules) else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_page_says_where_settings_were_chosen(root: Path):
    definition = root / "benchmarks/flora-32.toml"
    definition.write_text('tuned = "On test pictures, by IoU."\n' + definition.read_text())
    build(root)
    page = (root / "leaderboards/flora-32/README.md").read_text()
    assert "\n\n**Where settings were chosen.** On test pictures, by IoU.\n\n" in page


def test_every_board_of_a_small_world_says_where_settings_were_chosen():
    worlds = {"flora", "flora-wild", "digits-one", "mnist-one", "mnist-two"}
    boards = [board for board in read_boards(REPOSITORY) if board.dataset in worlds]
    assert len(boards) > 6
    assert [board.name for board in boards if not board.tuned] == []


def test_the_committed_boards_are_up_to_date():
    assert check(REPOSITORY) == []


def test_the_committed_reported_numbers_are_those_that_were_transcribed():
    shared = Path(os.environ.get("LGBENCH_SHARED", REPOSITORY.parent / "shared")) / "reported"
    if not shared.is_dir():
        pytest.skip("the transcribed tables are not here")
    for path in sorted(shared.glob("*.csv")):
        assert (REPOSITORY / "leaderboards/reported" / path.name).read_bytes() == path.read_bytes()


HEAVY = ("torch", "scipy", "pandas", "sklearn")


@pytest.mark.parametrize("words", ["--help", "list", "info milgan", "results --help", "leaderboard show flora-32"])
def test_what_only_looks_imports_nothing_heavy(words: str):
    heavy = HEAVY if words.startswith("leaderboard") else (*HEAVY, "numpy")  # intervals are arrays
    code = (
        "import sys; from lgbench.cli import group; group(sys.argv[1:], standalone_mode=False);"
        f"found = [name for name in {heavy!r} if name in sys.modules];"
        "sys.exit(str(found) if found else 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *words.split()], cwd=REPOSITORY, capture_output=True, text=True, encoding="utf-8"
    )
    assert done.returncode == 0, done.stderr


def test_building_a_board_imports_no_torch_and_no_pandas():
    code = (
        "import sys; from pathlib import Path; from lgbench.leaderboard import check; check(Path(), ['flora-32']);"
        "sys.exit(str([name for name in ('torch', 'pandas', 'scipy.stats') if name in sys.modules]))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True)
    assert done.stderr.strip() == "[]"


def test_every_committed_board_is_rebuilt_byte_for_byte_where_it_is_missing(tmp_path: Path):
    for folder in ("benchmarks", "leaderboards"):
        shutil.copytree(REPOSITORY / folder, tmp_path / folder)
    pages = [p for p in (tmp_path / "leaderboards").rglob("*") if p.name in ("README.md", "board.csv")]
    before = {page: page.read_bytes() for page in pages}
    for page in pages:
        page.unlink()
    build(tmp_path)
    assert len(before) > 30
    assert {page: page.read_bytes() for page in pages} == before


def test_a_board_is_shown_as_it_was_built_with_the_text_of_others_as_it_was(root: Path):
    commit(root, *seeds("a|b *c* [d](e) x_y", 0.5), a_record({"iou": missing("no <masks> | here")}, method="other"))
    with pytest.raises(BadBenchmark, match="leaderboard build"):
        built_page(root, "flora-32")
    build(root)
    page, others = built_page(root, "flora-32")
    assert others == []
    ran, reported = page.grids
    assert [row[1] for row in ran.rows] == ["a|b *c* [d](e) x_y", "other"]
    assert (page.title, reported.rows[0][0]) == ("Flora", "ReDO")
    assert "n/a: no <masks> | here." in page.notes
    assert ran.rows[1][3] == f"n/a[{page.notes.index('n/a: no <masks> | here.') + 1}]"
    commit(root, *seeds("late", 0.7))
    assert len(built_page(root, "flora-32")[1]) == 1


def test_a_new_fact_of_a_line_stands_on_pages_and_in_the_csv_without_a_change_of_theirs(root: Path, monkeypatch):
    from lgbench.leaderboard import pages, sheet

    commit(root, *seeds("lrgan", 0.5))
    for view in (pages, sheet):
        monkeypatch.setattr(view, "FACTS", {**view.FACTS, "done": "Finished"})
    assert "| Device | Finished | Records |" in markdown(root)
    assert (root / "leaderboards/flora-32/board.csv").read_text().splitlines()[0].endswith(",note,done")
