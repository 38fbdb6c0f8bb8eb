"""What a board is: `benchmarks/<name>.toml`, read and checked."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError, field_validator

from lgbench.errors import LgbenchError, UnknownName, did_you_mean

__all__ = ["BadBoard", "Board", "BoardMetric", "Reported", "read_board", "read_boards"]


class BadBoard(LgbenchError):
    """A board that cannot be built: its definition, its records or its reported numbers do not fit together."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class BoardMetric(_Part):
    """A column.

    Attributes:
        name: the metric's name in the records.
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
    """

    file: str
    dataset: str
    metrics: dict[str, str]
    percent: list[str] = []
    tables: list[str] = []


class Board(_Part):
    """A leaderboard's definition, and the grid that `lgbench sweep` runs for it.

    Attributes:
        name: the file's, without ".toml".
        dataset_config: settings of the data set that every record must have been scored with.
        split, aggregation: what mask metrics must have been scored with, where stated.
        metrics: columns; the first one ranks.
    """

    name: str
    title: str
    text: str = ""
    dataset: str
    resolution: Annotated[int, Field(ge=1)]
    dataset_config: dict[str, JsonValue] = {}
    split: str | None = None
    aggregation: Literal["per_image", "pooled"] | None = None
    metrics: Annotated[list[BoardMetric], Field(min_length=1)]
    methods: list[str] = []
    presets: list[str] = []
    seeds: list[int] = [0, 1, 2]
    reported: list[Reported] = []

    @field_validator("metrics")
    @classmethod
    def _unique(cls, metrics: list[BoardMetric]) -> list[BoardMetric]:
        if len({metric.name for metric in metrics}) < len(metrics):
            raise ValueError("a metric is named twice")
        return metrics


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
        told = "; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in faults[:4])
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
