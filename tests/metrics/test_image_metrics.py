"""Samples beside real images: against torch-fidelity and distances one by one, on random and on awkward features."""

from pathlib import Path

import numpy as np
import pytest
import torch
from finished import finished
from numpy.testing import assert_allclose
from scipy.spatial.distance import cdist
from torch_fidelity.metric_kid import kid_features_to_metric
from torch_fidelity.metric_prc import prc_features_to_metric

from lgbench import NotAvailable
from lgbench.contradictions import contradictions
from lgbench.errors import BadData
from lgbench.features import load_extractor
from lgbench.record import Measured, read_record
from lgbench_metrics.images import manifolds, neighbours, perceptual
from lgbench_metrics.images.kernels import kernel_distance
from lgbench_metrics.images.manifolds import leave_one_out, precision_recall
from lgbench_metrics.images.perceptual import load_lpips


def features(kind: str, n: int = 150, d: int = 12) -> tuple[np.ndarray, np.ndarray]:
    """Features of samples and of real images, (n, d) and (n + 50, d) float64."""
    random = np.random.default_rng(0)
    generated, real = random.standard_normal((n, d)), random.standard_normal((n + 50, d))
    if kind == "shifted":
        generated += 2
    if kind == "far from 0":
        generated, real = generated + 1e4, real + 1e4
    if kind == "copies":
        generated[: n // 2] = real[: n // 2]
    if kind == "collapsed":
        generated[:] = generated[0]
    if kind == "constant":
        generated[:], real[:] = 1, 1
    return generated, real


KINDS = ["alike", "shifted", "far from 0", "copies", "collapsed", "constant"]


@pytest.mark.parametrize("kind", KINDS)
def test_the_kernel_distance_is_torch_fidelitys(kind: str):
    generated, real = features(kind)
    given = {"kid_subsets": 4, "kid_subset_size": 100, "verbose": False}
    expected = kid_features_to_metric(torch.from_numpy(generated), torch.from_numpy(real), **given)
    found = kernel_distance(generated, real, subsets=4, size=100)
    assert_allclose(found, list(expected.values()), rtol=1e-9, atol=1e-9 * np.abs(generated).max() ** 6)


def balls(generated: np.ndarray, real: np.ndarray, k: int) -> tuple[float, float]:
    """Precision and recall by exact distances."""

    def inside(points: np.ndarray, centres: np.ndarray) -> float:
        radii = np.sort(cdist(centres, centres) + np.diag(np.full(len(centres), np.inf)), axis=1)[:, k - 1]
        return float((cdist(points, centres) <= radii).any(axis=1).mean())

    return inside(generated, real), inside(real, generated)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("k", [1, 3])
def test_precision_and_recall_are_what_distances_one_by_one_say(kind: str, k: int, monkeypatch):
    monkeypatch.setattr(manifolds, "BLOCK", 64)
    generated, real = features(kind)
    assert precision_recall(generated, real, k) == balls(generated, real, k)


def test_precision_and_recall_are_torch_fidelitys():
    generated, real = features("shifted", n=400, d=4)
    told = prc_features_to_metric(torch.from_numpy(generated), torch.from_numpy(real), verbose=False)
    assert precision_recall(generated, real) == pytest.approx((told["precision"], told["recall"]), abs=1e-6)
    assert 0 < told["precision"] < 1


@pytest.mark.parametrize("kind", ["alike", "shifted", "copies"])
def test_the_two_sample_test_is_what_distances_one_by_one_say(kind: str):
    generated, real = features(kind)
    real = real[: len(generated)] + (1e-9 if kind == "copies" else 0)  # a copy is nearer to its original than to all
    both, n = np.concatenate([generated, real]), len(generated)
    nearest = (cdist(both, both) + np.diag(np.full(2 * n, np.inf))).argmin(axis=1)
    same = (nearest < n) == (np.arange(2 * n) < n)
    assert leave_one_out(generated, real) == (same[:n].mean(), same[n:].mean())
    if kind == "copies":
        assert np.mean(leave_one_out(generated, real)) < 0.5


MEASURES = {
    "kid": lambda a, b: kernel_distance(a, b, size=3),
    "precision and recall": lambda a, b: precision_recall(a, b, k=2),
    "two-sample-1nn": leave_one_out,
}


@pytest.mark.parametrize("name", MEASURES)
def test_too_few_broken_or_unlike_features_are_refused_by_name(name: str):
    generated, real = features("alike", n=5)
    with pytest.raises(NotAvailable, match=rf"{name} needs .* samples, not 1: raise evaluation.samples"):
        MEASURES[name](generated[:1], real)
    with pytest.raises(NotAvailable, match=f"{name}: features of the samples are not finite"):
        MEASURES[name](generated * np.nan, real)
    with pytest.raises(NotAvailable, match=f"{name}: features of the real images are not finite"):
        MEASURES[name](generated, real + np.inf)
    with pytest.raises(ValueError, match=name):
        MEASURES[name](generated, real[:, 1:])


@pytest.mark.parametrize(
    ("samples", "reals", "told", "not_told"),
    [
        (200, 200, "1000 samples, not 200: raise evaluation.samples", "reference"),  # drawn down to the samples
        (200, 1000, "1000 samples, not 200: raise evaluation.samples", "reference"),
        (1000, 300, "1000 real images, not 300: take all, evaluation.reference=all", "evaluation.samples"),
        (400, 300, "not 400: raise evaluation.samples, and 1000 real images, not 300", "\n"),
    ],
)
def test_the_side_that_lacks_images_is_named_and_no_other(samples: int, reals: int, told: str, not_told: str):
    with pytest.raises(NotAvailable) as refused:
        kernel_distance(np.zeros((samples, 4)), np.zeros((reals, 4)), size=1000)
    assert told in str(refused.value)
    assert not_told not in str(refused.value)


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, torch.Tensor]:
    """Untrained SqueezeNet and LPIPS weights in files that the environment names."""
    from torchvision.models import squeezenet1_1

    torch.manual_seed(0)
    torch.save(squeezenet1_1(weights=None).state_dict(), tmp_path / "squeezenet.pth")
    widths = (64, 128, 256, 384, 384, 512, 512)
    linear = {f"lin{k}.model.1.weight": torch.rand(1, width, 1, 1) for k, width in enumerate(widths)}
    torch.save(linear, tmp_path / "lpips.pth")
    monkeypatch.setenv("LGBENCH_SQUEEZENET", str(tmp_path / "squeezenet.pth"))
    monkeypatch.setenv("LGBENCH_LPIPS", str(tmp_path / "lpips.pth"))
    return linear


def test_lpips_is_its_definition(weights: dict[str, torch.Tensor], tmp_path: Path):
    from torchvision.models import squeezenet1_1

    reference = squeezenet1_1(weights=None).eval()
    reference.load_state_dict(torch.load(tmp_path / "squeezenet.pth", weights_only=True))
    x, y = (torch.rand(3, 3, 64, 64, generator=torch.Generator().manual_seed(seed)) * 2 - 1 for seed in (0, 1))
    shift, scale = (torch.tensor(v).view(1, 3, 1, 1) for v in ((-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)))
    expected = torch.zeros(3)
    with torch.no_grad():
        for k, layer in enumerate((1, 4, 7, 9, 10, 11, 12)):
            u, v = (torch.nn.functional.normalize(reference.features[: layer + 1]((z - shift) / scale)) for z in (x, y))
            expected += (weights[f"lin{k}.model.1.weight"] * (u - v) ** 2).sum(1).mean((1, 2))
    network = load_lpips()
    torch.testing.assert_close(network(x, y), expected, rtol=1e-5, atol=1e-6)
    assert network(x, x).max() == 0


def test_lpips_without_its_files_says_what_to_set(weights, monkeypatch, tmp_path: Path):
    monkeypatch.delenv("LGBENCH_LPIPS")
    with pytest.raises(NotAvailable, match="LGBENCH_LPIPS=PATH"):
        load_lpips()
    with pytest.raises(BadData, match="LGBENCH_LPIPS"):
        load_lpips(tmp_path / "squeezenet.pth")


def test_what_looks_at_the_first_samples_alone_says_so_and_boards_take_it(weights, monkeypatch, tmp_path: Path):
    monkeypatch.setenv("LGBENCH_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(perceptual, "MOST", 7)
    monkeypatch.setattr(neighbours, "MOST", 5)
    record = read_record(finished(tmp_path / "runs", "lpips,memorisation") / "record.json")
    assert contradictions(record) == []
    for name, compared in (("lpips", 6), ("memorisation", 5)):
        value = record.values[name]
        assert isinstance(value, Measured)
        assert value.n == value.protocol.samples == compared


@pytest.mark.slow
def test_vgg16_is_torch_fidelitys(tmp_path: Path):
    from torch_fidelity.feature_extractor_vgg16 import FeatureExtractorVGG16
    from torchvision.models import vgg16

    torch.save(vgg16(weights=None).state_dict(), tmp_path / "vgg16.pth")
    reference = FeatureExtractorVGG16("vgg16", ["fc2_relu"], feature_extractor_weights_path=tmp_path / "vgg16.pth")
    images = torch.randint(256, (2, 3, 40, 40), dtype=torch.uint8)
    torch.testing.assert_close(load_extractor("vgg16", tmp_path / "vgg16.pth")(images), reference(images)[0])
