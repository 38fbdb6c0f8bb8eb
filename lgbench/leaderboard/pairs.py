"""Samples of two runs of a board in Hungarian-matched pairs, and which of a pair is nearer to real pictures.

The runs are not committed, so what was found is: `leaderboards/<name>/pairs/*.json` (`lgbench leaderboard pair`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic import model_validator as validates

from lgbench.benchmark import Benchmark
from lgbench.files import read_json, write_json
from lgbench.intervals import share_interval
from lgbench.record import Record, record_id

from .markdown import Grid, escape

__all__ = ["FOLDER", "Pair", "pair_grid", "read_pairs", "write_pair"]

FOLDER = "pairs"
ROUNDING = 1e-9
Share = Annotated[float, Field(ge=0, le=1)]


class Pair(BaseModel):
    """Two runs' samples, matched one to one so that the mean distance of a pair is least.

    Attributes:
        id: hash of all else, as a record's.
        records: ids of the runs' records, in order.
        samples: SHA-256 of the files that the samples were read from, likewise.
        pairs: how many.
        distance: mean L2 over pixels in [0, 1].
        extractor, weights: in whose features a sample is near to its nearest training picture (cosine).
        preferred: share of pairs in which the first run's sample is nearer; undecided ones count half.
        interval: Wilson's, of 95 %.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str
    records: tuple[str, str]
    samples: tuple[str, str]
    pairs: Annotated[int, Field(ge=2)]
    distance: Annotated[float, Field(ge=0)]
    extractor: str
    weights: str
    preferred: Share
    interval: tuple[Share, Share]
    undecided: Annotated[int, Field(ge=0)]

    @validates(mode="after")
    def _fits(self) -> Pair:
        if self.id != record_id(self.model_dump(mode="json")):
            raise ValueError("its id is not the hash of its content: it was altered")
        expected = share_interval(self.preferred, self.pairs)
        if any(abs(end - wanted) > ROUNDING for end, wanted in zip(self.interval, expected, strict=True)):
            raise ValueError("its interval is not that of the share")
        halves = 2 * self.pairs * self.preferred  # each pair counts 0, 1 or, undecided, one half
        won, decided = round(halves) - self.undecided, self.pairs - self.undecided
        if abs(halves - round(halves)) > ROUNDING * self.pairs or won % 2 or not 0 <= won <= 2 * decided:
            raise ValueError("no such number of pairs gives its share")
        return self

    @property
    def name(self) -> str:
        """Its file's."""
        return f"{self.records[0]}-{self.records[1]}-{self.extractor}.json"


def write_pair(folder: Path, found: Mapping[str, Any]) -> Path:
    """Write what was found of two runs, all but the id, into a board's folder; the same again changes nothing."""
    body = {**found, "id": record_id({**found})}
    path = folder / FOLDER / Pair.model_validate(body).name
    path.parent.mkdir(exist_ok=True)
    write_json(path, body)
    return path


def read_pairs(folder: Path, records: Mapping[str, Record]) -> tuple[list[Pair], list[str]]:
    """A board's pairs, and what is wrong with files that are not among them.

    Args:
        records: the board's, by any name.
    """
    found, faults, known = [], [], {record.id: record for record in records.values()}
    for path in sorted((folder / FOLDER).glob("*.json")):
        try:
            pair = Pair.model_validate(read_json(path))
        except ValidationError as error:
            told = f"is no pair: {error.errors(include_url=False)[0]['msg'].removeprefix('Value error, ')}"
        except (OSError, ValueError) as error:
            told = f"cannot be read ({error})"
        else:
            told = _astray(pair, known, found) or ("" if path.name == pair.name else f"must be named {pair.name}")
            found += [] if told else [pair]
        faults += [f"{path} {told}. Remove it, and pair the runs again."] if told else []
    return found, faults


def _astray(pair: Pair, known: Mapping[str, Record], others: Sequence[Pair]) -> str:
    """Why a pair is not one more of two of a board's records, "" where it is."""
    if pair.records[0] == pair.records[1]:
        return f"is of the record {pair.records[0]} and itself"
    for identity, sha256 in zip(pair.records, pair.samples, strict=True):
        if identity not in known:
            return f"is of the record {identity}, which is not on this board"
        if sha256 not in known[identity].artefacts.values():
            return f"is of samples that are not those of the record {identity}"
    twice = any({*pair.records} == {*other.records} and pair.extractor == other.extractor for other in others)
    return "is of two runs that are paired already" if twice else ""


def pair_grid(board: Benchmark, records: Mapping[str, Record], pairs: Sequence[Pair]) -> Grid:
    """A table of the pairs, one row two runs."""
    known = {record.id: record for record in records.values()}
    rows = []
    for pair in pairs:
        one, other = (known[identity] for identity in pair.records)
        low, high = pair.interval
        share = f"{pair.preferred:.3f} [{low:.3f}, {high:.3f}]"
        told = (str(one.seed), str(pair.pairs), f"{pair.distance:.3f}", share, escape(pair.extractor))
        names = [escape(board.row_of(record) or record.method) for record in (one, other)]
        rows.append([*names, escape(one.preset), *told])
    head = ("First", "Second", "Preset", "Seed", "Pairs", "Mean distance", "First preferred", "In features of")
    return Grid("Pairs", head, sorted(rows))
