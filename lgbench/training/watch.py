"""What goes wrong with layered GANs, as numbers: who paints, how sharply, and whether anybody learns."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from lgbench.layers import Layers

__all__ = ["gradient_history", "gradient_norms", "layer_statistics", "training_flags"]


@torch.no_grad()
def layer_statistics(layers: Layers) -> dict[str, float]:
    """Mean coverage and min(a, 1 - a) of the alphas, mean |foreground - background|; {} without layers."""
    if not layers.layered:
        return {}
    alpha = layers.alpha
    return {
        "coverage": alpha.mean().item(),
        "greyness": layers.alphas.minimum(1 - layers.alphas).mean().item(),
        "layer_difference": (layers.foregrounds - layers.background[:, None]).abs().mean().item(),
    }


def gradient_norms(painter: nn.Module, alphas: Sequence[Tensor]) -> dict[str, float]:
    """2-norms of the gradients that the alphas, of each part of a batch, and each part of the generator received."""
    norms = {}
    received = [each.grad for each in alphas if each.retains_grad and each.grad is not None and each.numel()]
    if received:
        norms["gradient/alpha"] = (received[0] if len(received) == 1 else torch.cat(received)).norm().item()
    for name, part in painter.named_children():
        gradients = [p.grad for p in part.parameters() if p.grad is not None]
        if gradients:
            norms[f"gradient/{name}"] = torch.stack(torch._foreach_norm(gradients)).norm().item()  # pyright: ignore
    return norms


def gradient_history(rows: Sequence[Mapping[str, float | None]]) -> dict[str, tuple[float, float]]:
    """Median 2-norms of the logged gradients ("alpha", parts of the generator): in the first tenth, and in the last."""
    named = {name for row in rows for name in row if name.startswith("gradient/")}
    history = {}
    for name in sorted(named):
        norms = [norm for row in rows if (norm := row.get(name)) is not None]
        tenth = max(len(norms) // 10, 1)
        if norms:
            history[name.removeprefix("gradient/")] = (
                statistics.median(norms[:tenth]),
                statistics.median(norms[-tenth:]),
            )
    return history


def training_flags(rows: Sequence[Mapping[str, float | None]]) -> list[str]:
    """Names of what the last tenth of a log shows: "critic_saturated" where the critic's loss stayed below 0.02."""
    last = rows[-max(len(rows) // 10, 1) :]
    critic = [sum(v or 0.0 for k, v in row.items() if k.startswith("critic")) for row in last]
    known = critic and any("critic" in k for k in last[0])
    return ["critic_saturated"] if known and max(map(abs, critic)) < 0.02 else []
