"""Streamed moments and the Frechet distance: against numpy and torch-fidelity."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric

from lgbench.errors import NotAvailable
from lgbench.features import MomentStream, frechet_distance
from lgbench.score import Moments


def features(n: int, dim: int, seed: int) -> np.ndarray:
    """Correlated, non-negative and unlike in scale, as pooled activations are; float32."""
    random = np.random.default_rng(seed)
    mix = np.random.default_rng(9).standard_normal((dim, dim)) / dim**0.5 * np.geomspace(1, 1e-2, dim)
    return np.maximum(random.standard_normal((n, dim)) @ mix + 0.1 * seed, 0).astype(np.float32)


def moments(x: np.ndarray) -> Moments:
    stream = MomentStream(x.shape[1])
    stream.update(x)
    return stream.moments()


def test_a_stream_of_batches_has_the_moments_of_the_whole():
    x, stream = features(500, 20, 0), MomentStream(20)
    for batch in np.array_split(x, [1, 2, 50, 50, 333]):
        stream.update(batch)
    whole = stream.moments()
    assert whole.count == 500
    assert whole.mean.dtype == whole.covariance.dtype == np.float64
    assert_allclose(whole.mean, x.mean(axis=0, dtype=np.float64), rtol=1e-13)
    assert_allclose(whole.covariance, np.cov(x.astype(np.float64), rowvar=False), rtol=1e-12, atol=1e-15)


def test_streams_of_several_processes_merge_in_any_order():
    parts = [MomentStream(20) for _ in range(3)]
    for part, x in zip(parts, np.array_split(features(301, 20, 0), 3), strict=True):
        part.update(x)
    forward, backward = MomentStream(20), MomentStream(20)
    for a, b in zip(parts, parts[::-1], strict=True):
        forward.merge(a)
        backward.merge(b)
    assert parts[0].count == 101  # what is merged from stays as it is
    assert_allclose(forward.moments().covariance, backward.moments().covariance, rtol=1e-12, atol=1e-16)
    assert_allclose(forward.moments().covariance, moments(features(301, 20, 0)).covariance, rtol=1e-12, atol=1e-16)


def test_a_large_mean_does_not_drown_the_covariance():
    x = features(400, 5, 0).astype(np.float64)
    shifted = MomentStream(5)
    for batch in np.array_split(x + 1e6, 7):
        shifted.update(batch)
    assert_allclose(shifted.moments().covariance, np.cov(x, rowvar=False), rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize(("n", "dim"), [(800, 64), (60, 96)], ids=["full rank", "fewer images than features"])
def test_the_distance_is_that_of_torch_fidelity(n, dim):
    a, b = (features(n, dim, seed).astype(np.float64) for seed in (0, 1))
    statistics = [fid_features_to_statistics(torch.from_numpy(x)) for x in (a, b)]
    expected = fid_statistics_to_metric(*statistics, False)["frechet_inception_distance"]
    assert frechet_distance(moments(a), moments(b)) == pytest.approx(expected, rel=1e-6)


def test_the_distance_of_two_known_gaussians():
    a = Moments(np.zeros(2), np.diag([4.0, 9.0]), 10)
    b = Moments(np.array([3.0, 4.0]), np.diag([1.0, 16.0]), 10)
    assert frechet_distance(a, b) == pytest.approx(25 + (2 - 1) ** 2 + (3 - 4) ** 2)


def test_the_distance_is_symmetric_zero_at_home_and_never_negative():
    a, b = moments(features(300, 32, 0)), moments(features(200, 32, 1))
    assert frechet_distance(a, b) == pytest.approx(frechet_distance(b, a), rel=1e-9)
    assert 0 <= frechet_distance(a, a) < 1e-9
    constant = Moments(np.ones(3), np.zeros((3, 3)), 5)
    assert frechet_distance(constant, constant) == pytest.approx(0, abs=1e-9)


def of_rank(rank: int, n: int = 40, dim: int = 24) -> np.ndarray:
    random = np.random.default_rng(rank)
    return random.standard_normal((n, rank)) @ random.standard_normal((rank, dim))


KINDS = {
    "dead features": (1e-3 * features(20, 3, 0) * [1, 1, 0], 1e-3 * features(20, 3, 1) * [0, 1, 1]),
    "fewer images than features": (features(12, 48, 0), features(9, 48, 1)),
    "two images": (features(2, 16, 0), features(2, 16, 1)),
    "low rank": (of_rank(3), of_rank(2)),
    "equal features": (np.repeat(features(40, 1, 0), 6, axis=1), np.repeat(features(40, 1, 1), 6, axis=1)),
    "decaying spectrum": (features(200, 32, 0) * 0.5 ** np.arange(32), features(200, 32, 1) * 0.5 ** np.arange(32)),
    "large offset": (features(200, 16, 0) + 1e4, features(200, 16, 1) + 1e4),
    "tiny": (1e-6 * features(50, 8, 0), 1e-6 * features(50, 8, 1)),
    "constant": (np.ones((5, 4)), features(30, 4, 0)),
}


@pytest.mark.parametrize("kind", KINDS)
def test_the_distance_is_exact_whatever_the_rank(kind: str):
    """The trace of the root is the nuclear norm of the product of the centred features, up to their counts."""
    x, y = (part.astype(np.float64) for part in KINDS[kind])
    a, b = moments(x), moments(y)
    product = (x - x.mean(axis=0)) @ (y - y.mean(axis=0)).T
    root = np.linalg.norm(product, "nuc") / np.sqrt((len(x) - 1) * (len(y) - 1))
    traces = np.trace(a.covariance) + np.trace(b.covariance)
    expected = np.square(a.mean - b.mean).sum() + traces - 2 * root
    assert frechet_distance(a, b) == pytest.approx(expected, abs=1e-7 * traces)


def test_moments_that_are_not_finite_have_no_distance():
    broken = Moments(np.array([0.0, np.nan]), np.eye(2), 10)
    with pytest.raises(NotAvailable, match="not finite"):
        frechet_distance(broken, Moments(np.zeros(2), np.eye(2), 10))


def test_broken_features_and_single_images_have_no_moments():
    stream = MomentStream(3)
    stream.update(np.zeros((1, 3)))
    with pytest.raises(NotAvailable, match="at least 2"):
        stream.moments()
    with pytest.raises(NotAvailable, match="not finite"):
        stream.update(np.array([[0, np.nan, 1]]))
    assert stream.count == 1


def test_features_of_different_extractors_do_not_meet():
    with pytest.raises(ValueError, match="compared"):
        frechet_distance(moments(features(10, 3, 0)), moments(features(10, 4, 0)))
    with pytest.raises(ValueError, match="Features must be"):
        MomentStream(3).update(np.zeros((2, 4)))
