"""Matching of two sets of images: against a permutation, brute force and scipy."""

from itertools import permutations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.spatial.distance import cdist

from lgbench.cli.matching import match_samples, pixel_distances
from lgbench.errors import BadData


def pictures(n: int, side: int = 40, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(256, size=(n, 3, side, side), dtype=np.uint8)


@pytest.mark.parametrize("scale", [1, np.float32(1 / 255)], ids=["uint8", "float32"])
def test_a_set_against_its_own_permutation_returns_the_permutation_at_distance_zero(scale):
    images, order = pictures(50) * scale, np.random.default_rng(1).permutation(50)
    permutation, distances = match_samples(images[order], images)
    assert_array_equal(permutation, order)
    assert_array_equal(distances, 0)


def test_no_assignment_is_better_than_the_one_found():
    a, b = pictures(6, 8), pictures(6, 8, seed=1)
    between = pixel_distances(a, b)
    best = min(between[np.arange(6), list(order)].mean() for order in permutations(range(6)))
    assert match_samples(a, b)[1].mean() == pytest.approx(best)


def test_distances_are_those_of_scipy_over_pixels_in_the_unit_range():
    a, b = pictures(7), pictures(5, seed=1)  # 4,800 values an image: more than one chunk
    x, y = (images.reshape(len(images), -1) / 255 for images in (a, b))
    expected = cdist(x, y)
    assert_allclose(pixel_distances(a, b), expected, rtol=1e-13)
    assert_allclose(pixel_distances(x.reshape(a.shape), y.reshape(b.shape)), expected, rtol=1e-13)
    assert_allclose(pixel_distances(a, y.reshape(b.shape)), expected, rtol=1e-13)


def test_neighbours_one_grey_level_apart_are_told_apart_exactly():
    a = pictures(1)
    b = a.copy()
    b[0, 0, 0, 0] ^= 1
    assert pixel_distances(a, b)[0, 0] == 1 / 255


def test_sets_of_different_shapes_cannot_be_paired():
    with pytest.raises(BadData, match="same count and resolution"):
        match_samples(pictures(3), pictures(4))
