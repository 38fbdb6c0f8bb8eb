"""How steadily a Wasserstein critic and its generator train: the paper's Figure 10 as two numbers."""

from __future__ import annotations

import numpy as np

from lgbench import NotAvailable
from lgbench.evaluation import Evidence
from lgbench.score import Score
from lgbench.training import log

__all__ = ["critic_variance", "plateau", "score_critic_plateau", "score_critic_variance", "scores"]

WINDOW = 0.1
"""Share of the log that a running mean is over."""


def scores(evidence: Evidence) -> np.ndarray:
    """Steps and the critic's score difference E[D_d(x~)] - E[D_d(x)] as logged, (2, rows): what all of Fig. 10 share.

    Raises:
        NotAvailable: the method's critic is not a Wasserstein one.
    """
    rows = log.read(evidence.run.folder / "train" / "log.jsonl")
    told = [(row["step"], row["critic"]) for row in rows if "gradient-penalty" in row and row["critic"] is not None]
    if len(told) < 2:
        raise NotAvailable("needs a Wasserstein critic with gradient penalty, and two lines of its log at least")
    return np.array(told, np.float64).T


def critic_variance(differences: np.ndarray) -> float:
    """Variance of the last half of the log."""
    return float(np.var(differences[len(differences) // 2 :]))


def plateau(differences: np.ndarray) -> int:
    """Index from which the running mean over a tenth of the log stays within 5 % of its last value."""
    width = max(1, round(WINDOW * len(differences)))
    means = np.convolve(differences, np.full(width, 1 / width), "valid")
    far = np.flatnonzero(np.abs(means - means[-1]) > 0.05 * abs(means[-1]))
    return int(far[-1]) + width if len(far) else width - 1


def score_critic_variance(evidence: Evidence) -> Score:
    """The variance, with the mean of the same half."""
    _, differences = evidence["critic-log"]
    mean = float(differences[len(differences) // 2 :].mean())
    return Score(critic_variance(differences), details={"mean": mean}, n=len(differences) - len(differences) // 2)


def score_critic_plateau(evidence: Evidence) -> Score:
    """The logged step at which the plateau begins."""
    steps, differences = evidence["critic-log"]
    return Score(float(steps[plateau(differences)]), n=len(steps))
