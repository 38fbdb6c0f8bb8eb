"""Inpainting-error maximisation: the mask whose two sides tell least of each other (Savarese et al., CVPR 2021).

Pictures are segmented together and do not see each other: every sum is over one picture.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .config import IEMConfig

__all__ = ["BATCH", "boundary", "first_mask", "inpainter", "objective", "search", "slope", "smoothed", "step"]

BATCH = 256
"""Pictures at a time: more take memory and no less time."""
EPSILON = 1e-8


def inpainter(config: IEMConfig, side: int) -> Tensor:
    """The blur G, applied `reps` times with zeros outside, as a matrix A, (side, side): G * U = A U A^T for a plane U.

    With `pool` 2, planes are halved by means of 2 x 2 pixels, blurred, and enlarged by the nearest.
    """
    pooled = side // config.pool
    tap = torch.arange(config.kernel, dtype=torch.float64) - config.kernel // 2
    kernel = (-tap.square() / (2 * config.sigma**2)).exp()
    kernel /= kernel.sum()
    once = torch.zeros(pooled, pooled, dtype=torch.float64)
    for offset, weight in zip(tap.long().tolist(), kernel.tolist(), strict=True):
        if abs(offset) < pooled:
            once += weight * torch.diag(torch.ones(pooled - abs(offset), dtype=torch.float64), offset)
    enlarge = torch.eye(pooled, dtype=torch.float64).repeat_interleave(config.pool, dim=0)
    return enlarge @ torch.linalg.matrix_power(once, config.reps) @ (enlarge / config.pool).T


def objective(x: Tensor, masks: Tensor, config: IEMConfig) -> tuple[Tensor, Tensor, Tensor]:
    """E_F, E_B and V of each picture, (N,); what is maximised is J = E_F + E_B - lambda V.

    Args:
        x: pictures, (N, 3, R, R) in [-1, 1].
        masks: M, (N, 1, R, R), 1 for the object.
    """
    blur = inpainter(config, x.shape[-1]).to(x)
    other = 1 - masks
    e_f = _total(masks * (x - _painted(x, other, blur)[0]).abs().mean(1, keepdim=True)) / _total(masks)
    e_b = _total(other * (x - _painted(x, masks, blur)[0]).abs().mean(1, keepdim=True)) / _total(other)
    v = _total(masks * (x - _mean(x, masks)).square()) + _total(other * (x - _mean(x, other)).square())
    return e_f[:, 0, 0, 0], e_b[:, 0, 0, 0], v.sum(dim=1)[:, 0, 0]


def slope(x: Tensor, masks: Tensor, config: IEMConfig, blur: Tensor) -> Tensor:
    """dJ/dM, (N, 1, R, R): through the painted side, the sizes of the sides and their mean colours.

    Args:
        blur: `inpainter` of these pictures' side.
    """
    other = 1 - masks
    e_f, through_f = _error_slope(x, masks, other, blur)
    e_b, through_b = _error_slope(x, other, masks, blur)
    # dV/dM = |X - mu_M|^2 - |X - mu_N|^2: the slope through each mean colour vanishes
    v = ((x - _mean(x, masks)).square() - (x - _mean(x, other)).square()).sum(dim=1, keepdim=True)
    return (e_f - through_f) - (e_b - through_b) - _lam(config, x.shape[-1]) * v


def _lam(config: IEMConfig, side: int) -> float:
    return config.lam / side**2 if config.diversity == "mean" else config.lam


def _error_slope(x: Tensor, side: Tensor, visible: Tensor, blur: Tensor) -> tuple[Tensor, Tensor]:
    """Of E = sum S mean_c |X - phi(V)| / sum S: its slopes dE/dS and dE/dV, (N, 1, R, R) each."""
    size = _total(side)
    phi, below = _painted(x, visible, blur)
    apart = x - phi
    error = apart.abs().mean(dim=1, keepdim=True)
    direct = (error - _total(side * error) / size) / size
    # phi = (G * (X V) + e sum X V) / (G * V + e sum V), of which numerator and denominator are linear in V
    u = -side * apart.sign() / (x.shape[1] * size * below)
    w = (u * phi).sum(dim=1, keepdim=True)
    back = _blurred(torch.cat([u, w], dim=1), blur.T) + EPSILON * _total(torch.cat([u, w], dim=1))
    return direct, (x * back[:, :-1]).sum(dim=1, keepdim=True) - back[:, -1:]


def _painted(x: Tensor, visible: Tensor, blur: Tensor) -> tuple[Tensor, Tensor]:
    """phi: colours from the visible pixels alone, (N, 3, R, R), and its denominator, (N, 1, R, R)."""
    seen = torch.cat([x * visible, visible], dim=1)
    seen = _blurred(seen, blur) + EPSILON * _total(seen)
    return seen[:, :-1] / seen[:, -1:], seen[:, -1:]


def _blurred(planes: Tensor, blur: Tensor) -> Tensor:
    n, c, h, w = planes.shape
    each = blur.expand(n * c, h, w)
    # a product a plane, none over all rows at once: how a sum is split must not depend on who else is in the batch
    return torch.bmm(torch.bmm(each, planes.reshape(n * c, h, w)), each.mT).view(n, c, h, w)


def _total(planes: Tensor) -> Tensor:
    """Sums over the pixels, (N, C, 1, 1); row by row, so that no sum is long enough to be split among threads."""
    return planes.sum(dim=3, keepdim=True).sum(dim=2, keepdim=True)


def _mean(x: Tensor, side: Tensor) -> Tensor:
    return _total(x * side) / _total(side)


def first_mask(side: int, inset: float) -> Tensor:
    """M_0: the central square that leaves a margin of the share `inset`, (side, side) bool."""
    margin = int(side * inset)
    mask = torch.zeros(side, side, dtype=torch.bool)
    mask[margin : side - margin, margin : side - margin] = True
    return mask


def boundary(masks: Tensor, frame: bool) -> Tensor:
    """Pixels with a 4-neighbour of the other side, (N, R, R) bool; with `frame`, outside the picture is one."""
    edge = torch.zeros_like(masks)
    down, right = masks[:, 1:] ^ masks[:, :-1], masks[:, :, 1:] ^ masks[:, :, :-1]
    edge[:, 1:] |= down
    edge[:, :-1] |= down
    edge[:, :, 1:] |= right
    edge[:, :, :-1] |= right
    if frame:
        edge[:, [0, -1]] = True
        edge[:, :, [0, -1]] = True
    return edge


def smoothed(masks: Tensor, least: int) -> Tensor:
    """1 where at least so many of a pixel's 3 x 3 are, zeros outside; (N, R, R) bool."""
    padded = torch.nn.functional.pad(masks.to(torch.uint8), (1, 1, 1, 1))
    rows = padded[:, :, :-2] + padded[:, :, 1:-1] + padded[:, :, 2:]
    return rows[:, :-2] + rows[:, 1:-1] + rows[:, 2:] >= least


def step(x: Tensor, masks: Tensor, config: IEMConfig, blur: Tensor) -> Tensor:
    """One step of the search: every boundary pixel goes to the side that raises J; then the outline is smoothed.

    Args:
        masks: (N, R, R) bool, none of them empty or full.
    """
    g = slope(x, masks[:, None].to(x), config, blur)[:, 0]
    moved = boundary(masks, config.frame == "on") & (g.abs() > config.dead_zone)
    return smoothed(torch.where(moved, g > 0, masks), config.smooth)


@torch.no_grad()
def search(x: Tensor, config: IEMConfig, masks: Tensor | None = None) -> Tensor:
    """The masks after `steps` steps, (N, R, R) bool.

    A picture that does not change any more, or alternates between two masks, is not looked at again: what so many steps
    would give is known.

    Args:
        x: pictures, (N, 3, R, R) in [-1, 1].
        masks: to start from, (N, R, R) bool; the central square by default.
    """
    with torch.autocast(x.device.type, enabled=False):  # signs of small numbers decide
        x = x.float().contiguous()
        blur = inpainter(config, x.shape[-1]).to(x)
        start = first_mask(x.shape[-1], config.inset).to(x.device).expand(len(x), -1, -1) if masks is None else masks
        parts = [_search(x[i : i + BATCH], start[i : i + BATCH], config, blur) for i in range(0, len(x), BATCH)]
        return torch.cat([start[:0], *parts])


def _search(x: Tensor, start: Tensor, config: IEMConfig, blur: Tensor) -> Tensor:
    result = start.clone()
    now, before = result.clone(), result.clone()
    active = torch.arange(len(x), device=x.device)
    for number in range(1, config.steps + 1):
        sided = now.flatten(1).any(dim=1) & ~now.flatten(1).all(dim=1)  # of nothing and everything, J is 0 / 0
        active, now, before = active[sided], now[sided], before[sided]
        if not len(active):
            break
        after = step(x[active], now, config, blur)
        settled, swings = (after == now).flatten(1).all(dim=1), (after == before).flatten(1).all(dim=1)
        at_the_end = after if (config.steps - number) % 2 == 0 else now
        result[active] = torch.where((swings & ~settled)[:, None, None], at_the_end, after)
        left = ~(settled | swings)
        active, now, before = active[left], after[left], now[left]
    return result
