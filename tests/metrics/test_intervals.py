"""Intervals: against scipy, and how often they cover the truth."""

import numpy as np
import pytest
from scipy import stats

from lgbench.errors import NotAvailable
from lgbench.metrics.intervals import bootstrap_interval, interval


def test_three_seeds_have_students_interval():
    values = [0.61, 0.64, 0.70]
    expected = stats.t.interval(0.95, 2, loc=np.mean(values), scale=stats.sem(values))
    assert interval(values) == pytest.approx(expected)


def test_for_many_values_it_is_the_normal_interval():
    values = np.random.default_rng(0).random(5000)
    expected = stats.norm.interval(0.95, loc=values.mean(), scale=stats.sem(values))
    assert interval(values) == pytest.approx(expected, abs=1e-5)
    assert bootstrap_interval(values) == pytest.approx(expected, abs=1e-3)


def test_the_interval_of_five_seeds_covers_the_mean_as_often_as_it_says():
    seeds = np.random.default_rng(0).standard_normal((2000, 5))
    covered = np.mean([low < 0 < high for low, high in map(interval, seeds)])
    assert covered == pytest.approx(0.95, abs=0.015)


def test_the_bootstrap_gives_the_same_bytes_twice_and_stays_in_range():
    values = np.r_[np.ones(30), 0.2]
    assert bootstrap_interval(values) == bootstrap_interval(values)
    low, high = bootstrap_interval(values)
    assert 0.2 <= low < values.mean() < high <= 1
    assert interval(values)[1] > 1  # where the symmetric one does not


def test_one_value_has_no_interval():
    for of in (interval, bootstrap_interval):
        with pytest.raises(NotAvailable, match="at least 2"):
            of([0.5])
