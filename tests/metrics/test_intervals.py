"""Intervals: against scipy, and how often they cover the truth."""

import numpy as np
import pytest
from scipy import stats

from lgbench.errors import NotAvailable
from lgbench.intervals import difference, interval, within
from lgbench_metrics.masks.jackknife import jackknife_interval


def test_three_seeds_have_students_interval():
    values = [0.61, 0.64, 0.70]
    expected = stats.t.interval(0.95, 2, loc=np.mean(values), scale=stats.sem(values))
    assert interval(values) == pytest.approx(expected)


def test_for_many_values_it_is_the_normal_interval():
    values = np.random.default_rng(0).random(5000)
    expected = stats.norm.interval(0.95, loc=values.mean(), scale=stats.sem(values))
    assert interval(values) == pytest.approx(expected, abs=1e-5)


def test_the_interval_of_five_seeds_covers_the_mean_as_often_as_it_says():
    seeds = np.random.default_rng(0).standard_normal((2000, 5))
    covered = np.mean([low < 0 < high for low, high in map(interval, seeds)])
    assert covered == pytest.approx(0.95, abs=0.015)


def test_the_symmetric_interval_may_leave_the_range_of_its_values():
    assert interval(np.r_[np.ones(30), 0.2])[1] > 1


def test_one_value_has_no_interval():
    for estimate in (
        interval,
        lambda values: difference(values, [0.5, 0.6]),
        lambda values: jackknife_interval(0.5, values),
    ):
        with pytest.raises(NotAvailable, match="at least 2"):
            estimate([0.5])


def pooled_of(inside: np.ndarray, union: np.ndarray) -> tuple[float, np.ndarray]:
    """A ratio of sums, and the same without each."""
    return inside.sum() / union.sum(), (inside.sum() - inside) / (union.sum() - union)


def test_where_every_image_weighs_the_same_the_jackknifes_spread_is_the_means():
    share = np.random.default_rng(0).uniform(0.45, 0.55, 2000)
    assert jackknife_interval(*pooled_of(share, np.ones(2000))) == pytest.approx(interval(share), abs=1e-5)


@pytest.mark.parametrize("n", [30, 100])
def test_the_interval_of_a_pooled_score_covers_it_about_as_often_as_it_says(n: int):
    """A few large objects that are found, many small ones that are not: the mean over images is another number."""
    random = np.random.default_rng(0)

    def images(count: int) -> tuple[np.ndarray, np.ndarray]:
        area = random.lognormal(5.5, 0.9, count)
        return area * random.beta(1 + area / 150, 1), area

    truth, _ = pooled_of(*images(1_000_000))
    found = [jackknife_interval(*pooled_of(*images(n))) for _ in range(1000)]
    assert np.mean([low <= truth <= high for low, high in found]) == pytest.approx(0.95, abs=0.025)


@pytest.mark.parametrize("value", [0.0, 1e-9, 0.003, 0.5, 0.998, 1 - 1e-9, 1.0])
def test_a_share_lies_in_its_interval_and_that_in_the_range(value: float):
    low, high = jackknife_interval(value, np.clip(value + np.linspace(-0.2, 0.2, 5), 0, 1))
    assert 0 <= low <= value * (1 + 1e-12)
    assert value * (1 - 1e-12) <= high <= 1


def test_what_no_value_can_be_is_no_part_of_an_interval():
    assert within((-0.2, 0.3), (0.0, 1.0)) == (0.0, 0.3)
    assert within((0.9, 1.4), (-0.5, 1.0)) == (0.9, 1.0)
    assert within((-3.0, 3.0), (-0.5, float("inf"))) == (-0.5, 3.0)


def coverage_at_three_seeds(images: int, spread: float, trials: int = 300, resamples: int = 200) -> dict[str, float]:
    """How often each interval of a board's mean holds what the method scores on these test images.

    Every seed is scored on the same images, some harder than others, and errs on each of them by itself.

    Args:
        spread: standard deviation between seeds.
    """
    random, held = np.random.default_rng(0), {"student": 0, "seeds": 0, "nested": 0}
    for _ in range(trials):
        hard = random.normal(0, 0.2, images)
        scores = 0.6 + random.normal(0, spread, (3, 1)) + hard + random.normal(0, 0.1, (3, images))
        seeds = random.integers(3, size=(resamples, 3))
        which = random.integers(images, size=(resamples, 3, images))
        ends = {
            "student": interval(scores.mean(axis=1)),
            "seeds": np.quantile(scores.mean(axis=1)[seeds].mean(axis=1), [0.025, 0.975]),
            "nested": np.quantile(scores[seeds[:, :, None], which].mean(axis=(1, 2)), [0.025, 0.975]),
        }
        for name, (low, high) in ends.items():
            held[name] += low <= 0.6 + hard.mean() <= high
    return {name: count / trials for name, count in held.items()}


@pytest.mark.parametrize(("images", "spread", "nested"), [(50, 0.01, 1.0), (50, 0.05, 0.91), (500, 0.05, 0.78)])
def test_at_three_seeds_students_interval_covers_and_the_bootstraps_do_not(images: int, spread: float, nested: float):
    """Why boards have Student's: a bootstrap of three seeds is too narrow, and one of images besides counts these twice
    where they say little, and is too narrow where they say much."""
    found = coverage_at_three_seeds(images, spread)
    assert found["student"] == pytest.approx(0.95, abs=0.03)
    assert found["seeds"] == pytest.approx(0.72, abs=0.05)
    assert found["nested"] == pytest.approx(nested, abs=0.05)
