"""A run from recipe to record: prepare, train, segment, evaluate. Each stage is skipped where its outputs are whole."""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

from . import environment
from .account import Played, of_artefacts, of_data, of_outcome, of_recipe, scoring_of
from .data import DataHome, RawDataset, Split, check_splits, joined, open_dataset, open_other, told_of_copies
from .errors import BadRecipe, RunFailed, UnknownName, did_you_mean
from .evaluation import evaluate
from .files import canonical_json, exclusive, read_sound, sha256_of_json, sweep_parts, write_json
from .game import Game
from .offers import ImageSpec, Metric
from .plugins import PluginInfo
from .polarity import oriented
from .progress import Reporter
from .recipe import Recipe
from .record import read_record, record_files, write_record
from .runtime import Precision, Run, Runtime, compiler_fault, fast_precision, worth_compiling
from .setting_checks import OTHERS
from .stage_configs import ELSEWHERE
from .stages import build_game, build_segmenter, learn

__all__ = ["Place", "check_learnt", "chosen_metrics", "open_splits", "run", "runtime_of", "spec_of"]

ARITHMETIC = "arithmetic.json"
"""In a run's folder: what precision, layout and compiling became where the recipe says "auto"."""


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """What it holds; see `lgbench.runtime.Runtime`."""

    precision: Precision
    channels_last: bool
    compile: bool


def runtime_of(recipe: Recipe, device: torch.device, folder: Path | None = None) -> Runtime:
    """Where and how precisely a recipe computes: on another device too as the run in `folder` began, if it has."""
    kept = folder / ARITHMETIC if folder else None
    began = read_sound(kept, Arithmetic, "Delete the run's folder.") if kept and kept.exists() else recipe.training
    precision = fast_precision(device) if began.precision == "auto" else began.precision
    channels_last = precision == "bf16" if began.channels_last == "auto" else began.channels_last
    compiled = worth_compiling(device, recipe.training.steps) if began.compile == "auto" else began.compile
    return Runtime(device, precision, channels_last, compiled)


def _settled(runtime: Runtime, recipe: Recipe, folder: Path, reporter: Reporter) -> Runtime:
    """The same, not compiled where that is impossible and nothing asks for it; what "auto" became is told."""
    t, began = recipe.training, (folder / ARITHMETIC).exists()
    if runtime.compile and (fault := compiler_fault(runtime.device)):
        if t.compile is True or began:
            raise BadRecipe(
                f"training.compile={'on' if t.compile is True else 'auto, which began compiled,'} cannot be used here: "
                f"{fault} Install a C++ compiler (on a GPU Triton, too), or set training.compile=off."
            )
        reporter.note(f"not compiled: {fault}")
        runtime = replace(runtime, compile=False)
    if "auto" in (t.precision, t.channels_last, t.compile):
        reporter.note(f"computes in {runtime.arithmetic}; a resumed run keeps that")
    return runtime


def spec_of(recipe: Recipe, data: Split | RawDataset | None) -> ImageSpec:
    """What builders are told of the images; of unopened data (None), neither classes nor conditions are known."""
    side, channels = recipe.resolution, 1 if recipe.dataset.grey else 3
    if data is None:
        return ImageSpec(side, channels)
    points = data.landmarks.shape[1] if isinstance(data, Split) and data.landmarks is not None else 0
    return ImageSpec(side, channels, len(data.classes), len(data.segment_names), len(data.attribute_names), points)


@dataclass(frozen=True, slots=True)
class Place:
    """Where runs and data live, on which device to compute, and whether with the same bits each time on a GPU too.

    `finished` is the folder of a run that is only scored again, wherever it lies; None lets the recipe choose.
    """

    runs: Path
    home: DataHome
    device: torch.device
    deterministic: bool = False
    finished: Path | None = None


def run(
    recipe: Recipe, place: Place, metrics: Mapping[str, Metric], plugins: Sequence[PluginInfo], reporter: Reporter
) -> Path:
    """Carry a recipe out, or what is left of it.

    A run's folder is named after what is learnt: settings, and the pictures and labels that are learnt from. Other test
    pictures, masks that nobody learns from and other metrics give a further record of the same weights.

    Args:
        metrics: to compute, by name.
        plugins: for the record.

    Returns:
        Path of the record.

    Raises:
        RunBusy: another process is at work in the run's folder.
        LgbenchError: see each stage.
    """
    splits = open_splits(recipe, place.home, reporter)
    uncropped = _uncropped(recipe, splits, place.home, reporter)
    spec = spec_of(recipe, splits["train"])
    game = build_game(recipe, spec)
    segmenter = build_segmenter(recipe, game.painter, spec)  # what cannot be built is better known before than after
    played = Played(game, spec, _reads(recipe, game, segmenter))
    identity = _identity(recipe, played, uncropped, splits)
    folder = _same(place.finished, identity) if place.finished else _folder(recipe, identity, place.runs, reporter)
    runtime = replace(runtime_of(recipe, place.device, folder), deterministic=place.deterministic)
    runtime = _settled(runtime, recipe, folder, reporter)
    runtime.set_up()
    this = Run(recipe, folder, place.home, runtime, reporter)
    described = environment.describe(runtime, plugins)
    scoring = scoring_of(recipe.as_dict(), data := of_data(splits), metrics)
    if (done := _done_before(this, scoring, described)) is not None:
        return done
    with exclusive(folder, "this run"):
        sweep_parts(folder)
        write_json(folder / "identity.json", identity)
        write_json(folder / ARITHMETIC, asdict(Arithmetic(runtime.precision, runtime.channels_last, runtime.compile)))
        if not (before := record_files(folder)):
            _told_what(recipe, folder)
        mixed = _mixed(folder, described)
        learned = learn(this, game, spec, splits, uncropped)
        began = time.monotonic() - sum(this.aside)
        learned = replace(learned, segmenter=oriented(learned.segmenter, lambda: splits["train"], this))
        scores = evaluate(this, game, learned.segmenter, splits, metrics)
        scored = time.monotonic() - sum(this.aside) - began
        facts = {
            "schema": 1,
            **of_recipe(recipe),
            **described,
            **of_outcome(this, played, learned, scores, mixed),
            "data": data,
            "artefacts": of_artefacts(folder, scores.stored),
            "scoring": scoring,
            "adds_to": read_record(before[0]).id if before else None,
            "wall_s": round(learned.fitted.seconds + learned.teaching_seconds + scored, 1),
            "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        }
        path = write_record(folder, facts)
        _told_what(recipe, folder)  # not before: a scoring that fails leaves what the records are of
        return path


def _told_what(recipe: Recipe, folder: Path) -> None:
    """Note what was asked for, so that it can be asked for again."""
    write_json(folder / "recipe.json", recipe.as_dict())
    write_json(folder / "request.json", asdict(recipe.request))


def _reads(recipe: Recipe, game: Game, segmenter: Game | None) -> frozenset[str]:
    """What of the data is learnt from, besides images."""
    readers = [game.reads, game.painter.conditional, *(term.reads for _, _, term in game.terms)]
    if segmenter and recipe.segmenter:  # what a study made of the images is no truth that is read
        readers += [recipe.segmenter.needs if segmenter.study else segmenter.reads]
    readers += [lesson.reads for _, _, term in game.terms for lesson in term.lessons]
    return frozenset().union(*readers) - {"images"}


def _identity(recipe: Recipe, played: Played, train: Split, splits: Mapping[str, Split]) -> dict[str, Any]:
    """What is learnt: settings, what builders are told of the images, and the bytes that are learnt from."""
    labels = {"labels"} if train.labels is not None else set()
    chosen = recipe.segmenter is not None and recipe.segmenter.needs and "val" in splits  # settings, on val's masks
    return {
        "settings": recipe.learning,
        "images": asdict(played.spec),
        "data": train.digest(played.reads | labels),
        **({"val": splits["val"].fingerprint} if chosen else {}),
    }


def _folder(recipe: Recipe, identity: Mapping[str, Any], runs: Path, reporter: Reporter) -> Path:
    """The folder of what is learnt; what it is named after stands in its `identity.json`."""
    folder = runs / f"{recipe.label}-{sha256_of_json(identity)[:8]}"
    reporter.note(f"run: {folder}")
    made_before = [path for path in sorted(runs.glob(f"{recipe.label}-*")) if (path / "recipe.json").exists()]
    untold = [path.name for path in made_before if not (path / "identity.json").exists()]
    if untold and not folder.exists():
        reporter.note(f"left alone, since it does not say what data it is of: {', '.join(untold)}")
    return folder


def _same(finished: Path, identity: Mapping[str, Any]) -> Path:
    """The folder of a finished run, if that is what would be learnt now, too.

    Raises:
        RunFailed: it is not.
    """
    held = read_sound(finished / "identity.json", dict, "Run its command again.")
    if differing := [name for name, part in identity.items() if canonical_json(part) != canonical_json(held.get(name))]:
        raise RunFailed(
            f"{finished} has learnt from something else than what is here now (its {' and '.join(differing)} differ). "
            "Restore the data or the plugins that it was made with, or run its command again."
        )
    return finished


def check_learnt(this: Run, game: Game, segmenter: Game | None, splits: Mapping[str, Split]) -> None:
    """Refuse pictures that are not those that a finished run has learnt from.

    Raises:
        RunFailed: they are others.
    """
    played = Played(game, spec_of(this.recipe, splits["train"]), _reads(this.recipe, game, segmenter))
    uncropped = _uncropped(this.recipe, splits, this.home, this.reporter)
    found = _identity(this.recipe, played, uncropped, splits)
    _same(this.folder, {name: found[name] for name in ("data", "val") if name in found})


def _done_before(this: Run, scoring: str, described: Mapping[str, Any]) -> Path | None:
    """The record that this very command has left before, if any; told if it was made by other code."""
    records = {path: read_record(path) for path in record_files(this.folder)}
    for path, record in records.items():
        if record.scoring != scoring:
            continue
        this.reporter.note(f"done before: {path} (delete it to score again; what is trained stays)")
        if changed := environment.changes(record, described):
            this.reporter.note(f"made by other code: {changed}. Delete {this.folder} to train and score anew.")
        return path
    if records:
        this.reporter.note("trained before; other pictures, settings or metrics are scored: a further record")
    return None


def _mixed(folder: Path, described: dict[str, Any]) -> bool:
    """Whether networks were trained here in different environments; the record tells the last one."""
    path = folder / "sessions.json"
    before = read_sound(path, list[dict[str, Any]], "Delete it.") if path.exists() else []
    if described not in before and not record_files(folder):
        write_json(path, before := [*before, described])
    return len({canonical_json(environment.what_ran(each)) for each in before}) > 1


def open_splits(recipe: Recipe, home: DataHome, reporter: Reporter) -> dict[str, Split]:
    """The data set's splits, prepared where they are not; "train" is what the recipe trains on.

    Raises:
        BadRecipe: there is no such split.
        BadData: see `lgbench.data.told_of_copies`.
    """
    splits = _prepared(recipe, recipe.resolution, home, reporter)
    if (other := recipe.elsewhere) is None:
        check_splits(recipe.dataset.name, recipe.evaluation.splits, splits)
        return splits
    name = other.dataset.name
    scored = open_other(other.dataset, other.config, recipe.resolution, home, _preparing(reporter), OTHERS)
    check_splits(name, recipe.evaluation.splits, scored)
    told = {ELSEWHERE + s: _told(recipe, name, scored[s], splits["train"], reporter) for s in recipe.evaluation.splits}
    return splits | told


def _told(recipe: Recipe, name: str, scored: Split, train: Split, reporter: Reporter) -> Split:
    """Pictures of another data set, told which of them were trained on where a table says so."""
    config = recipe.evaluation
    if not config.copies:
        reporter.note(f"Which pictures {name} shares with those trained on is not known: evaluation.copies=FILE.")
        return scored
    scored = told_of_copies(scored, train, Path(config.copies).expanduser(), config.without_copies)
    trained_on, count = scored.copies["trained_on"], scored.copies["scored"]
    out = ", and are left out" if config.without_copies else ""
    reporter.note(f"{trained_on} of {count} pictures of {name} with masks were trained on{out}.")
    return scored


def _uncropped(recipe: Recipe, splits: Mapping[str, Split], home: DataHome, reporter: Reporter) -> Split:
    """The training images as random crops are cut from them, larger than what is trained; as they are without crops."""
    side = recipe.training.prepared_side(recipe.resolution)
    if side == recipe.resolution:
        return splits["train"]
    only = {"train", "val", "test"} - recipe.dataset.apart if recipe.use_all_images else {"train"}
    return _prepared(recipe, side, home, reporter, only)["train"]


def _prepared(
    recipe: Recipe, side: int, home: DataHome, reporter: Reporter, only: Collection[str] = ()
) -> dict[str, Split]:
    """The splits of one side, or some of them; training images are those of all or of one class, as the recipe says."""
    splits = open_dataset(recipe.dataset, recipe.data_config, side, home, _preparing(reporter), only)
    if recipe.use_all_images:
        splits["train"] = joined([split for name, split in splits.items() if name not in recipe.dataset.apart])
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


def chosen_metrics(names: str, known: Mapping[str, Metric]) -> dict[str, Metric]:
    """Metrics by comma-separated names, "default" (what no names are, too) and "all" among them.

    Raises:
        UnknownName: nobody offers one of them.
    """
    sets = {"all": {*known}, "default": {name for name, metric in known.items() if not metric.on_request}}
    named = [name.strip() for name in names.split(",") if name.strip()] or ["default"]
    if unknown := sorted({*named} - {*known, *sets}):
        hint = did_you_mean(unknown[0], [*known, *sets], "`lgbench list metrics` shows what there is.")
        raise UnknownName(f"No installed plugin offers the metrics {', '.join(unknown)}. {hint}")
    wanted = {one for name in named for one in sets.get(name, {name})}
    return {name: metric for name, metric in known.items() if name in wanted}
