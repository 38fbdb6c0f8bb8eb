"""What `lgbench sweep` reads of a benchmark file."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, TypeAdapter, ValidationError

from lgbench.errors import BadRecipe
from lgbench.recipe import LARGEST_SEED

__all__ = ["Grid", "read_grid"]

Seed = Annotated[int, Field(strict=True, ge=0, le=LARGEST_SEED)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """The runs of a benchmark: every method and preset with every seed, or its variants, which the board reads.

    Attributes:
        dataset_config: settings of the data set.
        split, aggregation: how masks are scored, where the benchmark says it.
    """

    dataset: str
    methods: list[str] = field(default_factory=list)
    presets: list[str] = field(default_factory=list)
    seeds: list[Seed] = field(default_factory=list)
    resolution: Annotated[int, Field(strict=True)] | None = None
    dataset_config: dict[str, Any] = field(default_factory=dict)
    split: str | None = None
    aggregation: str | None = None
    variant: list[dict[str, Any]] = field(default_factory=list)

    @property
    def settings(self) -> dict[str, object]:
        """What it sets in every run's recipe."""
        scored = {"evaluation.split": self.split, "evaluation.aggregation": self.aggregation}
        return {
            **{f"data.{name}": value for name, value in self.dataset_config.items()},
            **{name: value for name, value in scored.items() if value is not None},
        }


def read_grid(path: Path) -> Grid:
    """Read a benchmark file.

    Raises:
        BadRecipe: it is not TOML in UTF-8, or a key is missing or of the wrong type.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadRecipe(f"{path} is not a TOML file in UTF-8: {error}.") from None
    needed = ("dataset",) if "variant" in table else ("dataset", "methods", "presets", "seeds")
    if missing := [key for key in needed if key not in table]:
        raise BadRecipe(f"{path} does not say {missing}: a benchmark names a dataset, methods, presets and seeds.")
    try:
        return TypeAdapter(Grid).validate_python({k: v for k, v in table.items() if k in Grid.__slots__})
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        where = ".".join(map(str, fault["loc"]))
        raise BadRecipe(f"{path}: {where}={fault['input']!r} does not fit: {fault['msg']}.") from None
