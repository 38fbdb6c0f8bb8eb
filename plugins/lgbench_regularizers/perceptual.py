"""Distances between pictures as a network sees them (ELGAN's L_percp)."""

from __future__ import annotations

import hashlib
import os
import pickle
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from lgbench import LgbenchError

__all__ = ["compare_features", "distance"]

Features = Callable[[Tensor], list[Tensor]]
Distance = Callable[[Tensor, Tensor, Features | None], Tensor]

VARIABLES = {
    "squeezenet": "LGBENCH_SQUEEZENET",
    "vgg16_imagenet": "LGBENCH_VGG16",
    "rotnet_vgg16": "LGBENCH_ROTNET_VGG16",
}
LAYERS = {
    "squeezenet": (1, 4, 7, 9, 10, 11, 12),  # as LPIPS reads it
    "vgg16_imagenet": (3, 8, 15, 22, 29),  # relu1_2, relu2_2, relu3_3, relu4_3, relu5_3
    "rotnet_vgg16": (5, 12, 22, 32, 42),  # the same, in a VGG16 with batch norm
}
NETWORKS = {"squeezenet": "squeezenet1_1", "vgg16_imagenet": "vgg16", "rotnet_vgg16": "vgg16_bn"}
LAYOUTS = {
    "squeezenet": "SqueezeNet 1.1's in torchvision's layout",
    "vgg16_imagenet": "VGG16's in torchvision's layout",
    "rotnet_vgg16": "those of a VGG16 with batch norm, as DeeperCluster publishes it (rotnet_imagenet.pth)",
}


def distance(name: str, weights: str = "", layers: str = "") -> tuple[Distance, dict[str, str]]:
    """The distance `(x, y, critic's features) -> scalar` by its name, for images in [-1, 1].

    With it comes the SHA-256 of its network's weights, by the network's name, where it has one.

    Args:
        weights: file of a network's weights; where it is empty, the environment names one (see `VARIABLES`), and
            "vgg16_imagenet" is fetched by torchvision.
        layers: numbers of that network's `features` that are read, with commas; "" for those of `LAYERS`.

    Raises:
        LgbenchError: there are no weights, they are of another network, or it has no such layers.
    """
    if layers and name not in LAYERS:
        raise LgbenchError(
            f"regularizers.equivariance.layers are a network's, and the distance {name} has none: leave them out, or "
            f"set regularizers.equivariance.distance to one of {', '.join(LAYERS)}."
        )
    if name == "pixel":
        return lambda x, y, _: pixels(x, y), {}
    if name == "disc":
        return lambda x, y, features: pixels(x, y) + compare_features(_critic(features), x, y), {}
    network = Eye(name, _weights(name, weights), _chosen(name, layers))
    return lambda x, y, _: pixels(x, y) + compare_features(network.to(x.device), x, y), {name: network.sha256}


def pixels(x: Tensor, y: Tensor) -> Tensor:
    """Squared difference summed over channels, averaged over positions: l = 0 of L_percp."""
    return (x.float() - y.float()).square().sum(dim=1).mean()


def compare_features(features: Features, x: Tensor, y: Tensor) -> Tensor:
    """Sum over layers of the mean squared distance between features of unit length at each position (l > 0)."""
    terms = []
    for h in features(torch.cat([x, y])):  # at once: spectral norms and batch statistics change with every look
        u, v = (h.float() / (h.float().square().sum(dim=1, keepdim=True) + 1e-10).sqrt()).chunk(2)
        terms.append((u - v).square().sum(dim=1).mean())
    return torch.stack(terms).sum()


def _critic(features: Features | None) -> Features:
    if features is None:
        raise LgbenchError(
            "This method's critic does not show its features; set regularizers.equivariance.distance=pixel."
        )
    return features


def _chosen(name: str, layers: str) -> Sequence[int]:
    """The layers that are read, by number and in order."""
    if not layers:
        return LAYERS[name]
    told = [part.strip() for part in layers.split(",")]
    if not all(part.isdecimal() for part in told):
        raise LgbenchError(f"regularizers.equivariance.layers={layers}: numbers with commas, say 3,8,15.")
    return sorted({int(part) for part in told})


class Eye(nn.Module):
    """A frozen network's outputs at the layers that the distance reads."""

    mean: Tensor
    std: Tensor

    def __init__(self, name: str, state: Mapping[str, Tensor], layers: Sequence[int] = ()) -> None:
        super().__init__()
        from torchvision.models import get_model

        self.layers = layers or LAYERS[name]
        with torch.device("meta"):  # weights come from the state; initial ones of a VGG take seconds
            whole = get_model(NETWORKS[name], weights=None)
        assert isinstance(whole.features, nn.Sequential)
        if self.layers[-1] >= len(whole.features):
            raise LgbenchError(
                f"regularizers.equivariance.layers: {name} has the layers 0 to {len(whole.features) - 1}, and no "
                f"{self.layers[-1]}."
            )
        below = {key.removeprefix("features."): value for key, value in state.items() if key.startswith("features.")}
        try:
            whole.features.load_state_dict(below, assign=True)
        except RuntimeError as error:
            raise LgbenchError(
                f"The weights given for {name} are not its convolutions, {LAYOUTS[name]}: {error}"
            ) from None
        whole.features.float()
        self.convolutions = nn.Sequential(*list(whole.features)[: self.layers[-1] + 1])
        for part in self.convolutions:
            if isinstance(part, nn.ReLU):
                part.inplace = False  # what was read before it must stay
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406])[:, None, None])
        self.register_buffer("std", torch.tensor([0.229, 0.224, 0.225])[:, None, None])
        self.requires_grad_(False).eval()
        self.sha256 = _hash(self.convolutions)

    def forward(self, x: Tensor) -> list[Tensor]:
        h, seen = ((x + 1) / 2 - self.mean) / self.std, []
        for index, part in enumerate(self.convolutions):
            h = part(h)
            if index in self.layers:
                seen.append(h)
        return seen


def _hash(network: nn.Module) -> str:
    """SHA-256 of all that a network in eval mode computes with: weights, and running statistics where it has some."""
    read = {name: tensor for name, tensor in network.state_dict().items() if "num_batches" not in name}
    return hashlib.sha256(b"".join(tensor.numpy().tobytes() for tensor in read.values())).hexdigest()


def _weights(name: str, given: str) -> Mapping[str, Tensor]:
    named = given or os.environ.get(VARIABLES[name], "")
    path, where = Path(named), f" at {named}" if named else ""
    if not path.is_file():
        if name == "vgg16_imagenet" and not given:
            return _fetched()
        raise LgbenchError(
            f"No weights for {name}{where}. Name their file with regularizers.equivariance.weights=FILE or "
            f"{VARIABLES[name]}, or set regularizers.equivariance.distance=disc, which needs none."
        )
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many types; all mean the same to a user
        reason = "no tensors" if isinstance(error, pickle.UnpicklingError) else str(error) or type(error).__name__
        raise LgbenchError(
            f"{path} is not a file of weights ({reason.splitlines()[0]}). Fetch it again, or name another with "
            f"regularizers.equivariance.weights=FILE or {VARIABLES[name]}."
        ) from None
    state = state.get("state_dict", state) if isinstance(state, dict) else {}
    return {key.removeprefix("module.").removeprefix("body."): value for key, value in state.items()}


def _fetched() -> Mapping[str, Tensor]:
    from torchvision.models import VGG16_Weights

    try:
        return VGG16_Weights.IMAGENET1K_V1.get_state_dict(progress=False, check_hash=True)
    except (OSError, RuntimeError) as error:
        raise LgbenchError(
            f"The weights of vgg16_imagenet cannot be fetched ({error}). Name their file with LGBENCH_VGG16, or set "
            "regularizers.equivariance.distance=disc, which needs none."
        ) from None
