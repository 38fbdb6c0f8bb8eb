"""Outlines, soft masks and objects: against brute force and scikit-learn, on random and on awkward masks."""

from itertools import permutations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.spatial.distance import cdist
from sklearn.metrics import fbeta_score, jaccard_score, mean_absolute_error

from lgbench_metrics.masks.boundaries import boundary, boundary_f
from lgbench_metrics.masks.objects import instance_iou
from lgbench_metrics.masks.soft import absolute_error, f_by_threshold


def masks(n: int, side: int, seed: int = 0) -> np.ndarray:
    """Noise, coarse blocks, a disc, a frame, nothing and everything, (n, side, side) bool."""
    random = np.random.default_rng(seed)
    found = random.random((n, side, side)) < 0.5
    found[1] = np.kron(random.random((4, 4)) < 0.4, np.ones((side // 4, side // 4))).astype(bool)
    y, x = np.mgrid[:side, :side] - side / 2 + random.integers(-3, 4)
    found[2] = x**2 + y**2 < (side / 3) ** 2
    found[3], found[3, 2:-2, 2:-2] = True, False
    found[4], found[5] = False, True
    return found


def outline(mask: np.ndarray) -> np.ndarray:
    """Positions of a mask's pixels that touch its outside, found one by one."""
    places = []
    for y, x in np.argwhere(mask):
        around = [(y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)]
        if any(0 <= v < len(mask) and 0 <= u < len(mask) and not mask[v, u] for v, u in around):
            places.append((y, x))
    return np.array(places, float).reshape(-1, 2)


@pytest.mark.parametrize("side", [12, 240])
def test_boundary_f_is_what_distances_between_all_boundary_pixels_say(side: int):
    predicted, true = (masks(6, side, seed)[slice(None) if side < 100 else [1, 2, 3, 4]] for seed in (0, 1))
    order = np.roll(np.arange(len(true)), 1)
    for p, t, found in [
        *zip(predicted, true, boundary_f(predicted, true), strict=True),
        *zip(predicted, true[order], boundary_f(predicted, true[order]), strict=True),
    ]:
        a, b = outline(p), outline(t)
        assert_array_equal(np.argwhere(boundary(p)), a)
        near = cdist(a, b) <= max(1, 0.008 * np.hypot(side, side))
        if not len(a) or not len(b):
            assert found == (len(a) == len(b))
            continue
        precision, recall = near.any(axis=1).mean(), near.any(axis=0).mean()
        assert found == pytest.approx(2 * precision * recall / max(precision + recall, 1e-12), abs=1e-12)


def test_a_mask_moved_by_the_tolerance_has_the_same_outline_and_by_more_not():
    mask = masks(6, 48)[2:3]
    assert boundary_f(mask, mask) == 1
    assert boundary_f(np.roll(mask, 1, axis=1), mask) == 1
    assert boundary_f(np.roll(mask, 4, axis=1), mask) < 0.7


def test_f_under_every_threshold_is_scikit_learns():
    random = np.random.default_rng(0)
    true, soft = masks(6, 12), random.integers(256, size=(6, 12, 12), dtype=np.uint8)
    soft[2], soft[3], ignored = 255 * true[2], 0, random.random(true.shape) < 0.2
    found = f_by_threshold(soft, true, ignored)
    for i in range(6):
        for threshold in (1, 2, 77, 128, 200, 254, 255):
            kept = ~ignored[i]
            expected = fbeta_score(true[i][kept], soft[i][kept] >= threshold, beta=0.3**0.5, zero_division=1)
            assert found[i, threshold - 1] == pytest.approx(expected, abs=1e-12)
    assert_array_equal(f_by_threshold(soft, true)[2], 1)


def test_the_error_of_soft_masks_is_scikit_learns_and_zero_for_the_mask_itself():
    true, soft = masks(6, 12), np.random.default_rng(0).integers(256, size=(6, 12, 12), dtype=np.uint8)
    expected = [mean_absolute_error(t.ravel(), s.ravel() / 255) for t, s in zip(true, soft, strict=True)]
    assert_allclose(absolute_error(soft, true), expected, atol=1e-12)
    assert_array_equal(absolute_error(true.astype(np.uint8) * 255, true), 0)


def test_soft_masks_are_bytes_of_the_masks_shape():
    for soft in (np.zeros((6, 12, 12)), np.zeros((6, 12, 11), np.uint8)):
        with pytest.raises(ValueError, match="uint8"):
            f_by_threshold(soft, masks(6, 12))


def best_of_all(parts: np.ndarray, objects: np.ndarray) -> float:
    """The best mean IoU over all ways to give objects parts, or none."""
    truths, guesses = np.unique(objects[objects > 0]), np.unique(parts[parts > 0])
    iou = {(t, p): jaccard_score(objects == t, parts == p, zero_division=0) for t in truths for p in guesses}
    given = [*guesses, *[None] * len(truths)]
    return max(
        sum(iou.get(pair, 0) for pair in zip(truths, way, strict=False)) for way in permutations(given, len(truths))
    ) / len(truths)


@pytest.mark.parametrize(("objects", "parts"), [(3, 3), (2, 4), (4, 1), (1, 3)])
def test_objects_have_the_parts_that_the_best_of_all_assignments_gives_them(objects: int, parts: int):
    random = np.random.default_rng(objects)
    true = np.kron(random.integers(objects + 1, size=(8, 4, 4)), np.ones((1, 3, 3), int))
    found = np.kron(random.integers(parts + 1, size=(8, 6, 6)), np.ones((1, 2, 2), int))
    expected = [best_of_all(f.ravel(), t.ravel()) for f, t in zip(found, true, strict=True)]
    assert_allclose(instance_iou(found, true), expected, atol=1e-12)


def test_names_of_parts_do_not_matter_and_an_image_without_objects_has_no_score():
    true = np.kron(np.arange(4).reshape(1, 2, 2), np.ones((1, 5, 5), int))
    assert instance_iou(np.array([0, 9, 4, 7])[true], true) == 1
    assert instance_iou(np.zeros_like(true), true) == 0
    assert np.isnan(instance_iou(true, np.zeros_like(true)))
    with pytest.raises(ValueError, match="one shape"):
        instance_iou(true, true[:, 1:])
