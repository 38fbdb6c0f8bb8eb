"""What stands for SCGAN's Figure 10: how much its critic's score difference varies, and when it stays."""

from __future__ import annotations

import json
import statistics
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from lgbench import NotAvailable
from lgbench_scgan.stability import critic_variance, plateau, scores


def window_by_window(differences: list[float]) -> int:
    """The first logged step from which the mean of the last tenth stays within 5 % of its last value."""
    width = max(1, round(len(differences) / 10))
    means = {i: statistics.fmean(differences[i - width + 1 : i + 1]) for i in range(width - 1, len(differences))}
    last = means[len(differences) - 1]
    return next(i for i in means if all(abs(means[j] - last) <= 0.05 * abs(last) for j in means if j >= i))


@pytest.mark.parametrize("seed", range(40))
def test_both_are_what_their_definitions_say(seed: int):
    random = np.random.default_rng(seed)
    rows = int(random.integers(2, 120))
    differences = -3 + 4 * np.exp(-np.arange(rows) / 9) + random.normal(0, 0.03, rows)
    assert critic_variance(differences) == pytest.approx(statistics.pvariance([*differences[rows // 2 :]]), rel=1e-12)
    assert plateau(differences) == window_by_window([*differences])


@pytest.mark.parametrize(("moved", "begins"), [(0, 9), (40, 49), (99, 99)])
def test_a_plateau_begins_after_the_last_move(moved: int, begins: int):
    differences = np.where(np.arange(100) < moved, 5.0, 1.0)
    assert plateau(differences) == begins


def evidence(folder, rows: list[dict[str, Any]]) -> Any:
    (folder / "train").mkdir()
    (folder / "train" / "log.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return SimpleNamespace(run=SimpleNamespace(folder=folder))


def test_they_read_the_critics_own_column_of_the_log(tmp_path):
    rows = [{"step": 50 * i, "critic": -float(i), "gradient-penalty": 1.0, "generator": 9.0} for i in range(4)]
    steps, differences = scores(evidence(tmp_path, rows))
    assert [*steps] == [0, 50, 100, 150]
    assert [*differences] == [0, -1, -2, -3]


def test_another_kind_of_critic_has_no_score_difference(tmp_path):
    with pytest.raises(NotAvailable, match="Wasserstein"):
        scores(evidence(tmp_path, [{"step": 0, "critic": 1.4}, {"step": 50, "critic": 1.2}]))
