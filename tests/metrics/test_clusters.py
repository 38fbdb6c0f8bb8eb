"""Cluster scores: against scikit-learn and against every assignment."""

from itertools import permutations

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.metrics import normalized_mutual_info_score

from lgbench.errors import NotAvailable
from lgbench_metrics.clusters.agreement import cluster_accuracy, nmi


def noisy_clusters(n: int = 300, classes: int = 5) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    labels = random.integers(classes, size=n)
    shuffled = random.permutation(classes)[labels]
    return np.where(random.random(n) < 0.4, random.integers(classes, size=n), shuffled), labels


@pytest.mark.parametrize(("by", "average_method"), [("mean", "arithmetic"), ("max", "max")])
def test_nmi_is_that_of_scikit_learn(by, average_method):
    clusters, labels = noisy_clusters()
    expected = normalized_mutual_info_score(labels, clusters, average_method=average_method)
    assert_allclose(nmi(clusters, labels, by=by), expected, rtol=1e-12)


def test_nmi_ignores_names_and_is_zero_for_one_big_cluster():
    _, labels = noisy_clusters()
    assert nmi(7 - labels, labels) == pytest.approx(1)
    assert nmi(np.zeros_like(labels), labels) == 0
    assert nmi(np.zeros_like(labels), np.ones_like(labels)) == 1


def test_accuracy_is_the_best_of_all_assignments():
    clusters, labels = noisy_clusters()
    best = max(float((np.array(names)[clusters] == labels).mean()) for names in permutations(range(5)))
    assert cluster_accuracy(clusters, labels) == best


def test_surplus_clusters_count_as_wrong():
    labels = np.repeat([0, 1], 50)
    assert cluster_accuracy(labels, labels) == 1
    assert cluster_accuracy(np.repeat([0, 1, 2, 3], 25), labels) == 0.5
    assert cluster_accuracy(np.zeros(100, int), labels) == 0.5


def test_no_images_have_no_clusters():
    for score in (nmi, cluster_accuracy):
        with pytest.raises(NotAvailable, match="no test images"):
            score(np.zeros(0, int), np.zeros(0, int))
