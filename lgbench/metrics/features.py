"""Feature extractors for Frechet distances. An extractor, its name and its weights, is part of a metric's identity.

Weights are read with `weights_only=True`, whatever library the network comes from, and no extractor moves torch's
global random state.
"""

from __future__ import annotations

import hashlib
import io
import math
import os
import pickle
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lgbench.errors import BadData, NotAvailable, UnknownName, did_you_mean
from lgbench.score import Moments

from .frechet import MomentStream

__all__ = [
    "EXTRACTORS",
    "VARIABLES",
    "Extractor",
    "extractor_available",
    "load_extractor",
    "moments_of",
    "stream_features",
]

EXTRACTORS = ("inception", "squeezenet", "random")
VARIABLES = {"inception": "LGBENCH_INCEPTION", "squeezenet": "LGBENCH_SQUEEZENET"}
"""Environment variables that say where an extractor's weights are."""


Seen = tuple[Tensor, Tensor | None]
"""Features (N, D) and, where a network classifies, logits (N, classes)."""


@dataclass(frozen=True, slots=True)
class Extractor:
    """A fixed network that describes images.

    Attributes:
        name: one of `EXTRACTORS`.
        dim: D, length of a feature vector.
        weights_hash: SHA-256 of the weights, hex: of their file, or of the tensors where there is none.
        network: (N, 3, H, W) uint8 -> features (N, D), and logits (N, classes) where it classifies, else None.
        device: where the network is.
    """

    name: str
    dim: int
    weights_hash: str
    network: Callable[[Tensor], Seen]
    device: torch.device

    def __call__(self, images: Tensor) -> Tensor:
        """Features of images, (N, D) float32 on the extractor's device, in full precision whatever surrounds the call.

        Args:
            images: (N, 3, H, W) uint8, on any device.
        """
        return self._see(images)[0]

    def describe(self, images: np.ndarray, batch: int = 100) -> tuple[np.ndarray, np.ndarray | None]:
        """Features of images, (N, D) float32, and class probabilities, (N, classes), where the network classifies.

        Args:
            images: (N, 3, H, W) uint8; may be a memory map, of which one batch at a time is read.
            batch: images at a time; the result depends on it by rounding only.

        Raises:
            NotAvailable: no images.
        """
        if not len(images):
            raise NotAvailable("no images")
        features, probabilities = np.empty((len(images), self.dim), np.float32), []
        for start in range(0, len(images), batch):
            seen, logits = self._see(torch.from_numpy(np.array(images[start : start + batch])))
            features[start : start + len(seen)] = seen.cpu().numpy()
            if logits is not None:
                probabilities.append(logits.softmax(dim=1).cpu().numpy())
        return features, np.concatenate(probabilities) if probabilities else None

    def _see(self, images: Tensor) -> Seen:
        if images.dtype != torch.uint8 or images.ndim != 4 or images.shape[1] != 3:
            raise ValueError(f"Images must be (N, 3, H, W) uint8, not {tuple(images.shape)} {images.dtype}.")
        with torch.inference_mode(), _full_precision(self.device):
            features, logits = self.network(images.to(self.device))
        return features.float(), None if logits is None else logits.float()


def load_extractor(name: str, weights: Path | None = None, device: str | torch.device = "cpu") -> Extractor:
    """Make an extractor ready.

    - `inception`: the Inception-v3 of FID with its original TensorFlow weights, 2048 features, as torch-fidelity's
      "inception-v3-compat". Weights: `weights`, or the file that LGBENCH_INCEPTION names, or torch's hub cache; else
      they are downloaded there once.
    - `squeezenet`: torchvision's SqueezeNet 1.1, the mean over space of the last of `features`, 512 numbers. Images
      are resized to 224 (bilinear, antialiased). Weights: `weights`, or the file that LGBENCH_SQUEEZENET names.
    - `random`: a fixed, untrained convolutional network, 246 features; needs no file.

    Raises:
        UnknownName: there is no such extractor.
        NotAvailable: its weights are not here; the text says how to get them.
        BadData: the weights' file is not what it should be.
    """
    place = torch.device(device)
    _check_name(name)
    if name == "random":
        network = RandomFeatures().to(place).eval()
        return Extractor(name, network.dim, network.weights_hash(), lambda images: (network(images), None), place)
    path = _find_weights(name, weights)
    if path is None:
        path = _download_inception() if name == "inception" else None
    if path is None:
        raise NotAvailable(
            "The extractor 'squeezenet' needs the ImageNet weights of torchvision's squeezenet1_1 as a state dict "
            f"(torch.save of its state_dict()). Set {VARIABLES[name]}=PATH to that file."
        )
    try:
        content = path.read_bytes()  # read once, so that what is hashed is what is loaded
        state = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
        network = (_inception if name == "inception" else _squeezenet)(state)
    except Exception as error:  # zip, pickle, tensors and modules fail in many ways; all mean the same to a user
        raise BadData(
            f"{path} does not hold the weights of {name!r} ({_reason(error)}). "
            f"Fetch the file again, or set {VARIABLES[name]} to another one."
        ) from error
    digest = hashlib.sha256(content).hexdigest()
    network = network.to(place).eval().requires_grad_(False)
    if isinstance(network, InceptionFeatures):
        return Extractor(name, 2048, digest, network, place)
    return Extractor(name, 512, digest, lambda images: (network(images), None), place)


def _reason(error: Exception) -> str:
    """Why weights do not load, in a line; torch's own advice is to trust the file."""
    if isinstance(error, pickle.UnpicklingError | EOFError):
        return "it is no file of tensors"
    return (str(error) or type(error).__name__).splitlines()[0].rstrip(".:")


def extractor_available(name: str, weights: Path | None = None) -> bool:
    """Whether `load_extractor(name, weights)` finds its weights on this machine, without a download.

    Raises:
        UnknownName: there is no such extractor.
    """
    _check_name(name)
    try:
        return name == "random" or _find_weights(name, weights) is not None
    except NotAvailable:
        return False


def moments_of(images: np.ndarray, extractor: Extractor, batch: int = 100) -> Moments:
    """Mean and covariance of the features of images, streamed in float64.

    Args:
        images: (N, 3, H, W) uint8; may be a memory map, of which one batch at a time is read.
        extractor: describes them.
        batch: images at a time; the result depends on it by rounding only.

    Raises:
        NotAvailable: fewer than two images, or features that are not finite.
    """
    stream = MomentStream(extractor.dim)
    stream_features(stream, images, extractor, batch)
    return stream.moments()


def stream_features(stream: MomentStream, images: np.ndarray, extractor: Extractor, batch: int = 100) -> None:
    """Add the features of images, (N, 3, H, W) uint8, to `stream`."""
    for start in range(0, len(images), batch):
        part = torch.from_numpy(np.array(images[start : start + batch]))
        stream.update(extractor(part).cpu().numpy())


class RandomFeatures(nn.Module):
    """Means and deviations over space of an untrained network's channels, at four scales and of the colours themselves.

    Random convolutions keep enough of an image's statistics to tell distributions apart, if not as people would. The
    weights are He-uniform from a fixed seed. Uniform draws rather than normal ones: they need no logarithm, so every
    machine makes the same bits.
    """

    SEED = 20170424
    SIDE = 64
    WIDTHS = (16, 24, 32, 48)

    def __init__(self) -> None:
        super().__init__()
        random = torch.Generator().manual_seed(self.SEED)
        widths = (3, *self.WIDTHS)
        for stage, (ins, outs) in enumerate(pairwise(widths)):
            bound = math.sqrt(6 / (1 + 0.2**2) / (9 * ins))
            weight = (2 * torch.rand(outs, ins, 3, 3, generator=random) - 1) * bound
            self.register_buffer(f"weight{stage}", weight)
        self.dim = 2 * sum(widths)

    def forward(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) uint8 -> (N, 246): mean and standard deviation of each channel of the image and stages."""
        x = images.float() / 127.5 - 1
        if x.shape[-2:] != (self.SIDE, self.SIDE):
            x = F.interpolate(x, (self.SIDE, self.SIDE), mode="bilinear", align_corners=False, antialias=True)
        scales = [x]
        for stage, weight in enumerate(self.buffers()):
            x = F.conv2d(F.pad(x, (1, 1, 1, 1), mode="reflect"), weight, stride=1 if stage == 0 else 2)
            x = F.leaky_relu(x, 0.2)
            scales.append(x)
        pooled = [torch.var_mean(scale.flatten(2), dim=2, correction=0) for scale in scales]
        return torch.cat([torch.cat([mean, variance.sqrt()], dim=1) for variance, mean in pooled], dim=1)

    def weights_hash(self) -> str:
        """SHA-256 of the weights' bytes in order, hex."""
        return hashlib.sha256(b"".join(weight.cpu().numpy().tobytes() for weight in self.buffers())).hexdigest()


class SqueezeNetFeatures(nn.Module):
    """SqueezeNet 1.1 (Iandola et al., 2016) without its classifier."""

    MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet

    def __init__(self, state: dict[str, Tensor]) -> None:
        from torchvision.models import squeezenet1_1

        super().__init__()
        network = squeezenet1_1(weights=None)
        network.load_state_dict(state)
        self.features = network.features
        self.register_buffer("mean", torch.tensor(self.MEAN).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(self.STD).view(1, 3, 1, 1))

    def forward(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) uint8 -> (N, 512)."""
        x = F.interpolate(images.float() / 255, (224, 224), mode="bilinear", align_corners=False, antialias=True)
        return self.features((x - self.get_buffer("mean")) / self.get_buffer("std")).mean(dim=(2, 3))


class InceptionFeatures(nn.Module):
    """torch-fidelity's Inception-v3, from a state that is already loaded."""

    LAYERS = ("2048", "logits_unbiased")  # the Inception score was defined without the last layer's bias

    def __init__(self, state: dict[str, Tensor]) -> None:
        from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

        super().__init__()
        # Its constructor unpickles whatever it is given, so it is given what we have read safely and written ourselves.
        safe = io.BytesIO()
        torch.save(state, safe)
        safe.seek(0)
        self.network = FeatureExtractorInceptionV3(
            "inception-v3-compat", list(self.LAYERS), feature_extractor_weights_path=safe
        )

    def forward(self, images: Tensor) -> Seen:
        """(N, 3, H, W) uint8 -> features (N, 2048) and logits (N, 1008): 1,000 classes and eight unused outputs."""
        features, logits = self.network(images)
        return features, logits


def _squeezenet(state: dict[str, Tensor]) -> nn.Module:
    with torch.random.fork_rng(devices=[]):  # building a network draws weights, which are then replaced
        return SqueezeNetFeatures(state)


def _inception(state: dict[str, Tensor]) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        return InceptionFeatures(state)


def _check_name(name: str) -> None:
    if name not in EXTRACTORS:
        hint = did_you_mean(name, EXTRACTORS, f"There are {', '.join(EXTRACTORS)}.")
        raise UnknownName(f"There is no feature extractor named {name!r}. {hint}")


def _find_weights(name: str, weights: Path | None) -> Path | None:
    """The weights' file: the argument, else what the environment says, else the hub cache; None where none is set."""
    stated = weights or os.environ.get(VARIABLES[name])
    if stated:
        path = Path(stated).expanduser()
        if not path.is_file():
            raise NotAvailable(
                f"The weights of the extractor {name!r} should be at {path}, but no file is there. "
                f"Put it there, or set {VARIABLES[name]} to where it is."
            )
        return path
    cached = _hub_file() if name == "inception" else None
    return cached if cached is not None and cached.is_file() else None


def _inception_url() -> str:
    from torch_fidelity.feature_extractor_inceptionv3 import URL_INCEPTION_V3

    return URL_INCEPTION_V3


def _hub_file() -> Path:
    return Path(torch.hub.get_dir()) / "checkpoints" / _inception_url().rsplit("/", 1)[-1]


def _download_inception() -> Path:
    """Fetch the weights to where torch-fidelity looks for them too; the file's name ends with its checksum."""
    url, path = _inception_url(), _hub_file()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.hub.download_url_to_file(url, str(path), path.stem.rsplit("-", 1)[-1], progress=False)
    except (OSError, RuntimeError) as error:
        # stands in records: it names no folder of this machine, and no error that changes from run to run
        raise NotAvailable(
            "needs the Inception-v3 weights, which could not be downloaded. Fetch "
            f"{url} on a machine with a network, then set {VARIABLES['inception']}=PATH to the file, or put it "
            "into torch's hub cache (checkpoints/)."
        ) from error
    return path


@contextmanager
def _full_precision(device: torch.device) -> Iterator[None]:
    """float32 without TF32 or autocast, and one algorithm whatever the batch: features must not depend on the run."""
    cudnn: Any = torch.backends.cudnn
    before = cudnn.conv.fp32_precision, cudnn.benchmark, cudnn.deterministic
    cudnn.conv.fp32_precision, cudnn.benchmark, cudnn.deterministic = "ieee", False, True
    try:
        with torch.autocast(device.type, enabled=False):
            yield
    finally:
        cudnn.conv.fp32_precision, cudnn.benchmark, cudnn.deterministic = before
