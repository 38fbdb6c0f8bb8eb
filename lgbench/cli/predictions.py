"""Pages of what a run predicts and paints: masks from best to worst, nearest training pictures, a grid of layers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lgbench.evaluation import Evidence, parts_of
from lgbench.layers import Layers
from lgbench.offers import Metric
from lgbench.painting import as_sampled, painted
from lgbench.plugins import registry
from lgbench.trained import Trained
from lgbench.training.pictures import layer_grid

__all__ = ["Neighbours", "Predictions", "evidence_of", "grid_of", "neighbours", "predictions"]

GREY = 128  # what is left out of every score


@dataclass(frozen=True, slots=True)
class Predictions:
    """The best, the middle and the worst masks by IoU, side by side.

    Attributes:
        grid: three times picture, true mask (grey where it is not scored) and prediction, (rows, 9, 3, R, R) uint8.
        titles: of the columns.
        iou: of those pictures, (rows, 3): best, median, worst.
    """

    grid: np.ndarray
    titles: tuple[str, ...]
    iou: np.ndarray


@dataclass(frozen=True, slots=True)
class Neighbours:
    """Samples beside the training pictures that are nearest to them, by the cosine of their pixels.

    Attributes:
        grid: three times sample and picture, (rows, 6, 3, R, R) uint8.
        titles: of the columns.
        similarity: of those samples, (rows, 3): the nearest, the middle and the farthest, in [0, 1].
    """

    grid: np.ndarray
    titles: tuple[str, ...]
    similarity: np.ndarray


def predictions(trained: Trained, rows: int) -> Predictions:
    """Masks of the split that the run scored, as they were stored or predicted again; ordered by their IoU.

    Raises:
        NotAvailable: the run predicts no masks, or its data set has none.
    """
    iou, evidence = evidence_of(trained, "iou")
    evidence.require(iou.needs)
    each = iou.compute(evidence).per_image
    images, found, true, ignored = (
        evidence.scored,
        *(evidence[name] for name in ("predicted_masks", "true_masks", "ignored")),
    )
    chosen = _chosen(each, rows)
    truth = np.where(ignored[chosen], GREY, true[chosen] * 255)
    columns = []
    for column in range(3):
        kinds = (truth[:, column], found[chosen[:, column]] * 255)
        masks = [np.repeat(kind[:, None].astype(np.uint8), 3, axis=1) for kind in kinds]
        columns += [images.rgb(chosen[:, column]), *masks]
    titles = tuple(title for name in ("best", "median", "worst") for title in (name, "truth", "predicted"))
    return Predictions(np.stack(columns, axis=1), titles, each[chosen])


def neighbours(trained: Trained, rows: int) -> Neighbours:
    """Of the first samples, as they were stored or painted again, those nearest to training pictures and farthest.

    Raises:
        NotAvailable: the run paints no samples.
    """
    memorisation, evidence = evidence_of(trained, "memorisation")
    evidence.require(memorisation.needs)
    found, train = evidence["neighbours"], trained.splits()["train"]
    chosen = _chosen(found["similarity"], rows)
    pairs = [(evidence["samples"][column], train.rgb(found["index"][column])) for column in chosen.T]
    titles = tuple(title for name in ("nearest", "median", "farthest") for title in (name, "training"))
    grid = np.stack([images for pair in pairs for images in pair], axis=1)
    return Neighbours(grid, titles, found["similarity"][chosen])


def evidence_of(trained: Trained, name: str) -> tuple[Metric, Evidence]:
    """An installed metric, and what it reads of the run; nothing is computed before it is asked for."""
    metric = registry().get("metrics", name)
    evidence = Evidence(trained.run, trained.game, trained.segmenter, trained.splits(), parts_of({name: metric}))
    return metric, evidence


def _chosen(score: np.ndarray, rows: int) -> np.ndarray:
    """Indices of the best, the middle and the worst pictures, (rows, 3), each column from better to worse."""
    order = np.argsort(-score, kind="stable")
    rows = min(rows, len(order))
    middle = (len(order) - rows) // 2
    return np.stack([order[:rows], order[middle : middle + rows], order[len(order) - rows :]], axis=1)


def grid_of(trained: Trained, rows: int, seed: int) -> np.ndarray:
    """Samples with the layers below them, a row each, (H, W, 3) uint8; small pictures are enlarged.

    Raises:
        NotAvailable: the method paints nothing.
    """
    painter, run = trained.painter, trained.run
    with as_sampled(painter, run.recipe.evaluation.sample_bn == "batch", seed):
        layers = next(painted(painter, rows, rows, trained.splits()["train"], seed, run.runtime))
    kept = {name: getattr(layers, name)[:rows] for name in ("image", "background", "foregrounds", "alphas")}
    return layer_grid(Layers(**kept))  # of one row two were painted
