"""How much of what a layer hides is known from what the other shows: ridge regression between pooled layers."""

from __future__ import annotations

from functools import partial

import numpy as np
from torch import Tensor
from torch.nn import functional as F

from lgbench import NotAvailable
from lgbench.evaluation import Evidence
from lgbench.evaluation.parts import sampled
from lgbench.layers import Layers, paint_over
from lgbench.nn import weights_hash
from lgbench.score import Score

__all__ = ["dependence", "explained", "pooled_layers", "regions", "score_dependence", "two_layers"]

POOLED = 8  # pixels along a side
STRENGTHS = np.logspace(-3, 5, 9)
FEWEST = 30  # samples: two thirds teach, of which a tenth is held out


def pooled_layers(evidence: Evidence) -> dict[str, np.ndarray]:
    """What is visible and hidden of every sample's last foreground and of what lies beneath it, 8 x 8 pixels; kept.

    "v_f", "h_b", "v_b", "h_f" are (M, 192) and "pi" is (M, 64), float16.
    """
    evidence["layer_difference"]  # where there are no layers, this says why
    config = evidence.config
    inputs = [weights_hash(evidence.game.painter), config.samples, config.batch, config.sample_bn]
    return evidence.kept("pooled-layers", [*inputs, evidence.run.recipe.seed], partial(_take, evidence))


def _take(evidence: Evidence) -> dict[str, np.ndarray]:
    rows: dict[str, list[np.ndarray]] = {}
    for where, layers in sampled(evidence, evidence.config.samples):
        x_f, x_b, pi = two_layers(layers)
        for name, x in {**regions(x_f, x_b, pi), "pi": pi}.items():
            small = F.adaptive_avg_pool2d(x, POOLED).flatten(1).half().cpu().numpy()
            rows.setdefault(name, []).append(small[: where.stop - where.start])
    return {name: np.concatenate(each) for name, each in rows.items()}


def two_layers(layers: Layers) -> tuple[Tensor, Tensor, Tensor]:
    """The last foreground, what lies beneath it, (N, 3, H, W) each, and its alpha, (N, 1, H, W); float32."""
    beneath = paint_over(layers.background, layers.foregrounds[:, :-1], layers.alphas[:, :-1])
    return layers.foregrounds[:, -1].float(), beneath.float(), layers.alphas[:, -1].float()


def regions(x_f: Tensor, x_b: Tensor, pi: Tensor) -> dict[str, Tensor]:
    """What is visible, v, and hidden, h, of foreground and background, images of their own."""
    return {"v_f": pi * x_f, "h_b": pi * x_b, "v_b": (1 - pi) * x_b, "h_f": (1 - pi) * x_f}


def explained(given: np.ndarray, wanted: np.ndarray) -> float:
    """R^2 of a ridge regression on the last third of the samples, weighted by each output's variance; at most 1.

    Two thirds teach; the strength is the best of nine on the last tenth of these.

    Args:
        given: (M, d).
        wanted: (M, e).
    """
    from sklearn.linear_model import Ridge
    from sklearn.metrics import r2_score

    taught = 2 * len(given) // 3
    first = taught - max(taught // 10, 2)

    def fit(strength: float, end: int, until: int | None) -> float:
        model = Ridge(alpha=strength).fit(given[:end], wanted[:end])
        return float(r2_score(wanted[end:until], model.predict(given[end:until]), multioutput="variance_weighted"))

    best = max(STRENGTHS, key=lambda strength: fit(strength, first, taught))
    return fit(best, taught, None)


def dependence(hidden: np.ndarray, visible: np.ndarray, pi: np.ndarray) -> float:
    """Partial R^2 of what is hidden given what is visible, beyond what the alpha alone tells; in [0, 1].

    Args:
        hidden, visible: (M, d).
        pi: (M, e).

    Raises:
        NotAvailable: they are too few, or not finite.
    """
    if len(hidden) < FEWEST:
        raise NotAvailable(f"layer-dependence needs {FEWEST} samples: set evaluation.samples")
    hidden, visible, pi = (x.astype(np.float64) for x in (hidden, visible, pi))
    if not all(np.isfinite(x).all() for x in (hidden, visible, pi)):
        raise NotAvailable("the samples' layers are not finite: the generator has diverged")
    if not hidden[2 * len(hidden) // 3 :].std(axis=0).any():
        return 0.0  # nothing is hidden, or the same in all samples
    alone = max(explained(pi, hidden), 0.0)
    beyond = explained(np.hstack([visible, pi]), hidden) - alone
    return float(np.clip(beyond / (1 - alone), 0, 1)) if alone < 1 else 0.0


def score_dependence(evidence: Evidence) -> Score:
    """The mean of both `dependence`s; details: of the hidden background, and of the hidden foreground."""
    found = evidence["pooled-layers"]
    pairs = {"background": ("h_b", "v_f"), "foreground": ("h_f", "v_b")}
    told = {name: dependence(found[h], found[v], found["pi"]) for name, (h, v) in pairs.items()}
    return Score(float(np.mean([*told.values()])), details=told, n=len(found["pi"]))
