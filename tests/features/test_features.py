"""Feature extractors: which weights they take, what they say without them, and that they are what they claim."""

import hashlib
import io
import os
import pickle
from pathlib import Path
from urllib.error import URLError

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from lgbench.errors import BadData, NotAvailable, UnknownName
from lgbench.features import extractor_available, frechet_distance, load_extractor, moments_of

SHARED = Path(os.environ.get("LGBENCH_SHARED", Path(__file__).parents[2].parent / "shared"))
SQUEEZENET = SHARED / "data" / "weights" / "squeezenet1_1_caffe_imagenet.pth"


@pytest.fixture(autouse=True)
def bare_machine(monkeypatch, tmp_path):
    """No weights in the environment or in torch's cache."""
    for variable in ("LGBENCH_INCEPTION", "LGBENCH_SQUEEZENET"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))


def blobs(n: int, side: int = 32, seed: int = 0, brightness: int = 256) -> np.ndarray:
    """Coarse random colours, (n, 3, side, side) uint8."""
    coarse = np.random.default_rng(seed).integers(brightness, size=(n, 3, 8, 8), dtype=np.uint8)
    return coarse.repeat(side // 8, axis=2).repeat(side // 8, axis=3)


def test_the_random_network_is_the_same_everywhere():
    extractor = load_extractor("random")
    assert extractor.dim == 246
    assert extractor.weights_hash == "7f48e4f1bbaf1f745b6b78b06ea628de6b7ad55c286fc80e35f2ad98b9932ffd"
    grey = extractor(torch.full((1, 3, 64, 64), 255, dtype=torch.uint8))[0]
    assert_close(grey[:6], torch.tensor([1.0, 1, 1, 0, 0, 0]))  # means, then deviations, of the colours


def test_the_random_network_neither_reads_nor_moves_the_global_random_state():
    torch.manual_seed(1)
    images, before = torch.from_numpy(blobs(3)), torch.get_rng_state()
    first = load_extractor("random")(images)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    assert torch.equal(load_extractor("random")(images), first)


def test_two_thousand_samples_fill_the_random_features():
    moments = moments_of(blobs(2000), load_extractor("random"), batch=250)
    assert moments.count == 2000
    assert np.linalg.matrix_rank(moments.covariance) == 246


def test_random_features_tell_distributions_apart():
    extractor = load_extractor("random")
    real, same, darker = (
        moments_of(blobs(500, seed=seed, brightness=top), extractor) for seed, top in ((0, 256), (1, 256), (2, 200))
    )
    assert frechet_distance(real, darker) > 5 * frechet_distance(real, same)


def test_moments_hardly_depend_on_the_batch_and_read_a_memory_map(tmp_path):
    images, extractor = blobs(50), load_extractor("random")
    np.save(tmp_path / "images.npy", images)
    whole, parts = (
        moments_of(images, extractor),
        moments_of(np.load(tmp_path / "images.npy", mmap_mode="r"), extractor, 7),
    )
    np.testing.assert_allclose(parts.covariance, whole.covariance, atol=1e-6)


def test_features_are_full_precision_whatever_surrounds_the_call():
    images, extractor = torch.from_numpy(blobs(2)), load_extractor("random")
    plain, settings = extractor(images), torch.backends.cudnn.benchmark
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(extractor(images), plain)
    assert plain.dtype == torch.float32
    assert torch.backends.cudnn.benchmark == settings


def test_only_uint8_colour_images_have_features():
    for images in (torch.zeros(1, 3, 8, 8), torch.zeros(1, 1, 8, 8, dtype=torch.uint8)):
        with pytest.raises(ValueError, match="uint8"):
            load_extractor("random")(images)


def test_an_unknown_extractor_suggests_a_known_one():
    for ask in (load_extractor, extractor_available):
        with pytest.raises(UnknownName, match="Did you mean 'inception'"):
            ask("inceptoin")


def test_without_weights_the_errors_say_what_to_fetch_and_what_to_set(monkeypatch):
    def offline(*args, **kwargs):
        raise URLError("no network")

    monkeypatch.setattr(torch.hub, "download_url_to_file", offline)
    assert not extractor_available("inception")
    with pytest.raises(NotAvailable, match=r"Fetch https://\S+inception\S+\.pth .* LGBENCH_INCEPTION=PATH"):
        load_extractor("inception")
    assert not extractor_available("squeezenet")
    with pytest.raises(NotAvailable, match="LGBENCH_SQUEEZENET=PATH"):
        load_extractor("squeezenet")


def test_a_download_lands_where_torch_fidelity_looks_and_is_checked(monkeypatch, tmp_path):
    asked = []

    def download(url, path, hash_prefix, progress):
        asked.append((url.rsplit("/", 1)[-1], hash_prefix))
        Path(path).write_bytes(b"not weights")

    monkeypatch.setattr(torch.hub, "download_url_to_file", download)
    with pytest.raises(BadData, match="LGBENCH_INCEPTION"):
        load_extractor("inception")
    assert asked == [("weights-inception-2015-12-05-6726825d.pth", "6726825d")]
    assert (tmp_path / "hub/checkpoints/weights-inception-2015-12-05-6726825d.pth").exists()
    assert extractor_available("inception")


def test_a_stated_file_that_is_missing_or_wrong_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv("LGBENCH_SQUEEZENET", str(tmp_path / "nowhere.pth"))
    assert not extractor_available("squeezenet")
    with pytest.raises(NotAvailable, match=r"nowhere\.pth"):
        load_extractor("squeezenet")
    torch.save({"weight": torch.zeros(1)}, tmp_path / "other.pth")
    with pytest.raises(BadData, match=r"other\.pth"):
        load_extractor("squeezenet", tmp_path / "other.pth")


@pytest.mark.parametrize(
    "content", [b"", b"hello", pickle.dumps({"a": Path("x")}, protocol=2), b"PK\x03\x04" + bytes(60)]
)
@pytest.mark.parametrize("name", ["squeezenet", "inception"])
def test_a_file_that_holds_no_weights_is_refused_in_one_line_of_its_own(tmp_path, name: str, content: bytes):
    path = tmp_path / "empty.pth"
    path.write_bytes(content)
    with pytest.raises(BadData, match=r"empty\.pth does not hold the weights .* Fetch the file again") as refusal:
        load_extractor(name, path)
    assert "weights_only" not in str(refusal.value)
    assert "\n" not in str(refusal.value)


class Mischief:
    """Unpickling it creates a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@pytest.mark.parametrize("name", ["inception", "squeezenet"])
def test_weights_that_carry_code_are_refused_and_not_run(name, tmp_path):
    torch.save({"weight": Mischief(tmp_path / "ran")}, tmp_path / "weights.pth")
    with pytest.raises(BadData, match=r"weights\.pth"):
        load_extractor(name, tmp_path / "weights.pth")
    assert not (tmp_path / "ran").exists()


def test_inception_is_the_network_of_torch_fidelity(monkeypatch, tmp_path):
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    with monkeypatch.context() as patch:  # its architecture with untrained weights
        patch.setattr(FeatureExtractorInceptionV3, "load_state_dict", lambda self, state: None)
        empty = io.BytesIO()
        torch.save({}, empty)
        empty.seek(0)
        torch.manual_seed(0)
        reference = FeatureExtractorInceptionV3(
            "reference", ["2048", "logits_unbiased"], feature_extractor_weights_path=empty
        )
    path = tmp_path / "inception.pth"
    torch.save(reference.state_dict(), path)
    monkeypatch.setenv("LGBENCH_INCEPTION", str(path))
    before = torch.get_rng_state()
    extractor = load_extractor("inception")
    assert torch.equal(torch.get_rng_state(), before)
    assert extractor.dim == 2048
    assert extractor.weights_hash == hashlib.sha256(path.read_bytes()).hexdigest()
    images = torch.from_numpy(blobs(2))
    features, logits = reference(images)
    assert_close(extractor(images), features)
    seen, probabilities = extractor.describe(images.numpy(), batch=1)
    assert_close(torch.from_numpy(seen), features)
    assert_close(torch.from_numpy(probabilities), logits.softmax(dim=1))


def test_a_network_without_classes_gives_no_probabilities():
    features, probabilities = load_extractor("random").describe(blobs(2))
    assert features.shape == (2, 246)
    assert probabilities is None


@pytest.mark.skipif(not SQUEEZENET.exists(), reason="the SqueezeNet weights are not in the shared folder")
def test_squeezenet_is_torchvisions_up_to_its_pooling(monkeypatch):
    from torchvision.models import squeezenet1_1
    from torchvision.transforms.functional import normalize, resize

    monkeypatch.setenv("LGBENCH_SQUEEZENET", str(SQUEEZENET))
    assert extractor_available("squeezenet")
    extractor = load_extractor("squeezenet")
    network = squeezenet1_1(weights=None)
    network.load_state_dict(torch.load(SQUEEZENET, weights_only=True))
    images = torch.from_numpy(blobs(2))
    x = normalize(resize(images / 255, [224, 224], antialias=True), [0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    with torch.inference_mode():
        assert_close(extractor(images), network.features.eval()(x).mean(dim=(2, 3)))
    assert extractor.dim == 512
    assert extractor.weights_hash == hashlib.sha256(SQUEEZENET.read_bytes()).hexdigest()
