"""ARI and segmentation covering: against scikit-learn, and the checks that the GENESIS definitions allow."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.metrics import adjusted_rand_score, jaccard_score

from lgbench_metrics.masks.confusion import confusion, iou, mean_iou
from lgbench_metrics.masks.partitions import ari, ari_fg, msc, msc_fg, sc_weighted


def blocky_maps(n: int, labels: int, seed: int, side: int = 24) -> np.ndarray:
    """Label maps of 6 x 6 random blocks, (n, side, side)."""
    blocks = np.random.default_rng(seed).integers(labels, size=(n, 6, 6))
    return np.kron(blocks, np.ones((1, side // 6, side // 6), dtype=int))


def one_object(n: int = 5) -> np.ndarray:
    """Masks, (n, 24, 24) bool, of one square each."""
    masks = np.zeros((n, 24, 24), bool)
    for i in range(n):
        masks[i, 4 : 10 + i, 3 : 12 + i] = True
    return masks


@pytest.mark.parametrize("labels", [2, 5])
def test_ari_is_that_of_scikit_learn(labels):
    predicted, truth = blocky_maps(8, labels, 0), blocky_maps(8, 4, 1)
    pairs = list(zip(predicted, truth, strict=True))
    assert_allclose(ari(predicted, truth), [adjusted_rand_score(t.ravel(), p.ravel()) for p, t in pairs], atol=1e-14)
    inside = [adjusted_rand_score(t[t > 0], p[t > 0]) for p, t in pairs]
    assert_allclose(ari_fg(predicted, truth), inside, atol=1e-14)


def test_ari_of_a_megapixel_does_not_overflow():
    truth = np.arange(2**20).reshape(1, 1024, 1024) // 2**19
    predicted = truth.copy()
    predicted[0, 0] = 1
    assert_allclose(ari(predicted, truth), adjusted_rand_score(truth.ravel(), predicted.ravel()), rtol=1e-12)


def test_equal_partitions_score_one_under_any_relabelling():
    truth = blocky_maps(6, 5, 0)
    renamed = np.array([7, 3, 0, 9, 4])[truth]
    for score in (ari, ari_fg, msc, msc_fg, sc_weighted):
        assert_array_equal(score(renamed, truth), 1)


def test_independent_random_labels_have_no_ari():
    random = np.random.default_rng(0)
    maps = random.integers(3, size=(2, 1, 400, 250))
    assert abs(ari(maps[0], maps[1])[0]) < 0.01


def test_a_constant_prediction_has_ari_zero_and_half_the_covering():
    truth, constant = one_object(), np.zeros((5, 24, 24), bool)
    assert_allclose(ari(constant, truth), 0, atol=1e-15)
    assert_allclose(msc(constant, truth), 0.5)
    assert_array_equal(ari(constant, constant), 1)


def test_inverting_a_mask_changes_iou_but_neither_ari_nor_covering():
    truth = one_object()
    predicted = np.roll(truth, 2, axis=2)
    assert_allclose(ari(~predicted, truth), ari(predicted, truth))
    assert_allclose(msc(~predicted, truth), msc(predicted, truth))
    assert (iou(confusion(~predicted, truth)) < iou(confusion(predicted, truth))).all()


def test_ari_fg_on_one_object_is_zero_or_one():
    truth = one_object()
    predicted = np.roll(truth, 2, axis=2)
    predicted[0] = True
    assert_array_equal(ari_fg(predicted, truth), [1, 0, 0, 0, 0])


def test_covering_weighs_segments_alike_unless_told_otherwise():
    truth = np.zeros((1, 10, 10), int)
    truth[0, 0] = 1  # 10 % of the pixels, in five fragments of IoU 0.2; the other 90 % are found whole
    predicted = truth.copy()
    predicted[0, 0] = 1 + np.arange(10) // 2
    assert_allclose(msc(predicted, truth), 0.6)
    assert_allclose(msc_fg(predicted, truth), 0.2)
    assert_allclose(sc_weighted(predicted, truth), 0.92)


def test_covering_of_a_mask_with_the_right_polarity_is_its_mean_iou():
    truth = one_object()
    predicted = np.roll(truth, 2, axis=2)
    assert_allclose(msc(predicted, truth), mean_iou(confusion(predicted, truth)))


def test_covering_is_the_best_iou_of_each_true_segment():
    predicted, truth = blocky_maps(4, 3, 0), blocky_maps(4, 4, 1)
    expected = [
        np.mean([max(jaccard_score((t == i).ravel(), (p == j).ravel()) for j in np.unique(p)) for i in np.unique(t)])
        for p, t in zip(predicted, truth, strict=True)
    ]
    assert_allclose(msc(predicted, truth), expected, rtol=1e-14)


def test_exchanging_predicted_labels_changes_nothing():
    predicted, truth = blocky_maps(4, 4, 0), blocky_maps(4, 3, 1)
    renamed = np.array([2, 0, 3, 1])[predicted]
    for score in (ari, ari_fg, msc, msc_fg, sc_weighted):
        assert_allclose(score(renamed, truth), score(predicted, truth))


def test_pixels_with_a_negative_label_do_not_count_even_inside_predictions():
    truth, predicted = one_object().astype(int), one_object().astype(int)
    predicted[:, 20:] = 1
    assert (msc(predicted, truth) < 1).all()
    truth[:, 20:] = -1
    assert_array_equal(msc(predicted, truth), 1)


def test_an_image_without_a_qualifying_segment_scores_zero_and_stays():
    truth = one_object(2).astype(int)
    truth[1] = 0
    assert_array_equal(msc_fg(truth, truth), [1, 0])
    truth[1] = -1
    assert_array_equal(msc(truth, truth), [1, 0])
    assert_array_equal(sc_weighted(truth, truth), [1, 0])
