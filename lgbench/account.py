"""What a record says of a run that is done: the run's own account, as the parts of a record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .data import Split
from .evaluation import Scores
from .files import sha256_of_file, sha256_of_json
from .game import Game
from .nn import count_parameters
from .offers import ImageSpec, Metric
from .recipe import Recipe
from .record import Data, Segmentation, Training
from .runtime import Run
from .stages import Learned
from .training import log
from .training.watch import gradient_history

__all__ = ["Played", "of_artefacts", "of_data", "of_outcome", "of_recipe", "scoring_of"]


@dataclass(frozen=True, slots=True)
class Played:
    """What a recipe trains: the game, what its builders were told, and what is read of real images."""

    game: Game
    spec: ImageSpec
    reads: frozenset[str]

    def supervision(self, recipe: Recipe) -> str:
        """What was learnt from besides pictures: "none", "weak" (attributes, labels, boxes), "full" (masks, maps)."""
        if self.reads & {"masks", "instances", "segments", "landmarks"}:
            return "full"
        chosen = recipe.training.category >= 0 or recipe.data_settings.get("crop") == "bbox"
        return "weak" if chosen or self.reads & {"attributes", "labels"} else "none"


def scoring_of(recipe: Mapping[str, Any], data: Data, metrics: Mapping[str, Metric]) -> str:
    """SHA-256 of what scores: settings, pictures with all that is known of them, metrics and their versions.

    Args:
        recipe: its plain table (`Recipe.as_dict`).
        data: what a record says of the data.
    """
    return sha256_of_json(
        {
            "evaluation": {**recipe["evaluation"], "metrics": None},
            "data": dict(data.fingerprints),
            **({"copies": data.copies} if data.copies else {}),
            **({"polarity": rule} if (rule := recipe["segmentation"].get("polarity", "painted")) != "painted" else {}),
            "metrics": {name: metric.version for name, metric in metrics.items()},
        }
    )


def of_recipe(recipe: Recipe) -> dict[str, Any]:
    """What was asked."""
    return {
        "method": recipe.method.name,
        "dataset": recipe.dataset.name,
        "preset": recipe.preset,
        "seed": recipe.seed,
        "resolution": recipe.resolution,
        "recipe": recipe.as_dict(),
        "recipe_hash": recipe.hash,
        "overrides": dict(recipe.overrides),
    }


def of_data(splits: Mapping[str, Split]) -> Data:
    """What it was trained and scored on."""
    train = splits["train"]
    return Data(
        fingerprints={name: split.fingerprint for name, split in splits.items()},
        origin=train.origin,
        counts={name: len(split) for name, split in splits.items()},
        provides=sorted({part for split in splits.values() for part in split.provides}),
        masked={n: int(s.masked.sum()) for n, s in splits.items() if s.masked is not None},
        lost={name: dict(split.lost) for name, split in splits.items() if split.lost},
        one_sided={name: dict(split.one_sided) for name, split in splits.items() if split.one_sided},
        copies={name: dict(split.copies) for name, split in splits.items() if split.copies},
    )


def of_outcome(this: Run, played: Played, learned: Learned, scores: Scores, mixed: bool) -> dict[str, Any]:
    """What came of it; `mixed`: its parts were trained in different environments."""
    recipe, fitted, taught = this.recipe, learned.fitted, learned.taught
    flagged = {*fitted.flags, *(taught.flags if taught else ()), *(["mixed_environment"] if mixed else [])}
    if fitted.status != "diverged":  # flags of collapse say nothing about a generator that is not a number
        flagged |= {*scores.flags}
    training = _training(this, played.game, learned, sorted(flagged))
    return {
        "status": "diverged" if "diverged" in flagged else "done",
        "selected_by": _selected_by(recipe, learned),
        "supervision": played.supervision(recipe),
        "features": sorted(_read_by_losses(played.game)),
        "training": training,
        "segmentation": learned.segmenter and _segmentation(recipe, learned.segmenter, learned),
        "values": scores.values,
        "device_hours": round((fitted.seconds + learned.teaching_seconds) / 3600, 4),  # all parts of a resumed run's
    }


def of_artefacts(folder: Path, stored: Sequence[str]) -> dict[str, str]:
    """Weights, and the arrays that this record was scored from: path within the run's folder -> SHA-256."""
    files = sorted([*folder.rglob("*.safetensors"), *(folder / name for name in stored)])
    return {str(path.relative_to(folder)): sha256_of_file(path) for path in files}


def _training(this: Run, game: Game, learned: Learned, flags: list[str]) -> Training:
    recipe, fitted = this.recipe, learned.fitted
    judged = None if fitted.best is None else {recipe.training.select: fitted.best}
    batches = sum(map(game.batches, range(fitted.steps))) if game.batches else fitted.steps
    return Training(
        steps=fitted.steps,
        parameters=_parameters(game),
        flags=flags,
        gradients=gradient_history(log.read(this.folder / "train" / "log.jsonl")),
        rounds=recipe.training.rounds,
        selected=fitted.selected if judged else None,
        judged=judged,
        wall_s=round(fitted.seconds, 1),
        images_per_s=round(batches * recipe.training.batch / max(fitted.seconds, 1e-9), 1),
        peak_memory_mb=round(fitted.peak_bytes / 2**20, 1),
        weights={**learned.lessons, **_read_by_losses(game)},
    )


def _segmentation(recipe: Recipe, segmenter: Game, learned: Learned) -> Segmentation:
    taught = learned.taught
    return Segmentation(
        name=recipe.segmenter.name if recipe.segmenter else "",
        steps=learned.teaching_steps,
        parameters=_parameters(segmenter),
        wall_s=round(learned.teaching_seconds, 1),
        learnt_from=dict(learned.studied),
        selected=taught.selected if taught and taught.best is not None else None,
        border=segmenter.border,
        flipped=None if segmenter.border is None else segmenter.flipped,
    )


def _read_by_losses(game: Game) -> dict[str, str]:
    """Pre-trained networks whose features losses compare: name -> SHA-256 of their weights."""
    return {name: sha for _, _, term in game.terms for name, sha in term.weights.items()}


def _selected_by(recipe: Recipe, learned: Learned) -> str:
    if learned.fitted.best is not None:
        return f"best-{recipe.training.select}-on-train"
    if recipe.method.generator is None:
        return "best-on-val" if learned.taught and learned.taught.best is not None else "last"
    return "ema-last" if recipe.training.ema else "last"


def _parameters(game: Game) -> dict[str, int]:
    return {name: count_parameters(network) for name, network in game.networks.items()}
