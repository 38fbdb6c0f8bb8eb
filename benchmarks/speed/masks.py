"""How much faster are ARI, MSC and IoU by the registered metrics than by scikit-learn, image by image?

    uv run python benchmarks/speed/masks.py
    uv run python benchmarks/speed/masks.py --masks 2000 --side 64

Rounds of the two alternate and are timed in seconds of this process, so that a busy machine slows neither; the loop
takes a share of the masks, whose scores are compared with ours.
"""

from __future__ import annotations

import statistics
import time
from types import SimpleNamespace
from typing import Any

import click
import numpy as np
from sklearn.metrics import adjusted_rand_score, jaccard_score

from lgbench.evaluation import Evidence, parts_of
from lgbench.plugins import registry
from lgbench.stage_configs import EvaluationConfig

METRICS = ("ari", "msc", "iou")


def pairs_of_masks(count: int, side: int) -> tuple[np.ndarray, np.ndarray]:
    """True ellipses of all sizes, and the same ones moved, with a tenth of their pixels wrong; (N, side, side) bool."""
    random = np.random.default_rng(0)
    y, x = np.mgrid[:side, :side].astype(np.float32) / side
    true = np.empty((count, side, side), bool)
    predicted = np.empty_like(true)
    for i in range(count):
        (top, left), (high, wide), moved = random.random((3, 2)) * [[1], [0.4], [0.1]] + [[0], [0.1], [0]]
        true[i] = ((y - top) / high) ** 2 + ((x - left) / wide) ** 2 < 1
        predicted[i] = ((y - top - moved[0]) / high) ** 2 + ((x - left - moved[1]) / wide) ** 2 < 1
        predicted[i] ^= random.random((side, side), np.float32) < 0.1
    return predicted, true


def registered(predicted: np.ndarray, true: np.ndarray) -> np.ndarray:
    """Scores of each image, (3, N), as an evaluation has them."""
    metrics = {name: registry().metrics[name] for name in METRICS}
    whole = SimpleNamespace(layered=False)  # of a method that paints no masks, parts of masks are not available
    run: Any = SimpleNamespace(recipe=SimpleNamespace(evaluation=EvaluationConfig(), generator=whole))
    ignored = np.broadcast_to(False, true.shape)
    known = {"predicted_masks": predicted, "true_masks": true, "ignored": ignored, "instances": true.astype(np.uint8)}
    nobody: Any = None
    evidence = Evidence(run, nobody, None, {}, parts_of(metrics), known)
    return np.stack([metric.compute(evidence).per_image for metric in metrics.values()])


def loop(predicted: np.ndarray, true: np.ndarray) -> np.ndarray:
    """The same by scikit-learn."""
    found = []
    for p, t in zip(predicted, true, strict=True):
        p, t = p.ravel(), t.ravel()
        covering = [max(jaccard_score(t == i, p == j) for j in np.unique(p)) for i in np.unique(t)]
        found.append((adjusted_rand_score(t, p), np.mean(covering), jaccard_score(t, p)))
    return np.array(found).T


@click.command()
@click.option("--masks", default=10_000, show_default=True)
@click.option("--side", default=128, show_default=True)
@click.option("--rounds", default=5, show_default=True)
@click.option("--share", default=100, show_default=True, help="Masks that scikit-learn scores in a round.")
def main(masks: int, side: int, rounds: int, share: int) -> None:
    """Time both and compare their scores."""
    predicted, true = pairs_of_masks(masks, side)
    share = min(share, masks)
    ours, theirs, apart = [], [], 0.0
    for number in range(rounds):
        here = (np.arange(share) + number * share) % masks
        began = time.process_time()
        scores = registered(predicted, true)
        middle = time.process_time()
        expected = loop(predicted[here], true[here])
        theirs.append((time.process_time() - middle) / share)
        ours.append((middle - began) / masks)
        apart = max(apart, float(np.abs(scores[:, here] - expected).max()))
    ratios = sorted(b / a for a, b in zip(ours, theirs, strict=True))
    a, b = statistics.median(ours), statistics.median(theirs)
    click.echo(f"{masks} masks of {side} x {side}: {1e3 * a:.4f} ms a mask, scikit-learn {1e3 * b:.3f} ms")
    click.echo(f"ratio {b / a:.0f} (single rounds {ratios[0]:.0f} to {ratios[-1]:.0f}); largest difference {apart:.1e}")


if __name__ == "__main__":
    main()
