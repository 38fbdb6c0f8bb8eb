"""Where a method puts its foregrounds: how its poses spread, and how many lie at the ends of their range."""

from __future__ import annotations

from functools import partial

import numpy as np

from lgbench import NotAvailable
from lgbench.evaluation import Evidence
from lgbench.evaluation.parts import sampled
from lgbench.nn import weights_hash
from lgbench.score import Score
from lgbench.training.pictures import drawing

__all__ = ["at_ends", "poses", "score_poses"]

NUMBERS = ("s_x", "r_x", "t_x", "r_y", "s_y", "t_y")  # as a matrix (2, 3) holds them
NEAR = 1e-3  # from an end of the range
BINS = 50


def poses(evidence: Evidence) -> dict[str, np.ndarray]:
    """Poses of the samples' foregrounds with their range; kept, with a picture.

    "poses" is (M, K, 6), "low" and "high" are (6,). The picture, `poses.png` in the run's folder, has a histogram of
    each number, a row for each foreground.

    Raises:
        NotAvailable: the method places no foregrounds, or anywhere.
    """
    painter, config, run = evidence.game.painter, evidence.config, evidence.run
    if painter.pose_range is None:
        raise NotAvailable("the method places no foregrounds within a range (Painter.pose_range)")
    evidence["layer_difference"]  # where there are no layers, this says why
    inputs = [weights_hash(painter), config.samples, config.batch, config.sample_bn, run.recipe.seed]
    found = evidence.kept("poses", inputs, partial(_take, evidence))
    _draw(found, evidence)
    return found


def _take(evidence: Evidence) -> dict[str, np.ndarray]:
    low, high = (end.flatten().float().cpu().numpy() for end in evidence.game.painter.pose_range or ())
    rows = []
    for where, layers in sampled(evidence, evidence.config.samples):
        assert layers.poses is not None
        rows.append(layers.poses.float().cpu().numpy()[: where.stop - where.start])
    taken = np.concatenate(rows)
    return {"poses": taken.reshape(*taken.shape[:2], 6), "low": low, "high": high}


def at_ends(taken: np.ndarray, low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Shares of poses within `NEAR` of the low and of the high end, (K, 6) each; an end that is infinite has none.

    Args:
        taken: (M, K, 6).
        low, high: (6,).
    """
    return (taken <= low + NEAR).mean(axis=0), (taken >= high - NEAR).mean(axis=0)


def score_poses(evidence: Evidence) -> Score:
    """Share of the six numbers of all poses at an end of their range (Yang et al., ICLR 2017, transform histograms).

    Details: of each number of each foreground, `s_x-1` say, its standard deviation and its shares `_low` and `_high`.
    """
    found = evidence["poses"]
    taken = found["poses"].astype(np.float64)
    low, high = at_ends(taken, found["low"], found["high"])
    details = {}
    for step, number in np.ndindex(low.shape):
        name = f"{NUMBERS[number]}-{step + 1}"
        details |= {f"{name}_low": low[step, number], f"{name}_high": high[step, number]}
        details |= {f"{name}_std": taken[:, step, number].std()}
    details = {name: float(value) for name, value in details.items()}
    inside = np.minimum(low + high, 1)  # a range of no width has both its ends at one place
    return Score(float(inside.mean()), details=details, n=len(taken))


def _draw(found: dict[str, np.ndarray], evidence: Evidence) -> None:
    taken = found["poses"]
    rows, columns = taken.shape[1:]
    with drawing(evidence.run.folder / "poses.png", 2 * columns, 1.8 * rows) as figure:
        for step, number in np.ndindex(rows, columns):
            values, ends = taken[:, step, number], np.array([found["low"][number], found["high"][number]])
            low, high = np.where(np.isfinite(ends), ends, [values.min(), values.max()]).tolist()
            axis = figure.add_subplot(rows, columns, step * columns + number + 1)
            axis.hist(values, bins=BINS, range=(low, high) if low < high else None)
            axis.set_title(f"{NUMBERS[number]} of {step + 1}", fontsize="small")
            axis.tick_params(labelsize="x-small")
            axis.set_yticks([])
    evidence.files["poses.png"] = {}
