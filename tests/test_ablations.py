"""Ablations: rows in the paper's order beside the paper's numbers, with a verdict each; claims decided by seeds."""

from __future__ import annotations

import csv
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ablation_records import PAPER, change, claim, make_ablation, numbers, page, runs
from board_records import IMAGES, PROTOCOL, a_record, commit, measured, missing, seeds
from scipy import stats

from lgbench.intervals import difference
from lgbench.leaderboard import build, check
from lgbench.plugins import registry


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return make_ablation(tmp_path)


def failed(gamma: float, *numbers: int) -> list[dict[str, Any]]:
    """Runs of these seeds that diverged."""
    fixed: dict[str, Any] = {"method": "milgan", "preset": "paper", "status": "diverged"}
    return [a_record({}, seed=seed, recipe={"method": {"gamma": gamma}}, **fixed) for seed in numbers]


# What a board says of the paper's numbers


def test_without_runs_the_papers_numbers_stand_there_and_nothing_is_claimed(root: Path):
    text = page(root)
    assert "| weak | milgan |  | not run | not run | 0 |" in text
    assert "| strong | IoU ↑ | - | 0.60 ± 0.01[^1] | - | not run | some, Table 1 |" in text
    assert "0.60 \\> 0.20 | not run: no number of strong and weak |" in text
    assert "gain" not in text
    assert check(root) == []


def test_rows_stand_in_the_papers_order_whatever_their_scores(root: Path):
    commit(root, *runs(1, 0.1), *runs(0.1, 0.9), *seeds("lrgan", 0.5, preset="paper"))
    text = page(root).split("## Beside")[0]
    assert text.index("| weak |") < text.index("| strong |") < text.index("| control |")


def test_the_papers_number_in_our_interval_is_within_noise(root: Path):
    commit(root, *runs(1, 0.55, 0.60, 0.62))
    one = numbers(root)["strong", "iou"]
    assert (one.verdict, one.reasons) == ("within noise", ())
    assert one.gap == pytest.approx(-0.01)


@pytest.mark.parametrize(("values", "verdict"), [((0.9, 0.91, 0.92), "better"), ((0.1, 0.11, 0.12), "worse")])
def test_outside_our_interval_the_metrics_direction_decides(root: Path, monkeypatch, values, verdict):
    commit(root, *runs(1, *values))
    assert numbers(root)["strong", "iou"].verdict == verdict
    turned = replace(registry().metrics["iou"], direction="down")
    monkeypatch.setitem(registry().metrics, "iou", turned)
    change(root, 'label = "IoU", better = "up"', 'label = "IoU", better = "down"')
    assert numbers(root)["strong", "iou"].verdict == {"better": "worse", "worse": "better"}[verdict]


@pytest.mark.parametrize(("value", "verdict"), [(0.9, "higher"), (0.1, "lower")])
def test_a_metric_without_a_better_end_is_only_higher_or_lower(root: Path, value, verdict):
    change(root, 'label = "IoU", better = "up"', 'label = "IoU", better = "none"')
    change(root, 'metric = "iou"', 'metric = "fid"')
    commit(root, *runs(1, value, value, value))
    assert numbers(root)["strong", "iou"].verdict == verdict


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ('same_as = "flora"', 'same_as = "cub"', "data set flora here, cub there"),
        ('same_as = "flora"', "", "which of our data sets Flora is, is not said"),
        ('presets = ["smoke", "paper"]\n\n', 'presets = ["paper"]\n\n', ""),
        ("[reported.protocol.fid]", "[reported.protocol.iou]\ncrop = 'face'\n\n[reported.protocol.fid]", "crop center"),
        ('percent = ["IoU"]', 'percent = ["IoU"]\npresets = ["big"]', "preset paper here, the paper's settings are"),
    ],
)
def test_what_differs_is_not_comparable_and_the_reason_is_told(root: Path, old: str, new: str, reason: str):
    change(root, old, new)
    commit(root, *runs(1, 0.55, 0.60, 0.62))
    one = numbers(root)["strong", "iou"]
    assert one.gap == pytest.approx(-0.01)
    if not reason:
        assert one.verdict == "within noise"
        return
    assert one.verdict == "not comparable"
    assert [told for told in one.reasons if reason in told] == list(one.reasons)
    assert f"Not comparable: {one.reasons[0]}." in page(root)


def test_the_papers_own_resolution_and_split_count(root: Path):
    path = root / "leaderboards/reported/paper.csv"
    path.write_text(PAPER.replace("Flora,32,test", "Flora,64,train"))
    commit(root, *runs(1, 0.6, 0.6, 0.6))
    assert numbers(root)["strong", "iou"].reasons == ("resolution 32 here, 64 there", "split test here, train there")


def test_what_the_paper_does_not_state_is_said_and_does_not_bar(root: Path):
    path = root / "leaderboards/reported/paper.csv"
    path.write_text(PAPER.replace("Flora,32,test", "Flora,,"))
    commit(root, *runs(1, 0.6, 0.6, 0.6))
    one = numbers(root)["strong", "iou"]
    assert (one.verdict, one.unstated) == ("within noise", ("resolution", "split", "aggregation"))
    assert "The paper does not state its resolution, split, aggregation: taken to be ours." in page(root)
    change(root, 'same_as = "flora"', 'same_as = "flora"\nresolution = 128')
    assert numbers(root)["strong", "iou"].reasons == ("resolution 32 here, 128 there",)


@pytest.mark.parametrize("origin", ["official, split in ReDO's numbers by hash", "official, every tenth tested"])
def test_a_split_that_was_drawn_here_is_not_the_papers(root: Path, origin: str):
    drawn = {**PROTOCOL, "origin": origin}
    recipe = {"method": {"gamma": 1}}
    for number, value in enumerate((0.6, 0.6, 0.6)):
        fixed: dict[str, Any] = {"method": "milgan", "preset": "paper", "recipe": recipe, "seed": number}
        commit(root, a_record({"iou": measured(value, drawn)}, **fixed))
    one = numbers(root)["strong", "iou"]
    assert (one.verdict, one.reasons) == ("not comparable", (f"split drawn here ({origin}), not the paper's",))


def test_two_seeds_or_a_smoke_run_do_not_make_a_verdict(root: Path):
    commit(root, *runs(1, 0.6, 0.6, preset="smoke"))
    assert numbers(root)["strong", "iou"].reasons == (
        "preset smoke here, the paper's settings are those of paper",
        "2 of the 3 seeds that a verdict needs",
    )


def test_a_verdict_says_how_many_seeds_failed(root: Path):
    commit(root, *runs(1, 0.55, 0.60, 0.62), *failed(1, 3, 4))
    assert numbers(root)["strong", "iou"].verdict == "within noise"
    text = page(root)
    assert "| within noise[^4][^5] |" in text
    assert "[^5]: strong: 2 of 5 seeds failed; they are in no mean." in text
    with (root / "leaderboards/weights/board.csv").open(newline="") as file:
        (line,) = [line for line in csv.DictReader(file) if line["verdict"] == "within noise"]
    assert line["note"] == "not stated: aggregation; 2 of 5 seeds failed; an odd one"


def test_a_seed_that_was_run_again_did_not_fail(root: Path):
    commit(root, *runs(1, 0.55, 0.60, 0.62), *failed(1, 2))
    assert "seeds failed" not in page(root)


def trained(gamma: float, overrides: dict[str, Any], *values: float) -> list[dict[str, Any]]:
    recipe = {"method": {"gamma": gamma}}
    return seeds("milgan", *values, preset="paper", recipe=recipe, overrides=overrides)


SHORT = {"training.steps": 500}
TOLD = "other settings than the preset's: training.steps 500"


def test_a_paper_run_with_other_settings_is_not_the_papers_row(root: Path):
    commit(root, *trained(1, {"method.gamma": 1, **SHORT}, 0.55, 0.60, 0.62))
    one = numbers(root)["strong", "iou"]
    assert (one.verdict, one.reasons) == ("not comparable", (TOLD,))
    text = page(root)
    assert "| strong | milgan | paper[^3] |" in text
    assert f"[^3]: O{TOLD[1:]}." in text


def test_a_paper_run_with_the_variants_settings_is_the_papers_row(root: Path):
    harmless = {"evaluation.metrics": "iou", "training.log_every": 10}
    commit(root, *trained(1, {"method.gamma": 1, **harmless}, 0.55, 0.60, 0.62))
    assert numbers(root)["strong", "iou"].verdict == "within noise"


def test_a_paper_run_with_the_boards_data_is_the_papers_row(root: Path):
    change(root, "resolution = 32", "dataset_config = { count = 64 }\nresolution = 32")
    commit(root, *trained(1, {"data.count": 64}, 0.55, 0.60, 0.62))
    assert numbers(root)["strong", "iou"].verdict == "within noise"


def test_a_claim_is_not_decided_between_runs_of_other_lengths(root: Path):
    commit(root, *trained(0.1, SHORT, 0.1, 0.11, 0.12), *trained(1, {}, 0.6, 0.61, 0.62))
    outcome = claim(root)
    assert outcome.verdict == "undecided"
    assert outcome.why == f"weak has {TOLD}"


def test_what_was_chosen_on_the_test_images_is_not_comparable(root: Path):
    commit(root, *runs(1, 0.6, 0.6, 0.6, selected_by="best-on-test"))
    assert numbers(root)["strong", "iou"].reasons == ("chosen by its score on the test images",)


def test_another_extractors_distance_has_no_gap_to_the_papers(root: Path):
    other = {**IMAGES, "split": "test", "extractor": "random"}
    records = [
        a_record({"iou": missing("no masks"), "fid": measured(9.0, other)}, **fixed)
        for fixed in ({"method": "milgan", "preset": "paper", "recipe": {"method": {"gamma": 1}}},)
    ]
    commit(root, *records)
    found = numbers(root)
    assert found["strong", "iou"].verdict == "no number"
    assert found["strong", "fid"].gap is None
    assert found["strong", "fid"].reasons[0] == "extractor random here, inception there"


def test_presets_have_sections_of_their_own(root: Path):
    commit(root, *runs(1, 0.6, 0.6, 0.6), *runs(1, 0.3, preset="smoke"))
    text = page(root)
    assert text.index("## Runs: preset smoke") < text.index("## Runs: preset paper")
    assert "No runs yet with preset" not in text


def test_a_preset_that_waits_is_told(root: Path):
    commit(root, *runs(1, 0.3, preset="smoke"))
    assert "No runs yet with preset paper: `lgbench sweep benchmarks/weights.toml --preset paper`." in page(root)


def test_a_variant_with_a_preset_of_its_own_runs_with_no_other(root: Path):
    change(root, 'name = "strong"', 'name = "strong"\npreset = "huge"')
    assert commit(root, *runs(1, 0.6)) == []
    assert commit(root, *runs(1, 0.6, preset="huge"), *runs(0.1, 0.5)) != []
    text = page(root).split("## Beside")[0]
    assert "| strong | milgan | huge | 0.60 |" in text
    assert "| weak | milgan | paper | 0.50 |" in text


def test_seeds_of_two_recipes_are_two_rows_of_their_variant(root: Path):
    changed = seeds("milgan", 0.1, preset="paper", recipe={"method": {"gamma": 1}, "training": {"flip": False}})
    commit(root, *runs(1, 0.6), *changed)
    assert page(root).split("## Beside")[0].count("| strong (recipe ") == 2


# What a board says of claims


def test_welchs_interval_excludes_zero_exactly_where_the_test_is_significant():
    for shift in (0.0, 0.05, 0.1, 0.15, 0.2, 0.3):
        one, other = [0.5 + shift, 0.6 + shift, 0.7 + shift, 0.62 + shift], [0.5, 0.52, 0.51]
        between, half = difference(one, other)
        interval = stats.ttest_ind(one, other, equal_var=False).confidence_interval(0.95)
        assert (between - half, between + half) == pytest.approx((interval.low, interval.high))
        assert (abs(between) > half) == (stats.ttest_ind(one, other, equal_var=False).pvalue < 0.05)


def test_seeds_that_all_gave_the_same_have_no_noise():
    assert difference([0.5] * 3, [0.25] * 3) == (0.25, 0.0)
    assert difference([0.1] * 3, [0.1] * 4) == (0.0, 0.0)  # whatever the rounding of a mean


@pytest.mark.parametrize(
    ("weak", "strong", "verdict"),
    [
        ((0.1, 0.11, 0.12), (0.6, 0.61, 0.62), "agrees"),
        ((0.6, 0.61, 0.62), (0.1, 0.11, 0.12), "disagrees"),
        ((0.1, 0.5, 0.9), (0.2, 0.6, 0.95), "undecided"),
        ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5), "undecided"),
        ((0.1, 0.11), (0.6, 0.61, 0.62), "undecided"),
        ((), (0.6, 0.61, 0.62), "not run"),
    ],
)
def test_a_claim_is_decided_by_seeds_that_the_noise_does_not_explain(root: Path, monkeypatch, weak, strong, verdict):
    commit(root, *runs(0.1, *weak), *runs(1, *strong))
    outcome = claim(root)
    assert outcome.verdict == verdict
    assert outcome.paper == (0.6, 0.2)
    turned = replace(registry().metrics["iou"], direction="down")
    monkeypatch.setitem(registry().metrics, "iou", turned)
    change(root, 'label = "IoU", better = "up"', 'label = "IoU", better = "down"')
    assert claim(root).verdict == {"agrees": "disagrees", "disagrees": "agrees"}.get(verdict, verdict)


def test_a_claim_says_how_many_seeds_failed(root: Path):
    commit(root, *runs(0.1, 0.1, 0.11, 0.12), *failed(0.1, 3, 4), *runs(1, 0.6, 0.61, 0.62), *failed(1, 3))
    outcome = claim(root)
    assert (outcome.verdict, outcome.why) == ("agrees", "weak: 2 of 5 seeds failed; strong: 1 of 4 seeds failed")
    assert f"over 3 seeds; {outcome.why})" in page(root)


def test_a_claim_about_a_variant_whose_every_seed_failed_says_so(root: Path):
    commit(root, *failed(0.1, 0, 1), *runs(1, 0.6, 0.61, 0.62))
    assert (claim(root).verdict, claim(root).why) == ("not run", "no number of weak; weak: 2 of 2 seeds failed")


def test_an_open_claim_says_how_wide_the_noise_is(root: Path):
    commit(root, *runs(0.1, 0.1, 0.5, 0.9), *runs(1, 0.2, 0.6, 0.94))
    between, half = difference([0.2, 0.6, 0.94], [0.1, 0.5, 0.9])
    assert f"undecided (difference {between:+.2f} ± {half:.2f} over 3 seeds)" in page(root)


def test_a_split_that_came_later_leaves_the_images_the_same(root: Path):
    told = {"fingerprints": {"test": "c" * 64, "val": "e" * 64}, "counts": {"test": 16, "val": 16}}
    later = {**told, "origin": "procedural", "provides": []}
    commit(root, *runs(0.1, 0.1, 0.11, 0.12), *runs(1, 0.6, 0.61, 0.62, data=later))
    assert claim(root).verdict == "agrees"


def test_a_claim_is_not_decided_over_other_images_recipes_or_protocols(root: Path, tmp_path: Path):
    other = {"fingerprints": {"test": "d" * 64}, "origin": "procedural", "counts": {"test": 16}, "provides": []}
    clear = (0.6, 0.61, 0.62)
    commit(root, *runs(0.1, 0.1, 0.11, 0.12), *runs(1, *clear, data=other))
    assert (claim(root).verdict, claim(root).why) == ("undecided", "not run on the same images")
    commit(root, *runs(1, *clear))
    assert claim(root).why == "runs of several recipes, or on several sets of images"
    shutil.rmtree(root / "leaderboards/weights/records")
    moved = {**PROTOCOL, "threshold": 0.4}
    recipe = {"method": {"gamma": 1}}
    apart = [
        a_record({"iou": measured(v, moved)}, seed=s, method="milgan", preset="paper", recipe=recipe)
        for s, v in enumerate(clear)
    ]
    commit(root, *runs(0.1, 0.1, 0.11, 0.12), *apart)
    assert claim(root).why == "measured by several protocols"


def test_runs_of_a_preset_that_has_changed_since_leave_a_claim_to_those_of_today(root: Path):
    recipe = {"method": {"gamma": 1}, "training": {"batch": 7}}
    before = a_record({"iou": measured(0.3)}, method="milgan", preset="paper", recipe=recipe)
    commit(root, *runs(0.1, 0.1, 0.11, 0.12), before)
    assert claim(root).verdict == "undecided"
    assert "training.batch was 7" in claim(root).why
    commit(root, *runs(1, 0.6, 0.61, 0.62))
    assert (claim(root).verdict, claim(root).seeds) == ("agrees", (3, 3))


def test_the_index_counts_claims_instead_of_ranking(root: Path):
    commit(root, *runs(0.1, 0.1, 0.11, 0.12), *runs(1, 0.6, 0.61, 0.62))
    build(root)
    text = (root / "leaderboards/README.md").read_text()
    assert "| [Weights](weights/README.md) | flora, 32 px | not ranked | claims (paper): 1 agree | 6 |" in text


# Bytes and programs


def test_the_bytes_do_not_depend_on_the_order_of_records(root: Path, tmp_path: Path):
    records = [*runs(0.1, 0.1, 0.2, 0.3), *runs(1, 0.6, 0.5), *seeds("lrgan", 0.4, baselines={"full": {"iou": 0.2}})]
    commit(root, *records)
    build(root)
    assert build(root) == []
    other = tmp_path / "other"
    for name in ("benchmarks", "leaderboards/reported"):
        shutil.copytree(root / name, other / name)
    commit(other, *reversed(records))
    build(other)
    for name in ("weights/README.md", "weights/board.csv", "README.md"):
        assert (root / "leaderboards" / name).read_bytes() == (other / "leaderboards" / name).read_bytes()


def test_programs_find_one_line_per_number_and_per_claim(root: Path):
    commit(root, *runs(0.1, 0.1, 0.11, 0.12), *runs(1, 0.6, 0.61, 0.62, baselines={"full": {"iou": 0.2}}))
    build(root)
    with (root / "leaderboards/weights/board.csv").open(newline="") as file:
        found = {(line["kind"], line["variant"], line["metric"]): line for line in csv.DictReader(file)}
    strong, told = found["reproduced", "strong", "iou"], found["claim", "strong", "iou"]
    assert (strong["value"], strong["paper"], strong["verdict"], strong["seeds"]) == (
        "0.61",
        "0.6",
        "within noise",
        "3",
    )
    assert (told["against"], told["verdict"], told["difference"]) == ("weak", "agrees", "0.5")
    assert found["not run", "control", "iou"]["value"] == ""
    assert found["baseline", "", "iou"]["value"] == "0.2"


def test_a_papers_ablation_stands_in_its_order_and_says_when_a_number_is_within_noise(tmp_path: Path):
    text = page(make_ablation(tmp_path))
    assert "Rows stand in the order of the paper's table; nobody is ranked." in text
    assert "A paper's number is within noise" in text
