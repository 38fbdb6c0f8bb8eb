"""Records as a table: `lgbench.frame` and `lgbench results`."""

from __future__ import annotations

import importlib.util
import io
import os
from pathlib import Path

import pandas as pd
import pytest
from ablation_records import make_ablation, runs
from board_records import PROTOCOL, a_record, board_tables, commit, make_root, measured, missing, seeds
from click.testing import CliRunner

import lgbench
from lgbench.cli.results import results
from lgbench.cli.summaries import effects, over_seeds, summary
from lgbench.intervals import difference, interval
from lgbench.record import BadRecord, read_record, write_record


def written(folder: Path, *records: dict) -> list[Path]:
    return [write_record(folder / f"run-{number}", record) for number, record in enumerate(records)]


def test_each_value_is_one_row_and_none_is_lost(tmp_path: Path):
    iou = measured(0.5, pooled=0.6) | {"interval": (0.4, 0.6)}
    written(tmp_path, a_record({"iou": iou, "fid": missing("no weights")}), a_record({}, seed=1, status="diverged"))
    table = lgbench.frame(tmp_path).set_index("metric")
    assert table.loc["iou", ["value", "low", "high", "aggregation", "details.pooled"]].tolist() == [
        *(0.5, 0.4, 0.6, "per_image", 0.6)
    ]
    assert pd.isna(table.loc["fid", "value"])
    assert table.loc["fid", "why"] == "no weights"
    assert table.status.tolist().count("diverged") == 1


def test_a_record_is_found_by_itself_its_file_its_run_and_any_folder_above_and_counts_once(tmp_path: Path):
    file, _ = written(tmp_path / "runs", *seeds("lrgan", 0.5, 0.6))
    one = lgbench.frame(file)
    assert one.equals(lgbench.frame(file.parent))
    assert lgbench.frame(read_record(file)).drop(columns="path").equals(one.drop(columns="path"))
    assert len(lgbench.frame([file, file.parent, tmp_path, read_record(file)])) == 2


def test_what_a_further_record_repeats_counts_once_and_is_the_first_records(tmp_path: Path):
    first, other = a_record({"iou": measured(0.2), "dice": measured(0.4)}), a_record({"dice": measured(0.6)}, seed=1)
    file, _ = written(tmp_path, first, other)
    run, id_ = file.parent, read_record(file).id
    again = first | {"adds_to": id_, "values": {"iou": measured(0.3), "dice": measured(0.4)}}
    path = write_record(run, again)
    write_record(run, again | {"values": {"iou": measured(0.3), "ari": measured(0.1)}})
    for given in (tmp_path, [path, *tmp_path.glob("*/*.json")]):
        table = lgbench.frame(given)
        dice = table.query("metric == 'dice'")
        assert dice.groupby("method").value.agg(["count", "mean"]).values.tolist() == [[2, pytest.approx(0.5)]]
        assert path.name not in dice.path.str.cat()
        assert sorted(table.query("metric == 'iou'").value) == [0.2, 0.3]
        assert len(table) == 5
    alone = lgbench.frame(path)
    assert alone.set_index("metric").value.to_dict() == {"iou": 0.3, "dice": 0.4}


def test_settings_have_columns_where_runs_of_one_method_differ(tmp_path: Path):
    written(tmp_path, *runs(0.1, 0.2), *runs(1, 0.6), *seeds("lrgan", 0.5, recipe={"method": {"lr": 2}}))
    table = lgbench.frame(tmp_path)
    assert table.set_index("value")["method.gamma"].loc[[0.2, 0.6]].tolist() == [0.1, 1]
    assert "method.lr" not in table
    assert table.recipe.nunique() == 3


def test_a_boards_records_know_their_variants(tmp_path: Path):
    root = make_ablation(tmp_path)
    commit(root, *runs(0.1, 0.2), *runs(1, 0.6))
    table = lgbench.frame(root / "leaderboards/weights")
    assert dict(zip(table.variant, table.value, strict=True)) == {"weak": 0.2, "strong": 0.6}


def test_seeds_are_averaged_with_students_interval_and_protocols_never(tmp_path: Path):
    other = a_record({"iou": measured(0.9, {**PROTOCOL, "threshold": 0.4})}, seed=3)
    written(tmp_path, *seeds("lrgan", 0.5, 0.6, 0.7), a_record({"iou": measured(0.7)}, wall_s=2.0, seed=2), other)
    table = lgbench.frame(tmp_path)
    three, one = (row for _, row in over_seeds(table).sort_values("mean").iterrows())
    assert (three["mean"], three.low, three.high) == pytest.approx((0.6, *interval([0.5, 0.6, 0.7])))
    assert (three.seeds, one.seeds, one["mean"]) == (3, 1, 0.9)
    assert summary(table).metric.str.startswith("iou (").all()


@pytest.mark.parametrize("status", ["diverged", "killed", "timed-out"])
def test_runs_that_did_not_finish_are_in_no_mean_and_are_told(tmp_path: Path, status: str):
    failed = [a_record({"iou": measured(0.9)}, seed=2, status=status), a_record({}, seed=3, status=status)]
    written(tmp_path, *seeds("lrgan", 0.5, 0.6), *failed, *seeds("milgan", 0.7, 0.8))
    lrgan = summary(lgbench.frame(tmp_path)).set_index("method").loc["lrgan"]
    assert lrgan.value.startswith("0.550")
    assert lrgan.seeds == "2 of 4"
    change = effects(lgbench.frame(tmp_path), "lrgan").iloc[0]
    assert (change["of lrgan"], change.seeds) == ("0.550", "2, 2 of 4")
    for way in ([], ["--latex"], ["--against", "lrgan"], ["--metric", "iou"]):
        assert f"lrgan on flora, smoke: 2 of 4 seeds failed (2 {status}); they are in no mean." in said(tmp_path, *way)


def test_a_seed_that_another_run_finished_has_not_failed(tmp_path: Path):
    written(tmp_path, *seeds("lrgan", 0.5), a_record({"iou": measured(0.9)}, status="diverged"))
    assert summary(lgbench.frame(tmp_path)).values.tolist() == [["lrgan", "iou", "0.500", "1"]]
    assert "failed" not in said(tmp_path)


def test_records_with_equal_artefacts_are_one_seed(tmp_path: Path):
    written(tmp_path, *seeds("otsu", 0.4, 0.4, 0.4, artefacts={"masks.npz": "a" * 64}), *seeds("lrgan", 0.5, 0.6))
    table = lgbench.frame(tmp_path)
    assert table.query("method == 'otsu'").counts_as.tolist() == [0, 0, 0]
    assert summary(table).set_index("method").loc["otsu", ["value", "seeds"]].tolist() == ["0.400", "1"]
    assert effects(table, "otsu").loc[:, ["difference", "seeds"]].values.tolist() == [["+0.150", "2, 1"]]


def test_the_metrics_asked_for_do_not_part_the_seeds_of_a_recipe(tmp_path: Path):
    other = a_record({"iou": measured(0.7)}, seed=2, recipe={"evaluation": {"metrics": ["iou"]}})
    few = {"recipe": {"evaluation": {"metrics": ["iou", "dice"]}}}
    written(tmp_path, *seeds("lrgan", 0.5, 0.6, **few), other, *seeds("milgan", 0.9))
    table = lgbench.frame(tmp_path)
    assert table.groupby("method").recipe.nunique().tolist() == [1, 1]
    assert [*summary(table)] == ["method", "metric", "value", "seeds"]
    assert summary(table).seeds.tolist() == ["3", "1"]
    assert effects(table, "milgan").seeds.tolist() == ["3, 1"]


def test_a_board_and_the_results_say_the_same_of_the_same_records(tmp_path: Path):
    root = make_root(tmp_path)
    asked = {"evaluation": {"metrics": ["iou"]}}
    finished = [*seeds("lrgan", 0.5, 0.6), a_record({"iou": measured(0.9)}, seed=2, status="killed")]
    same = seeds("lrgan", 0.3, 0.3, artefacts={"masks.npz": "a" * 64}, recipe={"training": {"flip": False}})
    best = seeds("lrgan", 0.8, selected_by="best-on-val")
    seen = {"fingerprints": {"test": "d" * 64}, "origin": "procedural", "counts": {"test": 16}, "provides": []}
    commit(root, *finished, *same, *best, a_record({"iou": measured(0.7)}, seed=3, recipe=asked))
    commit(root, *seeds("lrgan", 0.1, data=seen))
    (board,) = board_tables(root)
    lines = [(line.recipe, line.cells["iou"].mean, line.cells["iou"].seeds, line.attempted) for line in board.lines]
    means = over_seeds(lgbench.frame(root))
    assert sorted(zip(means.recipe, means["mean"], means.seeds, means.attempted, strict=True)) == sorted(lines)
    assert len(lines) == 4
    assert not summary(lgbench.frame(root)).loc[:, lambda shown: [*shown.columns[:-3]]].duplicated().any()


def test_what_the_rows_of_ablations_are_called_does_not_hang_on_the_order_of_paths(tmp_path: Path):
    root = make_ablation(tmp_path)
    text = (root / "benchmarks/weights.toml").read_text()
    (root / "benchmarks/others.toml").write_text(text.replace('"weak"', '"little"'))
    commit(root, *runs(0.1, 0.2, 0.3), *runs(1, 0.6, 0.7))
    one, two = root / "leaderboards/weights", root / "leaderboards/others"
    next(two.glob("records/*-s0-*")).unlink()
    for paths in ([one, two], [two, one], [root]):
        rows = summary(lgbench.frame(paths))
        assert rows.seeds.tolist() == ["2", "2"]
        assert sorted(rows.variant) == ["", "strong"]
    assert sorted(summary(lgbench.frame([one, root / "runs"])).variant) == ["strong", "weak"]
    assert sorted(summary(lgbench.frame([two, root / "runs"])).variant) == ["little", "strong"]


@pytest.mark.parametrize("inside", [".", "leaderboards", "leaderboards/weights", "leaderboards/weights/records", "/"])
def test_a_board_is_read_from_wherever_one_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, inside: str):
    root = make_ablation(tmp_path)
    (path, *_) = commit(root, *runs(0.1, 0.2), *runs(1, 0.6))
    monkeypatch.chdir(root / inside)
    for given in ([] if inside == "/" else ["."]) + [os.path.relpath(path.parent), os.path.relpath(path.parent.parent)]:
        assert {"weak", "strong"} == {*lgbench.frame(given).variant}
    assert lgbench.frame(os.path.relpath(path)).variant.tolist() == ["weak"]
    assert lgbench.frame(read_record(path)).variant.tolist() == [""]


def test_a_setting_that_some_rows_do_not_say_is_left_to_the_recipe(tmp_path: Path):
    older, newer = {"method": {"lr": 1}}, {"method": {"lr": 2, "came": 5}}
    written(tmp_path, *seeds("lrgan", 0.5, recipe=older), *seeds("lrgan", 0.6, recipe=newer), *seeds("otsu", 0.4))
    rows = summary(lgbench.frame(tmp_path))
    assert [*rows] == ["method", "method.lr", "recipe", "metric", "value", "seeds"]
    assert "nan" not in said(tmp_path) + said(tmp_path, "--latex") + said(tmp_path, "--against", "otsu")


def test_a_regularizer_that_is_off_has_the_weight_0(tmp_path: Path):
    on = {"regularizers": {"binary": {"weight": 2.0, "form": "min"}}}
    written(tmp_path, *seeds("lrgan", 0.5), *seeds("lrgan", 0.6, recipe=on))
    assert summary(lgbench.frame(tmp_path))["regularizers.binary.weight"].tolist() == ["0", "2"]


@pytest.mark.parametrize("way", ["--latex", "--against", ""])
def test_where_no_record_has_a_number_the_reason_is_told(tmp_path: Path, way: str):
    records = [
        a_record({"nmi": missing("no code"), "iou": measured(0.5)}, method=method) for method in ("otsu", "full")
    ]
    written(tmp_path, *records)
    asked = [way, "lrgan"] if way == "--against" else [way] if way else []
    text = said(tmp_path, "--metric", "nmi", *("otsu" if each == "lrgan" else each for each in asked))
    assert "nmi: not available: no code" in text
    assert "tabular" not in text
    assert ("otsu has no number of nmi here" in text) == (way == "--against")
    written(tmp_path / "failed", a_record({}, status="diverged"))
    assert "1 of 1 seeds failed (1 diverged)" in said(tmp_path / "failed", *asked)


@pytest.mark.parametrize("name", [".", "nothing.json"])
def test_where_there_is_no_record_the_error_says_what_to_give(tmp_path: Path, name: str):
    with pytest.raises(BadRecord, match=r"[Rr]ecord"):
        lgbench.frame(tmp_path / name)


def test_an_altered_record_is_refused(tmp_path: Path):
    (file,) = written(tmp_path, *seeds("lrgan", 0.5))
    file.write_text(file.read_text().replace("0.5", "0.9"))
    with pytest.raises(BadRecord, match="altered"):
        lgbench.frame(tmp_path)


def said(*arguments: object) -> str:
    result = CliRunner().invoke(results, [str(each) for each in arguments], env={"COLUMNS": "80"})
    return result.output + str(result.exception or "")


def test_the_command_prints_means_over_seeds_and_what_is_missing_once(tmp_path: Path):
    records = [a_record({"iou": measured(v), "fid": missing("no weights")}, seed=s) for s, v in enumerate((0.5, 0.52))]
    written(tmp_path, *records)
    text = said(tmp_path)
    low, high = interval([0.5, 0.52])
    assert f"0.510 ± {(high - low) / 2:.3f}" in text
    assert text.count("fid: not available: no weights") == 1
    assert max(map(len, text.splitlines())) <= 80
    assert "Did you mean 'iou'" in said(tmp_path, "--metric", "uio")


def test_csv_is_the_frame_to_a_file_or_to_the_terminal(tmp_path: Path):
    written(tmp_path, *seeds("lrgan", 0.5, 0.6))
    text = said(tmp_path, "--csv", "-")
    assert pd.read_csv(io.StringIO(text)).value.tolist() == [0.5, 0.6]
    said(tmp_path, "--csv", tmp_path / "out.csv")
    assert (tmp_path / "out.csv").read_text() == text


def test_latex_has_a_row_a_method_and_a_column_a_metric(tmp_path: Path):
    written(tmp_path, *seeds("a_b", 0.5), *seeds("lrgan", 0.7))
    text = said(tmp_path, "--latex")
    assert "a\\_b & 0.500" in text
    assert "lrgan & 0.700" in text
    assert text.startswith("\\begin{tabular}")


def test_effects_are_differences_to_one_row_with_welchs_interval(tmp_path: Path):
    three, two = [0.5, 0.6, 0.7], [0.8, 0.9]
    written(tmp_path, *seeds("lrgan", *three), *seeds("milgan", *two), *seeds("otsu", 0.4))
    table = effects(lgbench.frame(tmp_path), "lrgan").set_index("method")
    between, half = difference(two, three)
    assert table.loc["milgan", "difference"] == f"{between:+.3f} ± {half:.3f}"
    assert (table.loc["milgan", "of lrgan"], table.loc["milgan", "value"]) == ("0.600", "0.850")
    assert (table.loc["milgan", "seeds"], table.loc["otsu", "seeds"]) == ("2, 3", "1, 3")
    assert table.loc["otsu", "difference"] == "-0.200"
    assert [*table.index] == ["milgan", "otsu"]


def test_effects_compare_an_ablations_rows_with_the_one_that_is_named(tmp_path: Path):
    root = make_ablation(tmp_path)
    commit(root, *runs(0.1, 0.2, 0.3), *runs(1, 0.6, 0.65))
    text = said(root / "leaderboards/weights", "--against", "weak")
    assert "strong" in text
    assert "+0.375" in text
    assert "-0.375" not in text
    assert "+0.375" in said(root / "leaderboards/weights", "--against", "weak", "--latex")
    assert "Did you mean 'weak'" in said(root / "leaderboards/weights", "--against", "weka")
    twice = said(root / "leaderboards/weights", "--against", "milgan")
    recipes = lgbench.frame(root / "leaderboards/weights").groupby("variant").recipe.first()
    weak, strong = recipes["weak"], recipes["strong"]
    assert "Several rows here are 'milgan'. Name one by its variant, or by its recipe" in twice
    assert weak in twice
    assert strong in twice
    assert "+0.375" in said(root / "leaderboards/weights", "--against", weak)


def test_effects_that_are_wider_than_the_terminal_are_tables_that_begin_with_what_names_the_rows(tmp_path: Path):
    written(tmp_path, *seeds("lrgan", 0.5, 0.6, 0.8), *seeds("milgan", 0.7, 0.8, 0.8))
    result = CliRunner().invoke(results, [str(tmp_path), "--against", "lrgan"], env={"COLUMNS": "50"})
    assert result.output.count("│ milgan │ iou    │") == 2
    assert max(map(len, result.output.splitlines())) <= 50


def test_effects_never_set_values_of_two_protocols_against_each_other(tmp_path: Path):
    other = {**PROTOCOL, "threshold": 0.4}
    written(tmp_path / "a", *seeds("lrgan", 0.5), a_record({"iou": measured(0.9, other)}, method="milgan"))
    assert "Nothing here can be compared with lrgan" in said(tmp_path / "a", "--against", "lrgan")
    written(tmp_path / "b", a_record({"iou": measured(0.6, other)}, seed=1))
    table = effects(lgbench.frame(tmp_path), "lrgan")
    assert table.difference.tolist() == ["+0.300"]
    assert table.metric.str.startswith("iou (").all()


def test_parquet_names_its_extra_where_it_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    written(tmp_path, *seeds("lrgan", 0.5))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert "lgbench[parquet]" in said(tmp_path, "--parquet", tmp_path / "out.parquet")
    assert not (tmp_path / "out.parquet").exists()


def test_parquet_gives_the_frame_back(tmp_path: Path):
    pytest.importorskip("pyarrow", reason="the extra `parquet` is not installed")
    written(tmp_path, *seeds("lrgan", 0.5, 0.6))
    said(tmp_path, "--parquet", tmp_path / "out.parquet")
    assert pd.read_parquet(tmp_path / "out.parquet").value.tolist() == [0.5, 0.6]
