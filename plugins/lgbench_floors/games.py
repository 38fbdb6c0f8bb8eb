"""Segmenters without a generator: rules that look at one picture, a memory, and U-Nets on given masks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lgbench.game import Game, Phase, Step
from lgbench.layers import Painter
from lgbench.nn import UNetS, jitter_colours

from .config import GrabCutConfig, IEMConfig, IEMUNetConfig, SupervisedConfig, UNetConfig
from .grabcut import grabcut, opencv
from .iem import search
from .nearest import Memory
from .study import UNKNOWN, iem_masks, true_masks
from .trivial import trivial_mask

__all__ = ["grabcut_game", "iem_game", "iem_unet_game", "nearest_game", "nothing", "supervised_game", "trivial_game"]


def nothing(config: Any, painter: Painter, spec: Any) -> Game:
    """No networks, no phases: nothing is painted."""
    return Game(painter=painter, networks={}, phases=[], result="", frozen=True)


def _rule(painter: Painter, masks: Callable[[Tensor], Tensor]) -> Game:
    """Segment by a rule, images (N, 3, H, W) in [-1, 1] -> (N, H, W) bool."""

    def predict(images: Tensor) -> Tensor:
        return masks(images)[:, None].to(images)

    return replace(nothing(None, painter, None), predict=predict)


def _pixel_rule(painter: Painter, masks: Callable[[np.ndarray], np.ndarray]) -> Game:
    """Segment by a rule on bytes, (N, 3, H, W) uint8 -> (N, H, W) bool."""

    def on_bytes(images: Tensor) -> Tensor:
        stored = ((images.float() + 1) * 127.5).round().byte().cpu().numpy()
        return torch.from_numpy(masks(stored))

    return _rule(painter, on_bytes)


def trivial_game(name: str, config: Any, painter: Painter, spec: Any) -> Game:
    """One of the five trivial masks."""
    return _pixel_rule(painter, partial(trivial_mask, name))


def grabcut_game(config: GrabCutConfig, painter: Painter, spec: Any) -> Game:
    """GrabCut from the central box.

    Raises:
        NotAvailable: OpenCV is not installed.
    """
    opencv()  # what is missing is better known before than after
    return _pixel_rule(painter, lambda images: grabcut(images, config))


def iem_game(config: IEMConfig, painter: Painter, spec: Any) -> Game:
    """Inpainting-error maximisation, each picture on its own."""
    return _rule(painter, lambda images: search(images, config))


def nearest_game(config: Any, painter: Painter, spec: Any) -> Game:
    """The true mask of the nearest training picture."""
    memory = Memory()
    game = _rule(painter, memory)
    return replace(game, networks={"memory": memory}, reads=frozenset({"masks"}), study=memory.study)


def iem_unet_game(config: IEMUNetConfig, painter: Painter, spec: Any) -> Game:
    """U-Net-S learns IEM's masks of the training pictures, and segments alone."""
    return replace(_unet_game(config, painter), study=partial(iem_masks, config))


def supervised_game(config: SupervisedConfig, painter: Painter, spec: Any) -> Game:
    """U-Net-S learns the true masks of the training pictures; `val` chooses its weights."""
    return replace(_unet_game(config, painter), study=partial(true_masks, config))


def _unet_game(config: UNetConfig, painter: Painter) -> Game:
    """Cross-entropy of U-Net-S on class maps: 0 is background, 1 the object, `UNKNOWN` is left out."""
    network: nn.Module = UNetS(config.width)

    def loss(step: Step) -> dict[str, Tensor]:
        assert step.real.segments is not None
        known, truth = step.real.segments != UNKNOWN, (step.real.segments == 1).float()
        images = jitter_colours(step.images) if config.colours else step.images
        logits = network(images)[:, 0].float()
        each = F.binary_cross_entropy_with_logits(logits, truth, reduction="none")
        return {"segmenter": (each * known).sum() / known.sum().clamp(min=1)}

    learns = Phase(
        "segmenter",
        ["segmenter"],
        loss,
        lr=config.lr,
        betas=(0.9, 0.999),
        drop_at=config.drop_at,
        drop=config.drop,
    )
    return Game(
        painter=painter,
        networks={"segmenter": network},
        phases=[learns],
        result="segmenter",
        reads=frozenset({"segments"}),
        frozen=True,
        predict=lambda images: network(images).float().sigmoid(),
    )
