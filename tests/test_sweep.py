"""What a sweep refuses to begin with."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from lgbench.benchmark import BadBenchmark, read_benchmark
from lgbench.cli import sweep as commands
from lgbench.errors import LgbenchError, RunBusy, RunFailed

GOOD = 'title = "Üñï"\ndataset = "flora"\nresolution = 16\nmethods = ["lrgan"]\npresets = ["smoke"]\nseeds = [0]\n'


def swept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str | bytes) -> tuple[int, str]:
    """How many runs a sweep of a file would carry out, and what it said."""
    started = []
    monkeypatch.setattr(commands, "carry_out", lambda recipe, *_: started.append(recipe))
    path = tmp_path / "mine.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    result = CliRunner().invoke(commands.sweep, [str(path)])
    return len(started), str(result.exception or "")


def test_a_good_file_is_swept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    assert swept(tmp_path, monkeypatch, GOOD) == (1, "")


@pytest.mark.parametrize(("error", "says", "status"), [(RunBusy, "is left to another process", 0), (RunFailed, "", 1)])
def test_a_run_that_another_process_is_at_or_that_fails_does_not_cost_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: type[LgbenchError], says: str, status: int
):
    started = []

    def carry_out(recipe, *_):
        started.append(recipe.seed)
        if recipe.seed == 0:
            raise error("It is taken.")

    monkeypatch.setattr(commands, "carry_out", carry_out)
    path = tmp_path / "mine.toml"
    path.write_text(GOOD.replace("[0]", "[0, 1]"), encoding="utf-8")
    result = CliRunner().invoke(commands.sweep, [str(path)])
    assert started == [0, 1]
    assert (result.exit_code, "1 of 2 runs did not finish" in str(result.exception)) == (status, status == 1)
    assert says in result.stderr


@pytest.mark.parametrize(
    ("line", "told"),
    [
        *(
            (f"seeds = {seeds}", "seeds")
            for seeds in ("[-1]", "[true]", "3", '["0"]', "[0.5]", "[2147483648]", "[[0]]")
        ),
        ("dataset = 5", "dataset=5 does not fit"),
        ("dataset_config = [1]", "dataset_config"),
        ("resolution = true", "resolution"),
        ('resolution = "16"', "resolution"),
        ("methods = 'lrgan'", "methods"),
        ("presets = [5]", "presets.0=5 does not fit"),
        ("split = 5", "split"),
        ("seeds = [", "not a TOML file in UTF-8"),
    ],
)
def test_a_file_that_is_not_a_benchmark_is_refused_before_any_run(tmp_path: Path, monkeypatch, line: str, told: str):
    name = line.partition(" = ")[0]
    others = "".join(f"{each}\n" for each in GOOD.splitlines() if not each.startswith(f"{name} = "))
    runs, said = swept(tmp_path, monkeypatch, others + line)
    assert runs == 0
    assert told in said
    assert "mine.toml" in said


def test_a_file_in_another_encoding_is_named_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    runs, said = swept(tmp_path, monkeypatch, GOOD.encode("latin-1"))
    assert runs == 0
    assert "UTF-8" in said


def test_benchmarks_are_utf8_whatever_the_system_says(tmp_path: Path):
    path = tmp_path / "mine.toml"
    path.write_text(GOOD, encoding="utf-8")
    plain = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    code = "import sys, pathlib; from lgbench import benchmark; benchmark.read_benchmark(pathlib.Path(sys.argv[1]))"
    done = subprocess.run([sys.executable, "-c", code, str(path)], env=plain, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("seeds", ["[-1]", "[true]", "3", '["0"]', "[0.5]", "[2147483648]"])
def test_a_boards_seeds_are_a_runs(tmp_path: Path, seeds: str):
    path = tmp_path / "mine.toml"
    path.write_text(
        f'title = "x"\ndataset = "flora"\nresolution = 16\nmetrics = [{{name="iou", better="up"}}]\nseeds = {seeds}'
    )
    with pytest.raises(BadBenchmark, match="seeds"):
        read_benchmark(path)
