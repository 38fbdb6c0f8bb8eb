"""What a benchmark is: a TOML file that says what `lgbench sweep` runs and what a board shows. Both read it here."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, TypeAdapter, ValidationError, field_validator
from pydantic import model_validator as validates

from .errors import BadRecipe, LgbenchError, UnknownName, did_you_mean
from .recipe import LARGEST_SEED, Request
from .record import Protocol, Record
from .variant import SHARED, Variant

__all__ = ["FLOORS", "BadBenchmark", "Benchmark", "Claim", "Column", "Reported", "Sign", "Variant", "read_benchmark"]

Seed = Annotated[int, Field(strict=True, ge=0, le=LARGEST_SEED)]

Sign = Literal["all_fg", "all_bg", "identical", "finds_nothing", "finds_all", "grey", "vanished"]
"""A sign of collapse: a flag of the record, masks grey all over, or a gradient of the mask that vanished."""

FLOORS = (
    *("empty", "full", "centre-ellipse", "otsu", "two-means", "grabcut"),
    *("iem", "iem-unet", "nearest-mask", "supervised-unet"),
)
"""What `floors = true` stands for; the last two learn from masks of the training images."""


class BadBenchmark(LgbenchError):
    """A benchmark that does not fit: its definition, or the records or reported numbers of its board."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Column(_Part):
    """A metric as a board shows it.

    Attributes:
        name: the metric's name in the records; with a split behind it, "iou@train", where it is not the board's; with a
            detail behind that, "spatial-consistency.miou", a companion of the number.
        better: "up" or "down"; "none" for a diagnostic that ranks nobody.
        digits: decimals that are shown; lines that are equal so rounded are ties.
    """

    name: str
    label: str = ""
    better: Literal["up", "down", "none"]
    digits: Annotated[int, Field(ge=0, le=6)] = 3

    @property
    def parts(self) -> tuple[str, str, str]:
        """Metric, split and detail of its name; "" for what it does not say."""
        number, _, detail = self.name.partition(".")
        metric, _, split = number.partition("@")
        return metric, split, detail

    @property
    def title(self) -> str:
        """What it is called."""
        return self.label or self.name

    @property
    def head(self) -> str:
        """The column's heading, with an arrow towards the better end."""
        return self.title + {"up": " ↑", "down": " ↓", "none": ""}[self.better]


class Reported(_Part):
    """Which of a paper's numbers to show beside the runs.

    Attributes:
        file: name in `leaderboards/reported`, without ".csv".
        dataset: the paper's name of the data set.
        metrics: the paper's name of a metric -> ours.
        percent: the paper's names of metrics that it prints in percent, ours being in [0, 1].
        tables: only these tables of the paper; all where empty.
        same_as: our name of that data set. This and what follows decide whether an ablation's numbers are comparable.
        resolution: the side of its images, where the table of reported numbers does not say it.
        presets: presets that have the paper's own settings.
        protocol: our metric -> fields of a `Protocol`, as the paper measured it; what is not stated is not compared.
    """

    file: str
    dataset: str
    metrics: dict[str, str]
    percent: list[str] = []
    tables: list[str] = []
    same_as: str = ""
    resolution: int | None = None
    presets: list[str] = ["paper"]
    protocol: dict[str, dict[str, JsonValue]] = {}

    @field_validator("protocol")
    @classmethod
    def _known(cls, protocol: dict[str, dict[str, JsonValue]]) -> dict[str, dict[str, JsonValue]]:
        for ours, field, said in [(metric, *pair) for metric in protocol for pair in protocol[metric].items()]:
            if field not in Protocol.model_fields:
                raise ValueError(f"a protocol has no {field!r}; it has {sorted(Protocol.model_fields)}")
            kind: Any = dict[str, Protocol.model_fields[field].annotation]  # pyright: ignore[reportInvalidTypeForm]
            TypeAdapter(kind).validate_python({f"{ours}.{field}": said}, strict=True)
        return protocol


class Claim(_Part):
    """What a paper says of two rows: by this metric, `better` is better than `worse`.

    Attributes:
        metric: a column of the board; "" for a claim about collapse.
        better, worse: names of variants.
        source: where the paper says it, say "milgan Table 1".
        margin: the claim is that the two are equal within it, in the metric's unit; 0 for an ordering.
        collapse: the claim is that `worse` collapses where `better` does not, by any of these signs.
    """

    text: Annotated[str, Field(min_length=1)]
    metric: str = ""
    better: str
    worse: str
    source: str
    margin: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    collapse: list[Sign] = []

    @validates(mode="after")
    def _of_one_kind(self) -> Claim:
        if bool(self.metric) == bool(self.collapse):
            raise ValueError(f"the claim {self.text!r} needs a metric, or signs of collapse, and not both")
        if self.collapse and self.margin:
            raise ValueError(f"the claim {self.text!r} is about collapse, which has no margin")
        if self.better == self.worse:
            raise ValueError(f"the claim {self.text!r} compares {self.better!r} with itself")
        return self


class Benchmark(_Part):
    """What to run, and what a board shows of it; what has no metrics is run only.

    Attributes:
        name: the file's, without ".toml".
        tuned: where the methods' settings were chosen, and by what: a number on pictures that settings were chosen on
            flatters. It stands on the page.
        resolution: side of the images; None for the data set's own, which no board can do with.
        dataset_config: settings of the data set that every record must have been scored with.
        split, aggregation: what mask metrics must have been scored with, where stated; "train,test" scores both, and
            columns name the split that they show.
        metrics: columns; the first one ranks.
        methods, presets, seeds: the grid: every method with every preset and seed.
        floors: methods that only segment, run once, with the first preset and seed: the board's floor and ceiling; true
            stands for `FLOORS`.
        variants: rows of an ablation, in the paper's order (`[[variant]]` in the file); such a benchmark has no methods
            and ranks nobody.
        set: settings of every variant, under those that it says itself.
        claims: what a paper says of pairs of them (`[[claim]]`).
    """

    name: str
    title: str = ""
    text: str = ""
    tuned: str = ""
    dataset: str
    resolution: Annotated[int, Field(strict=True, ge=1)] | None = None
    dataset_config: dict[str, JsonValue] = {}
    split: str | None = None
    aggregation: Literal["per_image", "pooled"] | None = None
    metrics: list[Column] = []
    methods: list[str] = []
    presets: list[str] = []
    seeds: Annotated[list[Seed], Field(min_length=1)] = [0, 1, 2]
    floors: list[str] = []
    reported: list[Reported] = []
    variants: list[Variant] = Field(default=[], alias="variant")
    set: dict[str, JsonValue] = {}
    claims: list[Claim] = Field(default=[], alias="claim")

    @validates(mode="before")
    @classmethod
    def _shared(cls, told: Any) -> Any:
        rows, shared = told.get("variant"), told.get("set", {})
        if not isinstance(rows, list) or not isinstance(shared, dict):
            return told
        if any(isinstance(row, dict) and SHARED in row for row in rows):
            raise ValueError(f"a variant has no key {SHARED!r}: what all of them set stands in the table `set`")
        return {**told, "variant": [{**row, SHARED: shared} if isinstance(row, dict) else row for row in rows]}

    @field_validator("floors", mode="before")
    @classmethod
    def _named(cls, floors: object) -> object:
        return floors if not isinstance(floors, bool) else [*FLOORS] if floors else []

    @validates(mode="after")
    def _fits(self) -> Benchmark:
        if len({metric.name for metric in self.metrics}) < len(self.metrics):
            raise ValueError("a metric is named twice")
        if both := {*self.methods, *(variant.method for variant in self.variants)} & {*self.floors}:
            raise ValueError(f"{min(both)!r} is among its floors and its rows: a floor is not ranked, leave one out")
        if self.variants and self.methods:
            raise ValueError("it lists methods and variants; a benchmark has the one or the other")
        if self.set and not self.variants:
            raise ValueError("its table `set` is for variants, and it has none: a method's settings are its presets'")
        if not self.presets and not all(variant.preset for variant in self.variants):
            raise ValueError("a variant without preset needs the benchmark's presets")
        for one, other in combinations(self.variants, 2):
            if one.name == other.name:
                raise ValueError(f"two variants are named {one.name!r}")
            if not one.told_apart(other):
                both = f"{one.name!r} and {other.name!r}"
                raise ValueError(f"one run could be both {both}: let both set what tells them apart")
        for variant in self.variants:
            for name in sorted(variant.settings.keys() & self.settings.keys()):
                if (said := variant.settings[name]) != (ours := self.settings[name]):
                    place = f"the variant {variant.name!r}" if name in variant.set else "its table `set`"
                    raise ValueError(f"{place} says {name}={said!r}, and the board itself {ours!r}: leave one out")
        for claim in self.claims:
            self._stands(claim)
        for paper in self.reported:
            self._shown(paper)
        return self

    def _shown(self, paper: Reported) -> None:
        columns = {column.name for column in self.metrics}
        for ours in (*paper.metrics.values(), *paper.protocol):
            if ours not in columns:
                raise ValueError(f"numbers of {paper.file} go to {ours!r}, which is no column of the board")
        if odd := sorted({*paper.percent} - paper.metrics.keys()):
            raise ValueError(f"{paper.file} prints {odd[0]!r} in percent, and its `metrics` do not name that")

    def _stands(self, claim: Claim) -> None:
        for name in (claim.better, claim.worse):
            if all(variant.name != name for variant in self.variants):
                raise ValueError(f"the claim {claim.text!r} names {name!r}, which is no variant")
        if not claim.collapse and not any(m.name == claim.metric and m.better != "none" for m in self.metrics):
            raise ValueError(f"the claim {claim.text!r} needs a metric of the board with a better end")

    def presets_of(self, variant: Variant) -> list[str]:
        """The presets that a variant runs with."""
        return [variant.preset] if variant.preset else self.presets

    def variant_of(self, record: Record) -> Variant | None:
        """The variant that a record is a run of; at most one, for no two can be mistaken for each other."""
        fitting = (v for v in self.variants if record.preset in self.presets_of(v) and v.matches(record))
        return next(fitting, None)

    def row_of(self, record: Record) -> str:
        """The name of that variant, "" where there is none."""
        variant = self.variant_of(record)
        return variant.name if variant else ""

    @property
    def settings(self) -> dict[str, object]:
        """What it sets in every run's recipe."""
        scored = {"evaluation.split": self.split, "evaluation.aggregation": self.aggregation}
        return {
            **{f"data.{name}": value for name, value in self.dataset_config.items()},
            **{name: value for name, value in scored.items() if value is not None},
        }

    def requests(
        self,
        methods: Sequence[str] = (),
        presets: Sequence[str] = (),
        variants: Sequence[str] = (),
        seeds: Sequence[int] = (),
    ) -> list[Request]:
        """Its runs, as `lgbench run` would be asked for them; only these, where any are named.

        Where it lists methods, others and other presets may be named too: its table is open. Variants are fixed.

        Raises:
            UnknownName: a variant that it does not have.
            BadRecipe: none of its runs is such, or it does not say what to run.
        """
        floors = [] if variants else [name for name in self.floors if name in (methods or self.floors)]
        others = [name for name in methods if name not in floors]
        rows = self._chosen(others, variants) if self.variants else self._listed(others, variants)
        if methods and not others:
            rows = []
        grid = [(row, self._presets(row, presets), dict.fromkeys(seeds or self.seeds)) for row in rows]
        first = [seed for seed in self.seeds[:1] if seed in (seeds or [seed])]
        grid += [(_as_row(name), (presets or self.presets)[:1], first) for name in floors]
        found = [
            Request(row.method, self.dataset, preset, seed, self.resolution, self.settings | cell, tuple(row.without))
            for row, with_presets, with_seeds in grid
            for preset in with_presets
            for seed in with_seeds
            for cell in row.cells
        ]
        if not found and self.variants:
            raise BadRecipe(f"{self.name} has no such run: no variant has this method, preset and name.")
        if not found:
            said = {"methods": methods or self.methods, "presets": presets or self.presets, "seeds": self.seeds}
            lacking = [name for name, values in said.items() if not values]
            raise BadRecipe(f"{self.name} does not say which {' and '.join(lacking)} to run. Add them to the file.")
        return found

    def _listed(self, methods: Sequence[str], variants: Sequence[str]) -> list[Variant]:
        """The methods that it lists, as variants that set nothing."""
        if variants:
            raise BadRecipe(f"{self.name} has no variants to choose from; it lists methods: use --method.")
        return [_as_row(method) for method in methods or self.methods]

    def _chosen(self, methods: Sequence[str], variants: Sequence[str]) -> list[Variant]:
        known = [variant.name for variant in self.variants]
        for name in variants:
            if name not in known:
                hint = did_you_mean(name, known, f"It has: {', '.join(known)}.")
                raise UnknownName(f"{self.name} has no variant {name!r}. {hint}")
        return [
            variant
            for variant in self.variants
            if variant.name in (variants or known) and variant.method in (methods or [variant.method])
        ]

    def _presets(self, row: Variant, asked: Sequence[str]) -> Sequence[str]:
        if not self.variants:
            return asked or self.presets
        return [preset for preset in self.presets_of(row) if preset in (asked or [preset])]


def _as_row(method: str) -> Variant:
    """A method as a variant that sets nothing."""
    return Variant(name=method, method=method)


def read_benchmark(path: Path) -> Benchmark:
    """Read one benchmark file.

    Raises:
        BadBenchmark: it is not TOML, or a key is missing, unknown or of the wrong type.
    """
    try:
        return Benchmark.model_validate({**tomllib.loads(path.read_text(encoding="utf-8")), "name": path.stem})
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadBenchmark(f"{path} is not a TOML file in UTF-8: {error}. Correct it and try again.") from error
    except ValidationError as error:
        faults = dict.fromkeys(_in_words(fault) for fault in error.errors(include_url=False))
        told = "; ".join([*faults][:4])
        told = told if told.endswith("?") else f"{told}."
        raise BadBenchmark(f"{path} does not define a benchmark: {told} Correct it and try again.") from error


def _in_words(fault: Any) -> str:
    place = fault["loc"]
    if SHARED in place:  # each variant is told of the table that stands in the file once
        place = ("set", *place[place.index(SHARED) + 1 :])
    where = ".".join(map(str, place)) or "benchmark"
    if fault["type"] == "model_type" and where.startswith("metrics."):
        return f'{where}={fault["input"]!r} is no table: write {{ name = "{fault["input"]}", better = "up" }}'
    if fault["type"] == "extra_forbidden":
        kind = {"variant": Variant, "metrics": Column, "reported": Reported, "claim": Claim}.get(place[0], Benchmark)
        keys = [field.alias or name for name, field in kind.model_fields.items() if field.alias != SHARED]
        hint = did_you_mean(str(place[-1]), keys, f"It may have: {', '.join(keys)}")
        return f"{where}: there is no such key. {hint}"
    told = fault["msg"].removeprefix("Value error, ")
    whole = isinstance(fault["input"], dict)  # of which the message says what is wrong with it
    return f"{where}: {told}" if whole else f"{where}={fault['input']!r} does not fit: {told}"
