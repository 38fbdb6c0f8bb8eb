"""Whether masks still learn at the end of a training (ComGAN's Figure 4): the gradients that they received."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from lgbench import NotAvailable
from lgbench.evaluation import Evidence
from lgbench.score import Score
from lgbench.training import log
from lgbench.training.watch import gradient_history

__all__ = ["mask_gradients", "score_mask_gradient"]

NETWORK = ("m", "m_head")
"""What painters call the parts of a network for their masks: its body, its head, or one that is both."""


def mask_gradients(evidence: Evidence) -> np.ndarray:
    """Median 2-norms over the first tenth of the log and the last, (2, 2): of the alphas, and of the mask network.

    The second row is not a number where a painter has no network for its masks alone. `curves.png` beside the log has
    the norms over the training.

    Raises:
        NotAvailable: no gradient reached a mask, or none was logged.
    """
    rows = [_whole(row) for row in log.read(evidence.run.folder / "train" / "log.jsonl")]
    history = gradient_history(rows)
    if not history.get("alpha", (0.0,))[0]:
        raise NotAvailable("the log has no gradients of masks: there are none, or the painter was compiled")
    return np.array([history["alpha"], history.get("network", (np.nan, np.nan))], np.float64)


def _whole(row: Mapping[str, Any]) -> dict[str, Any]:
    """A line of the log, with the 2-norm of all parts of the mask network together."""
    parts = [norm for part in NETWORK if (norm := row.get(f"gradient/{part}")) is not None]
    return {**row, "gradient/network": math.hypot(*parts)} if parts else {**row}


def score_mask_gradient(evidence: Evidence) -> Score:
    """The alphas' last norm as a share of their first, with both; `network`: that of the mask network's parameters."""
    (first, last), (before, after) = evidence["mask-gradients"].tolist()
    network = {"network": after / before} if before > 0 else {}
    return Score(last / first, details={"first": first, "last": last, **network})
