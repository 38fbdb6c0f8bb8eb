"""ELGAN's equivariance: moving the latent by Phi(eps) must paint what moving the foreground by eps paints."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from lgbench import ImageSpec, LgbenchError
from lgbench.game import Motion, Step, Term
from lgbench.layers import Layers, Painter

from .config import EquivarianceConfig
from .moves import move
from .perceptual import distance
from .ranges import AffineRange

__all__ = ["Offset", "equivariance", "standard_normal"]


class Offset(nn.Module):
    """Phi: parameters of a transform (N, d) -> an offset of the latent, (N, nz), zero beyond the first `dims`."""

    def __init__(self, d: int, dims: int, nz: int, hidden: int = 64, zero: bool = False) -> None:
        super().__init__()
        self.nz, self.zero = nz, zero
        self.map = nn.Sequential(
            *(nn.Linear(d, hidden), nn.ReLU()),
            *(nn.Linear(hidden, hidden), nn.ReLU()),
            *(nn.Linear(hidden, hidden), nn.ReLU()),
            nn.Linear(hidden, dims),
        )
        for part in self.map:
            if isinstance(
                part, nn.Linear
            ):  # its bias stays as torch draws it: without one Phi(0) would be 0 from the start
                nn.init.orthogonal_(part.weight)

    def forward(self, eps: Tensor) -> Tensor:
        offset = self.map(eps)
        if self.zero:
            offset = offset - self.map(torch.zeros_like(eps))
        return nn.functional.pad(offset, (0, self.nz - offset.shape[1]))


def standard_normal(z: Tensor) -> Tensor:
    """L_reg: squared distance of a batch's first two moments from those of N(0, I); (N, d) -> scalar."""
    return z.mean(dim=0).square().sum() + (z.square().mean(dim=0) - 1).square().sum()


def equivariance(config: EquivarianceConfig, painter: Painter, spec: ImageSpec) -> Term:
    """L_equi + reg_weight L_reg; the latter of latents as large as standard normal ones, however large a method's are.

    Raises:
        LgbenchError: the generator has no latent vector "z", or the transforms are all off.
    """
    z = painter.codes(2).get("z")
    if z is None or z.dim() != 2 or not z.is_floating_point() or z.shape[1] < config.dims:
        raise LgbenchError(
            f"equivariance moves the first {config.dims} numbers of a latent vector `z`, and this generator's codes "
            f"are {sorted(painter.codes(2))}. Leave it out, or use a generator that paints from one vector."
        )
    scale = _scale_of(painter)
    ranges = AffineRange(config.translate, config.shrink, config.grow, config.rotate, config.unit)
    if not ranges.size:
        raise LgbenchError("equivariance has no transform left: set its translate, shrink, grow or rotate.")
    phi = Offset(ranges.size, config.dims, z.shape[1], config.hidden, config.zero)
    compare, weights = distance(config.distance, config.weights, config.layers)

    def moved(layers: Layers, eps: Tensor) -> Tensor:
        return layers.codes["z"] + phi(eps).float()

    def images(layers: Layers, eps: Tensor) -> tuple[Tensor, Tensor]:
        by_latent = painter({**layers.codes, "z": moved(layers, eps)}).image
        return by_latent, transformed(layers, ranges.poses(eps)).image

    def penalty(step: Step) -> Tensor:
        layers, codes = step.painted, step.painted.codes
        eps = 2 * torch.rand(len(layers.image), ranges.size, device=layers.image.device) - 1
        z = moved(layers, eps)
        by_latent = painter({**codes, "z": z}).image
        by_hand = transformed(layers, ranges.poses(eps)).image
        if config.stop_gradient:
            by_hand = by_hand.detach()
        ramp = min(1.0, step.number / config.ramp) if config.ramp else 1.0
        l_equi = compare(by_latent, by_hand, step.features)
        return ramp * l_equi + config.reg_weight * standard_normal(z[:, : config.dims] / scale)

    return Term(
        penalty=penalty, networks={"phi": phi}, weights=weights, kept=["phi"], motion=Motion(ranges.size, images)
    )


def _scale_of(painter: Painter) -> Tensor:
    """Standard deviation of the latent "z" as the painter draws it, a scalar; 1 for what looks standard."""
    with torch.random.fork_rng(devices=[]):  # chance goes on as if nobody had looked
        spread = painter.codes(2000)["z"].std()
    return torch.where((spread > 0) & ((spread - 1).abs() > 0.05), spread, 1.0)


def transformed(layers: Layers, poses: Tensor) -> Layers:
    """All foregrounds of an image by the same map, (N, 2, 3)."""
    return move(layers, poses[:, None].expand(-1, layers.alphas.shape[1], -1, -1))
