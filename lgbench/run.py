"""A run from recipe to record: prepare, train, segment, evaluate. Each stage is skipped where its outputs are whole."""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from . import environment, evaluation
from .data import DataHome, RawDataset, Split, open_dataset
from .errors import BadRecipe
from .files import exclusive, read_json, sha256_of_file, sweep_parts, write_json
from .game import Game
from .metrics.layers import coverage, saturated
from .nn import count_parameters
from .plugins import PluginInfo
from .progress import Reporter
from .recipe import Recipe
from .records import ImageSpec, Metric
from .results import write_record
from .runtime import Runtime, fast_precision
from .settings import plain
from .stages import Learned, build_game, build_segmenter, learn
from .training import Fitted
from .training.watch import flags, prediction_flags

__all__ = ["chosen_metrics", "run", "runtime_of", "spec_of"]

Scores = tuple[dict[str, Any], dict[str, Any], list[str]]
"""Values, trivial baselines' values, and the names of collapses."""


def runtime_of(recipe: Recipe, device: torch.device) -> Runtime:
    """Where and how precisely a recipe computes."""
    t = recipe.training
    precision = fast_precision(device) if t.precision == "auto" else t.precision
    return Runtime(device, precision, t.channels_last, t.compile)


def spec_of(recipe: Recipe, data: Split | RawDataset | None) -> ImageSpec:
    """What builders are told of the images; of unopened data (None), neither classes nor conditions are known."""
    side, channels = recipe.resolution, 1 if recipe.dataset.grey else 3
    if data is None:
        return ImageSpec(side, channels)
    points = data.landmarks.shape[1] if isinstance(data, Split) and data.landmarks is not None else 0
    return ImageSpec(side, channels, len(data.classes), len(data.segment_names), len(data.attribute_names), points)


def run(
    recipe: Recipe,
    folder: Path,
    home: DataHome,
    device: torch.device,
    metrics: Mapping[str, Metric],
    plugins: Sequence[PluginInfo],
    reporter: Reporter,
) -> Path:
    """Carry a recipe out, or what is left of it.

    Args:
        folder: the run's own; holds the record when all is done.
        home: where data sets live.
        metrics: to compute, by name.
        plugins: for the record.

    Returns:
        Path of the record.

    Raises:
        RunBusy: another process is at work in `folder`.
        LgbenchError: see each stage.
    """
    with exclusive(folder, "this run"):
        record = folder / "record.json"
        if record.exists():
            reporter.note(f"done before: {record} (delete it to score again; what is trained stays)")
            return record
        sweep_parts(folder)
        write_json(folder / "recipe.json", recipe.as_dict())
        runtime = runtime_of(recipe, device)
        runtime.set_up()
        described = environment.describe(runtime, plugins)
        sessions = _sessions(folder, described)
        splits = _open(recipe, home, reporter)
        spec = spec_of(recipe, splits["train"])
        game, terms = build_game(recipe, spec)
        build_segmenter(recipe, game.painter, spec)  # what cannot be built is better known before than after training
        learned = learn(recipe, game, terms, spec, splits, runtime, home, folder, reporter)
        began = time.monotonic()
        scores = _evaluate(recipe, game, learned.segmenter, splits, runtime, home, metrics, folder, reporter)
        taken = learned.fitted.seconds + learned.teaching_seconds + time.monotonic() - began
        facts = {
            "schema": 1,
            **_recipe_facts(recipe),
            **described,
            **_outcome_facts(recipe, game, terms, learned, scores, sessions),
            "data": _data_facts(splits),
            "segmentation": _segmentation_facts(recipe, learned),
            "artefacts": _artefacts(folder),
            "wall_s": round(taken, 1),
            "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        }
        return write_record(folder, facts)


def _sessions(folder: Path, described: dict[str, Any]) -> int:
    """In how many different environments this run has been at work; the record tells the last one."""
    path = folder / "sessions.json"
    before = read_json(path) if path.exists() else []
    if described not in before:
        write_json(path, [*before, described])
    return len(before) + (described not in before)


def _open(recipe: Recipe, home: DataHome, reporter: Reporter) -> dict[str, Split]:
    """The data set's splits, with the training images narrowed to one class where the recipe says so.

    Raises:
        BadRecipe: there is no such split.
    """
    splits = open_dataset(recipe.dataset, recipe.data_config, recipe.resolution, home, _preparing(reporter))
    if recipe.evaluation.split not in splits:
        raise BadRecipe(f"{recipe.dataset.name} has no split {recipe.evaluation.split!r}; it has {sorted(splits)}.")
    if recipe.training.category >= 0:
        splits["train"] = splits["train"].only(recipe.training.category)
    return splits


def _preparing(reporter: Reporter) -> Callable[[str, int, int], None]:
    """The data layer's progress, as stages."""
    current = ""

    def progress(what: str, done: int, total: int) -> None:
        nonlocal current
        if what != current:
            reporter.stage(what, total)
            current = what
        reporter.advance(done)

    return progress


def _evaluate(
    recipe: Recipe,
    game: Game,
    segmenter: Game | None,
    splits: Mapping[str, Split],
    runtime: Runtime,
    home: DataHome,
    metrics: Mapping[str, Metric],
    folder: Path,
    reporter: Reporter,
) -> Scores:
    config, test = recipe.evaluation, splits[recipe.evaluation.split]
    samples = evaluation.paint_samples(
        game.painter, config, splits["train"], recipe.seed, runtime, folder / "samples.npz", reporter
    )
    predicted, why = None, {}
    if segmenter is None:
        paints = recipe.generator.layered and game.painter.layered
        why["predicted_masks"] = "no segmenter" if paints else "the method paints no masks"
    elif test.masks is None:
        why["predicted_masks"] = "no masks in this data set"
    else:
        predicted = evaluation.predict_masks(segmenter, config, test, runtime, folder / "predictions.npz", reporter)
    clusters = None
    if game.cluster is not None and any("clusters" in metric.needs for metric in metrics.values()):
        clusters = evaluation.predict_clusters(game, config, splits.values(), runtime)
    evidence = evaluation.gather(samples, predicted, clusters, splits, config, runtime, home.root / "moments", why)
    category = recipe.training.category
    protocol = {
        "dataset": recipe.dataset.name,
        "dataset_config": plain(recipe.data_config) | ({"category": category} if category >= 0 else {}),
        "origin": test.origin,
        "split": config.split,
        "reference": config.reference,
        "resolution": recipe.resolution,
        "crop": test.crop,
        "aggregation": config.aggregation,
        "threshold": config.threshold,
        "sampling": f"statistics of batches of {config.batch}" if config.sample_bn == "batch" else None,
    }
    values = evaluation.score(metrics.values(), evidence, protocol)
    found = []
    if "alphas" in samples:
        covered = coverage(samples["alphas"])
        found = flags(float(covered.mean()), *saturated(covered), float(samples["difference"].mean()))
    if predicted is not None:
        found += prediction_flags(*saturated(predicted.mean(axis=(1, 2))))
    return values, evaluation.baselines(test, metrics, config), found


def chosen_metrics(names: str, known: Mapping[str, Metric]) -> dict[str, Metric]:
    """Metrics by comma-separated names; all of them where there are none.

    Raises:
        BadRecipe: nobody offers one of them.
    """
    wanted = [name.strip() for name in names.split(",") if name.strip()]
    if unknown := sorted(set(wanted) - set(known)):
        raise BadRecipe(f"No installed plugin offers the metrics {unknown}; there are {sorted(known)}.")
    return {name: metric for name, metric in known.items() if not wanted or name in wanted}


def _recipe_facts(recipe: Recipe) -> dict[str, Any]:
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


def _selected_by(recipe: Recipe, fitted: Fitted) -> str:
    if fitted.best is not None:
        return f"best-{recipe.training.select}-on-train"
    return "ema-last" if recipe.training.ema else "last"


def _outcome_facts(
    recipe: Recipe, game: Game, terms: list, learned: Learned, scores: Scores, sessions: int
) -> dict[str, Any]:
    values, floor, collapses = scores
    fitted, taught = learned.fitted, learned.taught
    flagged = {*fitted.flags, *(taught.flags if taught else ())}
    if fitted.status != "diverged":  # flags of collapse say nothing about a generator that is not a number
        flagged |= {*collapses}
    if sessions > 1:
        flagged.add("mixed_environment")
    trained = fitted.seconds + learned.teaching_seconds  # over all the parts of a resumed run
    return {
        "status": "diverged" if "diverged" in flagged else "done",
        "selected_by": _selected_by(recipe, fitted),
        "training": _training_facts(recipe, game, terms, fitted, sorted(flagged)),
        "values": values,
        "baselines": floor,
        "device_hours": round(trained / 3600, 4),
    }


def _data_facts(splits: Mapping[str, Split]) -> dict[str, Any]:
    train = splits["train"]
    return {
        "fingerprints": {name: split.fingerprint for name, split in splits.items()},
        "origin": train.origin,
        "counts": {name: len(split) for name, split in splits.items()},
        "provides": sorted({part for split in splits.values() for part in split.provides}),
    }


def _training_facts(recipe: Recipe, game: Game, terms: list, fitted: Fitted, found: list[str]) -> dict[str, Any]:
    return {
        "steps": fitted.steps,
        "parameters": {name: count_parameters(network) for name, network in game.networks.items()},
        "flags": found,
        "rounds": recipe.training.rounds,
        "selected": None if fitted.best is None else fitted.selected,
        "judged": None if fitted.best is None else {recipe.training.select: fitted.best},
        "wall_s": round(fitted.seconds, 1),
        "images_per_s": round(_images_seen(recipe, game, fitted) / max(fitted.seconds, 1e-9), 1),
        "peak_memory_mb": round(fitted.peak_bytes / 2**20, 1),
        "weights": {name: sha for _, _, term in terms for name, sha in term.weights.items()},
    }


def _images_seen(recipe: Recipe, game: Game, fitted: Fitted) -> int:
    batches = sum(map(game.batches, range(fitted.steps))) if game.batches else fitted.steps
    return batches * recipe.training.batch


def _segmentation_facts(recipe: Recipe, learned: Learned) -> dict[str, Any] | None:
    segmenter = learned.segmenter
    if segmenter is None or recipe.segmenter is None:
        return None
    return {
        "name": recipe.segmenter.name,
        "steps": learned.teaching_steps,
        "parameters": {name: count_parameters(network) for name, network in segmenter.networks.items()},
        "wall_s": round(learned.teaching_seconds, 1),
    }


def _artefacts(folder: Path) -> dict[str, str]:
    kinds = (".safetensors", ".npz")
    return {str(p.relative_to(folder)): sha256_of_file(p) for p in sorted(folder.rglob("*")) if p.suffix in kinds}
