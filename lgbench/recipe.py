"""A recipe: everything that determines a run, resolved from records, presets and the command line, and checked.

Settings are dotted names, `table.field`: tables `method`, `generator`, `data`, `training`, `segmentation`, `segmenter`,
`evaluation`, `regularizers.NAME`, and `resolution` on its own. Each table fills the frozen dataclass of the part that
reads it, and only that part sees it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path, PurePath
from typing import Annotated, Any

from annotated_types import Ge

from .errors import BadRecipe, UnknownName, did_you_mean
from .files import sha256_of_json
from .offers import NOTHING, Dataset, Generator, Method, Regularizer, Segmenter
from .setting_checks import OTHERS, WEIGHED, WEIGHT, check_presets, check_read, check_sense
from .settings import fill, names_of, plain, typed
from .stage_configs import EvaluationConfig, SegmentationConfig, TrainingConfig

__all__ = [
    "FOR_CPUS",
    "LARGEST_SEED",
    "LOOKING",
    "PRESETS",
    "Chosen",
    "Elsewhere",
    "Recipe",
    "Request",
    "learnt",
    "parse_setting",
    "parse_with",
    "resolve",
    "with_elsewhere",
]

PRESETS = ("smoke", "small", "paper")

FOR_CPUS = {"smoke": "minutes to an hour", "cpu": "hours"}
"""Presets that are meant for a CPU, and what they take on two cores; not every method has `cpu`."""
LONGEST_NAME = 120  # bytes of a data set's name in those of folders
LARGEST_SEED = 2**31 - 1
"""Seeds lie between 0 and this: generators of random numbers keep 32 bits, and stages add small numbers to it."""
CATEGORY = "training.category"
"""The setting of the one class that a run knows; -1 for all."""
USE_ALL = "use_all_images"
"""The setting of `data` that every data set has."""
LOOKING = ("log_every", "grid_every", "checkpoint_seconds")
"""Settings of the training that change nothing but what one sees of it."""
UNTRAINED = ("precision", "channels_last", "compile", "category", *LOOKING)
"""Settings of the training that count where no generator is trained."""


@dataclass(frozen=True, slots=True)
class Request:
    """What a user asked for; a cell of a sweep is one too.

    Attributes:
        method, dataset: names, as on the command line; a data set may be "folder:PATH".
        seed: from 0 to `LARGEST_SEED`.
        resolution: side, pixels; None for the presets' or the data set's own.
        settings: dotted settings (`--set`, and `--with` as `parse_with` reads it); they win over presets.
        without: regularizers to leave out.
    """

    method: str
    dataset: str
    preset: str = "small"
    seed: int = 0
    resolution: int | None = None
    settings: Mapping[str, object] = field(default_factory=dict)
    without: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Chosen:
    """A regularizer that is switched on."""

    record: Regularizer
    weight: float
    config: Any


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """Another data set, on which masks are predicted, and its settings."""

    dataset: Dataset
    config: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """Everything that determines a run. Two runs of one recipe on the same data and machine end with the same numbers.

    `request` is what it was resolved from, and `overrides` what the user set beyond the preset: a record tells it, but
    it is no part of what is hashed. `use_all_images` trains on the pictures of every split, whatever the data set.
    `elsewhere` is where masks are predicted, None for the data set itself.
    """

    method: Method
    generator: Generator
    dataset: Dataset
    segmenter: Segmenter | None
    regularizers: tuple[Chosen, ...]
    preset: str
    seed: int
    resolution: int
    method_config: Any
    generator_config: Any
    data_config: Any
    segmenter_config: Any
    training: TrainingConfig
    segmentation: SegmentationConfig
    evaluation: EvaluationConfig
    request: Request
    overrides: Mapping[str, object] = field(default_factory=dict)
    use_all_images: bool = False
    elsewhere: Elsewhere | None = None

    def as_dict(self) -> dict[str, Any]:
        """The recipe in plain values, as a record holds it."""
        return {
            "method": {"name": self.method.name, **plain(self.method_config)},
            "generator": {"name": self.generator.name, **plain(self.generator_config)},
            "data": {"name": self.dataset.name, **self.data_settings},
            "regularizers": {
                chosen.record.name: {"weight": chosen.weight, **plain(chosen.config)} for chosen in self.regularizers
            },
            "training": {k: v for k, v in plain(self.training).items() if self.method.generator or k in UNTRAINED},
            "segmentation": plain(self.segmentation),
            "segmenter": {"name": self.segmenter.name, **plain(self.segmenter_config)} if self.segmenter else {},
            "evaluation": plain(self.evaluation) | self._elsewhere,
            "preset": self.preset,
            "seed": self.seed,
            "resolution": self.resolution,
        }

    @property
    def _elsewhere(self) -> dict[str, Any]:
        """What the table `evaluation` holds of another data set; of files, their names alone."""
        if self.elsewhere is None:
            return {}
        copies = {"copies": PurePath(self.evaluation.copies).name} if self.evaluation.copies else {}
        return {"dataset": self.elsewhere.dataset.name, "data": plain(self.elsewhere.config), **copies}

    @property
    def data_settings(self) -> dict[str, Any]:
        """What is said of the data set, in plain values; what came later is not said while it is at its default."""
        return plain(self.data_config) | ({USE_ALL: True} if self.use_all_images else {})

    @property
    def records(self) -> list[tuple[str, str]]:
        """(Kind, name) of every record that plugins offer and the run uses, metrics aside."""
        named = [("methods", self.method), ("generators", self.generator), ("datasets", self.dataset)]
        named += [("segmenters", self.segmenter)] if self.segmenter else []
        chosen = [("regularizers", chosen.record) for chosen in self.regularizers]
        return [(kind, record.name) for kind, record in (*named, *chosen)]

    @property
    def hash(self) -> str:
        """SHA-256 of the recipe, hex."""
        return sha256_of_json(self.as_dict())

    @property
    def learning(self) -> dict[str, Any]:
        """What of the recipe decides, together with the pictures themselves, how networks turn out."""
        return learnt(self.as_dict())

    @property
    def label(self) -> str:
        """What a run is called: the name of its folder begins with it."""
        data = self.dataset.name.replace(":", "-").replace("/", "-")
        data = data.encode()[:LONGEST_NAME].decode(errors="ignore")  # folders have names of 255 bytes at most
        return f"{self.method.name}-{data}-{self.preset}-{self.resolution}px-s{self.seed}"


def learnt(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """What of a recipe in plain values decides how networks turn out: what every scoring of them has alike."""
    kept = {name: table for name, table in recipe.items() if name not in ("data", "preset", "evaluation")}
    for name, idle in (("training", LOOKING), ("segmentation", ("polarity",))):
        kept[name] = {key: value for key, value in kept[name].items() if key not in idle}
    return kept


def parse_setting(text: str) -> tuple[str, object]:
    """`a.b=c` -> ("a.b", "c"); "null" is None.

    Raises:
        BadRecipe: there is no "=" in it.
    """
    name, equals, value = text.partition("=")
    if not equals:
        raise BadRecipe(f"{text!r} is not a setting. Write it as TABLE.FIELD=VALUE, say training.steps=500.")
    return name.strip(), None if value.strip() == "null" else value.strip()


def parse_with(*texts: str) -> dict[str, Any]:
    """Each `NAME:weight=5,form=min` -> settings that switch the regularizer on, weight 1 where it is not said.

    Raises:
        BadRecipe: one is named twice, or a setting of it: the first would be forgotten.
    """
    settings: dict[str, Any] = {}
    for text in texts:
        name, _, rest = text.partition(":")
        said = [
            (f"regularizers.{name}.{key}", value) for key, value in map(parse_setting, filter(None, rest.split(",")))
        ]
        added = {f"regularizers.{name}.{WEIGHT}": 1.0, **dict(said)}
        if added.keys() & settings or len(dict(said)) < len(said):
            raise BadRecipe(f"{text!r} says again what was said of {name}: say all of it once, NAME:weight=5,form=min.")
        settings |= added
    return settings


def resolve(
    method: Method,
    generator: Generator,
    dataset: Dataset,
    regularizers: Mapping[str, Regularizer],
    segmenters: Mapping[str, Segmenter],
    request: Request,
) -> Recipe:
    """Lay settings over each other and check them: the records' defaults, the method's presets, then the user's.

    Args:
        method, generator, dataset: what the request's names stand for.
        regularizers: all that are installed, by name.
        segmenters: all that are installed, by name; the method's own join them.

    Raises:
        BadRecipe: a setting that does not exist, does not fit its type, or makes no sense for this generator.
    """
    # Lay what is said over each other, and choose who takes part.
    presets = _presets(method, dataset, request.preset)
    check_presets(method, presets, regularizers, segmenters, _known_presets(method))
    settings = {**presets, **request.settings}
    training = fill(TrainingConfig, "training", settings)
    segmentation = fill(SegmentationConfig, "segmentation", settings)
    segmenter = _segmenter(segmentation.name, method, generator, segmenters)
    weights = _weights(settings, regularizers, method, request.without)

    # Refuse what makes no sense, or what nobody would read.
    if generator is NOTHING:
        _untrained(request.settings, weights, method)
    if segmenter is None or generator is NOTHING:
        segmentation = _as_painted(segmentation, request.settings)
    for name in weights:
        check_sense(regularizers[name], generator, segmenter, training.rounds)
    check_read(request.settings, request.without, segmenter, weights)

    # Fill what each part reads.
    if any("codes" in regularizers[name].needs for name in weights):
        settings = {**generator.with_codes, **settings}
    return Recipe(
        method=method,
        generator=generator,
        dataset=dataset,
        segmenter=segmenter,
        regularizers=tuple(_chosen(regularizers[name], weight, settings) for name, weight in sorted(weights.items())),
        preset=request.preset,
        seed=_seed(request.seed),
        resolution=_resolution(request, settings.get("resolution", dataset.resolution)),
        method_config=fill(method.config_class, "method", settings),
        generator_config=fill(generator.config_class, "generator", settings),
        data_config=fill(dataset.config_class, "data", settings, USE_ALL),
        use_all_images=typed(bool, settings.get(f"data.{USE_ALL}", False), f"data.{USE_ALL}"),
        segmenter_config=_segmenter_config(segmenter, settings, request) if segmenter else None,
        training=training,
        segmentation=segmentation,
        evaluation=fill(EvaluationConfig, "evaluation", settings),
        request=request,
        overrides={**request.settings, **{f"regularizers.{name}.weight": 0 for name in request.without}},
    )


def with_elsewhere(recipe: Recipe, other: Dataset) -> Recipe:
    """The recipe that predicts masks on another data set, which `evaluation.dataset` names.

    Raises:
        BadRecipe: a setting that this data set does not have, or the very data that is learnt from.
    """
    config = fill(other.config_class, OTHERS, recipe.request.settings)
    if _builds(other) == _builds(recipe.dataset) and config == recipe.data_config:
        raise BadRecipe(f"evaluation.dataset={other.name} is what is trained on: leave it out.")
    return replace(recipe, elsewhere=Elsewhere(other, config))


def _builds(dataset: Dataset) -> tuple[object, ...]:
    """What tells a data set from others, however its path was written."""
    if isinstance(dataset.build, partial):  # of a folder or an archive
        return dataset.name, *(arg.resolve() if isinstance(arg, Path) else arg for arg in dataset.build.args)
    return (dataset.name,)


def _known_presets(method: Method) -> set[str]:
    return {key for key in method.presets if "@" not in key} | set(PRESETS)


def _presets(method: Method, dataset: Dataset, preset: str) -> dict[str, object]:
    known = _known_presets(method)
    if preset not in known:
        raise BadRecipe(
            f"{method.name} has no preset {preset!r}. {did_you_mean(preset, known, f'It has {sorted(known)}.')}"
        )
    settings = {
        f"regularizers.{name}.{key}": v for name, table in method.regularizers.items() for key, v in table.items()
    }
    for key in (f"@{dataset.name}", preset, f"{preset}@{dataset.name}"):
        settings.update(method.presets.get(key, {}))
    return settings


def _weights(
    settings: Mapping[str, object], known: Mapping[str, Regularizer], method: Method, without: Sequence[str]
) -> dict[str, float]:
    """The regularizers that are switched on, and their weights."""
    weighed = {name.split(".")[1]: name for name in settings if WEIGHED.fullmatch(name)}
    if unknown := [name for name in (*weighed, *without) if name not in known]:
        hint = did_you_mean(unknown[0], known, "`lgbench list regularizers` shows what is installed.")
        raise UnknownName(f"No installed plugin offers a regularizer named {unknown[0]!r}. {hint}")
    if absent := [name for name in without if name not in weighed]:
        raise BadRecipe(
            f"{method.name} has no {absent[0]} to leave out; it has {sorted(weighed) or 'no regularizers'}."
        )
    kind: Any = Annotated[float, Ge(0)]  # what a penalty or a move would learn turned round is no paper's, and diverges
    weights = {name: typed(kind, settings[key], key) for name, key in weighed.items() if name not in without}
    return {name: weight for name, weight in weights.items() if weight}


def _chosen(regularizer: Regularizer, weight: float, settings: Mapping[str, object]) -> Chosen:
    table = f"regularizers.{regularizer.name}"
    return Chosen(regularizer, weight, fill(regularizer.config_class, table, settings, WEIGHT))


def _segmenter(name: str, method: Method, generator: Generator, known: Mapping[str, Segmenter]) -> Segmenter | None:
    own = {segmenter.name: segmenter for segmenter in method.segmenters}
    by_name = own if generator is NOTHING else {**known, **own}  # the general ones learn what a generator paints
    if name == "none" or not (generator.layered or generator is NOTHING):
        return None
    name = method.segmenter if name == "auto" else name
    if name not in by_name:
        hint = did_you_mean(name, by_name, f"It has {sorted(by_name)}.")
        raise UnknownName(f"{method.name} has no segmenter named {name!r}. {hint}")
    return by_name[name]


def _segmenter_config(segmenter: Segmenter, settings: Mapping[str, object], request: Request) -> Any:
    """Without what a preset says to another segmenter and this one does not know."""
    known = {f"segmenter.{name}" for name in names_of(segmenter.config_class)} | request.settings.keys()
    fitting = {name: value for name, value in settings.items() if name in known}
    return fill(segmenter.config_class, "segmenter", fitting)


def _seed(seed: object) -> int:
    if type(seed) is not int or not 0 <= seed <= LARGEST_SEED:
        raise BadRecipe(f"seed={seed!r} does not fit: a seed is a whole number from 0 to {LARGEST_SEED:,}.")
    return seed


def _untrained(given: Mapping[str, object], weights: Mapping[str, float], method: Method) -> None:
    """Refuse what only somebody who trains a generator would read."""
    table = "training."
    unread = [name for name in given if name.startswith(table) and name.removeprefix(table) not in UNTRAINED]
    if unread := [*unread, *(f"--with {name}" for name in weights)]:
        raise BadRecipe(f"{unread[0]} has no effect: {method.name} trains no generator, it only segments.")


def _as_painted(segmentation: SegmentationConfig, given: Mapping[str, object]) -> SegmentationConfig:
    """Without a preset's rule of polarity, where nothing learns from painted layers; a user's is refused."""
    if segmentation.polarity != "painted" and "segmentation.polarity" in given:
        raise BadRecipe("segmentation.polarity has no effect: nothing here learns from painted layers. Leave it out.")
    return replace(segmentation, polarity="painted")


def _resolution(request: Request, otherwise: object) -> int:
    """The resolution that a user gives, who has two ways to, or the presets' or the data set's."""
    side = typed(int, otherwise if request.resolution is None else request.resolution, "resolution")
    other = request.settings.get("resolution", side)
    if request.resolution is not None and typed(int, other, "resolution") != side:
        raise BadRecipe(f"resolution={other} and --resolution {side} differ: leave one out.")
    if side < 16 or side & (side - 1):
        raise BadRecipe(f"resolution={side} does not fit: networks here need a power of two from 16 up.")
    return side
