"""A synthetic ablation for its tests: two weights and a control, beside a paper's two rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from board_records import a_record, seeds

from lgbench.leaderboard import build, committed, read_boards
from lgbench.leaderboard.claims import Outcome
from lgbench.leaderboard.lines import Beside
from lgbench.leaderboard.standing import stand
from lgbench.record import Record, read_record, write_record

ABLATION = """
title = "Weights"
dataset = "flora"
resolution = 32
split = "test"
aggregation = "per_image"
metrics = [
  { name = "iou", label = "IoU", better = "up", digits = 2 },
  { name = "fid", label = "FID", better = "down", digits = 1 },
]
presets = ["smoke", "paper"]

[[reported]]
file = "paper"
dataset = "Flora"
same_as = "flora"
metrics = { IoU = "iou", FID = "fid" }
percent = ["IoU"]

[reported.protocol.fid]
extractor = "inception"

[[variant]]
name = "weak"
method = "milgan"
set = { "method.gamma" = 0.1 }
paper = "gamma=0.1"

[[variant]]
name = "strong"
method = "milgan"
set = { "method.gamma" = 1 }
paper = "gamma=1"

[[variant]]
name = "control"
method = "lrgan"

[[claim]]
text = "A strong weight helps"
metric = "iou"
better = "strong"
worse = "weak"
source = "some Table 1"
"""

PAPER = """paper,table,method,supervision,dataset,resolution,split,metric,value,uncertainty,higher_is_better,note
some,1,gamma=0.1,unsupervised,Flora,32,test,IoU,20.0,,true,
some,1,gamma=1,unsupervised,Flora,32,test,IoU,60.0,1.0,true,an odd one
some,1,gamma=1,unsupervised,Flora,32,test,FID,9.0,,false,
some,1,gain,unsupervised,Flora,32,test,IoU,40.0,,true,a difference
"""


def make_ablation(folder: Path) -> Path:
    """A repository with one ablation and one paper's table."""
    (folder / "benchmarks").mkdir()
    (folder / "benchmarks/weights.toml").write_text(ABLATION)
    (folder / "leaderboards/reported").mkdir(parents=True)
    (folder / "leaderboards/reported/paper.csv").write_text(PAPER)
    return folder


def change(root: Path, old: str, new: str) -> None:
    path = root / "benchmarks/weights.toml"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))


def runs(gamma: float, *values: float, preset: str = "paper", **changes: Any) -> list[dict[str, Any]]:
    return seeds("milgan", *values, preset=preset, recipe={"method": {"gamma": gamma}}, **changes)


def numbers(root: Path) -> dict[tuple[str, str], Beside]:
    (board,) = read_boards(root)
    found = committed(root, board)
    assert not found.faults
    (section,) = stand(board, found).sections
    lines = [line for table in section.tables for line in table.lines if line.variant]
    cells = {(line.variant.name, metric): cell for line in lines for metric, cell in line.cells.items()}
    return {named: cell.beside for named, cell in cells.items() if cell.beside}


def claim(root: Path) -> Outcome:
    (board,) = read_boards(root)
    found = committed(root, board)
    assert not found.faults
    (section,) = stand(board, found).sections
    (outcome,) = section.outcomes
    return outcome


def page(root: Path) -> str:
    build(root)
    return (root / "leaderboards/weights/README.md").read_text()


def as_record(folder: Path, **changes: Any) -> Record:
    return read_record(write_record(folder / "record", a_record({}, **changes)))
