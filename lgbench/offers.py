"""The nouns that plugins offer. Nothing here imports torch: listing what is installed stays instant.

A record names its builder; the builder is called only when somebody runs it, and may import torch then.
Every `config` is a frozen dataclass whose defaults are the paper's; a recipe's table of the same name fills it. It is
given as such, or named by `Lazy` where it stands in a module that listing need not import; `config_class` is the class.
"""

import pkgutil
from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

from .errors import BadPlugin

__all__ = [
    "NOTHING",
    "PARTS",
    "Dataset",
    "Generator",
    "ImageSpec",
    "Lazy",
    "Method",
    "Metric",
    "NoConfig",
    "Part",
    "Regularizer",
    "Segmenter",
    "Source",
]

PARTS: Mapping[str, str] = {
    "masks": "mask",
    "ignored": "ignored",
    "instances": "instances",
    "labels": "label",
    "segments": "segments",
    "attributes": "attributes",
    "landmarks": "landmarks",
}
"""What may be known of a data set's images besides themselves, and the attribute of a `Sample` that holds it."""

Settings = Mapping[str, object]
"""Dotted names of a recipe and their values, say `{"training.steps": 2000}`."""


@dataclass(frozen=True, slots=True)
class Lazy:
    """A function or class that is imported when it is first called: `Lazy("lgbench_comgan.model:ComGAN")`.

    Records are read without torch; what they build with it stands in modules that import it.
    """

    where: str

    def __call__(self, *args: Any, **named: Any) -> Any:
        return self.found(*args, **named)

    @property
    def found(self) -> Any:
        """What it names, imported now.

        Raises:
            BadPlugin: there is no such thing, or what is imported for it raises or exits.
        """
        try:
            return pkgutil.resolve_name(self.where)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # as of a plugin's own module
            raise BadPlugin(
                f"{self.where!r}, which a plugin names, cannot be imported ({type(error).__name__}: {error}). Mend or "
                "uninstall it; `lgbench doctor` tells which it is."
            ) from error


@dataclass(frozen=True, slots=True)
class NoConfig:
    """For records that have nothing to set."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Offer:
    """What has settings, and is built by them when somebody runs it; `summary` is one line about it."""

    name: str
    summary: str
    build: Callable[..., Any]
    config: type | Lazy = NoConfig
    said: ClassVar = {"name"}
    """What a recipe says in the same table: no setting may be called so."""

    @property
    def config_class(self) -> type[Any]:
        """The dataclass of its settings, imported now where `config` only names it.

        Raises:
            BadPlugin: it cannot be imported, is none, or has a setting of a name that a recipe's table has taken.
        """
        found = self.config.found if isinstance(self.config, Lazy) else self.config
        if not (isinstance(found, type) and is_dataclass(found)):
            raise BadPlugin(f"The `config` of {self.name} is {found!r}, and has to be a dataclass.")
        if taken := sorted(self.said & {each.name for each in fields(found)}):
            raise BadPlugin(f"The `config` of {self.name} has a field {taken[0]!r}, a name of the recipe: rename it.")
        return found


@dataclass(frozen=True, slots=True)
class ImageSpec:
    """What a builder knows of the images that it is built for.

    Attributes:
        resolution: side of the square images, pixels.
        channels: 1 where every image is grey (layers still have three equal channels), else 3.
        classes: number of labels that the data set distinguishes, 0 where it has none.
        segments: number of classes of its class maps, 0 where it has none.
        attributes: number of its attributes.
        landmarks: number of its landmarks.
    """

    resolution: int
    channels: int = 3
    classes: int = 0
    segments: int = 0
    attributes: int = 0
    landmarks: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Generator(_Offer):
    """A network that samples codes and paints `lgbench.Layers`.

    Attributes:
        build: `(config, spec) -> Painter` (see `lgbench.layers.Painter`).
        layered: whether it paints a background and at least one foreground with its alpha.
        needs: what it cannot paint without, of what a data set may provide: "segments", "attributes", "labels".
        codes: recoverable categorical codes, name -> the layer that shows it ("foreground" or "background").
        with_codes: settings that give it a code where it has none, laid under the user's when a regularizer needs one.
        varies: names of all codes that its painter may sample under some setting: what `lgbench sample --vary` takes.
    """

    layered: bool = True
    needs: frozenset[str] = frozenset()
    codes: Mapping[str, str] = field(default_factory=dict)
    with_codes: Settings = field(default_factory=dict)
    varies: tuple[str, ...] = ("z",)


NOTHING = Generator(
    name="none", summary="paints nothing", build=lambda config, spec: Lazy("lgbench.layers:Nobody")(), layered=False
)
"""What a method has that only segments."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Regularizer(_Offer):
    """A weighted term that any method can switch on (`--with`) or off (`--without`).

    Attributes:
        build: `(config, painter, spec) -> Term` (see `lgbench.game.Term`).
        needs: any of "layers" and "codes", which the generator must have; "rounds" of alternate training; and of what
            a data set may provide.
    """

    paper: str = ""
    needs: frozenset[str] = frozenset({"layers"})
    said: ClassVar = {"name", "weight"}


@dataclass(frozen=True, slots=True)
class Source:
    """One official file of a data set.

    Attributes:
        file: name below the data set's folder.
        urls: where it is offered, best first; none where it can only be put there by hand.
        checksum: "sha256:<hex>", or "md5:<hex>" where the provider's community states only that.
        size: bytes, 0 where not stated.
    """

    file: str
    urls: tuple[str, ...]
    checksum: str
    size: int = 0
    optional: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset(_Offer):
    """Images with what is known about them.

    Attributes:
        build: `(config, resolution, home) -> RawDataset` (see `lgbench.data`).
        provides: what it has of `PARTS`; what an opened copy lacks, its `Split` says.
        splits: how many pictures each split has, in words.
        by_hand: one sentence on what a user puts where, below the data home: all of it where nothing offers its files,
            else what makes it more than the fetched files do.
        locate: `(home) -> Path | None`, the folder that has its files, None where they are not here; by default, its
            own folder if that has all `sources` that are not optional.
        resolution: default side, pixels.
        apart: splits that "all" images do not include: made to choose settings on, of no digit or flower of their own,
            so that numbers over all images stay what they were without them.
        offline: whether it can be had with no network and no files.
        grey: whether every image is grey.
        version: raised whenever the same settings and files would give other images; part of the protocol, and of the
            name of what is prepared, where it is not 1.
        thing: what its pictures show, in COCO's word, where it reads masks that `lgbench data pseudo-masks` made of it
            (its setting `masks` names their folder); "" where it does not.
        regions: how landmarks become class maps, `(landmarks (P, 2), side) -> (side, side) uint8`, the landmarks in
            pixels of that side; None where they do not.
        walks: name -> `(config, resolution, index, frames) -> landmarks (frames, P, 2)`: test picture `index` while one
            factor moves alone, in even steps, from one end of its range to the other.
    """

    licence: str = ""
    citation: str = ""
    provides: frozenset[str] = frozenset()
    splits: str = ""
    resolution: int = 64
    apart: frozenset[str] = frozenset()
    offline: bool = False
    grey: bool = False
    version: int = 1
    sources: tuple[Source, ...] = ()
    by_hand: str = ""
    locate: Callable[[Any], Path | None] | None = None
    thing: str = ""
    regions: Callable[..., Any] | None = None
    walks: Mapping[str, Callable[..., Any]] = field(default_factory=dict)
    said: ClassVar = {"name", "use_all_images"}

    @property
    def fetched(self) -> bool:
        """Whether its files are offered somewhere, so that they need not be put by hand."""
        return any(source.urls for source in self.sources)


@dataclass(frozen=True, slots=True)
class Part:
    """One piece of evidence for metrics to read, made once for a run and only where a metric needs it.

    Attributes:
        name: what `evidence[name]` and `Metric.needs` call it.
        make: `(evidence) -> value`, from the run's networks and data and from other parts (see
            `lgbench.evaluation.Evidence`); raises `NotAvailable` with the reason where it cannot be had.
        protocol: `(evidence) -> fields`, what it adds to the protocol of every number that reads it (see
            `lgbench.record.Protocol`).
    """

    name: str
    make: Callable[[Any], Any]
    protocol: Callable[[Any], Mapping[str, object]] = lambda evidence: {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """A number for a leaderboard.

    Attributes:
        compute: `(evidence) -> Score` (see `lgbench.evaluation`).
        needs: parts of the evidence it reads; it is "not available" where one is missing.
        parts: parts that it brings along, besides those that every evaluation has.
        direction: "up" where higher is better, "down" where lower is, "none" for a diagnostic.
        version: raised whenever the same evidence would give another value; part of the protocol.
        on_request: computed only where `evaluation.metrics` names it, or says "all": it teaches a network, looks at
            every real image once more, paints anew, or few methods have what it reads.
        reference: the implementation it is tested against, and `deviation` the measured difference.
    """

    name: str
    summary: str
    compute: Callable[..., Any]
    needs: frozenset[str]
    direction: Literal["up", "down", "none"]
    parts: tuple[Part, ...] = ()
    unit: str = ""
    range: tuple[float, float] = (0.0, 1.0)
    version: int = 1
    on_request: bool = False
    reference: str = ""
    deviation: str = ""

    def __post_init__(self) -> None:
        """Refuse what would fail only behind a day's training, or on every board that reads the record.

        Raises:
            BadPlugin: names the metric and the field.
        """
        ends = self.range if isinstance(self.range, tuple) else ()
        sound = {
            "needs": isinstance(self.needs, Set) and all(isinstance(name, str) for name in self.needs),
            "parts": isinstance(self.parts, tuple) and all(isinstance(part, Part) for part in self.parts),
            "direction": self.direction in ("up", "down", "none"),
            "range": len(ends) == 2 and all(isinstance(end, int | float) for end in ends) and ends[0] < ends[1],
            "version": isinstance(self.version, int) and self.version >= 1,
        }
        if wrong := [name for name, fits in sound.items() if not fits]:
            raise BadPlugin(f"The metric {self.name} has {wrong[0]}={getattr(self, wrong[0])!r}: see lgbench.Metric.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Segmenter(_Offer):
    """A way to segment real images, with a trained generator or, where a method paints nothing, without.

    Attributes:
        build: `(config, painter, spec) -> Game` whose painter is frozen and which has a `predict`; a game without
            phases segments as it is.
        paints: its masks are the generator's own, so they move while that trains; no regularizer can read it.
        needs: what it learns from besides pictures, of what a data set may provide: "masks", say.
    """

    paints: bool = False
    needs: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Method(_Offer):
    """A published way to train a generator, and to segment with it; or only to segment.

    Attributes:
        generator: name of the `Generator` it trains; None where it paints nothing and has `segmenters` of its own.
        build: `(config, painter, spec) -> Game` (see `lgbench.game`): critics and phases.
        regularizers: name -> settings, `weight` among them, of the terms that the paper has.
        segmenter: default way to segment real images; an installed one or one of `segmenters`.
        segmenters: the method's own ways.
        presets: settings by "preset", "@dataset" or "preset@dataset", laid over the defaults in the order
            "@dataset", "preset", "preset@dataset". "smoke", "small" and "paper" are always there.
    """

    paper: str
    citation: str
    generator: str | None
    supervision: Literal["none", "weak", "full"] = "none"
    regularizers: Mapping[str, Settings] = field(default_factory=dict)
    segmenter: str = "unet-s"
    segmenters: tuple[Segmenter, ...] = ()
    presets: Mapping[str, Settings] = field(default_factory=dict)
