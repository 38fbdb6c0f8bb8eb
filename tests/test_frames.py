"""Records as a table: `lgbench.frame` and `lgbench results`."""

from __future__ import annotations

import importlib.util
import io
from pathlib import Path

import pandas as pd
import pytest
from ablation_records import make_ablation, runs
from board_records import PROTOCOL, a_record, commit, measured, missing, seeds
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
