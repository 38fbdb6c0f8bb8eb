"""Fixed networks that describe images. An extractor, its name and its weights, is part of a metric's identity.

Weights are read with `weights_only=True`, whatever library the network comes from, and no extractor moves torch's
global random state.
"""

from __future__ import annotations

import hashlib
import io
import os
import pickle
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from lgbench.errors import BadData, NotAvailable, UnknownName, did_you_mean

from .networks import InceptionFeatures, RandomFeatures, Seen, SqueezeNetFeatures, VGG16Features

__all__ = ["EXTRACTORS", "Extractor", "ExtractorKind", "extractor_available", "extractor_of", "load_extractor"]


@dataclass(frozen=True, slots=True)
class ExtractorKind:
    """How an extractor comes to be.

    Attributes:
        dim: D, length of a feature vector.
        side: pixels; images are resized to squares of it.
        build: `(state) -> network`, which gives `Seen` of (N, 3, H, W) uint8; without a file the state is {}.
        weights: what the file of its weights holds, in words; "" where there is none.
        variable: environment variable that says where that file is.
        url: `() -> address` of the file; its name ends with the beginning of its SHA-256.
        fetched: whether it is downloaded where it is not in torch's hub cache.
    """

    dim: int
    side: int
    build: Callable[[Mapping[str, Tensor]], nn.Module]
    weights: str = ""
    variable: str = ""
    url: Callable[[], str] | None = None
    fetched: bool = False

    @property
    def cached(self) -> Path | None:
        """Where in torch's hub cache the file lies once it was fetched."""
        return Path(torch.hub.get_dir()) / "checkpoints" / self.url().rsplit("/", 1)[-1] if self.url else None


def _inception_url() -> str:
    from torch_fidelity.feature_extractor_inceptionv3 import URL_INCEPTION_V3

    return URL_INCEPTION_V3


def _vgg16_url() -> str:
    from torchvision.models import VGG16_Weights

    return VGG16_Weights.IMAGENET1K_V1.url


EXTRACTORS: Mapping[str, ExtractorKind] = {
    "inception": ExtractorKind(
        dim=2048,
        side=299,
        build=InceptionFeatures,
        weights="the original TensorFlow weights of FID's Inception-v3 in torch-fidelity's layout",
        variable="LGBENCH_INCEPTION",
        url=_inception_url,
        fetched=True,
    ),
    "squeezenet": ExtractorKind(
        dim=512,
        side=SqueezeNetFeatures.SIDE,
        build=SqueezeNetFeatures,
        weights="the ImageNet weights of torchvision's squeezenet1_1 as a state dict (torch.save of its state_dict())",
        variable="LGBENCH_SQUEEZENET",
    ),
    "vgg16": ExtractorKind(
        dim=4096,
        side=VGG16Features.SIDE,
        build=VGG16Features,
        weights="the ImageNet weights of torchvision's vgg16 as a state dict",
        variable="LGBENCH_VGG16",
        url=_vgg16_url,  # 528 MB, which nobody is sent unasked
    ),
    "random": ExtractorKind(dim=246, side=RandomFeatures.SIDE, build=RandomFeatures),
}
"""Every extractor by name: "inception" is FID's own, "random" is a fixed, untrained network and needs no file."""


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

    @property
    def batch(self) -> int:
        """Images that it sees at a time. What more of them make on a CPU is too large for malloc to keep.

        It would be handed to the system and back with every layer, and the page faults would take half of the time
        (benchmarks/speed/features.py).
        """
        return 8 if self.device.type == "cpu" else 100

    def __call__(self, images: Tensor) -> Tensor:
        """Features of images, (N, D) float32 on the extractor's device, in full precision whatever surrounds the call.

        Args:
            images: (N, 3, H, W) uint8, on any device.
        """
        return self._see(images)[0]

    def describe(self, images: np.ndarray, batch: int = 0) -> tuple[np.ndarray, np.ndarray | None]:
        """Features of images, (N, D) float32, and class probabilities, (N, classes), where the network classifies.

        Args:
            images: (N, 3, H, W) uint8; may be a memory map, of which one batch at a time is read.
            batch: images at a time, 0 for `Extractor.batch`; the result depends on it by rounding only.

        Raises:
            NotAvailable: no images.
        """
        if not len(images):
            raise NotAvailable("no images: raise evaluation.samples, or name another evaluation.split")
        batch = batch or self.batch
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

    Its weights are those in the file `weights`, else in the one that its environment variable names, else in torch's
    hub cache, where Inception's are downloaded once.

    Raises:
        UnknownName: there is no such extractor.
        NotAvailable: its weights are not here; the text says how to get them.
        BadData: the weights' file is not what it should be.
    """
    kind, place = _kind(name), torch.device(device)
    if not kind.weights:
        network = _built(kind, {})
        tensors = b"".join(tensor.cpu().numpy().tobytes() for tensor in network.buffers())
        return Extractor(name, kind.dim, hashlib.sha256(tensors).hexdigest(), network.to(place), place)
    path = _find_weights(name, weights) or _download(name)
    try:
        content = path.read_bytes()  # read once, so that what is hashed is what is loaded
        network = _built(kind, torch.load(io.BytesIO(content), map_location="cpu", weights_only=True))
    except Exception as error:  # zip, pickle, tensors and modules fail in many ways; all mean the same to a user
        raise BadData(
            f"{path} does not hold the weights of {name!r} ({_reason(error)}). "
            f"Fetch the file again, or set {kind.variable} to another one."
        ) from error
    return Extractor(name, kind.dim, hashlib.sha256(content).hexdigest(), network.to(place), place)


def _built(kind: ExtractorKind, state: Mapping[str, Tensor]) -> nn.Module:
    with torch.random.fork_rng(devices=[]):  # building a network draws weights, which are then replaced
        return kind.build(state).eval().requires_grad_(False)


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
    try:
        return not _kind(name).weights or _find_weights(name, weights) is not None
    except NotAvailable:
        return False


def extractor_of(metric: str) -> str:
    """The extractor that a Frechet distance reads: "fid" means Inception's, "fid-X" that of X."""
    return metric.partition("-")[2] or "inception"


def _kind(name: str) -> ExtractorKind:
    if name not in EXTRACTORS:
        hint = did_you_mean(name, tuple(EXTRACTORS), f"There are {', '.join(EXTRACTORS)}.")
        raise UnknownName(f"There is no feature extractor named {name!r}. {hint}")
    return EXTRACTORS[name]


def _find_weights(name: str, weights: Path | None) -> Path | None:
    """The weights' file: the argument, else what the environment says, else the hub cache; None where none is set."""
    kind = EXTRACTORS[name]
    stated = weights or os.environ.get(kind.variable)
    if stated:
        path = Path(stated).expanduser()
        if not path.is_file():
            raise NotAvailable(
                f"The weights of the extractor {name!r} should be at {path}, but no file is there. "
                f"Put it there, or set {kind.variable} to where it is."
            )
        return path
    return kind.cached if kind.cached is not None and kind.cached.is_file() else None


def _download(name: str) -> Path:
    """Fetch weights to torch's hub cache, where other libraries look for them too.

    Raises:
        NotAvailable: they could not be had, or are not fetched unasked; the text says how to get them.
    """
    kind = EXTRACTORS[name]
    if kind.url is None or kind.cached is None or not kind.fetched:
        raise NotAvailable(
            f"The extractor {name!r} needs {kind.weights}. Set {kind.variable}=PATH to that file."
            + (f" It is offered at {kind.url()}" if kind.url else "")
        )
    url, path = kind.url(), kind.cached
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.hub.download_url_to_file(url, str(path), path.stem.rsplit("-", 1)[-1], progress=False)
    except (OSError, RuntimeError) as error:
        # stands in records: it names no folder of this machine, and no error that changes from run to run
        raise NotAvailable(
            f"needs {kind.weights}, which could not be downloaded. Fetch {url} on a machine with a network, then set "
            f"{kind.variable}=PATH to the file, or put it into torch's hub cache (checkpoints/)."
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
