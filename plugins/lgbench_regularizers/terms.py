"""The terms that one equation holds."""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional as F

from lgbench import ImageSpec, LgbenchError
from lgbench.game import CodeReader, Step, Term
from lgbench.layers import Layers, Painter
from lgbench.nn import orthogonal_, shift

from .codes import CodeCritic
from .config import (
    BackgroundConfig,
    BinarizationConfig,
    MaskBorderConfig,
    MaskSizeConfig,
    MIRecoveryConfig,
    PerturbationConfig,
)
from .masks import at_the_border, binary_entropy, binary_min, too_small
from .moves import move
from .ranges import AffineRange, jitter_contrast

__all__ = ["background", "binarization", "layer", "mask_border", "mask_size", "mi_recovery", "perturbation"]


def seen(step: Step, on: str) -> Layers:
    return step.layers if on == "perturbed" else step.painted


def binarization(config: BinarizationConfig, painter: Painter, spec: ImageSpec) -> Term:
    """Entropy or distance to the nearer end of every alpha."""
    loss = binary_entropy if config.form == "entropy" else binary_min
    return Term(penalty=lambda step: loss(seen(step, config.on).alphas))


def mask_size(config: MaskSizeConfig, painter: Painter, spec: ImageSpec) -> Term:
    """L_size: max(0, eta - coverage) of all foregrounds together."""
    return Term(penalty=lambda step: too_small(seen(step, config.on).alpha, config.eta))


def mask_border(config: MaskBorderConfig, painter: Painter, spec: ImageSpec) -> Term:
    """max(0, share of the border - eta) of all foregrounds together: objects lie inside, the ground goes on outside."""
    return Term(penalty=lambda step: at_the_border(seen(step, config.on).alpha, config.eta))


def perturbation(config: PerturbationConfig, painter: Painter, spec: ImageSpec) -> Term:
    """Foregrounds and alphas move together by random maps; the background stays where it is."""
    ranges = AffineRange(config.translate, config.shrink, config.grow, config.rotate, config.unit)

    def compose(layers: Layers) -> Layers:
        n, k = layers.alphas.shape[:2]
        device, side = layers.image.device, layers.image.shape[-1]
        layers = replace(layers, background=relit(config, layers.background))  # the image follows, two lines down
        if config.form == "shift":
            u = 2 * torch.rand(n, k, 2, device=device) - 1
            return shift(layers, (config.translate * side * u).round().long())
        return move(layers, ranges.sample(n * k, device).unflatten(0, (n, k)))

    return Term(compose=compose)


def relit(config: PerturbationConfig, b: Tensor) -> Tensor:
    """A background, (N, 3, H, W), with its contrast, brightness and noise jittered; itself where all are off."""
    if config.contrast:
        b = jitter_contrast(b, 1 + config.contrast * (2 * torch.rand(len(b), device=b.device) - 1))
    if config.brightness:
        b = (b + config.brightness * (2 * torch.rand(len(b), 1, 1, 1, device=b.device) - 1)).clamp(-1, 1)
    if config.noise:
        b = b + config.noise * torch.randn_like(b)
    return b


def background(config: BackgroundConfig, painter: Painter, spec: ImageSpec) -> Term:
    """L_bg = -mean log(1 - F(x_b)); nothing in the first round (Yang et al., WACV 2022, Eq. 8 with its sign mended)."""

    def penalty(step: Step) -> Tensor:
        b = step.painted.background
        if step.segment is None:
            return b.new_zeros(())
        found = step.segment(b).double()
        if found.shape[1] > 1:  # the first of several parts is the background
            return -found[:, 0].clamp(min=1e-30).log().mean().float()
        return -torch.log1p(-found.clamp(max=1 - 1e-15)).mean().float()

    return Term(penalty=penalty)


def layer(layers: Layers, name: str) -> Tensor:
    """A layer by its name: "background", or "foreground" for the last one painted; (N, 3, H, W)."""
    return layers.background if name == "background" else layers.foregrounds[:, -1]


def mi_recovery(config: MIRecoveryConfig, painter: Painter, spec: ImageSpec) -> Term:
    """Cross-entropy of reading each code from what shows it; minus a bound on their mutual information.

    Raises:
        LgbenchError: the generator has no such code.
    """
    recoverable = painter.recoverable
    wanted = tuple(filter(None, config.codes.split(",")))
    missing = set(wanted) - set(recoverable)
    if missing or not recoverable:
        raise LgbenchError(
            f"mi-recovery cannot recover {sorted(missing) or 'anything'}: the generator's codes are "
            f"{sorted(recoverable) or 'none'}. Name codes with regularizers.mi-recovery.codes=..."
        )
    chosen = {code: shown for code, shown in recoverable.items() if code in (wanted or recoverable)}
    critics: dict[str, CodeCritic] = {}
    readers: list[CodeReader] = []
    for code, (name, classes) in chosen.items():
        views = {"": "image" if config.source == "image" else name}
        if config.source == "image" and name == "foreground":
            views["-mask"] = "mask"
        for suffix, view in views.items():
            critic = CodeCritic(spec.resolution, classes, config.width, channels=1 if view == "mask" else 3)
            critics[f"code-critic-{code}{suffix}"] = critic
            readers.append(CodeReader(code, view, critic, math.log(classes)))  # pyright: ignore[reportArgumentType]
    for critic in critics.values():
        orthogonal_(critic)

    def penalty(step: Step) -> Tensor:
        losses = []
        for code, (name, _) in chosen.items():
            views = {"": step.layers.image if config.source == "image" else layer(step.layers, name)}
            if f"code-critic-{code}-mask" in critics:
                views["-mask"] = step.painted.alphas[:, -1]
            for suffix, view in views.items():
                logits = critics[f"code-critic-{code}{suffix}"](view)
                losses.append(F.cross_entropy(logits.float(), step.layers.codes[code]))
        return torch.stack(losses).sum()

    return Term(penalty=penalty, networks=critics, kept=[*critics], readers=readers)
