"""How unlike samples look to each other: LPIPS on SqueezeNet (Zhang et al., CVPR 2018)."""

from __future__ import annotations

import hashlib
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from lgbench import NotAvailable
from lgbench.errors import BadData
from lgbench.evaluation import Evidence
from lgbench.features import load_extractor
from lgbench.score import Score
from lgbench_metrics.scores import mean_of_images

__all__ = ["LPIPS", "distances", "load_lpips", "lpips_network", "said", "score_diversity"]

VARIABLE = "LGBENCH_LPIPS"
LAYERS = (1, 4, 7, 9, 10, 11, 12)
MOST = 2000  # samples


class LPIPS(nn.Module):
    """Distance of two images: differences of unit features at seven layers, weighted by channel."""

    shift: Tensor
    scale: Tensor

    def __init__(self, features: nn.Sequential, weights: list[Tensor], digest: str) -> None:
        super().__init__()
        self.features, self.digest = features, digest
        self.weights = nn.ParameterList(nn.Parameter(weight, requires_grad=False) for weight in weights)
        self.register_buffer("shift", torch.tensor([-0.030, -0.088, -0.188]).view(1, 3, 1, 1))  # as LPIPS has them
        self.register_buffer("scale", torch.tensor([0.458, 0.448, 0.450]).view(1, 3, 1, 1))

    @torch.no_grad()
    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """(N, 3, H, W) in [-1, 1] twice -> (N,), at least 0."""
        total = torch.zeros(len(x), device=x.device)
        u, v = (x - self.shift) / self.scale, (y - self.shift) / self.scale
        for index, part in enumerate(self.features):
            u, v = part(u), part(v)
            if index in LAYERS:
                gap = (_unit(u) - _unit(v)).square()
                total = total + (gap * self.weights[LAYERS.index(index)]).sum(dim=1).mean(dim=(1, 2))
        return total


def _unit(h: Tensor) -> Tensor:
    return h / (h.square().sum(dim=1, keepdim=True).sqrt() + 1e-10)


def load_lpips(path: Path | None = None, device: str | torch.device = "cpu") -> LPIPS:
    """The network of the extractor "squeezenet" with LPIPS's linear layers: from a file, or from LGBENCH_LPIPS's.

    Raises:
        NotAvailable: weights are not here; the text says how to get them.
        BadData: a file is not what it should be.
    """
    extractor = load_extractor("squeezenet", device=device)
    stated = path or Path(os.environ.get(VARIABLE, ""))
    if not stated.is_file():
        raise NotAvailable(
            "lpips needs the linear layers of LPIPS v0.1 for SqueezeNet (squeeze.pth of the package lpips). "
            f"Set {VARIABLE}=PATH to that file."
        )
    content = stated.read_bytes()
    try:
        state = torch.load(stated, map_location="cpu", weights_only=True)
        weights = [state[f"lin{k}.model.1.weight"].float() for k in range(len(LAYERS))]
    except Exception as error:  # torch raises many types; all mean the same to a user
        raise BadData(
            f"{stated} does not hold LPIPS's linear layers for SqueezeNet; set {VARIABLE} to another."
        ) from error
    digest = hashlib.sha256(f"{extractor.weights_hash} {hashlib.sha256(content).hexdigest()}".encode()).hexdigest()
    network: nn.Module = extractor.network  # pyright: ignore[reportAssignmentType]
    return LPIPS(network.get_submodule("features"), weights, digest).to(device).eval()  # pyright: ignore


def lpips_network(evidence: Evidence) -> LPIPS:
    """The network, on the run's device."""
    return load_lpips(device=evidence.run.runtime.device)


def said(evidence: Evidence) -> dict[str, object]:
    """Which network."""
    return {"extractor": "lpips-squeezenet", "weights": evidence["lpips-network"].digest}


def distances(evidence: Evidence) -> np.ndarray:
    """Of the first sample from the second, of the third from the fourth, and so on, (N,) float64, at least 0.

    Raises:
        NotAvailable: there is one sample, or the network's weights are not here.
    """
    samples, network = evidence["samples"][:MOST], evidence["lpips-network"]
    if len(samples) < 2:
        raise NotAvailable("lpips compares samples in pairs; raise evaluation.samples to 2 or more")
    found = []
    for start in range(0, len(samples) - 1, 50):
        pairs = torch.from_numpy(samples[start : min(start + 50, len(samples) // 2 * 2)]).to(network.shift.device)
        images = pairs.float() / 127.5 - 1
        found.append(network(images[::2], images[1::2]).cpu().numpy())
    return np.concatenate(found).astype(np.float64)


def score_diversity(evidence: Evidence) -> Score:
    """The mean of `distances`, which are of two samples each, of the first `MOST`: the protocol says of how many."""
    found = evidence["lpips-distances"]
    compared = 2 * len(found)
    return replace(mean_of_images(found), n=compared, protocol={"samples": compared})
