"""What a board is: `benchmarks/<name>.toml`, read and checked."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError, field_validator
from pydantic import model_validator as validates

from lgbench.errors import LgbenchError, UnknownName, did_you_mean
from lgbench.recipe import LARGEST_SEED
from lgbench.record import Protocol, Record

from .variants import Claim, Variant

__all__ = ["BadBoard", "Board", "BoardMetric", "Reported", "read_board", "read_boards"]


Seed = Annotated[int, Field(strict=True, ge=0, le=LARGEST_SEED)]


class BadBoard(LgbenchError):
    """A board that cannot be built: its definition, its records or its reported numbers do not fit together."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class BoardMetric(_Part):
    """A column.

    Attributes:
        name: the metric's name in the records; with a split behind it, "iou@train", where it is not the board's.
        better: "up" or "down"; "none" for a diagnostic that ranks nobody.
        digits: decimals that are shown; rows that are equal so rounded are ties.
    """

    name: str
    label: str = ""
    better: Literal["up", "down", "none"]
    digits: Annotated[int, Field(ge=0, le=6)] = 3

    @property
    def head(self) -> str:
        """The column's heading, with an arrow towards the better end."""
        return (self.label or self.name) + {"up": " ↑", "down": " ↓", "none": ""}[self.better]


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
        unknown = {field for fields in protocol.values() for field in fields} - set(Protocol.model_fields)
        if unknown:
            raise ValueError(f"a protocol has no {sorted(unknown)}; it has {sorted(Protocol.model_fields)}")
        return protocol


class Board(_Part):
    """A leaderboard's definition, and the grid that `lgbench sweep` runs for it.

    Attributes:
        name: the file's, without ".toml".
        tuned: where the methods' settings were chosen, and by what: a number on pictures that settings were chosen on
            flatters. It stands on the page.
        dataset_config: settings of the data set that every record must have been scored with.
        split, aggregation: what mask metrics must have been scored with, where stated; "train,test" scores both, and
            columns name the split that they show.
        metrics: columns; the first one ranks.
        variants: rows of an ablation, in the paper's order (`[[variant]]` in the file); such a board has no methods and
            ranks nobody.
        claims: what a paper says of pairs of them (`[[claim]]`).
    """

    name: str
    title: str
    text: str = ""
    tuned: str = ""
    dataset: str
    resolution: Annotated[int, Field(ge=1)]
    dataset_config: dict[str, JsonValue] = {}
    split: str | None = None
    aggregation: Literal["per_image", "pooled"] | None = None
    metrics: Annotated[list[BoardMetric], Field(min_length=1)]
    methods: list[str] = []
    presets: list[str] = []
    seeds: list[Seed] = [0, 1, 2]
    reported: list[Reported] = []
    variants: list[Variant] = Field(default=[], alias="variant")
    claims: list[Claim] = Field(default=[], alias="claim")

    @field_validator("metrics")
    @classmethod
    def _unique(cls, metrics: list[BoardMetric]) -> list[BoardMetric]:
        if len({metric.name for metric in metrics}) < len(metrics):
            raise ValueError("a metric is named twice")
        return metrics

    @validates(mode="after")
    def _fits(self) -> Board:
        if self.variants and self.methods:
            raise ValueError("it lists methods and variants; a board has the one or the other")
        if not self.presets and not all(variant.preset for variant in self.variants):
            raise ValueError("a variant without preset needs the benchmark's presets")
        for index, one in enumerate(self.variants):
            for other in self.variants[index + 1 :]:
                if one.name == other.name:
                    raise ValueError(f"two variants are named {one.name!r}")
                if not one.told_apart(other):
                    raise ValueError(
                        f"one run could be both {one.name!r} and {other.name!r}: let both set what tells them apart"
                    )
        for claim in self.claims:
            self._stands(claim)
        return self

    def _stands(self, claim: Claim) -> None:
        names = {variant.name for variant in self.variants}
        for name in (claim.better, claim.worse):
            if name not in names:
                raise ValueError(f"the claim {claim.text!r} names {name!r}, which is no variant")
        if claim.better == claim.worse:
            raise ValueError(f"the claim {claim.text!r} compares {claim.better!r} with itself")
        if claim.collapse:
            return
        metric = next((metric for metric in self.metrics if metric.name == claim.metric), None)
        if metric is None or metric.better == "none":
            raise ValueError(f"the claim {claim.text!r} needs a metric of the board with a better end")

    @property
    def told(self) -> list[str]:
        """What a page says before its tables: what the board is, and where settings were chosen."""
        chosen = f"**Where settings were chosen.** {self.tuned.strip()}" if self.tuned.strip() else ""
        return [paragraph for paragraph in (self.text.strip(), chosen) if paragraph]

    def presets_of(self, variant: Variant) -> list[str]:
        """The presets that a variant runs with."""
        return [variant.preset] if variant.preset else self.presets

    def variant_of(self, record: Record) -> Variant | None:
        """The variant that a record is a run of; at most one, for no two can be mistaken for each other."""
        fitting = (v for v in self.variants if record.preset in self.presets_of(v) and v.matches(record))
        return next(fitting, None)


def read_board(path: Path) -> Board:
    """Read one definition.

    Raises:
        BadBoard: it is not TOML, or a key is missing, unknown or of the wrong type.
    """
    try:
        return Board.model_validate({**tomllib.loads(path.read_text(encoding="utf-8")), "name": path.stem})
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadBoard(f"{path} is not TOML: {error}. Correct it and build again.") from error
    except ValidationError as error:
        faults = error.errors(include_url=False)
        told = "; ".join(f"{'.'.join(map(str, fault['loc'])) or 'board'}: {fault['msg']}" for fault in faults[:4])
        raise BadBoard(f"{path} does not define a board: {told}. Correct it and build again.") from error


def read_boards(root: Path, names: Sequence[str] = ()) -> list[Board]:
    """Read the definitions in `root`/benchmarks, sorted by name; only `names`, where there are any.

    Raises:
        BadBoard: there is none, or one is malformed.
        UnknownName: a name that no definition has.
    """
    paths = {path.stem: path for path in sorted((root / "benchmarks").glob("*.toml"))}
    if not paths:
        raise BadBoard(f"No boards are defined in {root / 'benchmarks'}. Run in the repository, or give --root.")
    for name in names:
        if name not in paths:
            hint = did_you_mean(name, paths, f"Known are: {', '.join(paths)}.")
            raise UnknownName(f"No board is named {name!r}. {hint}")
    return [read_board(path) for name, path in paths.items() if not names or name in names]
