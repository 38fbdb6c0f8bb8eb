"""The workflow of a lab's own board repository: its commands, carried out on a scratch repository."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from board_records import BOARD, commit, make_root, seeds
from click.testing import CliRunner

from lgbench.benchmark import BadBenchmark
from lgbench.cli.history import lost_records
from lgbench.cli.leaderboard import leaderboard
from lgbench.leaderboard import build
from lgbench.record import record_id

pytestmark = pytest.mark.skipif(not shutil.which("git"), reason="git is not installed")
WORKFLOW = Path(__file__).parent.parent / "docs" / "board-workflow.yml"


def step(name: str) -> str:
    """What a step of the workflow runs."""
    text = WORKFLOW.read_text().partition(f"- name: {name}\n")[2].partition("      - ")[0]
    block = re.search(r"run: \|\n((?: {10,}.*\n|\n)+)", text)
    return textwrap.dedent(block[1]) if block else text.partition("run: ")[2].partition("\n")[0]


def shell(root: Path, command: str) -> subprocess.CompletedProcess[str]:
    quiet = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull, "GITHUB_STEP_SUMMARY": "summary.md"}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, **quiet, "BASE": "main", "PATH": path}
    return subprocess.run(["bash", "-ec", command], cwd=root, env=environment, capture_output=True, text=True)


def git(root: Path, *arguments: str) -> None:
    named = ["git", "-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false", *arguments]
    subprocess.run(named, cwd=root, check=True, capture_output=True)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repository whose branch `more` has one seed more than `main`, with its boards built."""
    (tmp_path / "lab").mkdir()
    root = make_root(tmp_path / "lab")
    (root / ".gitignore").write_text("runs/\n")
    commit(root, *seeds("lrgan", 0.5, 0.6))
    build(root)
    git(root, "init", "-q", "-b", "main")
    git(root, "add", "-A")
    git(root, "commit", "-qm", "first")
    git(root, "checkout", "-qb", "more")
    commit(root, *seeds("lrgan", 0.5, 0.6, 0.7))
    build(root)
    git(root, "add", "-A")
    git(root, "commit", "-qm", "more")
    return root


def records(root: Path) -> list[Path]:
    return sorted(root.glob("leaderboards/*/records/*.json"))


def test_a_branch_that_adds_records_passes_and_its_difference_is_told(root: Path):
    assert shell(root, step("Difference")).returncode == 0
    told = (root / "difference.md").read_text()
    assert "+reproduced" in told
    assert (root / "summary.md").read_text() == told
    gate = shell(root, step("Gate"))
    assert gate.returncode == 0, gate.stderr


def altered(root: Path) -> None:
    """A record signed anew with a better number, under the name that it has then."""
    path = records(root)[0]
    body = json.loads(path.read_text())
    body["values"]["iou"]["value"] = 0.95
    body["id"] = record_id(body)
    path.unlink()
    path.with_name(f"{path.name[: path.name.rindex('-')]}-{body['id'][:8]}.json").write_text(json.dumps(body))
    build(root)


def removed(root: Path) -> None:
    records(root)[0].unlink()
    build(root)


def edited(root: Path) -> None:
    path = records(root)[0]
    path.write_text(path.read_text().replace("0.5", "0.9"))


def stale(root: Path) -> None:
    git(root, "checkout", "-q", "main", "--", "leaderboards/flora-32/board.csv")


def contradicting(root: Path) -> None:
    board = root / "benchmarks" / "flora-32.toml"
    board.write_text(BOARD.replace('name = "iou", label = "IoU", better = "up"', 'name = "iou", better = "down"'))


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (altered, "was removed since"),
        (removed, "was removed since"),
        (edited, "was altered"),
        (stale, "is stale"),
        (contradicting, "of which higher is better"),
    ],
)
def test_a_branch_that_spoils_a_board_is_stopped(root: Path, spoil, told: str):
    spoil(root)
    git(root, "add", "-A")
    git(root, "commit", "-qm", "spoilt")
    gate = shell(root, step("Gate"))
    assert gate.returncode != 0
    assert told in gate.stderr
    assert "Traceback" not in gate.stderr


def test_what_main_gained_meanwhile_is_not_missed_on_the_branch(root: Path):
    git(root, "checkout", "-q", "main")
    commit(root, *seeds("dscomgan", 0.4))
    build(root)
    git(root, "add", "-A")
    git(root, "commit", "-qm", "meanwhile")
    git(root, "checkout", "-q", "more")
    assert lost_records(root, "main") == []


def test_a_push_builds_the_boards_and_commits_only_what_changed(root: Path):
    stale(root)
    assert shell(root, step("Build")).returncode == 0
    assert shell(root, step("Commit").replace("git push", "true")).returncode == 0
    assert shell(root, step("Gate")).returncode == 0
    before = shell(root, "git rev-parse HEAD").stdout
    assert shell(root, step("Commit").replace("git push", "false")).returncode == 0
    assert shell(root, "git rev-parse HEAD").stdout == before


@pytest.mark.parametrize("name", ["", " "])
def test_a_gate_against_nothing_is_refused_and_not_skipped(root: Path, name: str):
    build(root)
    result = CliRunner().invoke(leaderboard, ["check", "--root", str(root), "--against", name])
    assert isinstance(result.exception, BadBenchmark)
    assert "Name a branch or a commit" in str(result.exception)


def test_no_repository_and_no_such_branch_are_told(root: Path, tmp_path: Path):
    for ref in ("nowhere", "--all"):
        with pytest.raises(BadBenchmark, match="git cannot compare"):
            lost_records(root, ref)
    (tmp_path / "plain").mkdir()
    with pytest.raises(BadBenchmark, match="git cannot compare"):
        lost_records(tmp_path / "plain", "main")
