"""Boards rank by the rules, and hide nothing."""

from __future__ import annotations

import statistics
from dataclasses import replace
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
    lines,
    make_root,
    markdown,
    measured,
    missing,
    seeds,
)
from scipy import stats

from lgbench import Method
from lgbench.benchmark import BadBenchmark
from lgbench.leaderboard import add, build, check, read_boards
from lgbench.leaderboard.pages import protocol_in_words
from lgbench.leaderboard.store import why_not
from lgbench.plugins import registry
from lgbench.recipe import Recipe, Request, resolve
from lgbench.record import RECORD_FILE, protocol_id, read_record, write_record


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return make_root(tmp_path)


def test_a_board_without_runs_shows_what_papers_report(root: Path):
    text = markdown(root)
    assert "No runs yet" in text
    assert "| ReDO | unsupervised | 0.76 ± 0.01[^1] | 128 px | test | some, Table 2 |" in text
    assert "0.11" not in text  # another data set's
    assert [line["kind"] for line in lines(root)] == ["reported"]


def test_the_mean_and_its_interval_are_students_over_seeds(root: Path):
    values = [0.5, 0.6, 0.9]
    commit(root, *seeds("lrgan", *values))
    (row,) = board_tables(root)[0].lines
    low, high = stats.t.interval(0.95, 2, loc=statistics.fmean(values), scale=stats.sem(values))
    cell = row.cells["iou"]
    assert high > 1
    assert (cell.mean, cell.low, cell.high) == pytest.approx((statistics.fmean(values), low, 1.0))  # none is above 1
    assert cell.seeds == 3
    assert f"| 0.67 [{low:.2f}, 1.00] |" in markdown(root)


def test_an_interval_within_what_the_metric_can_be_is_told_by_its_half(root: Path):
    commit(root, *seeds("lrgan", 0.5, 0.6, 0.55))
    low, high = stats.t.interval(0.95, 2, loc=0.55, scale=stats.sem([0.5, 0.6, 0.55]))
    assert f"| 0.55 ± {(high - low) / 2:.2f} |" in markdown(root)


def test_what_is_added_to_a_run_stands_in_its_row(root: Path):
    first = a_record({"iou": measured(0.5)}, recipe={"evaluation": {"metrics": "iou", "batch": 128}})
    added = a_record({"fid": measured(9, IMAGES)}, recipe={"evaluation": {"metrics": "fid", "batch": 128}})
    added["artefacts"], added["adds_to"] = first["artefacts"], "a" * 16
    other = a_record({"iou": measured(0.4)}, seed=1, recipe={"evaluation": {"metrics": "iou", "batch": 64}})
    for number, record in enumerate((first, added, other)):
        add(root, write_record(root / "runs" / str(number), record))
    one, two = board_tables(root)[0].lines
    assert (one.cells["iou"].mean, one.cells["fid"].mean, one.cells["iou"].seeds) == (0.5, 9, 1)
    assert one.cells["iou"].why == ()  # that the addition has no IoU is no seed without one
    assert two.cells["iou"].mean == 0.4


def test_one_seed_has_no_interval(root: Path):
    commit(root, *seeds("lrgan", 0.5))
    assert "| 0.50 |" in markdown(root)


def test_seeds_of_another_recipe_make_another_row(root: Path):
    commit(root, *seeds("lrgan", 0.5, 0.6), *seeds("lrgan", 0.7, recipe={"loss": "hinge"}))
    rows = board_tables(root)[0].lines
    assert [row.cells["iou"].seeds for row in rows] == [1, 2]
    assert all(f"lrgan (recipe {row.recipe})" in markdown(root) for row in rows)


@pytest.mark.parametrize(
    ("asked", "measured_with", "belongs"),
    [
        ("{ foreground = '9, 8' }", {"foreground": "8,9"}, True),
        ("{ ignore = 2 }", {"foreground": "", "ignore": "2"}, True),
        ("{ fit = 'crop', use_all_images = false }", {"foreground": ""}, True),  # at their defaults, unsaid
        ("{ fit = 'pad' }", {"foreground": ""}, False),
        ("{ fit = 'crop' }", {"foreground": "", "fit": "pad"}, False),
        ("{ use_all_images = true }", {"foreground": ""}, False),
    ],
)
def test_settings_of_a_boards_data_set_are_compared_by_what_they_mean(
    tmp_path: Path, asked: str, measured_with: dict[str, str], belongs: bool
):
    text = BOARD.replace('dataset = "flora"', f'dataset = "mine"\ndataset_config = {asked}', 1)
    (board,) = read_boards(make_root(tmp_path, text))
    protocol = {**PROTOCOL, "dataset": "mine", "dataset_config": measured_with}
    write_record(tmp_path / "run", a_record({"iou": measured(0.5, protocol)}, dataset="mine"))
    assert (why_not(board, read_record(tmp_path / "run" / RECORD_FILE)) is None) == belongs


def test_a_seed_of_the_data_set_is_not_the_runs_seed(root: Path):
    commit(root, *(r for s in (0, 1) for r in seeds("lrgan", 0.5, recipe={"data": {"seed": s}})))
    assert len(board_tables(root)[0].lines) == 2


def test_running_a_seed_again_does_not_make_it_two_seeds(root: Path):
    first, again = (a_record({"iou": measured(v)}, wall_s=v) for v in (0.4, 0.6))
    commit(root, first, again)
    (row,) = board_tables(root)[0].lines
    assert (row.cells["iou"].mean, row.cells["iou"].seeds, row.cells["iou"].low) == (pytest.approx(0.5), 1, None)
    assert "| 1 (2 runs) |" in markdown(root)


def test_under_three_seeds_a_rank_is_provisional(root: Path):
    commit(root, *seeds("two", 0.7, 0.8), *seeds("three", 0.4, 0.5, 0.6))
    rows = {row.method: row for row in board_tables(root)[0].lines}
    assert (rows["two"].rank, rows["two"].provisional) == (1, True)
    assert (rows["three"].rank, rows["three"].provisional) == (2, False)
    assert "| 1\\* | two |" in markdown(root)
    assert "| 2 | three |" in markdown(root)


@pytest.mark.parametrize(
    ("numbers", "statuses", "provisional"),
    [
        ((0, 1, 2), ("done", "done", "done"), False),
        ((0, 1, 2, 3), ("done", "done", "done", "done"), True),  # the benchmark lists 0, 1 and 2
        ((7, 8, 9), ("done", "done", "done"), True),
        ((0, 1, 2), ("done", "done", "diverged"), True),
    ],
)
def test_a_seed_that_failed_or_that_nobody_asked_for_makes_a_rank_provisional(
    root: Path, numbers, statuses, provisional
):
    records = [
        a_record({"iou": measured(0.5)}, seed=number, status=status)
        for number, status in zip(numbers, statuses, strict=True)
    ]
    commit(root, *records)
    (row,) = board_tables(root)[0].lines
    assert (row.rank, row.provisional) == (1, provisional)
    assert ("| 1\\* | lrgan |" in markdown(root)) == provisional


def test_with_more_seeds_listed_a_failed_one_makes_a_rank_provisional_however_many_there_are(root: Path):
    path = root / "benchmarks/flora-32.toml"
    path.write_text(BOARD.replace("[[reported]]", "seeds = [0, 1, 2, 3, 4]\n\n[[reported]]"))
    commit(root, *seeds("lrgan", 0.5, 0.5, 0.5, 0.5), a_record({}, seed=4, status="diverged"))
    assert board_tables(root)[0].lines[0].provisional
    commit(root, *seeds("milgan", 0.5, 0.5, 0.5, 0.5, 0.5))
    assert not next(row for row in board_tables(root)[0].lines if row.method == "milgan").provisional


@pytest.mark.parametrize(
    ("noted", "shown"), [("none", "none"), ("weak", "weak"), ("full", "full"), (None, "not noted")]
)
def test_supervision_as_used_stands_on_the_board(root: Path, noted: str | None, shown: str):
    commit(root, *seeds("lrgan", 0.5, **({"supervision": noted} if noted else {})))
    assert f"| 1 |  | {shown} | CPU of a test |" in markdown(root)
    assert [line["supervision"] for line in lines(root) if line["kind"] == "reproduced"] == [shown, shown]
    assert [line["supervision"] for line in lines(root) if line["kind"] == "reported"] == ["unsupervised"]


def test_pre_trained_features_are_named_beside_the_supervision(root: Path):
    commit(root, *seeds("lrgan", 0.5, supervision="none", features=["rotnet_vgg16", "squeezenet"]))
    shown = [line["supervision"] for line in lines(root) if line["kind"] == "reproduced"]
    assert set(shown) == {"none, features of rotnet_vgg16 and squeezenet"}


def test_rows_that_are_equal_as_printed_are_ties(root: Path):
    commit(root, *seeds("a", 0.701), *seeds("b", 0.699), *seeds("c", 0.68), *seeds("d", 0.75))
    ranks = {row.method: (row.rank, row.tied) for row in board_tables(root)[0].lines}
    assert ranks == {"d": (1, False), "a": (2, True), "b": (2, True), "c": (4, False)}
    assert "| 2=\\* | a |" in markdown(root)


def test_lower_is_first_where_lower_is_better(root: Path):
    path = root / "benchmarks/flora-32.toml"
    ours, _, _ = BOARD.partition("[[reported]]")
    path.write_text(ours.replace('name = "iou", label = "IoU", better = "up"', 'name = "mae", better = "down"'))
    for method, error in (("high", 0.9), ("low", 0.1)):
        commit(root, a_record({"mae": measured(error, {**PROTOCOL, "metric": "mae"})}, method=method))
    assert [row.method for row in board_tables(root)[0].lines] == ["low", "high"]


@pytest.mark.parametrize(
    ("column", "told"),
    [
        ('name = "iou", better = "down"', "of which higher is better"),
        ('name = "iou@train", better = "down"', "of which higher is better"),
        ('name = "mae", better = "up"', "of which lower is better"),
        ('name = "coverage", better = "up"', "of which neither is better"),
    ],
)
def test_a_board_that_contradicts_a_metrics_direction_is_refused(root: Path, column: str, told: str):
    path = root / "benchmarks/flora-32.toml"
    ours, _, _ = BOARD.partition("[[reported]]")
    path.write_text(ours.replace('name = "iou", label = "IoU", better = "up"', column))
    for read in (build, check):
        with pytest.raises(BadBenchmark, match=told):
            read(root)


@pytest.mark.parametrize("column", ['name = "iou", better = "none"', 'name = "of-another-plugin", better = "down"'])
def test_a_column_may_rank_nobody_or_show_a_metric_that_is_not_installed(root: Path, column: str):
    path = root / "benchmarks/flora-32.toml"
    ours, _, _ = BOARD.partition("[[reported]]")
    path.write_text(ours.replace('name = "iou", label = "IoU", better = "up"', column))
    name = column.split('"')[1]
    commit(root, a_record({name: measured(0.5, {**PROTOCOL, "metric": name})}))
    build(root)
    assert check(root) == []


def test_the_page_of_metrics_tells_what_each_is_held_against_and_goes_stale(root: Path):
    build(root)
    page = root / "leaderboards/METRICS.md"
    for metric in registry().metrics.values():
        (line,) = (line for line in page.read_text().splitlines() if line.startswith(f"| {metric.name} |"))
        assert {"up": "higher", "down": "lower", "none": "neither"}[metric.direction] in line
    page.write_text(page.read_text().replace("higher", "lower", 1))
    (fault,) = check(root)
    assert "METRICS.md is stale" in fault


def test_a_column_that_an_older_version_of_a_metric_measured_says_so(root: Path, monkeypatch: pytest.MonkeyPatch):
    commit(root, *seeds("lrgan", 0.5))
    assert "lgbench rescore" not in markdown(root)
    monkeypatch.setitem(registry().metrics, "iou", replace(registry().metrics["iou"], version=2))
    assert "iou was measured by its version 1; version 2 is installed, and lgbench rescore" in markdown(root)


def test_a_number_that_is_not_available_is_never_zero(root: Path):
    commit(root, a_record({"iou": measured(0.5), "fid": missing("no Inception weights")}))
    text = markdown(root)
    assert "| 0.50 | n/a[^2] |" in text
    assert "[^2]: n/a: no Inception weights." in text
    (line,) = [line for line in lines(root) if line["metric"] == "fid"]
    assert (line["value"], line["note"]) == ("", "no Inception weights")


def test_a_row_without_the_ranking_number_has_no_rank_and_comes_last(root: Path):
    commit(root, a_record({"iou": missing("no masks")}, method="a"), *seeds("b", 0.1))
    rows = board_tables(root)[0].lines
    assert [(row.method, row.rank) for row in rows] == [("b", 1), ("a", None)]


def test_a_seed_that_lacks_the_number_is_not_averaged_in(root: Path):
    commit(root, *seeds("lrgan", 0.4, 0.6), a_record({"iou": missing("all masks empty")}, seed=2))
    (row,) = board_tables(root)[0].lines
    assert row.cells["iou"].mean == pytest.approx(0.5)
    assert row.done == 3
    assert row.provisional
    assert "Fewer seeds than the row: all masks empty." in markdown(root)


def test_failed_seeds_are_counted_and_their_numbers_are_not(root: Path):
    failed = a_record({"iou": measured(0.0)}, seed=3, status="diverged", flags=("diverged",))
    killed = a_record({}, seed=4, status="killed")
    commit(root, *seeds("lrgan", 0.5, 0.5, 0.5), failed, killed)
    (row,) = board_tables(root)[0].lines
    assert row.cells["iou"].mean == pytest.approx(0.5)
    assert (row.done, row.attempted) == (3, 5)
    text = markdown(root)
    assert "| 3 of 5: 1 diverged, 1 killed (not listed: 3, 4) | diverged x1 |" in text
    assert lines(root)[0]["failed"] == "2"


def test_a_method_whose_every_seed_failed_is_still_shown(root: Path):
    commit(root, a_record({}, status="diverged"))
    (row,) = board_tables(root)[0].lines
    assert row.rank is None
    assert row.flags == {"diverged": 1}
    assert "n/a: no run finished." in markdown(root)


def test_flags_of_finished_seeds_are_shown_and_their_numbers_count(root: Path):
    commit(root, *seeds("lrgan", 0.8), a_record({"iou": measured(0.2)}, seed=1, flags=("all_fg",)))
    (row,) = board_tables(root)[0].lines
    assert row.cells["iou"].mean == pytest.approx(0.5)
    assert "| all\\_fg x1 |" in markdown(root)


def test_what_was_chosen_on_the_test_images_is_barred_from_ranking(root: Path):
    commit(root, *seeds("cheat", 0.9, selected_by="best-on-test"), *seeds("fair", 0.5))
    rows = board_tables(root)[0].lines
    assert [(row.method, row.rank) for row in rows] == [("fair", 1), ("cheat", None)]
    assert "barred from ranking" in markdown(root)


def test_a_row_that_was_not_trained_as_its_preset_says_tells_so(root: Path):
    commit(root, *seeds("lrgan", 0.5, overrides={"evaluation.samples": 500}))
    assert "Other settings" not in markdown(root)
    commit(root, *seeds("lrgan", 0.6, recipe={"training": {"batch": 3}}, overrides={"training.batch": 3}))
    told = "ther settings than the preset's: training.batch 3"
    assert f"[^3]: O{told}." in markdown(root)
    notes = [line["note"] for line in lines(root) if (line["kind"], line["metric"]) == ("reproduced", "iou")]
    assert sorted(notes) == ["", f"o{told}"]


def test_runs_of_a_preset_that_has_changed_since_tell_so_and_rank_provisionally(root: Path):
    lrgan = registry().get("methods", "lrgan")
    steps = resolved(lrgan).training.steps
    commit(root, *seeds("lrgan", 0.5, 0.6, 0.7, recipe={"training": {"steps": steps}}, training=trained(steps)))
    (row,) = board_tables(root)[0].lines
    assert (row.unlike, row.provisional) == ("", False)
    commit(root, *seeds("lrgan", 0.3, 0.4, 0.5, recipe={"training": {"steps": 7}}, training=trained(7)))
    row, stale = board_tables(root)[0].lines
    assert (row.unlike, row.provisional) == ("", False)
    assert stale.unlike == f"the preset has changed since: training.steps was 7, is {steps}"
    assert stale.provisional
    assert f"The preset has changed since: training.steps was 7, is {steps}." in markdown(root)


def test_what_a_user_set_is_no_change_of_the_preset(root: Path):
    recipe = {"training": {"steps": 7}, "evaluation": {"samples": 3}, "data": {"images": 5}}
    told = {"training.steps": 7}
    commit(root, *seeds("lrgan", 0.5, recipe=recipe, overrides=told, training=trained(7)))
    (row,) = board_tables(root)[0].lines
    assert row.unlike == "other settings than the preset's: training.steps 7"


def test_a_run_with_the_settings_that_became_the_preset_is_one_of_its(root: Path):
    steps = resolved(registry().get("methods", "lrgan")).training.steps
    recipe, told = {"training": {"steps": steps}}, {"training.steps": str(steps)}
    commit(root, *seeds("lrgan", 0.5, recipe=recipe, overrides=told, training=trained(steps)))
    (row,) = board_tables(root)[0].lines
    assert row.unlike == ""


def resolved(method: Method) -> Recipe:
    installed = registry()
    generator, dataset = installed.generator_of(method), installed.get("datasets", "flora")
    request = Request(method.name, "flora", "smoke", 0, 32)
    return resolve(method, generator, dataset, installed.regularizers, installed.segmenters, request)


def trained(steps: int) -> dict[str, Any]:
    return a_record({})["training"] | {"steps": steps}


def test_device_preset_and_record_are_visible_in_a_row(root: Path):
    (path,) = commit(root, *seeds("lrgan", 0.5))
    text = markdown(root)
    assert f"| CPU of a test | [`{read_record(path).id[:8]}`](records/{path.name}) |" in text
    assert "| lrgan | smoke |" in text


def test_numbers_of_two_protocols_are_ranked_in_two_tables(root: Path):
    other = {**PROTOCOL, "threshold": 0.4}
    commit(root, *seeds("a", 0.5), a_record({"iou": measured(0.9, other)}, method="b"))
    first, second = board_tables(root)
    assert {first.lines[0].method, second.lines[0].method} == {"a", "b"}
    assert [len(table.lines) for table in (first, second)] == [1, 1]
    assert [table.lines[0].rank for table in (first, second)] == [1, 1]
    text = markdown(root)
    assert f"## Runs: IoU, protocol {protocol_id(other)}" in text
    assert "threshold 0.4, iou version 1" in text.replace("\\", "")


def test_samples_of_batch_statistics_are_told_from_ordinary_ones(root: Path):
    batches = {**IMAGES, "sampling": "statistics of batches of 100"}
    commit(root, *(a_record({"fid": measured(9.0, protocol)}) for protocol in ({**IMAGES, "sampling": None}, batches)))
    text = markdown(root)
    assert text.count(", 100 samples, sampled with statistics of batches of 100, features of inception,") == 1
    assert text.count(", 100 samples, features of inception,") == 1
    assert "sampled with" not in protocol_in_words(IMAGES)  # of before there was a choice
    assert "painted from segments of train" in protocol_in_words({**IMAGES, "given": "segments of train"})


@pytest.mark.parametrize(
    ("config", "origin", "said"),
    [
        ({"count": 64}, "official", "flora with count = 64, official copy, test split"),
        ({"count": 64, "fit": ""}, "archive:3ac0", "flora with count = 64, archive:3ac0 copy, test split"),
        (
            {"foreground": ""},
            "archive:3ac0, val and test by hash",
            "flora, copy archive:3ac0, val and test by hash, test",
        ),
        ("any", None, "flora with any, test split"),
    ],
)
def test_a_protocol_in_words_says_nothing_empty_and_which_copy_its_splits_were_drawn_of(config, origin, said):
    assert protocol_in_words({**PROTOCOL, "dataset_config": config, "origin": origin}).startswith(said)


def test_seeds_of_one_method_are_not_averaged_over_protocols(root: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(registry().metrics, "iou", replace(registry().metrics["iou"], version=2))
    other = {**PROTOCOL, "metric_version": 2}
    commit(root, *seeds("a", 0.5), a_record({"iou": measured(0.9, other)}, method="a", seed=1))
    assert sorted(table.lines[0].cells["iou"].mean or 0 for table in board_tables(root)) == [0.5, 0.9]


def test_another_metric_with_two_protocols_leaves_for_tables_of_its_own(root: Path):
    for method, weights in (("a", "x"), ("b", "y")):
        values = {"iou": measured(0.5), "fid": measured(9.0, {**IMAGES, "weights": weights})}
        commit(root, a_record(values, method=method))
    main, *apart = board_tables(root)
    assert [column.name for column in main.columns] == ["iou"]
    assert len(main.lines) == 2
    assert [[column.name for column in table.columns] for table in apart] == [["fid"], ["fid"]]
    assert {table.lines[0].cells["fid"].mean for table in apart if len(table.lines) == 1} == {9.0}


def test_a_run_without_number_is_not_lost_where_protocols_split(root: Path):
    other = {**PROTOCOL, "threshold": 0.4}
    records = [a_record({"iou": measured(0.9, other)}, method="b"), a_record({"iou": missing("no masks")}, method="c")]
    commit(root, *seeds("a", 0.5), *records)
    assert sorted(row.method for table in board_tables(root) for row in table.lines) == ["a", "b", "c"]


def test_runs_on_other_images_are_neither_averaged_nor_passed_over_in_silence(root: Path):
    other = {"fingerprints": {"test": "d" * 64}, "origin": "procedural", "counts": {"test": 16}, "provides": []}
    commit(root, *seeds("a", 0.5), a_record({"iou": measured(0.9)}, method="a", seed=1, data=other))
    assert [row.cells["iou"].seeds for row in board_tables(root)[0].lines] == [1, 1]
    assert "did not all see the same images" in markdown(root)


def test_seeds_from_before_and_after_a_split_was_added_share_a_row(root: Path):
    before = {"fingerprints": {"test": "c" * 64}, "origin": "procedural", "counts": {"test": 16}, "provides": []}
    after = {**before, "fingerprints": {"test": "c" * 64, "val": "e" * 64}, "counts": {"test": 16, "val": 8}}
    others = {**after, "fingerprints": {"test": "c" * 64, "val": "f" * 64}}
    held = [(0.5, before), (0.6, after), (0.7, others)]
    commit(root, *[a_record({"iou": measured(v)}, method="a", seed=n, data=d) for n, (v, d) in enumerate(held)])
    rows = board_tables(root)[0].lines
    assert sorted(row.cells["iou"].seeds for row in rows) == [1, 2]
    # A record of before goes with either; the two that saw different pictures never share one.
    assert {0.6, 0.7} not in [{*row.cells["iou"].by_seed} for row in rows]


def test_trivial_masks_are_the_floor_once_and_never_ranked(root: Path):
    commit(root, *seeds("lrgan", 0.5, 0.6, baselines={"all-foreground": {"iou": 0.55}, "empty": {"iou": 0.0}}))
    rows = board_tables(root)[0].lines
    assert [(row.kind, row.method, row.rank) for row in rows[1:]] == [
        ("baseline", "all-foreground", None),
        ("baseline", "empty", None),
    ]
    assert "| floor | all-foreground |  | 0.55 | - |" in markdown(root)


def test_baselines_that_disagree_are_averaged_and_said_to(root: Path):
    commit(root, *seeds("a", 0.5, baselines={"full": {"iou": 0.2}}), *seeds("b", 0.5, baselines={"full": {"iou": 0.4}}))
    floor = board_tables(root)[0].lines[-1]
    assert floor.cells["iou"].mean == pytest.approx(0.3)
    assert "Records disagree on the baseline 'full'" in markdown(root)


def test_reported_numbers_never_stand_among_the_ranked(root: Path):
    commit(root, *seeds("lrgan", 0.5))
    assert all(row.kind == "reproduced" for table in board_tables(root) for row in table.lines)
    (line,) = [line for line in lines(root) if line["kind"] == "reported"]
    assert (line["value"], line["rank"], line["source"]) == ("0.764", "", "some 2")


def test_text_of_others_cannot_break_the_table(root: Path):
    commit(root, *seeds("a|b *c*\n[d](e)", 0.5))
    assert "| a\\|b \\*c\\* \\[d\\](e) |" in markdown(root)
