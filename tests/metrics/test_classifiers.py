"""Scores from classifiers and nearest neighbours: against torch-fidelity, scikit-learn and scipy, and by definition."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import log_softmax, softmax
from scipy.stats import entropy
from sklearn.metrics.pairwise import cosine_similarity
from sklearn.neighbors import KNeighborsClassifier
from torch_fidelity.metric_isc import isc_features_to_metric

from lgbench.errors import NotAvailable
from lgbench_metrics.images.classifiers import adversarial_accuracy, adversarial_divergence, inception_score
from lgbench_metrics.images.neighbours import nearest_classes, nearest_neighbours


def logits(n: int, classes: int, seed: int = 0, scale: float = 3.0) -> np.ndarray:
    return scale * np.random.default_rng(seed).standard_normal((n, classes))


@pytest.mark.parametrize(("n", "classes", "splits"), [(1000, 1008, 10), (997, 10, 10), (12, 5, 5), (40, 3, 1)])
def test_the_inception_score_is_that_of_torch_fidelity(n, classes, splits):
    x = logits(n, classes)
    expected = isc_features_to_metric(torch.from_numpy(x), splits=splits, shuffle=False)
    mean, std = inception_score(softmax(x, axis=1), splits)
    assert mean == pytest.approx(expected["inception_score_mean"], rel=1e-12)
    assert std == pytest.approx(expected["inception_score_std"], rel=1e-9, abs=1e-12)


def test_one_repeated_image_has_inception_score_1():
    mean, std = inception_score(np.tile(softmax(logits(1, 1000), axis=1), (50, 1)))
    assert (mean, std) == pytest.approx((1, 0), abs=1e-12)
    assert mean >= 1


def test_sure_and_diverse_samples_have_the_highest_inception_score():
    one_hot = np.tile(np.eye(7), (20, 1)).astype(np.float32)  # every split of 14 holds each class twice
    assert inception_score(one_hot) == pytest.approx((7, 0), abs=1e-9)


def test_the_inception_score_of_a_split_sees_that_split_only():
    halves = np.repeat(np.eye(2), 10, axis=0)  # each half repeats one class, the whole has two
    assert inception_score(halves, splits=2)[0] == pytest.approx(1)
    assert inception_score(halves, splits=1)[0] == pytest.approx(2)


def test_an_inception_score_needs_samples_and_probabilities():
    with pytest.raises(NotAvailable, match="at least 10 samples, not 9"):
        inception_score(softmax(logits(9, 4), axis=1))
    with pytest.raises(NotAvailable, match="not finite"):
        inception_score(np.full((10, 4), np.nan))
    with pytest.raises(ValueError, match="softmax"):
        inception_score(logits(10, 4))
    with pytest.raises(ValueError, match="split"):
        inception_score(softmax(logits(10, 4), axis=1), splits=0)


def test_adversarial_accuracy_is_the_share_of_right_answers():
    x, labels = logits(500, 10), np.random.default_rng(1).integers(10, size=500)
    expected = (x.argmax(axis=1) == labels).mean()
    for scores in (x, softmax(x, axis=1), log_softmax(x, axis=1)):
        assert adversarial_accuracy(scores, labels) == pytest.approx(expected)
    assert adversarial_accuracy(x, x.argmax(axis=1)) == 1


def test_a_uniform_classifier_has_adversarial_accuracy_1_over_k():
    for labels in (np.zeros(30, int), np.arange(30) % 10):
        assert adversarial_accuracy(np.full((30, 10), -np.log(10)), labels) == pytest.approx(0.1)


def test_adversarial_accuracy_of_impossible_classes_and_broken_scores():
    sure = np.log(np.eye(3), out=np.full((3, 3), -np.inf), where=np.eye(3) > 0)
    assert adversarial_accuracy(sure, np.array([0, 1, 0])) == pytest.approx(2 / 3)
    with pytest.raises(NotAvailable, match="diverged"):
        adversarial_accuracy(np.full((2, 3), np.nan), np.array([0, 1]))
    with pytest.raises(NotAvailable, match="no images"):
        adversarial_accuracy(np.zeros((0, 3)), np.zeros(0, int))
    for labels in (np.array([0, 3]), np.array([-1, 0])):
        with pytest.raises(ValueError, match="Labels"):
            adversarial_accuracy(np.zeros((2, 3)), labels)


def test_adversarial_divergence_is_the_mean_kl_of_scipy_in_either_direction():
    real, generated = logits(300, 10, seed=0), logits(300, 10, seed=1, scale=8)
    p, q = softmax(real, axis=1), softmax(generated, axis=1)
    log_p, log_q = log_softmax(real, axis=1), log_softmax(generated, axis=1)
    forward, backward = entropy(p, q, axis=1).mean(), entropy(q, p, axis=1).mean()
    assert adversarial_divergence(log_p, log_q) == pytest.approx(forward, rel=1e-12)
    assert adversarial_divergence(log_p, log_q, "generated_to_real") == pytest.approx(backward, rel=1e-12)
    assert abs(forward - backward) > 0.5


def test_a_classifier_does_not_diverge_from_itself():
    for scale in (1, 100, 1000):  # the last has probabilities that are 0 in float64
        log_p = log_softmax(logits(50, 10, scale=scale), axis=1)
        assert adversarial_divergence(log_p, log_p) == 0


def test_a_confident_mistake_costs_all_of_its_logarithm():
    log_p, log_q = log_softmax(np.array([[[2000.0, 0, 0]], [[0.0, 2000, 0]]]), axis=-1)
    assert adversarial_divergence(log_p, log_q) == pytest.approx(2000)  # float64 holds no probability e^-2000
    impossible = np.array([[-np.inf, 0.0, -np.inf]])
    assert adversarial_divergence(log_p, impossible) == np.inf
    assert adversarial_divergence(impossible, log_q) == 0


def test_divergence_is_of_log_probabilities_of_the_same_images():
    log_p = log_softmax(logits(5, 3), axis=1)
    for wrong in (np.exp(log_p), logits(5, 3)):
        with pytest.raises(ValueError, match="softmax"):
            adversarial_divergence(log_p, wrong)
    with pytest.raises(ValueError, match="compared"):
        adversarial_divergence(log_p, log_p[:4])
    with pytest.raises(ValueError, match="'sideways'"):
        adversarial_divergence(log_p, log_p, "sideways")  # pyright: ignore[reportArgumentType]
    with pytest.raises(NotAvailable, match="diverged"):
        adversarial_divergence(log_p, log_p * np.nan)
    with pytest.raises(NotAvailable, match="no images"):
        adversarial_divergence(log_p[:0], log_p[:0])


@pytest.mark.parametrize("block", [7, 64, 2000])
def test_the_classes_of_the_nearest_are_those_of_scikit_learn(block):
    random = np.random.default_rng(0)
    labels = random.integers(5, size=700)
    features = (random.standard_normal((700, 6, 4)) + labels[:, None, None] / 2).astype(np.float32)
    train, test = slice(0, 500), slice(500, 700)
    reference = KNeighborsClassifier(1, metric="cosine").fit(features[train].reshape(500, -1), labels[train])
    found = nearest_classes(features[train], labels[train], features[test], block)
    assert 0.3 < (found == labels[test]).mean() < 0.9
    assert_array_equal(found, reference.predict(features[test].reshape(200, -1)))


def test_the_training_set_against_itself_is_all_right():
    random = np.random.default_rng(0)
    features, labels = random.standard_normal((300, 32)).astype(np.float32), random.integers(10, size=300)
    assert_array_equal(nearest_classes(features, labels, features, block=64), labels)
    assert_array_equal(nearest_classes(features, labels, 7 * features), labels)  # lengths do not matter


def test_neighbours_are_those_of_scikit_learn_and_read_a_memory_map(tmp_path):
    random = np.random.default_rng(0)
    images, reference = (random.integers(256, size=(n, 3, 8, 8), dtype=np.uint8) for n in (40, 90))
    np.save(tmp_path / "reference.npy", reference)
    index, similarity = nearest_neighbours(images, np.load(tmp_path / "reference.npy", mmap_mode="r"), block=16)
    flat, flat_reference = (x.reshape(len(x), -1).astype(np.float64) for x in (images, reference))
    expected = cosine_similarity(flat, flat_reference)
    assert_array_equal(index, expected.argmax(axis=1))
    assert_allclose(similarity, expected.max(axis=1), rtol=1e-12)
    assert_allclose(nearest_neighbours(images / 255, reference)[1], similarity, rtol=1e-12)


def test_a_memorised_image_is_found_whatever_its_brightness():
    reference = np.random.default_rng(0).random((20, 3, 8, 8))
    index, similarity = nearest_neighbours(0.5 * reference[[13, 4]], reference)
    assert_array_equal(index, [13, 4])
    assert_allclose(similarity, 1, rtol=1e-12)
    assert similarity.max() <= 1


def test_a_black_image_is_near_to_nothing():
    reference = np.full((2, 3, 4, 4), 0.5)
    assert_array_equal(nearest_neighbours(np.zeros((1, 3, 4, 4)), reference)[1], [0])


def test_neighbours_need_a_reference_of_the_same_size_and_finite_vectors():
    image = np.zeros((1, 3, 4, 4))
    with pytest.raises(NotAvailable, match="no reference"):
        nearest_neighbours(image, image[:0])
    with pytest.raises(NotAvailable, match="no test images"):
        nearest_classes(image, np.zeros(1), image[:0])
    with pytest.raises(NotAvailable, match="not finite"):
        nearest_classes(image, np.zeros(1), image * np.nan)
    with pytest.raises(ValueError, match="no angle"):
        nearest_neighbours(image, np.zeros((1, 3, 5, 5)))
    with pytest.raises(ValueError, match=r"\[0, 1\]"):
        nearest_neighbours(image - 1, image)
    with pytest.raises(ValueError, match="one label"):
        nearest_classes(image, np.zeros(2), image)
