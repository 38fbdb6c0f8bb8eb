"""Every command of `benchmarks/GPU.md` resolves: who has a GPU for eight minutes shall not spend them on a slip."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from lgbench.cli import dry_run, group
from lgbench.cli import run as runs
from lgbench.cli import sweep as sweeps
from lgbench.errors import UnknownName
from lgbench.recipe import Recipe

ROOT = Path(__file__).parent.parent
QUEUE = (ROOT / "benchmarks/GPU.md").read_text(encoding="utf-8")
COMMANDS = sorted({*re.findall(r"`uv run lgbench ((?:run|sweep) [^`]*)`", QUEUE)})
BOARDS = sorted({*re.findall(r"`([a-z]+-(?:tables?-?\d|ablations|decomposes|flowers)\S*)`", QUEUE)})
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
    monkeypatch.chdir(ROOT)
    return recipes


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_resolves(command: str, asked: list[Recipe]):
    told = CliRunner().invoke(group, shlex.split(command))
    if isinstance(told.exception, UnknownName) and any(f"named {name!r}" in str(told.exception) for name in ADDED):
        pytest.skip("its data set is an archive that a user adds")
    assert told.exception is None, told.output
    assert asked


def test_commands_were_found_and_stop_in_time():
    assert len(COMMANDS) > 15
    assert [command for command in COMMANDS if "--dry-run" not in command and "--minutes 8" not in command] == []


@pytest.mark.parametrize("board", BOARDS)
def test_each_board_that_is_named_is_there(board: str):
    assert [*(ROOT / "benchmarks").glob(f"{board}.toml")]
