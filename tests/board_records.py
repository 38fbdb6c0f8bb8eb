"""Synthetic records and boards for the leaderboards' tests."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lgbench.files import sha256_of_json
from lgbench.leaderboard import add, build, committed, read_boards
from lgbench.leaderboard.lines import Table, tables
from lgbench.record import protocol_id, write_record

BOARD = """
title = "Flora"
dataset = "flora"
resolution = 32
split = "test"
aggregation = "per_image"
metrics = [
  { name = "iou", label = "IoU", better = "up", digits = 2 },
  { name = "fid", label = "FID", better = "down", digits = 1 },
]
methods = ["lrgan"]

[[reported]]
file = "paper"
dataset = "Flora"
metrics = { IoU = "iou" }
percent = ["IoU"]
"""

PAPER = """paper,table,method,supervision,dataset,resolution,split,metric,value,uncertainty,higher_is_better,note
some,2,ReDO,unsupervised,Flora,128,test,IoU,76.4,1.5,true,a | note
some,2,ReDO,unsupervised,Other,128,test,IoU,11.0,,true,
"""

PROTOCOL: dict[str, Any] = {
    "dataset": "flora",
    "dataset_config": {"count": 64},
    "origin": "procedural",
    "split": "test",
    "resolution": 32,
    "crop": "center",
    "polarity": "committed",
    "aggregation": "per_image",
    "threshold": 0.5,
    "samples": None,
    "extractor": None,
    "weights": None,
    "metric": "iou",
    "metric_version": 1,
}
IMAGES = {**PROTOCOL, "aggregation": None, "threshold": None, "samples": 100, "extractor": "inception", "metric": "fid"}


def measured(value: float, protocol: Mapping[str, Any] = PROTOCOL, **details: float) -> dict[str, Any]:
    fixed = {"details": details, "n": protocol["samples"] or 16, "interval": None}
    return {"value": value, **fixed, "protocol": dict(protocol), "protocol_id": protocol_id(dict(protocol))}


def missing(why: str) -> dict[str, Any]:
    return {"not_available": why}


NAMED = (("method", "method", "lrgan"), ("data", "dataset", "flora"))
"""A recipe's table, a record's key, and what it is where nothing else is said."""


def a_record(values: dict[str, Any], *, seed: int = 0, flags: tuple[str, ...] = (), **changes: Any) -> dict[str, Any]:
    named = {name: {"name": changes.get(kind, usual)} for name, kind, usual in NAMED}
    plain = {"preset": changes.get("preset", "smoke"), "resolution": changes.get("resolution", 32)}
    recipe = {"seed": seed, "training": {"flip": True}, **changes.pop("recipe", {}), **plain}
    recipe |= {name: named[name] | recipe.get(name, {}) for name in named}
    return {
        "schema": 1,
        "method": "lrgan",
        "dataset": "flora",
        "preset": "smoke",
        "seed": seed,
        "resolution": 32,
        "status": "done",
        "selected_by": "ema-last",
        "recipe": recipe,
        "recipe_hash": sha256_of_json(recipe),
        "plugins": [],
        "lgbench": {"version": "0.1.0", "commit": None, "dirty": False, "dirty_hash": None},
        "packages": {},
        "environment": {
            "python": "3.11",
            "torch": "2.11",
            "cuda": None,
            "driver": None,
            "device": "CPU of a test",
            "precision": "fp32",
            "threads": 1,
        },
        "data": {"fingerprints": {"test": "c" * 64}, "origin": "procedural", "counts": {"test": 16}, "provides": []},
        "training": {
            "steps": 20,
            "parameters": {},
            "flags": list(flags),
            "wall_s": 1.0,
            "images_per_s": 1.0,
            "peak_memory_mb": 1.0,
        },
        "segmentation": None,
        "values": values,
        "artefacts": {"samples.npz": sha256_of_json([recipe, values])},
        "wall_s": 1.0,
        "device_hours": 0.0,
        "created": "2024-01-31T12:00:00+00:00",
        **changes,
    }


def seeds(method: str, *values: float, **changes: Any) -> list[dict[str, Any]]:
    return [a_record({"iou": measured(v)}, seed=s, method=method, **changes) for s, v in enumerate(values)]


def commit(root: Path, *records: dict[str, Any]) -> list[Path]:
    paths = []
    for record in records:
        run = root / "runs" / sha256_of_json(record)[:12]
        write_record(run, record)
        paths += add(root, run)
    return paths


def board_tables(root: Path) -> list[Table]:
    (board,) = read_boards(root)
    found = committed(root, board)
    assert not found.faults
    return tables(board, found.records)


def markdown(root: Path) -> str:
    build(root)
    return (root / "leaderboards/flora-32/README.md").read_text()


def lines(root: Path) -> list[dict[str, str]]:
    build(root)
    with (root / "leaderboards/flora-32/board.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def make_root(folder: Path, board: str = BOARD) -> Path:
    """A repository with one board and one paper's table."""
    (folder / "benchmarks").mkdir()
    (folder / "benchmarks/flora-32.toml").write_text(board)
    (folder / "leaderboards/reported").mkdir(parents=True)
    (folder / "leaderboards/reported/paper.csv").write_text(PAPER)
    return folder
