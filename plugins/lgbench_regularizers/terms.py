"""The terms themselves."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from lgbench import LgbenchError, World
from lgbench.game import Step, Term
from lgbench.layers import Layers, Painter
from lgbench.losses import binary_entropy, binary_min
from lgbench.nn import CodeCritic, orthogonal_

__all__ = ["binarization", "layer", "mi_recovery"]


def binarization(form: str) -> Term:
    """Entropy or distance to the nearer end of every alpha."""
    loss = binary_entropy if form == "entropy" else binary_min
    return Term(penalty=lambda step: loss(step.layers.alphas))


def layer(layers: Layers, name: str) -> Tensor:
    """A layer by its name: "background", or "foreground" for the last one painted; (N, 3, H, W)."""
    return layers.background if name == "background" else layers.foregrounds[:, -1]


def mi_recovery(width: int, wanted: tuple[str, ...], painter: Painter, world: World) -> Term:
    """Cross-entropy of reading each code from its unmasked layer; minus a bound on their mutual information.

    Args:
        width: base width of the code critics.
        wanted: names of the codes to recover; all of the generator's where empty.
        painter: a generator with `recoverable`, code -> (layer's name, classes).

    Raises:
        LgbenchError: the generator has no such code.
    """
    recoverable: dict[str, tuple[str, int]] = getattr(painter, "recoverable", {})
    missing = set(wanted) - set(recoverable)
    if missing or not recoverable:
        raise LgbenchError(
            f"mi-recovery cannot recover {sorted(missing) or 'anything'}: the generator's codes are "
            f"{sorted(recoverable) or 'none'}. Name codes with regularizers.mi-recovery.codes=..."
        )
    critics = {
        f"code-critic-{code}": CodeCritic(world.resolution, classes, width)
        for code, (_, classes) in recoverable.items()
        if code in (wanted or recoverable)
    }
    for critic in critics.values():
        orthogonal_(critic)

    def penalty(step: Step) -> Tensor:
        losses = []
        for code, (name, _) in recoverable.items():
            if f"code-critic-{code}" in critics:
                logits = critics[f"code-critic-{code}"](layer(step.layers, name))
                losses.append(F.cross_entropy(logits.float(), step.layers.codes[code]))
        return torch.stack(losses).sum()

    return Term(penalty=penalty, networks=critics)
