"""Diagnostics of layers, on alphas whose values are known."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from lgbench.evaluation.collapse import coverage, saturated
from lgbench_metrics.layers.diagnostics import binarity, binary_distance


def test_coverage_is_the_mean_opacity_of_each_sample():
    alphas = np.zeros((3, 4, 4), np.uint8)
    alphas[1, :2] = 255
    alphas[2] = 51
    assert_allclose(coverage(alphas), [0, 0.5, 0.2])


def test_almost_empty_and_almost_full_samples_are_counted():
    assert saturated(np.array([0, 0.005, 0.01, 0.5, 0.99, 0.995])) == (pytest.approx(2 / 6), pytest.approx(1 / 6))


def test_binary_alphas_score_zero_and_undecided_ones_score_most():
    checkers = (np.indices((1, 4, 4)).sum(axis=0) % 2 * 255).astype(np.uint8)
    undecided = np.full((1, 4, 4), 128, np.uint8)  # 0.50196: eight bits have no half
    for score, most in ((binarity, 1), (binary_distance, 0.5)):
        assert_allclose(score(np.concatenate([checkers, undecided])), [0, most], atol=2e-3)


def test_both_distances_from_binary_follow_their_formulas():
    alphas = np.random.default_rng(0).integers(256, size=(5, 6, 7), dtype=np.uint8)
    a = alphas / 255
    assert_allclose(binarity(alphas), (4 * a * (1 - a)).mean(axis=(1, 2)))
    assert_allclose(binary_distance(alphas), np.minimum(a, 1 - a).mean(axis=(1, 2)))
