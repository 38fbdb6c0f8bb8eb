"""The record of a run: one immutable JSON file that holds every number and what it takes to get it again.

A record's `id` is the hash of everything else in it, so a record that was altered no longer fits its own name.
"""

from __future__ import annotations

import contextlib
import functools
import json
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    JsonValue,
    StringConstraints,
    Tag,
    ValidationError,
)
from pydantic import model_validator as validates

from .errors import LgbenchError, RunFailed
from .files import canonical_json, faults_of, read_json, sha256_of_file, sha256_of_json, write_json

__all__ = [
    "CAPSULE",
    "RECORDS",
    "RECORD_FILE",
    "BadRecord",
    "Data",
    "Measured",
    "Missing",
    "Protocol",
    "Record",
    "Segmentation",
    "Training",
    "altered",
    "parsed",
    "protocol_id",
    "read_record",
    "record_file",
    "record_files",
    "record_id",
    "write_record",
]

RECORD_FILE = "record.json"
RECORDS = (RECORD_FILE, "record-*.json", "records/*.json")  # a run's first one, its further ones, those of boards
CAPSULE = ".capsule.zip"  # how the name ends of what `lgbench capsule` writes
SELDOM = ("sampling", "given", "ignore", "pseudo", "dataset_version", "reference_samples", "scored_on", "copies", "cut")


class BadRecord(LgbenchError):
    """A record that was altered, is unreadable or lacks what a record must hold."""


def protocol_id(protocol: dict[str, Any]) -> str:
    """First 12 hex digits of the hash of a protocol; numbers with different ids never meet on a board.

    `SELDOM` fields count only where they are said, so that the ids of ordinary numbers stay what they are.
    """
    return sha256_of_json({k: v for k, v in protocol.items() if k not in SELDOM or v is not None})[:12]


@functools.cache  # a board's records share a few protocols
def _id_of(protocol: str) -> str:
    return protocol_id(json.loads(protocol))


def record_id(record: dict[str, Any]) -> str:
    """First 16 hex digits of the hash of a record without its `id`."""
    return _named(record)[0]


def _named(record: dict[str, Any]) -> tuple[str, str]:
    """The id of a record, and its canonical JSON with that in it: what is hashed is what is checked."""
    content = canonical_json({key: value for key, value in record.items() if key != "id"})
    name = sha256(content.encode()).hexdigest()[:16]
    members = content[1:-1]
    return name, f'{{"id":"{name}"{members and ","}{members}}}'


def _utc(text: str) -> str:
    if datetime.fromisoformat(text).utcoffset() != timedelta(0):
        raise ValueError("must be in UTC, say 2030-01-31T12:00:00+00:00")
    return text


Id = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{16}$")]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Count = Annotated[int, Field(ge=0)]
Amount = Annotated[float, Field(ge=0)]
Text = Annotated[str, StringConstraints(min_length=1)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


Part = TypeVar("Part", bound=_Part)


class Protocol(_Part):
    """How a number was measured; None where a field does not apply to its metric.

    `sampling` is None where the generator painted with its running statistics, one image independent of another;
    `given` is None where it painted without conditions. `ignore` names values of masks that are left out,
    `pseudo` what made the truth where no person did, and `dataset_version` is that of the data set's record where it is
    not 1. `reference_samples` is None where samples were compared with all real images of `split`. `scored_on` is the
    data set on which masks were predicted, with its settings and copy, where that is another than `dataset`, and
    `copies` says which of its pictures were left out. `cut` is the alpha above which painted pixels are foreground,
    where it is another than 0.5.
    """

    dataset: str | None
    dataset_config: JsonValue
    origin: str | None
    split: str | None
    resolution: Count | None
    crop: str | None
    polarity: str | None
    aggregation: str | None
    threshold: int | float | None  # as written: 1 and 1.0 hash differently
    samples: Count | None
    extractor: str | None
    weights: str | None
    metric: str
    metric_version: int
    sampling: str | None = None
    given: str | None = None
    ignore: str | None = None
    pseudo: str | None = None
    dataset_version: Count | None = None
    reference_samples: Count | None = None
    scored_on: str | None = None
    copies: str | None = None
    cut: float | None = None


class Measured(_Part):
    """A metric's value, with its variants and the 95 % interval over images where it has one.

    Attributes:
        details: companions by name, say {"pooled": ..., "gap": oracle minus committed}.
        n: images (or samples) behind the value.
        intervals: detail -> its 95 % interval, where it has one: "pooled" and "per_image" in records that say both.
        protocol_id: `protocol_id(protocol)`; a record in which they differ is refused.
    """

    value: float
    details: dict[str, float]
    n: Count
    interval: tuple[float, float] | None
    protocol: Protocol
    protocol_id: str
    intervals: dict[str, tuple[float, float]] = Field(default_factory=dict)

    @validates(mode="after")
    def _fits(self) -> Measured:
        if self.protocol_id != _id_of(self.protocol.model_dump_json()):
            raise ValueError("protocol_id is not the hash of the protocol")
        for low, high in [*([self.interval] if self.interval else []), *self.intervals.values()]:
            if low > high:
                raise ValueError("the interval's ends are swapped")
        return self


class Missing(_Part):
    """A number that this run cannot have, and why."""

    not_available: Text


def _kind(value: Any) -> str:
    return "missing" if isinstance(value, dict) and "not_available" in value else "measured"


# Told apart by hand: an error then names what is wrong with the one, not also why it is not the other.
Value = Annotated[Annotated[Measured, Tag("measured")] | Annotated[Missing, Tag("missing")], Discriminator(_kind)]


class Plugin(_Part):
    """An installed plugin: `sha256` covers its source files, "" where it has none."""

    name: Text
    version: str
    sha256: Sha256 | Literal[""]


class Framework(_Part):
    """The lgbench that ran.

    Attributes:
        commit: of its git checkout, "unknown" where git could not tell (None in older records).
        dirty: whether its sources, or those of plugins beside it, differ from the commit; None where that is unknown.
        dirty_hash: of its sources, where they differ.
        sha256: of its sources, always (None in older records).
    """

    version: Text
    commit: str | None
    dirty: bool | None
    dirty_hash: str | None
    sha256: Sha256 | None = None


class Environment(_Part):
    """Where it ran; further keys with plain values are welcome."""

    model_config = ConfigDict(extra="allow")
    # pydantic's own way of typing the further keys
    __pydantic_extra__: dict[str, str | int | float | bool | None]  # pyright: ignore[reportIncompatibleVariableOverride]

    python: str
    torch: str
    cuda: str | None
    driver: str | None
    device: Text
    precision: str
    threads: Count


class Data(_Part):
    """What it was trained and scored on: split -> SHA-256 of the prepared arrays, and -> number of images.

    Where only some pictures have a mask that tells something, `masked` has the number of those, split by split, and
    `lost` how many masks lost their object to the "crop" or the "size"; the others are not scored. `one_sided` counts
    those that are scored and showed no "object", or no "background", from the start. Splits of another data set that
    is scored are called "elsewhere/test"; `copies` counts their pictures that were trained on (`Split.copies`).
    """

    fingerprints: dict[str, Sha256]
    origin: Text
    counts: dict[str, Count]
    provides: list[str]
    masked: dict[str, Count] = Field(default_factory=dict)
    lost: dict[str, dict[str, Count]] = Field(default_factory=dict)
    one_sided: dict[str, dict[str, Count]] = Field(default_factory=dict)
    copies: dict[str, dict[str, Count]] = Field(default_factory=dict)


class Training(_Part):
    """Stage 1. Wall time in seconds, memory in MB, parameters by network, last mean losses by term.

    `selected` is the step whose weights were evaluated where a judge chose them, and `judged` the judge and its value.
    `weights` has the SHA-256 of the fixed networks that losses read. `gradients` has the median 2-norms of what the
    alphas ("alpha") and each part of the generator received in the first and in the last tenth of what was logged.
    """

    steps: Count
    parameters: dict[str, Count]
    flags: list[str]
    wall_s: Amount
    images_per_s: Amount
    peak_memory_mb: Amount
    losses: dict[str, float] | None = None
    rounds: Count = 1
    selected: Count | None = None
    judged: dict[str, float] | None = None
    weights: dict[str, Sha256] = Field(default_factory=dict)
    gradients: dict[str, tuple[Amount, Amount]] = Field(default_factory=dict)


class Segmentation(_Part):
    """Stage 2: the segmenter that the generator taught, or that learnt from real images.

    `learnt_from` counts those by kind, say {"pictures": 131}; `selected` is the step whose weights a judge chose.
    Where the border decided which layer is the object, `border` is the share of painted pictures' outermost pixels that
    foregrounds cover, and `flipped` whether the background was taken for that.
    """

    name: Text
    steps: Count
    parameters: dict[str, Count]
    wall_s: Amount
    learnt_from: dict[str, Count] = Field(default_factory=dict)
    selected: Count | None = None
    border: Annotated[float, Field(ge=0, le=1)] | None = None
    flipped: bool | None = None


class Record(_Part):
    """A run, whole: see the attributes' own types. `baselines` are trivial masks' scores, name -> metric -> value.

    `supervision` is what was learnt from besides pictures; None in records from before it was noted; `features` names
    the pre-trained networks whose features losses compare (`training.weights` has their hashes). `scoring` is the
    SHA-256 of what it was scored by: settings of the evaluation, pictures and what is known of them,
    metrics. `wall_s`, in seconds, is what training, teaching and this scoring took, all parts of a resumed training
    among them; what is taught once for a data set (judges, frozen segmentors) is not counted. `adds_to` is the id of
    the run's first record where this one scores the same weights otherwise. `aggregates` are the ids of the runs'
    records that an aggregate is of, class by class (`lgbench aggregate`): steps and parameters are those of each, times
    those of all.
    """

    schema_: Literal[1] = Field(alias="schema")
    id: Id
    method: Text
    dataset: Text
    preset: Text
    seed: int
    resolution: Annotated[int, Field(ge=1)]
    status: Literal["done", "diverged", "killed", "timed-out"]
    selected_by: Literal[
        "last",
        "ema-last",
        "best-fid-on-train",
        "best-fid-squeezenet-on-train",
        "best-fid-random-on-train",
        "best-on-val",
        "best-on-test",
    ]
    supervision: Literal["none", "weak", "full"] | None = None
    features: list[Text] = Field(default_factory=list)
    recipe: dict[str, JsonValue]
    recipe_hash: Sha256
    overrides: dict[str, JsonValue] = Field(default_factory=dict)
    plugins: list[Plugin]
    lgbench: Framework
    packages: dict[str, str]
    environment: Environment
    data: Data
    training: Training
    segmentation: Segmentation | None
    values: dict[str, Value]
    baselines: dict[str, dict[str, float]] = Field(default_factory=dict)
    artefacts: dict[str, Sha256]
    scoring: Sha256 | None = None
    adds_to: Id | None = None
    aggregates: list[Id] = Field(default_factory=list)
    wall_s: Amount
    device_hours: Amount
    created: Annotated[str, AfterValidator(_utc)]

    @property
    def run(self) -> str:
        """The id of the run's first record, which further ones add to."""
        return self.adds_to or self.id

    @property
    def recipe_id(self) -> str:
        """First 8 hex digits of the hash of the recipe without its seed: of runs that differ in nothing else.

        The data set keeps a seed of its own: another one there means other images.
        """
        return sha256_of_json({key: value for key, value in self.recipe.items() if key != "seed"})[:8]

    @property
    def learnt_from(self) -> str | None:
        """`supervision`, with the `features` where there are some; None where it was not noted."""
        named = f", features of {' and '.join(self.features)}" if self.features else ""
        return self.supervision and self.supervision + named

    @validates(mode="after")
    def _fits(self) -> Record:
        if self.recipe_hash != sha256_of_json(self.recipe):
            raise ValueError("recipe_hash is not the hash of the recipe")
        for name, value in self.values.items():
            if isinstance(value, Measured) and value.protocol.dataset not in (None, self.dataset):
                raise ValueError(f"values.{name} was measured on {value.protocol.dataset!r}, not {self.dataset!r}")
        return self


def record_files(folder: Path) -> list[Path]:
    """The records of a run, the first one first: further ones score the same weights otherwise."""
    return [path for path in (folder / RECORD_FILE, *sorted(folder.glob("record-*.json"))) if path.exists()]


def record_file(path: Path) -> Path:
    """The record that is named: by itself, or by its run's folder, whose first one is meant.

    Raises:
        RunFailed: the folder holds none.
    """
    if path.is_file():
        return path
    if not (held := record_files(path)):
        raise RunFailed(f"{path} holds no record. Name the folder of a finished run, or its record.")
    return held[0]


def altered(path: Path, folder: Path) -> bool:
    """Whether a file of a run is another than the records of it say that can be read."""
    known, name = set(), str(path.relative_to(folder))
    for held in record_files(folder):
        with contextlib.suppress(BadRecord):
            known.add(read_record(held).artefacts.get(name))
    return bool(known := known - {None}) and sha256_of_file(path) not in known


def write_record(folder: Path, record: dict[str, Any]) -> Path:
    """Give a record its id, check it and write it to `folder`/record.json, atomically; a further one beside it.

    Args:
        record: everything that `Record` holds, its parts as such or as plain values; an `id` is computed afresh.

    Returns:
        The file: record-<id>.json for one that names what it adds to. Writing the same record again changes nothing.

    Raises:
        BadRecord: something is missing, unknown or of the wrong type, or the folder holds another record already.
    """
    path = folder / RECORD_FILE
    try:  # by way of JSON: what is hashed is what a reader will see
        body = json.loads(canonical_json({key: _plain(value) for key, value in record.items() if key != "id"}))
    except (TypeError, ValueError) as error:
        raise BadRecord(f"The record for {path} is not plain, finite JSON: {error}.") from error
    body["id"], content = _named(body)
    parsed(content, Record, str(path))
    if body.get("adds_to"):
        path = folder / f"record-{body['id']}.json"
    if path.exists():
        held = read_record(path)
        if held.id != body["id"]:
            raise BadRecord(
                f"{path} already holds record {held.id}, and records are immutable. "
                "Write to another folder, or move the old one away if you mean to drop it."
            )
        return path
    write_json(path, body)
    return path


def _plain(value: Any) -> Any:
    return value.model_dump(exclude_unset=True) if isinstance(value, BaseModel) else value


MEND = "Restore the file that the run wrote; or delete it and run the same command again: what is trained stays."


def read_record(path: Path, remedy: str = MEND) -> Record:
    """Read one record and check that it is whole and unaltered.

    Args:
        remedy: what to do about one that is not, as a sentence; a file that is not called as records are is no record.

    Raises:
        BadRecord: names the file and the reason.
    """
    try:
        body = read_json(path)
        if not isinstance(body, dict) or "id" not in body:
            raise ValueError("it has no id")
        expected, content = _named(body)  # NaN and infinity, which JSON proper does not have, are refused there
    except FileNotFoundError:
        runs = [folder.parent for folder in sorted(path.parent.glob(f"*/{RECORD_FILE}"))]
        then = f"Name a run in {path.parent}, say {runs[0]}." if runs else "To finish, run the same command again."
        raise BadRecord(f"No record at {path}. {then}") from None
    except (OSError, ValueError) as error:
        remedy = remedy if any(map(path.match, RECORDS)) else "It is no record: name a run, or a record of one."
        raise BadRecord(f"{path} cannot be read as a record ({error}). {remedy}") from error
    if body["id"] != expected:
        raise BadRecord(f"{path} was altered: its id is {body['id']}, its content's is {expected}. {remedy}")
    return parsed(content, Record, str(path))


def parsed(content: str, kind: type[Part], where: str) -> Part:
    """What JSON says, as a record or a part of one.

    Raises:
        BadRecord: it does not fit its types; in one line, of many faults the first four.
    """
    try:
        return kind.model_validate_json(content)  # as JSON, so that lists may fill tuples
    except ValidationError as error:
        raise BadRecord(f"{where} does not hold a valid {kind.__name__.lower()}: {faults_of(error)}.") from error
