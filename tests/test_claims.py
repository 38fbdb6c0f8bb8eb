"""Claims that are no orderings: two rows are equal within a margin, or one collapses where the other does not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ablation_records import change, claim, make_ablation, page, runs
from board_records import IMAGES, a_record, commit, measured
from scipy import stats

from lgbench.benchmark import BadBenchmark, read_benchmark
from lgbench.intervals import difference
from lgbench.leaderboard import build, read_boards
from lgbench.leaderboard.claims import _rarer
from lgbench.leaderboard.collapse import signs_of
from lgbench.record import read_record, write_record
from lgbench.training.watch import gradient_history

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"
ALL = ["all_fg", "all_bg", "identical", "finds_nothing", "finds_all", "grey", "vanished"]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return make_ablation(tmp_path)


@pytest.fixture
def collapse(root: Path) -> Path:
    """The board's claim is that "weak" collapses where "strong" does not."""
    change(root, 'text = "A strong weight helps"\nmetric = "iou"', f'text = "A weak one collapses"\ncollapse = {ALL}')
    return root


# Equal within a margin


@pytest.mark.parametrize(
    ("weak", "strong", "verdict"),
    [
        ((0.50, 0.51, 0.52), (0.51, 0.52, 0.53), "agrees"),
        ((0.51, 0.52, 0.53), (0.50, 0.51, 0.52), "agrees"),  # in either order
        ((0.50, 0.51, 0.52), (0.70, 0.71, 0.72), "disagrees"),
        ((0.70, 0.71, 0.72), (0.50, 0.51, 0.52), "disagrees"),
        ((0.50, 0.51, 0.52), (0.59, 0.60, 0.61), "undecided"),  # near the margin
        ((0.10, 0.50, 0.90), (0.20, 0.60, 0.70), "undecided"),  # no difference to be seen is not equality
        ((0.50, 0.51), (0.51, 0.52, 0.53), "undecided"),
        ((), (0.51, 0.52, 0.53), "not run"),
    ],
)
def test_two_rows_are_equal_where_the_noise_leaves_no_room_beyond_the_margin(root: Path, weak, strong, verdict):
    change(root, 'metric = "iou"', 'metric = "iou"\nmargin = 0.1')
    commit(root, *runs(0.1, *weak), *runs(1, *strong))
    assert claim(root).verdict == verdict
    if weak:
        assert "margin 0.1" in page(root)


def test_equality_is_two_one_sided_tests_of_five_percent():
    one, other = [0.50, 0.53, 0.55], [0.52, 0.51, 0.58]
    between, half = difference(one, other, 0.90)
    for margin in (abs(between) + half - 1e-6, abs(between) + half + 1e-6):
        below = stats.ttest_ind([x + margin for x in one], other, equal_var=False, alternative="greater").pvalue
        above = stats.ttest_ind([x - margin for x in one], other, equal_var=False, alternative="less").pvalue
        assert (max(below, above) < 0.05) == (abs(between) + half < margin)


# Collapse


def healthy(gamma: float, count: int = 3) -> list[dict[str, Any]]:
    return runs(gamma, *(0.5 + seed / 100 for seed in range(count)))


def collapsed(gamma: float, sign: str, count: int = 3) -> list[dict[str, Any]]:
    """Runs whose IoU is as good as any other's, for it hangs on polarity."""
    records = healthy(gamma, count)
    for record in records:
        if sign == "grey":
            record["values"]["binarity"] = measured(0.995, {**IMAGES, "metric": "binarity"})
        elif sign == "vanished":
            record["training"]["gradients"] = {"alpha": [0.2, 0.1], "m": [0.3, 1e-6], "f": [0.4, 1e-9]}
        else:
            record["training"]["flags"] = [sign]
    return records


@pytest.mark.parametrize("sign", ALL)
def test_a_claim_about_collapse_reads_its_signs_and_no_score(collapse: Path, sign: str):
    commit(collapse, *collapsed(0.1, sign), *healthy(1))
    outcome = claim(collapse)
    assert (outcome.verdict, outcome.difference, outcome.seeds) == ("agrees", None, (3, 3))
    assert f"weak: 3 of 3 seeds ({sign} x3" in outcome.why
    assert "strong: 0 of 3 seeds" in outcome.why
    assert "reads no score" in page(collapse)


@pytest.mark.parametrize(
    ("weak", "strong", "verdict"),
    [
        (healthy(0.1), healthy(1), "disagrees"),  # as Pi1's and Pi2's six runs: no flag, whatever their IoU
        (runs(0.1, 0.0, 0.0, 0.0), runs(1, 0.9, 0.9, 0.91), "disagrees"),  # inverted masks are no collapse
        (healthy(0.1), collapsed(1, "all_bg"), "disagrees"),
        (collapsed(0.1, "all_bg"), collapsed(1, "all_fg"), "undecided"),  # both do
        ([*collapsed(0.1, "all_bg", 2), *healthy(0.1)[2:]], healthy(1), "undecided"),
        (collapsed(0.1, "critic_saturated"), healthy(1), "disagrees"),  # a flag that is no sign
        (collapsed(0.1, "all_bg", 2), healthy(1), "undecided"),
        (healthy(0.1, 2), healthy(1), "undecided"),
        ([], healthy(1), "not run"),
        (runs(0.1, 0.5, 0.5, 0.5, status="diverged"), healthy(1), "not run"),
    ],
)
def test_a_collapse_is_decided_by_how_many_seeds_show_it(collapse: Path, weak, strong, verdict):
    commit(collapse, *weak, *strong)
    outcome = claim(collapse)
    assert outcome.verdict == verdict
    assert outcome.why


def test_one_result_under_three_seeds_is_one_collapse(collapse: Path):
    same = {"samples.npz": "d" * 64}
    commit(collapse, *(record | {"artefacts": same} for record in collapsed(0.1, "all_bg")), *healthy(1))
    assert (claim(collapse).verdict, claim(collapse).seeds) == ("undecided", (3, 1))


@pytest.mark.parametrize("change_", ["data", "overrides"])
def test_a_collapse_is_not_decided_between_runs_that_differ_otherwise(collapse: Path, change_: str):
    other = {"fingerprints": {"test": "d" * 64}, "origin": "procedural", "counts": {"test": 16}, "provides": []}
    changed = {"data": other} if change_ == "data" else {"overrides": {"training.steps": 3}}
    commit(collapse, *(record | changed for record in collapsed(0.1, "all_bg")), *healthy(1))
    assert claim(collapse).verdict == "undecided"


def test_rarity_is_fishers_exact_test():
    for few in range(4):
        for many in range(6):
            pvalue = stats.fisher_exact([[few, 3 - few], [many, 5 - many]], alternative="less").pvalue
            assert _rarer(few, 3, many, 5) == (pvalue <= 0.05 + 1e-9)
    assert _rarer(0, 3, 3, 3)


@pytest.mark.parametrize(
    ("claimed", "told"),
    [
        ('metric = "iou"\ncollapse = ["all_bg"]', "and not both"),
        ("", "needs a metric, or signs"),
        ('collapse = ["all_bg"]\nmargin = 0.1', "no margin"),
        ('collapse = ["blurry"]', "all_fg"),
        ('metric = "iou"\nmargin = -0.1', "margin"),
        ('metric = "iou"\nmargin = inf', "margin"),
    ],
)
def test_a_claim_of_no_kind_or_of_two_is_refused(root: Path, claimed: str, told: str):
    change(root, 'metric = "iou"', claimed)
    with pytest.raises(BadBenchmark, match=told):
        build(root)


def test_a_records_own_numbers_tell_its_signs(tmp_path: Path):
    record = a_record({"binarity": measured(0.6, {**IMAGES, "metric": "binarity"})}, flags=("identical",))
    record["training"]["gradients"] = {"alpha": [2.0, 1.0], "m": [4.0, 1.0], "f": [1.0, 0.0]}
    signs = signs_of(read_record(write_record(tmp_path, record)))
    assert (signs.found, signs.binarity, signs.gradient) == ({"identical"}, 0.6, 0.25)


def test_gradients_are_told_by_the_first_and_the_last_tenth_of_a_log():
    rows = [{"step": n, "critic": 1.0, "gradient/alpha": float(n), "gradient/m": None} for n in range(100)]
    rows[98]["gradient/alpha"] = None  # one that was not finite
    assert gradient_history(rows) == {"alpha": (4.0, 94.0)}
    assert gradient_history([{"step": 0, "gradient/m": 3.0}]) == {"m": (3.0, 3.0)}
    assert gradient_history([{"step": 0, "critic": 3.0}]) == gradient_history([]) == {}


# The committed definitions


@pytest.mark.parametrize(
    "board", [board for board in read_boards(BENCHMARKS.parent) if board.claims], ids=lambda b: b.name
)
def test_what_is_said_to_collapse_is_claimed_by_signs(board):
    """An ordering of scores shows no collapse: an inverted mask scores as low as an empty one."""
    words = ("collapse", "becomes background", "keep the foreground")
    for each in board.claims:
        assert bool(each.collapse) == any(word in each.text for word in words), each.text


def test_the_small_ladder_says_on_its_page_what_is_not_the_papers():
    text = read_benchmark(BENCHMARKS / "elgan-ladder-32.toml").text
    assert "always shrinks" in text
    assert "compares pixels" in text
