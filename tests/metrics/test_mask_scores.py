"""Mask scores: against scikit-learn, and what flips and aggregations may do to them."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.metrics import accuracy_score, f1_score, jaccard_score

from lgbench.errors import BadRecipe, NotAvailable
from lgbench_metrics.masks.confusion import accuracy, confusion, dice, iou, mean_iou, score_masks

MEASURES = [iou, dice, accuracy, mean_iou]


def noisy_masks(n: int = 12, side: int = 16, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Predictions that miss a changing share of random truths, by more than half for some images."""
    random = np.random.default_rng(seed)
    true = random.random((n, side, side)) < random.uniform(0.1, 0.9, (n, 1, 1))
    return true ^ (random.random(true.shape) < random.uniform(0, 0.9, (n, 1, 1))), true


@pytest.mark.parametrize(
    ("measure", "reference"),
    [
        (iou, jaccard_score),
        (dice, f1_score),
        (accuracy, accuracy_score),
        (mean_iou, lambda true, predicted: jaccard_score(true, predicted, average="macro")),
    ],
)
def test_scores_are_those_of_scikit_learn_per_image_and_pooled(measure, reference):
    predicted, true = noisy_masks()
    counts = confusion(predicted, true)
    assert_allclose(measure(counts), [reference(t.ravel(), p.ravel()) for p, t in zip(predicted, true, strict=True)])
    assert_allclose(measure(counts.pooled()), reference(true.ravel(), predicted.ravel()))


@pytest.mark.parametrize("measure", [iou, dice])
def test_a_mask_scores_one_with_itself_and_zero_with_its_complement(measure):
    _, true = noisy_masks()
    assert_array_equal(measure(confusion(true, true)), 1)
    assert_array_equal(measure(confusion(~true, true)), 0)


def test_two_empty_masks_agree_and_an_empty_one_misses_everything():
    empty, full = np.zeros((1, 4, 4), bool), np.ones((1, 4, 4), bool)
    for measure in MEASURES:
        assert measure(confusion(empty, empty)) == 1
    assert iou(confusion(empty, full)) == dice(confusion(empty, full)) == mean_iou(confusion(empty, full)) == 0


@pytest.mark.parametrize("measure", MEASURES)
def test_pooled_and_per_image_coincide_for_one_image(measure):
    predicted, true = noisy_masks(n=1)
    details = score_masks(measure, predicted, true).details
    assert details["pooled"] == details["per_image"]


def test_mean_dice_stays_below_the_dice_of_the_mean_iou():
    counts = confusion(*noisy_masks(40))
    mean = iou(counts).mean()
    assert dice(counts).mean() <= 2 * mean / (1 + mean)


def test_flipped_counts_are_those_of_the_complement():
    predicted, true = noisy_masks()
    which = np.arange(len(true)) % 2 == 0
    mixed = confusion(np.where(which[:, None, None], ~predicted, predicted), true)
    for measure in MEASURES:
        assert_array_equal(measure(confusion(predicted, true).flipped(which)), measure(mixed))


@pytest.mark.parametrize("aggregation", ["pooled", "per_image"])
@pytest.mark.parametrize("measure", MEASURES)
def test_the_value_is_the_committed_one_and_each_oracle_is_at_least_as_good(measure, aggregation):
    predicted, true = noisy_masks(30)
    score = score_masks(measure, predicted, true, aggregation)
    details = score.details
    assert score.value == details[aggregation]
    assert score.per_image is not None
    assert_allclose(details["per_image"], score.per_image.mean())
    assert score.value <= details["oracle_dataset"] <= details["oracle_image"]
    assert details["oracle_image"] > score.value  # some of these predictions are better upside down
    assert details["gap"] == details["oracle_image"] - score.value


def test_oracles_recover_inverted_predictions_but_the_value_does_not():
    _, true = noisy_masks()
    everything, half = ~true, np.where(np.arange(len(true))[:, None, None] % 2 == 0, true, ~true)
    assert score_masks(iou, everything, true).value == 0
    assert score_masks(iou, everything, true).details["oracle_dataset"] == 1
    assert score_masks(iou, half, true).details["oracle_dataset"] == 0.5
    assert score_masks(iou, half, true, "pooled").details["oracle_image"] == 1


def test_the_per_image_oracle_is_the_mean_of_the_better_polarities():
    predicted, true = noisy_masks(30)
    better = np.maximum(iou(confusion(predicted, true)), iou(confusion(~predicted, true)))
    assert_allclose(score_masks(iou, predicted, true).details["oracle_image"], better.mean())


@pytest.mark.parametrize("measure", MEASURES)
def test_each_aggregation_has_an_interval_of_its_own(measure):
    """One large object that is found, eleven small ones that are not: the two aggregations are far apart."""
    true = np.zeros((12, 16, 16), bool)
    true[:, :2, :2] = True
    true[0, :, :12] = True
    predicted = true.copy()
    predicted[1:] = False
    score = score_masks(measure, predicted, true, "pooled")
    assert set(score.intervals) == {"pooled", "per_image"}
    for name, (low, high) in score.intervals.items():
        assert low <= score.details[name] <= high
    assert score.intervals["pooled"] != score.intervals["per_image"]
    assert score_masks(measure, predicted[:1], true[:1]).intervals == {}


@pytest.mark.parametrize("measure", MEASURES)
def test_the_counts_without_an_image_are_those_of_the_others(measure):
    predicted, true = noisy_masks()
    found = measure(confusion(predicted, true).without_each())
    for index, value in enumerate(found):
        others = confusion(np.delete(predicted, index, axis=0), np.delete(true, index, axis=0))
        assert value == measure(others.pooled())[0]


def test_no_images_have_no_score_and_an_unknown_aggregation_is_named():
    nothing = np.zeros((0, 4, 4), bool)
    with pytest.raises(NotAvailable, match="no test images"):
        score_masks(iou, nothing, nothing)
    with pytest.raises(BadRecipe, match="median"):
        score_masks(iou, *noisy_masks(), aggregation="median")


def test_masks_of_different_shapes_are_a_bug():
    with pytest.raises(ValueError, match="shape"):
        confusion(np.zeros((2, 4, 4), bool), np.zeros((2, 4, 5), bool))


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("aggregation", ["pooled", "per_image"])
def test_what_is_ignored_has_no_part_in_any_score(measure, aggregation):
    """Scores with some pixels ignored are those of the other pixels alone, whatever is predicted or true there."""
    predicted, true = noisy_masks()
    ignored = np.zeros_like(true)
    ignored[:, 4:9] = True
    rest = np.delete(np.arange(16), np.s_[4:9])
    alone = score_masks(measure, predicted[:, rest], true[:, rest], aggregation)
    for flip in (ignored & False, ignored):
        score = score_masks(measure, predicted ^ flip, true ^ (flip & predicted), aggregation, ignored)
        assert score.value == alone.value
        assert score.details == alone.details
        assert_array_equal(score.per_image, alone.per_image)


def test_an_ignored_border_does_not_count_as_a_miss():
    true = np.zeros((1, 8, 8), bool)
    true[0, 2:6, 2:6] = True
    larger = np.zeros_like(true)
    larger[0, 1:7, 1:7] = True
    ring = larger & ~true
    assert score_masks(iou, larger, true).value == pytest.approx(16 / 36)
    assert score_masks(iou, larger, true, ignored=ring).value == 1


def test_ignored_pixels_of_another_shape_are_a_bug():
    masks = np.zeros((2, 4, 4), bool)
    with pytest.raises(ValueError, match="ignored"):
        confusion(masks, masks, np.zeros((1, 4, 4), bool))
