"""Which of two samples that look most alike is preferred: by nearness to real pictures, or by people (LR-GAN, 5.3)."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from lgbench.data.table import table_rows
from lgbench.errors import BadData, BadRecipe, RunFailed
from lgbench.features import Extractor
from lgbench.files import read_sound, sha256_of_json, write_bytes, write_json
from lgbench.intervals import share_interval
from lgbench.trained import load_run
from lgbench.training.pictures import save_png

from .pairs import Comparison

__all__ = ["Preference", "by_votes", "export", "nearer", "preference_of", "similarity"]

KEY, FORM = "key.json", "form.csv"
SIDES = ("left", "right")
COLUMNS = ("pair", "answer")


@dataclass(frozen=True, slots=True)
class _Key:
    """Ids of the two records, and of each pair whether the first one's sample is on the left."""

    runs: tuple[str, str]
    first_is_left: tuple[bool, ...]


@dataclass(frozen=True, slots=True)
class Preference:
    """How often the first run's sample of a pair is preferred.

    Attributes:
        share: in [0, 1], of pairs; undecided ones count half.
        interval: its 95 % interval.
        pairs, undecided: how many.
    """

    share: float
    interval: tuple[float, float]
    pairs: int
    undecided: int


def preference_of(wins: np.ndarray) -> Preference:
    """What pairs say together.

    Args:
        wins: (n,), 1 where the first is preferred, 0 where the other is, 0.5 where neither.
    """
    share = float(np.mean(wins, dtype=np.float64))  # halves add up exactly: `Pair` holds a share to its pairs
    return Preference(share, share_interval(share, len(wins)), len(wins), int((wins == 0.5).sum()))


def nearer(compared: Comparison, folder: Path, network: Extractor) -> Preference:
    """Prefer the sample that is nearer to its nearest training image, by the cosine of a network's features.

    It rewards copies; `memorisation` says how many there are.

    Args:
        folder: of either run, whose data set is opened.
        network: whose features.

    Raises:
        BadRecipe: the runs learnt from other pictures.
    """
    a, b = (record.data.fingerprints.get("train") for record in (compared.a, compared.b))
    if a != b:
        raise BadRecipe("The runs learnt from other training images: no picture is real to both. Leave out --prefer.")
    reals = network.describe(load_run(folder, device="cpu").splits()["train"].rgb(slice(None)))[0]
    left, right = (similarity(images, reals, network) for images in compared.images)
    return preference_of(0.5 * (np.sign(left - right) + 1))


def similarity(images: np.ndarray, reals: np.ndarray, network: Extractor) -> np.ndarray:
    """Cosine of each image, (N, 3, H, W) uint8, to the nearest of the features `reals`, (M, D); (N,) in [-1, 1]."""
    from sklearn.metrics import pairwise_distances_argmin_min

    return 1 - pairwise_distances_argmin_min(network.describe(images)[0], reals, metric="cosine")[1]


def export(compared: Comparison, folder: Path) -> None:
    """Write the pairs for a study: pictures `0000-left.png`, `0000-right.png`, a form for answers, and the key.

    Which run is on the left is drawn for each pair; `key.json` says it, and is not for the eyes of who answers. A form
    that is there already stays as it is: people may have answered.

    Raises:
        RunFailed: the folder holds another study.
    """
    key = _key(compared)
    if (folder / KEY).exists() and _read_key(folder / KEY) != key:
        raise RunFailed(f"{folder} holds pairs of another comparison. Name a folder that is not there yet.")
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / KEY, asdict(key))  # first: pictures without it could be another study's
    for index, images in enumerate(zip(*compared.images, strict=True)):
        ordered = images if key.first_is_left[index] else images[::-1]
        for side, image in zip(SIDES, ordered, strict=True):
            save_png(folder / f"{index:04d}-{side}.png", image.transpose(1, 2, 0))
    if (folder / FORM).exists():
        return
    rows = ["pair,answer", *(f"{i:04d}," for i in range(len(compared.distances))), ""]
    write_bytes(folder / FORM, "\n".join(rows).encode())


def _key(compared: Comparison) -> _Key:
    ids = compared.a.id, compared.b.id
    random = np.random.default_rng(int(sha256_of_json([ids, compared.order.tolist()])[:12], 16))
    return _Key(ids, tuple((random.random(len(compared.order)) < 0.5).tolist()))


def _read_key(path: Path) -> _Key:
    return read_sound(path, _Key, "Export the pairs again, into a new folder: sides are drawn as they were.")


def by_votes(compared: Comparison, file: Path) -> Preference:
    """What a study's answers prefer: of each pair, the majority of its votes; pairs without a vote are left out.

    Args:
        file: a table with the columns `pair` and `answer`: "left", "right", or "tie"; a row a vote, other columns are
            not read. It lies in the folder that `export` wrote, beside its key.

    Raises:
        BadData: it is no such table, or its key is not here or of other runs.
    """
    path = file.parent / KEY
    if not path.exists():
        raise BadData(f"{path} is not here, which says who is on the left. Put {file.name} into the exported folder.")
    key = _read_key(path)
    if key.runs != (compared.a.id, compared.b.id):
        raise BadData(f"{path} is of other runs, or of these in another order. Name the runs as they were exported.")
    votes = _votes(file, len(key.first_is_left))
    wins = []
    for pair, answers in sorted(votes.items()):
        lead = answers["left"] - answers["right"]
        wins.append(0.5 if not lead else float((lead > 0) == key.first_is_left[pair]))
    if not wins:
        raise BadData(f"{file} has no answers yet.")
    return preference_of(np.array(wins))


def _votes(file: Path, pairs: int) -> dict[int, Counter[str]]:
    found: dict[int, Counter[str]] = defaultdict(Counter)
    try:
        heading, *rows = [*table_rows(file.read_bytes(), str(file))] or [[]]
    except (OSError, BadData) as error:
        raise BadData(f"{file} is not a table in UTF-8 ({error}). Save it as CSV.") from error
    columns = [text.strip().casefold() for text in heading]
    if lacking := [name for name in COLUMNS if columns.count(name) != 1]:
        raise BadData(
            f"{file} has no column, or several, with the heading {' or '.join(lacking)}: its first line is the "
            f"headings, pair and answer among them, and each row below it a vote."
        )
    for line, row in enumerate(rows, start=2):
        pair, answer = (_cell(row, columns.index(name)) for name in COLUMNS)
        if not answer and pair:
            continue
        if not pair.isdecimal() or int(pair) >= pairs or answer not in (*SIDES, "tie"):
            raise BadData(
                f"{file}, line {line}: pair {pair!r}, answer {answer!r}. A row has one of the {pairs} pairs and left, "
                "right or tie, under the headings pair and answer."
            )
        found[int(pair)][answer] += 1
    return found


def _cell(row: Sequence[str], column: int) -> str:
    return row[column].strip().casefold() if column < len(row) else ""
