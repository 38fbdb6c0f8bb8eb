"""Of two samples that look most alike, which is preferred: by nearness to real pictures, and by people."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from run_worlds import carry_out, recipe
from scipy.stats import binomtest

from lgbench.cli import preferences
from lgbench.cli.pairs import Comparison, compare
from lgbench.cli.preferences import by_votes, export, nearer, preference_of
from lgbench.errors import BadData, BadRecipe, RunFailed
from lgbench.features import load_extractor
from lgbench.intervals import share_interval


@pytest.mark.parametrize(("wins", "count"), [(0, 5), (5, 5), (3, 10), (520, 1000)])
def test_the_interval_of_a_share_is_wilsons(wins: int, count: int):
    expected = binomtest(wins, count).proportion_ci(0.95, method="wilson")
    assert share_interval(wins / count, count) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_undecided_pairs_count_half():
    found = preference_of(np.array([1, 1, 0, 0.5]))
    assert (found.share, found.pairs, found.undecided) == (0.625, 4, 1)
    assert 0 < found.interval[0] < 0.625 < found.interval[1] < 1


def test_a_share_is_exact_in_whatever_precision_samples_were_compared():
    wins = np.r_[np.ones(637), np.full(9, 0.5), np.zeros(354)].astype(np.float32)
    assert preference_of(wins).share == (637 + 4.5) / 1000


def compared(n: int = 40, one: str = "a" * 16, other: str = "b" * 16) -> Comparison:
    """Bright samples, the first run's, beside dark ones."""
    bright, dark = np.full((n, 3, 8, 8), 200, np.uint8), np.full((n, 3, 8, 8), 20, np.uint8)
    records = [SimpleNamespace(id=name, data=SimpleNamespace(fingerprints={"train": "x"})) for name in (one, other)]
    return Comparison(records[0], records[1], {}, {}, np.arange(n), np.zeros(n), (bright, dark))  # pyright: ignore


def answer(folder: Path, choose, repeats: int = 1) -> Path:
    """What people would answer who see the two pictures of each pair."""
    rows = [["worker", "pair", "answer"]]
    for left in sorted(folder.glob("*-left.png")):
        pair = left.name.split("-")[0]
        seen = [np.asarray(Image.open(folder / f"{pair}-{side}.png")).mean() for side in ("left", "right")]
        rows += [[str(worker), pair, choose(int(pair), worker, *seen)] for worker in range(repeats)]
    with (folder / "votes.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    return folder / "votes.csv"


def test_sides_are_drawn_and_the_key_turns_answers_back(tmp_path: Path):
    given = compared()
    export(given, tmp_path)
    assert 10 < sum(json.loads((tmp_path / "key.json").read_text())["first_is_left"]) < 30
    assert (tmp_path / "form.csv").read_text().splitlines()[:2] == ["pair,answer", "0000,"]

    def brighter(pair: int, worker: int, left: float, right: float) -> str:
        return "left" if left > right else "right"

    found = by_votes(given, answer(tmp_path, brighter))
    assert (found.share, found.pairs, found.undecided) == (1, 40, 0)
    always_left = by_votes(given, answer(tmp_path, lambda *seen: "left"))
    assert always_left.interval[0] < 0.5 < always_left.interval[1]


def test_the_majority_of_a_pairs_votes_counts_once(tmp_path: Path):
    given = compared(10)
    export(given, tmp_path)

    def choose(pair: int, worker: int, left: float, right: float) -> str:
        if pair == 9:
            return ["left", "right", "tie"][worker]
        if pair == 8:
            return ""
        bright = "left" if left > right else "right"
        dark = "right" if bright == "left" else "left"
        return (dark if worker == 0 else bright) if pair < 6 else (bright if worker == 0 else dark)

    found = by_votes(given, answer(tmp_path, choose, repeats=3))
    assert (found.pairs, found.undecided, found.share) == (9, 1, (6 + 0.5) / 9)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("pair,answer\n0003,up\n", "line 2: pair '0003', answer 'up'"),
        ("pair,answer\n77,left\n", "one of the 10 pairs"),
        ("picture,choice\n1,left\n", "the heading pair or answer"),
        ("0003,left\n", "the heading pair or answer"),
        ("0003,left\n0004,right\n", "the heading pair or answer"),
        ("pair,answer,Answer\n0003,left,right\n", "or several, with the heading answer"),
        ("pair,answer\n0003\n", "no answers yet"),
        ("", "the heading pair or answer"),
        ("pair,answer\n\0,left\n", "is not a table"),
        ("pair,answer\n0001,\n", "no answers yet"),
    ],
)
def test_answers_that_do_not_fit_are_refused(tmp_path: Path, text: str, reason: str):
    export(compared(10), tmp_path)
    (tmp_path / "votes.csv").write_text(text)
    with pytest.raises(BadData, match=reason):
        by_votes(compared(10), tmp_path / "votes.csv")


@pytest.mark.parametrize(
    "text",
    [
        "pair;answer\n0003;left\n\n0004;;\n",
        "\ufeffworker\tPair\tAnswer\nme\t3\tLEFT\n",
        "answer, pair\r\n tie ,1\r\n",
    ],
)
def test_tables_as_spreadsheets_save_them_are_read(tmp_path: Path, text: str):
    export(compared(10), tmp_path)
    (tmp_path / "votes.csv").write_text(text, encoding="utf-8", newline="")
    assert by_votes(compared(10), tmp_path / "votes.csv").pairs == 1


def test_exporting_again_keeps_the_answers_that_people_gave(tmp_path: Path):
    export(compared(10), tmp_path)
    answered = (tmp_path / "form.csv").read_text().replace("0003,", "0003,left")
    (tmp_path / "form.csv").write_text(answered)
    (tmp_path / "0003-left.png").unlink()
    export(compared(10), tmp_path)
    assert (tmp_path / "form.csv").read_text() == answered
    assert (tmp_path / "0003-left.png").exists()
    assert by_votes(compared(10), tmp_path / "form.csv").pairs == 1


def test_answers_of_other_runs_and_a_folder_of_another_study_are_refused(tmp_path: Path):
    export(compared(10), tmp_path / "study")
    votes = answer(tmp_path / "study", lambda *seen: "left")
    swapped = compared(10, "b" * 16, "a" * 16)
    with pytest.raises(BadData, match="as they were exported"):
        by_votes(swapped, votes)
    with pytest.raises(RunFailed, match="another comparison"):
        export(swapped, tmp_path / "study")
    (tmp_path / "votes.csv").write_text("pair,answer\n0001,left\n")
    with pytest.raises(BadData, match="into the exported folder"):
        by_votes(compared(10), tmp_path / "votes.csv")


def test_the_sample_nearer_to_a_real_picture_is_preferred(tmp_path: Path, monkeypatch):
    """The first run copies pictures; the other's are noise: by features of both, copies win."""
    random = np.random.default_rng(0)
    reals = np.kron(random.integers(0, 256, (30, 3, 4, 4), dtype=np.uint8), np.ones((1, 1, 8, 8), np.uint8))
    noise = random.integers(0, 256, (12, 3, 32, 32), dtype=np.uint8)
    train = SimpleNamespace(rgb=lambda index: reals)
    monkeypatch.setattr(preferences, "load_run", lambda *args, **more: SimpleNamespace(splits=lambda: {"train": train}))
    records = compared(12)
    given = Comparison(records.a, records.b, {}, {}, np.arange(12), np.zeros(12), (reals[:12], noise))
    assert nearer(given, tmp_path, load_extractor("random")).share == 1
    assert nearer(
        Comparison(records.a, records.b, {}, {}, np.arange(12), np.zeros(12), (noise, noise)),
        tmp_path,
        load_extractor("random"),
    ) == preference_of(np.full(12, 0.5))


def test_nearness_is_the_cosine_to_the_nearest_picture():
    random, network = np.random.default_rng(0), load_extractor("random")
    images, reals = (random.integers(0, 256, (n, 3, 32, 32), dtype=np.uint8) for n in (7, 9))
    x, y = (network.describe(pictures)[0].astype(np.float64) for pictures in (images, reals))
    cosines = x @ y.T / np.outer(np.linalg.norm(x, axis=1), np.linalg.norm(y, axis=1))
    found = preferences.similarity(images, network.describe(reals)[0], network)
    np.testing.assert_allclose(found, cosines.max(axis=1), atol=1e-6)


def test_runs_of_one_data_set_are_compared_from_their_folders(tmp_path: Path, monkeypatch):
    folders = []
    for seed in (0, 1):
        chosen = recipe(seed, evaluation__metrics="coverage")
        carry_out(chosen, tmp_path / f"runs{seed}")
        folders.append(next(path for path in (tmp_path / f"runs{seed}").iterdir() if path.is_dir()))
        monkeypatch.setattr("lgbench.trained.look_up", lambda request, home, chosen=chosen: chosen)
    monkeypatch.setenv("LGBENCH_HOME", str(tmp_path / "home"))
    result = compare(*folders, tmp_path / "pairs.png", samples=20)
    assert all(images.shape == (20, 3, 16, 16) for images in result.images)
    gaps = (result.images[0].astype(float) - result.images[1]) / 255
    np.testing.assert_allclose(np.sqrt((gaps**2).sum(axis=(1, 2, 3))), result.distances)
    assert nearer(result, folders[1], load_extractor("random")).pairs == 20
    other = result.b.model_copy(update={"data": result.b.data.model_copy(update={"fingerprints": {"train": "0" * 64}})})
    apart = Comparison(result.a, other, {}, {}, result.order, result.distances, result.images)
    with pytest.raises(BadRecipe, match="other training images"):
        nearer(apart, folders[1], load_extractor("random"))
