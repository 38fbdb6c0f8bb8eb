"""Runs of a board in pairs: what is found of their samples is committed, shown, and held against the records."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from board_records import a_record, commit, make_root, markdown, seeds
from click.testing import CliRunner

from lgbench.cli import board_pairs
from lgbench.cli.leaderboard import leaderboard
from lgbench.features import load_extractor
from lgbench.files import read_json, sha256_of_file, sha256_of_json, write_json
from lgbench.intervals import share_interval
from lgbench.leaderboard import check, committed, read_boards
from lgbench.leaderboard.pairs import Pair
from lgbench.record import record_id, write_record

RANDOM = np.random.default_rng(0)
REALS = np.kron(RANDOM.integers(0, 256, (30, 3, 4, 4), dtype=np.uint8), np.ones((1, 1, 8, 8), np.uint8))


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A board with two seeds of two methods: one paints copies of real pictures, the other noise."""
    root = make_root(tmp_path)
    train = SimpleNamespace(rgb=lambda index: REALS)
    monkeypatch.setattr(board_pairs, "load_run", lambda *a, **k: SimpleNamespace(splits=lambda: {"train": train}))
    fingerprints = {"fingerprints": {"test": "c" * 64, "train": "d" * 64}, "counts": {"test": 16, "train": 30}}
    for method in ("copier", "noiser"):
        for seed, record in enumerate(seeds(method, 0.5, 0.6)):
            run = root / "named" / f"{method}-{seed}"
            run.mkdir(parents=True)
            images = REALS[seed : seed + 12] if method == "copier" else noise(seed)
            np.savez(run / "samples-1.npz", images=images)
            record["artefacts"] = {"samples-1.npz": sha256_of_file(run / "samples-1.npz")}
            record["data"] = record["data"] | fingerprints
            record["recipe"]["generator"] = {"name": method}
            (path,) = commit(root, record | {"recipe_hash": sha256_of_json(record["recipe"])})
            (run / "record.json").write_bytes(path.read_bytes())
    return root


def noise(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (12, 3, 32, 32), dtype=np.uint8)


def paired(root: Path, samples: int = 1000) -> list[Path]:
    return board_pairs.pair_runs(root, sorted((root / "named").iterdir()), (), "random", samples)


def test_rows_are_paired_within_a_seed_and_copies_are_preferred(root: Path):
    found = [Pair.model_validate(read_json(path)) for path in paired(root)]
    assert [pair.pairs for pair in found] == [12, 12]
    assert [pair.preferred for pair in found] == [1, 1]
    assert found[0].weights == load_extractor("random").weights_hash
    (board,) = read_boards(root)
    seed_of = {record.id: record.seed for record in committed(root, board).records.values()}
    assert all(seed_of[pair.records[0]] == seed_of[pair.records[1]] for pair in found)
    gaps = (REALS[0:12].astype(float)[:, None] - noise(0)[None]) / 255
    distances = np.sqrt((gaps**2).sum(axis=(2, 3, 4)))
    assert found[0].distance <= np.trace(distances) / 12
    assert found[0].distance == pytest.approx(distances.min(axis=1).mean(), rel=0.1)


def test_the_board_shows_them_and_is_what_it_was_without(root: Path):
    before = markdown(root)
    assert "## Pairs" not in before
    paths = paired(root)
    assert any("is stale" in fault for fault in check(root))
    shown = markdown(root)
    assert "| copier | noiser | smoke | 0 | 12 | " in shown
    low, high = share_interval(1, 12)
    assert f"| 1.000 [{low:.3f}, {high:.3f}] | random |" in shown
    assert check(root) == []
    bytes_before = [path.read_bytes() for path in paths]
    assert [path.read_bytes() for path in paired(root)] == bytes_before
    for path in paths:
        path.unlink()
    assert markdown(root) == before


def altered(path: Path, **changes: object) -> None:
    """Another content under a hash of its own, as somebody would who wants to be believed."""
    body = {**json.loads(path.read_text()), **changes}
    write_json(path, body | {"id": record_id(body)})


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"preferred": 0.5}, "its interval is not that of the share"),
        ({"pairs": 1000}, "its interval is not that of the share"),
        ({"records": ["a" * 16, "b" * 16]}, "which is not on this board"),
        ({"samples": ["a" * 64, "b" * 64]}, "not those of the record"),
        ({"extractor": "inception"}, "must be named"),
        ({"told": 1}, "is no pair"),
        ({"preferred": 0.123, "interval": list(share_interval(0.123, 12))}, "no such number of pairs"),
        ({"undecided": 1}, "no such number of pairs"),
        ({"undecided": 14}, "no such number of pairs"),
    ],
)
def test_what_does_not_go_together_is_a_fault(root: Path, changes: dict, told: str):
    first, *_ = paired(root)
    markdown(root)
    altered(first, **changes)
    faults = [fault for fault in check(root) if first.name in fault]
    assert len(faults) == 1
    assert told in faults[0]


def test_two_runs_are_one_pair_however_they_are_named(root: Path):
    first, *_ = before = paired(root)
    runs = sorted((root / "named").iterdir())
    assert board_pairs.pair_runs(root, [*runs[::-1], runs[0]], (), "random", 1000) == before
    markdown(root)
    found = read_json(first)
    turned = {name: found[name][::-1] for name in ("records", "samples")}
    body = {**found, **turned, "preferred": 0.0, "interval": list(share_interval(0.0, 12))}
    again = first.with_name(f"{'-'.join(body['records'])}-random.json")
    write_json(again, body | {"id": record_id(body)})
    assert sum("paired already" in fault for fault in check(root)) == 1
    altered(first, records=[found["records"][0]] * 2)
    assert any("and itself" in fault for fault in check(root))


def test_an_altered_pair_and_a_broken_one_are_faults(root: Path):
    first, second = paired(root)
    markdown(root)
    write_json(first, read_json(first) | {"distance": 0.0})
    second.write_text("{")
    faults = "\n".join(check(root))
    assert f"{first} is no pair: its id is not the hash of its content" in faults
    assert f"{second} cannot be read" in faults


def test_runs_that_have_no_samples_and_capsules_are_passed_over(root: Path):
    before = paired(root)
    named = root / "named"
    for name, changes in (("floor", {"generator": {"name": "none"}}), ("whole", {"generator": {"name": "copier"}})):
        record = a_record({}, recipe=changes)
        write_record(named / name, record | ({"aggregates": ["a" * 16]} if name == "whole" else {}))
    (named / "copier-0-1a2b3c4d.capsule.zip").write_bytes(b"PK")
    runs = sorted(map(str, named.iterdir()))
    result = CliRunner().invoke(leaderboard, ["pair", *runs, "--prefer", "random", "--root", str(root)])
    assert result.exception is None, result.exception
    assert result.stdout.split() == [*map(str, before)]
    assert result.stderr.count("assed over") == 3


def test_samples_that_were_altered_are_not_paired(root: Path):
    np.savez(root / "named" / "noiser-0" / "samples-1.npz", images=noise(7))
    with pytest.raises(board_pairs.RunFailed, match="not what the record was scored from"):
        paired(root)
