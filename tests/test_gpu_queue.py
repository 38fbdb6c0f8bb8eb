"""Every command of `benchmarks/GPU.md` resolves: who has a GPU for eight minutes shall not spend them on a slip."""

from __future__ import annotations

import re
import shlex
import zipfile
from pathlib import Path

import pytest
from click.testing import CliRunner

from lgbench.cli import dry_run, group
from lgbench.cli import run as runs
from lgbench.cli import sweep as sweeps
from lgbench.recipe import Recipe

ROOT = Path(__file__).parent.parent
QUEUE = (ROOT / "benchmarks/GPU.md").read_text(encoding="utf-8")
COMMANDS = sorted({*re.findall(r"`uv run lgbench ((?:run|sweep) [^`]*)`", QUEUE)})
LIKEWISE = sorted(
    {
        re.sub(r"benchmarks/\S+\.toml", f"benchmarks/{board}.toml", command)
        for job in QUEUE.splitlines()
        for command in COMMANDS
        for board in re.findall(r"`([a-z]+-64)`", job)
        if command in job
    }
    - {*COMMANDS}
)
"""Jobs on photographs that are to be done on a further board."""
BOARDS = sorted({*re.findall(r"`([a-z]+\d*-(?:tables?-?\d|ablations|decomposes|flowers|\d\d)\S*)`", QUEUE)})
"""Names of benchmark files, or patterns of them, that jobs are to be done likewise with."""
ADDED = ("horses", "pets")
"""Archives that a user adds under these names."""


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Recipe]:
    """What commands would carry out, instead of carrying it out."""
    recipes: list[Recipe] = []
    for module, name in ((runs, "carry_out"), (sweeps, "carry_out"), (dry_run, "show")):
        monkeypatch.setattr(module, name, lambda recipe, *rest: recipes.append(recipe))
    monkeypatch.setenv("LGBENCH_HOME", str(tmp_path))
    (tmp_path / "archives").mkdir()
    for name in ADDED:
        with zipfile.ZipFile(tmp_path / "archives" / f"{name}.zip", "w") as file:
            for place in ("images/0.png", "images/1.png", "masks/0.png", "masks/1.png"):
                file.writestr(place, b"only looked at when it is opened")
    monkeypatch.chdir(ROOT)
    return recipes


@pytest.mark.parametrize("command", [*COMMANDS, *LIKEWISE])
def test_each_command_resolves(command: str, asked: list[Recipe]):
    told = CliRunner().invoke(group, shlex.split(command))
    assert told.exception is None, told.output
    assert asked


def test_commands_were_found_and_stop_in_time():
    assert len(COMMANDS) > 15
    assert LIKEWISE
    assert [command for command in COMMANDS if "--dry-run" not in command and "--minutes 8" not in command] == []


@pytest.mark.parametrize("board", BOARDS)
def test_each_board_that_is_named_is_there(board: str):
    assert [*(ROOT / "benchmarks").glob(f"{board}.toml")]
