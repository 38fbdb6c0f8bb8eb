"""Settings, of a method's record or a user's, must be read by somebody: a slip there is silently another experiment."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress

from .errors import BadPlugin, BadRecipe, did_you_mean
from .offers import Generator, Method, Regularizer, Segmenter
from .settings import names_of
from .stage_configs import STAGES

__all__ = ["OTHERS", "WEIGHED", "WEIGHT", "check_presets", "check_read", "check_sense"]

TABLES = ("method", "generator", "data", "training", "segmentation", "segmenter", "evaluation")
"""Tables of a recipe besides the regularizers'."""
OTHERS = "evaluation.data"
"""The table of settings of the data set on which masks are predicted, where that is another."""
WEIGHT = "weight"
"""The setting that every regularizer has."""
WEIGHED = re.compile(rf"regularizers\.[^.]+\.{WEIGHT}")


def check_presets(
    method: Method,
    settings: Mapping[str, object],
    regularizers: Mapping[str, Regularizer],
    segmenters: Mapping[str, Segmenter],
    known: Iterable[str],
) -> None:
    """Refuse what no part of a recipe would read.

    Fields of method, generator and data are checked where they are filled in. What is said of a segmenter or a
    regularizer that is not switched on is read as soon as a user switches it on.

    Args:
        settings: those that the record gives for a run.
        known: the method's presets.

    Raises:
        BadPlugin: names the method and the key.
    """
    tables = {f"regularizers.{name}": name for name in regularizers}
    named = {name.rpartition(".")[0] for name in settings}
    # of what is not named, nothing is imported: one broken plugin would cost every run
    fields = {
        table: {WEIGHT, *names_of(regularizers[name].config_class)} for table, name in tables.items() if table in named
    }
    fields |= {table: names_of(config) for table, config in STAGES.items()}
    if "segmenter" in named:
        fields["segmenter"] = _of_segmenters([*segmenters.values(), *method.segmenters])
    for name in settings:
        table, _, field = name.rpartition(".")
        if name == "resolution" or field in fields.get(table, {field} if table in TABLES else ()):
            continue
        if table in fields:
            why = did_you_mean(field, fields[table], f"it has {sorted(fields[table])}.")
        else:
            others = f"tables are {', '.join(TABLES)}, regularizers.NAME."
            why = did_you_mean(table or name, [*TABLES, *tables], others)
        raise BadPlugin(f"The method {method.name} sets {name!r}, which nobody reads: {why}")
    weighed = {name for preset in method.presets.values() for name in preset}
    for name, table in method.regularizers.items():
        if "weight" not in table and f"regularizers.{name}.weight" not in weighed:
            raise BadPlugin(f"The method {method.name} names the regularizer {name!r} and gives it no weight.")
    for key in method.presets:
        preset, at, _ = key.partition("@")
        if at and preset and preset not in known:
            hint = did_you_mean(preset, known, f"It has {sorted(known)}.")
            raise BadPlugin(
                f"The method {method.name} has {key!r}, which nobody reads: no preset is {preset!r}. {hint}"
            )


def _of_segmenters(segmenters: Iterable[Segmenter]) -> set[str]:
    """What any of them has to set; one of a broken plugin counts only where it is asked for."""
    names = set[str]()
    for segmenter in segmenters:
        with suppress(BadPlugin):
            names |= names_of(segmenter.config_class)
    return names


def check_read(
    settings: Mapping[str, object], without: Collection[str], segmenter: Segmenter | None, weights: Mapping[str, float]
) -> None:
    """Refuse a setting of the user's that nobody would read.

    Args:
        without: regularizers that the user left out.
        segmenter: the run's, if it has one.
        weights: of the regularizers that are switched on.

    Raises:
        BadRecipe: names the setting, and what would make it count.
    """
    read = {*TABLES, *(f"regularizers.{name}" for name in weights)} - ({"segmenter"} if segmenter is None else set())
    for name in settings:
        table, _, _ = name.rpartition(".")
        if name == "resolution" or table in read or WEIGHED.fullmatch(name):
            continue
        if table == OTHERS:
            if settings.get("evaluation.dataset"):
                continue
            raise BadRecipe(f"{name} has no effect: add evaluation.dataset=NAME, the data set that it is a setting of.")
        if table == "segmenter":
            raise BadRecipe(f"{name} has no effect: this run has no segmenter.")
        if name.startswith("regularizers.") and name.count(".") == 2:
            regularizer = table.removeprefix("regularizers.")
            why = "it was left out" if regularizer in without else f"add --with {regularizer}"
            raise BadRecipe(f"{name} has no effect: {regularizer} is not switched on; {why}.")
        near = did_you_mean(table or name, TABLES, f"Tables are {', '.join(TABLES)}, regularizers.NAME.")
        raise BadRecipe(f"There is no setting {name!r}. {near}")


def check_sense(regularizer: Regularizer, generator: Generator, segmenter: Segmenter | None, rounds: int) -> None:
    """Refuse a regularizer that needs what a run does not have.

    Raises:
        BadRecipe: says what it needs, and how to have that.
    """
    if "layers" in regularizer.needs and not generator.layered:
        raise BadRecipe(f"{regularizer.name} needs layers, and {generator.name} paints whole images.")
    if "codes" in regularizer.needs and not generator.codes and not generator.with_codes:
        raise BadRecipe(f"{regularizer.name} needs a code that a layer shows, and {generator.name} has none.")
    if "rounds" not in regularizer.needs:
        return
    if segmenter is None:
        lacks = "this recipe teaches none. Set segmentation.name"
    elif rounds < 2:
        lacks = "there is one round only. Set training.rounds=2 or more"
    elif segmenter.paints:
        lacks = f"{segmenter.name} asks the generator that is in training. Set segmentation.name=unet-s"
    else:
        return
    raise BadRecipe(
        f"{regularizer.name} reads the segmenter of a round before, and {lacks}, or leave it out with "
        f"--without {regularizer.name}."
    )
