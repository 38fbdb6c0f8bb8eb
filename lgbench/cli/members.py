"""Runs of one class each as one: the record that joins them, and the samples that it is made from."""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lgbench import environment
from lgbench.account import of_artefacts, of_data, of_recipe, scoring_of
from lgbench.data import DataHome, Split
from lgbench.data.split import digest_of
from lgbench.errors import BadRecipe, NotAvailable, RunFailed
from lgbench.evaluation import Evidence, parts_of
from lgbench.evaluation.scores import number, shared_protocol
from lgbench.evaluation.stored import keep
from lgbench.files import exclusive, sha256_of_json, sweep_parts
from lgbench.game import Game
from lgbench.layers import Nobody
from lgbench.lookup import look_up
from lgbench.offers import Metric
from lgbench.painting import as_sampled, painted, uint8
from lgbench.plugins import registry
from lgbench.progress import Reporter
from lgbench.recipe import CATEGORY, Recipe
from lgbench.record import Record, Training, read_record, record_file, record_files, write_record
from lgbench.run import open_splits, runtime_of
from lgbench.runtime import Run, choose_device
from lgbench.trained import asked, load_run
from lgbench.training.pictures import save_png

from .classes import shared
from .pairs import strips

__all__ = ["joined"]

SAMPLES = "class-samples"
"""The part of evidence that only an aggregate has: metrics that bring it are what is computed."""
PICTURE, SHOWN = "classes.png", 10


@dataclass(frozen=True, slots=True)
class Member:
    """A finished run of one class: its folder, record and recipe."""

    folder: Path
    record: Record
    recipe: Recipe


def joined(folders: Sequence[Path], device: str, reporter: Reporter) -> Path:
    """Make the aggregate record of finished runs, where it is not made yet.

    Args:
        folders: of runs that differ in nothing but their class: one of every class that the data set has. The
            aggregate's own is made beside the first.

    Returns:
        Path of the record.

    Raises:
        BadRecipe: they are no such runs.
        RunFailed: one of them is not finished, or learnt from other pictures than are here now.
    """
    home = DataHome()
    members = _members(folders, home)
    request = members[0].recipe.request
    recipe = look_up(replace(request, settings={**request.settings, CATEGORY: -1}), home)
    splits = open_splits(recipe, home, reporter)
    _one_a_class(members, splits["train"])
    metrics = {
        name: metric for name, metric in registry().metrics.items() if any(p.name == SAMPLES for p in metric.parts)
    }
    scoring = scoring_of(recipe.as_dict(), of_data(splits), metrics)
    ids = [member.record.id for member in members]
    folder = folders[0].parent / f"{recipe.label}-classes-{sha256_of_json([ids, scoring])[:8]}"
    reporter.note(f"aggregate: {folder}")
    if done := record_files(folder):
        reporter.note(f"done before: {done[0]} (delete it to score again)")
        return done[0]
    runtime = runtime_of(recipe, choose_device(device), members[0].folder)
    runtime.set_up()
    with exclusive(folder, "this aggregate"):
        sweep_parts(folder)
        return _record(Run(recipe, folder, home, runtime, reporter), members, splits, metrics, scoring)


def _members(folders: Sequence[Path], home: DataHome) -> list[Member]:
    """Runs by class.

    Raises:
        BadRecipe: they differ in more than their class, or are no runs of one class.
        RunFailed: one is not finished.
    """
    members = []
    for folder in folders:
        recipe = look_up(asked(folder), home)
        record = record_file(folder)
        if recipe.training.category < 0 or recipe.method.generator is None:
            raise BadRecipe(f"{folder} has no generator of one class: {CATEGORY} says which. Leave it out.")
        members.append(Member(folder, read_record(record), recipe))
    first = members[0]
    for member in members[1:]:
        if shared(member.recipe) != shared(first.recipe):
            raise BadRecipe(f"{first.folder} and {member.folder} differ in more than {CATEGORY}: leave one out.")
    return sorted(members, key=lambda member: member.recipe.training.category)


def _one_a_class(members: Sequence[Member], train: Split) -> None:
    """Refuse what is not one run of every class, on these very pictures."""
    classes = [member.recipe.training.category for member in members]
    known = [] if train.labels is None else np.unique(train.labels).tolist()
    lacking, twice = sorted({*known} - {*classes}), sorted({c for c in classes if classes.count(c) > 1})
    if lacking or twice:
        told = f"of {', '.join(map(str, lacking))} there is none" if lacking else f"{twice[0]} has several"
        raise BadRecipe(
            f"An aggregate is of one run of every class, and {told}. `lgbench run` with --set {CATEGORY}=N trains one, "
            f"and `lgbench sweep` those of a variant that lists them."
        )
    for member in members:
        if member.record.data.fingerprints["train"] != train.only(member.recipe.training.category).fingerprint:
            raise RunFailed(f"{member.folder} learnt from other pictures than are here now. Run its command again.")


def _record(
    run: Run, members: Sequence[Member], splits: Mapping[str, Split], metrics: Mapping[str, Metric], scoring: str
) -> Path:
    began, records = time.monotonic(), [member.record for member in members]
    nobody = Game(Nobody(), {}, [])
    evidence = Evidence(run, nobody, None, splits, parts_of(metrics), {SAMPLES: _samples(run, members, splits)})
    values = {name: number(metric, evidence, shared_protocol(evidence)) for name, metric in metrics.items()}
    keep(evidence, metrics, values)
    used = [*run.recipe.records, *(("metrics", name) for name in metrics)]
    classes = [member.recipe.training.category for member in members]
    recipe = run.recipe.as_dict()
    recipe["training"]["category"] = classes
    flags = sorted({flag for record in records for flag in record.training.flags})
    seconds = time.monotonic() - began - sum(run.aside)
    facts = {
        "schema": 1,
        **of_recipe(run.recipe),
        "recipe": recipe,
        "recipe_hash": sha256_of_json(recipe),
        "overrides": {**run.recipe.overrides, CATEGORY: classes},
        **environment.describe(run.runtime, registry().used(used)),
        "status": next((r.status for r in records if r.status != "done"), "done"),
        "selected_by": records[0].selected_by,
        "supervision": "full" if "full" in [r.supervision for r in records] else "weak",  # the classes were given
        "features": records[0].features,
        "training": _of_all([record.training for record in records], flags),
        "segmentation": None,
        "values": values,
        "device_hours": round(sum(record.device_hours for record in records) + seconds / 3600, 4),
        "data": of_data(splits),
        "artefacts": of_artefacts(run.folder, [*evidence.files, *(path.name for path in run.folder.glob(PICTURE))]),
        "scoring": scoring,
        "aggregates": [record.id for record in records],
        "wall_s": round(sum(record.wall_s for record in records) + seconds, 1),
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }
    return write_record(run.folder, facts)


def _of_all(trainings: Sequence[Training], flags: Sequence[str]) -> Training:
    """What records tell of their trainings as one: steps and parameters of each, seconds of all, no losses."""
    seconds = sum(each.wall_s for each in trainings)
    seen = sum(each.images_per_s * each.wall_s for each in trainings)
    together = {
        "steps": max(each.steps for each in trainings),
        "flags": list(flags),
        "wall_s": round(seconds, 1),
        "images_per_s": round(seen / max(seconds, 1e-9), 1),
        "peak_memory_mb": max(each.peak_memory_mb for each in trainings),
        "weights": {name: sha for each in trainings for name, sha in each.weights.items()},
    }
    return trainings[0].model_copy(
        update=together | {"losses": None, "selected": None, "judged": None, "gradients": {}}
    )


def _samples(run: Run, members: Sequence[Member], splits: Mapping[str, Split]) -> Any:
    """Labelled samples for each repeat, painted when they are asked for; or why there are none."""
    if failed := [member.recipe.training.category for member in members if member.record.status != "done"]:
        return NotAvailable(f"the generators of the classes {', '.join(map(str, failed))} have not finished")
    repeats: list[Callable[[], Split]] = [
        partial(_draw, run, members, splits["train"], repeat) for repeat in range(run.recipe.evaluation.repeats)
    ]
    return repeats


def _draw(run: Run, members: Sequence[Member], train: Split, repeat: int) -> Split:
    """As many samples of each class as it has training images; of the first repeat, a picture too."""
    labels = np.sort(np.asarray(train.labels))
    run.reporter.stage(f"paint {repeat + 1}", len(labels))
    samples = []
    for member in members:
        count = int((labels == member.recipe.training.category).sum())
        samples.append(_painted(member, count, run.runtime.device, repeat))
        run.reporter.advance(sum(map(len, samples)))
    if repeat == 0:
        save_png(run.folder / PICTURE, strips([images[:SHOWN] for images in samples]))
    images = np.concatenate(samples)
    known = {"images": images, "labels": labels}
    return Split(images, labels=labels, classes=train.classes, fingerprint=digest_of(known), origin="painted")


def _painted(member: Member, count: int, device: torch.device, repeat: int) -> np.ndarray:
    """Samples of one class, (count, 3, R, R) uint8."""
    trained, config = load_run(member.folder, str(device)), member.recipe.evaluation
    reals: Any = trained.splits()["train"] if trained.painter.conditional else None
    own = [member.recipe.seed, member.recipe.training.category, repeat]
    seed = int(np.random.SeedSequence(own).generate_state(1)[0] >> 1)
    with as_sampled(trained.painter, config.sample_bn == "batch", seed):
        batches = painted(trained.painter, count, config.batch, reals, seed, trained.run.runtime)
        return np.concatenate([uint8((layers.image.float() + 1) / 2) for layers in batches])[:count]
