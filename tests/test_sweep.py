"""What a sweep refuses to begin with."""

from __future__ import annotations

import json
import os
import re
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
    assert started == ([0, 1, 0] if error is RunBusy else [0, 1])  # what is left to others is looked for again
    assert (result.exit_code, "1 of 2 runs did not finish" in str(result.exception)) == (status, status == 1)
    assert says in result.stderr
    assert ("1 of 2 runs are not done yet" in result.stderr) == (error is RunBusy)


@pytest.mark.parametrize("error", [ValueError("odd"), SystemExit(0)])
def test_a_plugin_that_fails_in_its_own_way_costs_its_run_alone(tmp_path: Path, monkeypatch, error: BaseException):
    started = []

    def carry_out(recipe, *_):
        started.append(recipe.seed)
        if recipe.seed == 0:
            raise error

    monkeypatch.setattr(commands, "carry_out", carry_out)
    path = tmp_path / "mine.toml"
    path.write_text(GOOD.replace("[0]", "[0, 1, 1]"), encoding="utf-8")  # what is named twice is run once
    result = CliRunner().invoke(commands.sweep, [str(path)])
    assert started == [0, 1]
    assert "1 of 2 runs did not finish" in str(result.exception)
    assert f"A plugin failed ({type(error).__name__}" in result.stderr


@pytest.mark.parametrize("joined_by_another", [False, True])
def test_the_last_of_several_sweeps_joins_the_classes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, joined_by_another: bool
):
    """Class 0 is at another process when it is first met, and done when the others are."""
    started, joins = [], []

    def carry_out(recipe, *_):
        started.append(recipe.training.category)
        if started == [0]:
            raise RunBusy("It is taken.")
        return tmp_path / str(recipe.training.category) / "record.json"

    def join(folders, _):
        joins.append([folder.name for folder in folders])
        if joined_by_another:
            raise RunBusy("It is taken.")
        return tmp_path / "record.json"

    monkeypatch.setattr(commands, "carry_out", carry_out)
    monkeypatch.setattr(commands, "join", join)
    text = GOOD.replace('methods = ["lrgan"]\n', "")
    text += '[[variant]]\nname = "a"\nmethod = "lrgan"\nset = { "training.category" = [0, 1] }\n'
    path = tmp_path / "mine.toml"
    path.write_text(text, encoding="utf-8")
    result = CliRunner().invoke(commands.sweep, [str(path)])
    assert (result.exception, started, joins) == (None, [0, 1, 0], [["0", "1"]])
    assert "not done yet" not in result.stderr


@pytest.mark.parametrize(
    ("line", "told"),
    [
        *(
            (f"seeds = {seeds}", "seeds")
            for seeds in ("[-1]", "[true]", "3", '["0"]', "[0.5]", "[2147483648]", "[[0]]")
        ),
        ("seeds = []", "seeds"),
        ("dataset = 5", "dataset=5 does not fit"),
        ('metric = "iou"', "metric: there is no such key. Did you mean 'metrics'?"),
        (
            '[[variant]]\nname = "a"\nmethod = "lrgan"\nseeds = [1]',
            "variant.0.seeds: there is no such key. It may",
        ),
        ('[[metrics]]\nname = "iou"\nbeter = "up"', "metrics.0.beter: there is no such key. Did you mean 'better'?"),
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


@pytest.mark.parametrize(
    ("slip", "told"),
    [
        ('metrics = { IoU = "iuo" }', "'iuo', which is no column"),
        ('metrics = { IoU = "iou" }\npercent = ["IuO"]', "'IuO' in percent, and its `metrics` do not name that"),
        ('metrics = { IoU = "iou" }\nprotocol.dice = { split = "test" }', "'dice', which is no column"),
    ],
)
def test_a_papers_numbers_go_to_columns_that_there_are(tmp_path: Path, monkeypatch, slip: str, told: str):
    text = GOOD + '[[metrics]]\nname = "iou"\nbetter = "up"\n[[reported]]\nfile = "p"\ndataset = "d"\n' + slip
    runs, said = swept(tmp_path, monkeypatch, text)
    assert (runs, told in said) == (0, True)


@pytest.mark.parametrize(
    ("board", "setting", "ours"),
    [
        ('split = "test"', '"evaluation.split" = "val"', "'test'"),
        ('split = "train,test"', '"evaluation.split" = "test"', "'train,test'"),
        ('aggregation = "pooled"', '"evaluation.aggregation" = "per_image"', "'pooled'"),
        ("dataset_config = { images = 200 }", '"data.images" = 100', "200"),
    ],
)
@pytest.mark.parametrize("place", ["its table `set`", "the variant 'a'"])
def test_a_setting_that_contradicts_its_own_board_is_refused_with_its_place(
    tmp_path: Path, board: str, setting: str, ours: str, place: str
):
    rest = GOOD.replace('methods = ["lrgan"]\n', "") + board + "\n"
    shared, own = (setting, "") if "table" in place else ("", setting)
    path = tmp_path / "mine.toml"
    path.write_text(f'{rest}[set]\n{shared}\n[[variant]]\nname = "a"\nmethod = "lrgan"\nset = {{ {own} }}\n', "utf-8")
    name, _, value = setting.partition(" = ")
    says = f"{place} says {json.loads(name)}={json.loads(value)!r}, and the board itself {ours}: leave one out"
    with pytest.raises(BadBenchmark, match=re.escape(says)):
        read_benchmark(path)
    same = path.read_text("utf-8").replace(value, ours.replace("'", '"'))
    path.write_text(same, "utf-8")  # what says the same contradicts nothing
    assert [variant.name for variant in read_benchmark(path).variants] == ["a"]


@pytest.mark.parametrize("place", ["[set]", '[[variant]]\nname = "a"\nmethod = "lrgan"\n[variant.set]'])
def test_a_resolution_is_the_boards_alone(tmp_path: Path, place: str):
    path = tmp_path / "mine.toml"
    rows = "" if "variant" in place else '[[variant]]\nname = "a"\nmethod = "lrgan"\n'
    path.write_text(GOOD.replace('methods = ["lrgan"]\n', "") + f"{place}\nresolution = 32\n{rows}", "utf-8")
    with pytest.raises(BadBenchmark, match="'resolution' is not a setting"):
        read_benchmark(path)


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
