"""The masks that the U-Nets learn: the true ones, or those that IEM finds. Neither ever sees a test picture."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from lgbench.data import Split
from lgbench.errors import BadRecipe
from lgbench.files import atomic, read_arrays
from lgbench.game import Studied
from lgbench.offers import PARTS
from lgbench.painting import real_batches
from lgbench.runtime import Run, Runtime

from .config import IEMConfig, IEMUNetConfig, SupervisedConfig
from .iem import BATCH, search

__all__ = ["UNKNOWN", "iem_masks", "refuse_all_images", "true_masks"]

UNKNOWN = 255
"""The class of pixels that no loss and no score counts."""


def refuse_all_images(run: Run) -> None:
    """Refuse to learn from the masks that are scored.

    Raises:
        BadRecipe: the recipe trains on every split.
    """
    if run.recipe.use_all_images:
        raise BadRecipe(
            f"With data.use_all_images {run.recipe.method.name} would learn the very masks that it is scored on: leave "
            "that setting out."
        )


def true_masks(config: SupervisedConfig, splits: Mapping[str, Split], run: Run) -> Studied:
    """The training pictures that have masks; its judge is the IoU on `val`, or on a tenth of them where it has none."""
    refuse_all_images(run)
    train, val = splits["train"].scored(), splits.get("val")
    if val is None or not val.scorable:
        order = np.random.default_rng(0).permutation(len(train))
        tenth = max(len(train) // 10, 1)
        learnt, chosen = _chosen(train, np.sort(order[tenth:])), _chosen(train, np.sort(order[:tenth]))
    else:
        learnt, chosen = train, val.scored()
    counts = {"pictures": len(learnt), "val": len(chosen)}
    reals = replace(learnt, segments=_classes(learnt))
    return Studied(reals, counts, _judge(chosen, run.runtime), config.look_every)


def _chosen(split: Split, index: np.ndarray) -> Split:
    """Some of the pictures, with their masks and nothing else that is known of them."""
    parts: dict[str, Any] = dict.fromkeys(PARTS)
    for name in ("images", "masks", "ignored"):
        part = getattr(split, name)
        parts[name] = None if part is None else np.asarray(part[index])
    return replace(split, masked=None, **parts)


def _classes(split: Split) -> np.ndarray:
    """(N, R, R) uint8: 1 for the object, 0 for the background, `UNKNOWN` where no score counts."""
    assert split.masks is not None
    classes = (split.masks[:] > 127).astype(np.uint8)
    return classes if split.ignored is None else np.where(split.ignored[:], np.uint8(UNKNOWN), classes)


def _judge(val: Split, runtime: Runtime) -> Callable[[nn.Module], float]:
    """1 - IoU, the mean over the pictures of `val`."""
    classes = torch.from_numpy(_classes(val)).to(runtime.device)

    @torch.no_grad()
    def judge(network: nn.Module) -> float:
        found = []
        for where, batch in real_batches(val, BATCH, (), runtime):
            with runtime.autocast():
                found.append(_iou(network(batch.images)[:, 0] >= 0, classes[where]))
        return 1 - torch.cat(found).mean().item()

    return judge


def _iou(predicted: Tensor, classes: Tensor) -> Tensor:
    known, truth = classes != UNKNOWN, classes == 1
    shared, either = (predicted & truth).sum(dim=(1, 2)), ((predicted | truth) & known).sum(dim=(1, 2))
    return torch.where(either > 0, shared / either.clamp(min=1), 1.0).double()


def iem_masks(config: IEMUNetConfig, splits: Mapping[str, Split], run: Run) -> Studied:
    """The training pictures with the masks that IEM finds, which are kept in the run's folder.

    Pictures in which it finds hardly anything, or nearly everything, are left out and counted.
    """
    train, path = splits["train"], run.folder / "iem-masks.npz"
    if not path.exists():
        _find(train, run, path)
    stored = read_arrays(path, f"Delete {path} and run the same command again.")
    masks = np.unpackbits(stored["bits"], axis=-1, count=train.images.shape[-1]).astype(bool)
    covered = masks.mean(axis=(1, 2))
    kept = np.flatnonzero((covered >= config.least) & (covered <= 1 - config.least))
    if not len(kept):
        raise BadRecipe("IEM finds an object in none of the training pictures: there is nothing to learn.")
    learnt = replace(_chosen(train, kept), segments=masks[kept].astype(np.uint8))
    return Studied(learnt, {"pictures": len(kept), "left out": len(train) - len(kept)})


def _find(train: Split, run: Run, path: Path) -> None:
    run.reporter.stage("iem", len(train))
    found = []
    for where, batch in real_batches(train, BATCH, (), run.runtime):
        found.append(search(batch.images, IEMConfig()).cpu().numpy())
        run.reporter.advance(where.stop)
    with atomic(path) as file:
        np.savez(file, bits=np.packbits(np.concatenate(found), axis=-1))  # pyright: ignore[reportArgumentType]
