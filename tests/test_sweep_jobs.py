"""A sweep's runs in several processes: what comes of each, and that none outlives its sweep."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import click
import pytest
import sweep_runs
from click.testing import CliRunner
from finished import SETTINGS
from test_time_limit import Clock

from lgbench.benchmark import read_benchmark
from lgbench.cli import jobs as processes
from lgbench.cli import plans
from lgbench.cli import sweep as commands
from lgbench.cli import time_limit as limits
from lgbench.cli.jobs import Jobs
from lgbench.cli.plans import Standing, plan, standing
from lgbench.data import DataHome
from lgbench.errors import BadRecipe, RunBusy, RunFailed, UnknownName
from lgbench.files import write_json
from lgbench.locks import Lock, Taken
from lgbench.lookup import look_up
from lgbench.recipe import Recipe, Request
from lgbench.record import read_record


def recipe(seed: int) -> Recipe:
    return look_up(Request("lrgan", "flora", "smoke", seed, 32, {"training.steps": 7}), DataHome())


@pytest.fixture
def stand_ins(monkeypatch: pytest.MonkeyPatch) -> None:
    """The processes of a sweep do what `sweep_runs` says."""
    monkeypatch.syspath_prepend(Path(__file__).parent)
    monkeypatch.setattr(processes, "WORK", "from sweep_runs import work; work()")


def carried_out(runs: Path, *seeds: int, count: int = 2, threads: int = 0) -> dict[int, object]:
    """What came of runs with these seeds, by seed."""
    came: dict[int, object] = {}
    Jobs(count, "cpu", runs).carry_out(
        [(recipe(seed), threads) for seed in seeds], lambda r, o: came.update({r.seed: o})
    )
    return came


@pytest.mark.usefixtures("stand_ins")
def test_what_comes_of_each_run_is_told_and_none_costs_the_others(tmp_path: Path, capsys):
    kinds = [*range(sweep_runs.STUBBORN)]
    came = carried_out(tmp_path, *kinds, threads=3)
    said, shown = capsys.readouterr().err, recipe(0).label
    assert came[sweep_runs.DONE] == tmp_path / shown / "record.json"
    told = {seed: f"{type(outcome).__name__}: {outcome}" for seed, outcome in came.items() if seed != sweep_runs.DONE}
    assert told[sweep_runs.FAILS] == "RunFailed: The disk is full."
    assert told[sweep_runs.TAKEN] == "RunBusy: Another process is at work."
    assert told[sweep_runs.KILLED].startswith("RunFailed: Its process was killed")
    assert told[sweep_runs.BROKEN].startswith("RunFailed: Its process ended with status 1; what it said stands above")
    assert told[sweep_runs.STOPPED].startswith("RunFailed: It was stopped.")
    for number in range(1, 7):
        assert f"[{number}] {recipe(number - 1).label}: {number} of 6" in said
        assert f"[{number}] cpu, threads: 3" in said
    assert f"[{sweep_runs.BROKEN + 1}] ZeroDivisionError" in said


@pytest.mark.usefixtures("stand_ins")
def test_scores_go_to_stdout_whole_and_without_a_number(tmp_path: Path, capsys):
    carried_out(tmp_path, sweep_runs.DONE, sweep_runs.FAILS)
    assert capsys.readouterr().out == f"scores of {recipe(sweep_runs.DONE).label}\n"


@pytest.mark.usefixtures("stand_ins")
def test_a_sweep_names_what_failed_in_its_processes_and_looks_again_for_what_was_taken(tmp_path: Path, monkeypatch):
    again = []

    def carry_out(recipe: Recipe, *_: object) -> Path:
        again.append(recipe.seed)  # the one that is left is for the sweep's own process
        raise RunBusy("It is still taken.")

    monkeypatch.setattr(commands, "carry_out", carry_out)
    path = tmp_path / "mine.toml"
    path.write_text(FILE.replace("[0, 1]", str([sweep_runs.DONE, sweep_runs.FAILS, sweep_runs.TAKEN])))
    told = CliRunner().invoke(commands.sweep, [str(path), "--jobs", "2", "--runs", str(tmp_path)])
    assert isinstance(told.exception, RunFailed)
    assert str(told.exception) == "1 of 3 runs did not finish: lrgan-flora-smoke-32px-s1."
    assert "lrgan-flora-smoke-32px-s1: The disk is full." in told.stderr
    assert "lrgan-flora-smoke-32px-s2 is left to another process. Another process is at work." in told.stderr
    assert "1 of 3 runs are not done yet" in told.stderr
    assert again == [sweep_runs.TAKEN]


@pytest.mark.usefixtures("stand_ins")
def test_a_signal_to_the_sweep_has_every_run_save_what_it_has(tmp_path: Path, number: signal.Signals):
    with pytest.raises(KeyboardInterrupt):
        carried_out(tmp_path, sweep_runs.WAITS, sweep_runs.WAITS + number, sweep_runs.DONE)
    assert (tmp_path / f"{sweep_runs.WAITS} saved").exists()
    assert (tmp_path / f"{sweep_runs.WAITS + number} saved").exists()


@pytest.fixture
def once_both_train(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Callable[[], None]]:
    """What is put here is called when two runs are in training and one of them says something."""
    calls: list[Callable[[], None]] = []

    def say(text: str) -> None:
        if not text.startswith("[2] cpu"):
            return
        while len([*tmp_path.glob("* trains")]) < 2:
            time.sleep(0.01)
        calls[0]()

    monkeypatch.setattr(processes, "_say", say)
    return calls


def close() -> None:
    raise BrokenPipeError


@pytest.mark.usefixtures("stand_ins")
def test_where_nobody_reads_on_every_run_saves_what_it_has(tmp_path: Path, once_both_train: list):
    once_both_train.append(close)
    with pytest.raises(BrokenPipeError):
        carried_out(tmp_path, sweep_runs.WAITS, sweep_runs.LAST)
    assert len([*tmp_path.glob("* saved")]) == 2


@pytest.mark.usefixtures("stand_ins")
def test_when_the_time_is_up_every_run_saves_what_it_has(tmp_path: Path, once_both_train: list, monkeypatch):
    monkeypatch.setattr(limits.threading, "Timer", Clock)
    once_both_train.append(lambda: Clock.last.ring())
    with pytest.raises(click.exceptions.Exit) as ended, limits.time_limit(8):
        carried_out(tmp_path, sweep_runs.WAITS, sweep_runs.LAST)
    assert ended.value.exit_code == limits.TIME_IS_UP
    assert len([*tmp_path.glob("* saved")]) == 2


@pytest.mark.usefixtures("stand_ins", "number")
@pytest.mark.parametrize("number", [signal.SIGINT], indirect=True)
def test_a_second_interruption_ends_what_does_not_end_by_itself(tmp_path: Path):
    with pytest.raises(KeyboardInterrupt):
        carried_out(tmp_path, sweep_runs.STUBBORN)
    with pytest.raises(ChildProcessError):  # it has ended, and was waited for
        os.waitpid(int((tmp_path / "process").read_text()), os.WNOHANG)


# How many processes, with how many threads


@pytest.mark.parametrize(
    ("jobs", "on_cpu", "cores", "begun", "threads", "count"),
    [
        ("auto", True, 2, [0, 0, 0], [1, 1, 1], 2),
        ("auto", True, 8, [0, 0, 0], [2, 2, 2], 3),
        ("auto", True, 2, [0], [], 1),  # the sweep's own process has all cores for it
        ("auto", True, 1, [0, 0], [], 1),
        ("auto", False, 8, [0, 0], [], 1),
        ("auto", True, 2, [1], [1], 1),  # it began with one thread, and would end with other bits
        ("auto", True, 2, [2, 0], [2, 1], 2),
        ("auto", True, 2, [8, 0], [2, 1], 2),  # no more than there are
        (1, True, 2, [1, 0], [], 1),
        (3, True, 2, [0, 0, 0, 0], [1, 1, 1, 1], 3),
        (2, False, 8, [0, 0], [4, 4], 2),
        (5, True, 2, [], [], 1),
    ],
)
def test_processes_share_the_cores(monkeypatch, jobs, on_cpu, cores, begun, threads, count):
    monkeypatch.delenv("OMP_NUM_THREADS")
    monkeypatch.setattr(plans, "_cores", lambda: cores)
    runs = [(recipe(seed), Standing(begun=count > 0, threads=count)) for seed, count in enumerate(begun)]
    done = (recipe(99), Standing(Path("record.json")))
    found = plan([done, *runs], jobs, on_cpu)
    assert ([share for _, share in found.apart], found.count) == (threads, count)
    assert all(each.seed < 99 for each, _ in found.apart)


def test_who_says_how_many_threads_has_so_many(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "4")
    monkeypatch.setattr(plans, "_cores", lambda: 8)
    runs = [(recipe(seed), Standing()) for seed in range(2)]
    assert plan(runs, "auto", True).apart == []
    assert [threads for _, threads in plan(runs, 2, True).apart] == [0, 0]


def test_no_more_processes_begin_than_the_memory_holds(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS")
    monkeypatch.setattr(plans, "_cores", lambda: 64)
    monkeypatch.setattr(plans, "_memory", lambda: 6 * 2**30)
    assert plan([(recipe(seed), Standing()) for seed in range(9)], "auto", True).count == 4


# Real runs


FILE = """
dataset = "flora"
resolution = 32
dataset_config = { images = 24, test_images = 12 }
presets = ["smoke"]
seeds = [0, 1]

[[variant]]
name = "one"
method = "lrgan"
"""


def written(folder: Path, **settings: object) -> Path:
    said = {name: value for name, value in SETTINGS.items() if not name.startswith("data.")} | settings
    said |= {"evaluation.metrics": "coverage"}
    path = folder / "mine.toml"
    path.write_text(FILE + f"set = {{ {', '.join(f'{json.dumps(k)} = {json.dumps(v)}' for k, v in said.items())} }}\n")
    return path


def dry_run(path: Path, runs: Path, *more: str):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COLUMNS", "80")
        told = CliRunner().invoke(commands.sweep, [str(path), "--runs", str(runs), "--dry-run", *more])
    assert max(map(len, told.stdout.splitlines() or [""])) <= 80
    return told


def test_a_dry_run_tells_how_far_each_run_has_come_and_leaves_nothing(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(plans, "_cores", lambda: 2)
    path = written(tmp_path, **{"training.steps": 1234})
    (asked, _) = read_benchmark(path).requests()
    begun = look_up(asked, DataHome())
    folder = tmp_path / "runs" / f"{begun.label}-0123"
    write_json(folder / "identity.json", {"settings": begun.learning})
    write_json(folder / "sessions.json", [{"environment": {"threads": 3}}])
    assert standing(begun, tmp_path / "runs") == Standing(None, True, 3)
    before = sorted(tmp_path.rglob("*"))
    told = dry_run(path, tmp_path / "runs", "--jobs", "2")
    assert (told.exit_code, sorted(tmp_path.rglob("*"))) == (0, before)
    first, second = (line.split("│")[1:-1] for line in told.stdout.splitlines() if "lrgan" in line)
    assert [cell.strip() for cell in first] == ["lrgan-flora-smoke-32px-s0", "one", "begun", "1,234"]
    assert [cell.strip() for cell in second] == ["lrgan-flora-smoke-32px-s1", "one", "to do", "1,234"]
    assert "0 of 2 runs are done" in told.stdout
    assert "runs to do: 2, processes at once: 2" in told.stdout


@pytest.mark.parametrize("damage", ["{", "[]", '{"settings": 5}'])
def test_a_damaged_folder_is_left_for_its_run_to_tell(tmp_path: Path, damage: str):
    folder = tmp_path / f"{recipe(0).label}-0123"
    folder.mkdir()
    for name in ("identity.json", "sessions.json", "record.json"):
        (folder / name).write_text(damage)
    assert standing(recipe(0), tmp_path) == Standing()


@pytest.mark.parametrize("more", [[], ["--dry-run"]])
@pytest.mark.parametrize("name", ["evaluation.metrics", "training.stesp"])
def test_what_nobody_knows_is_refused_before_any_run(tmp_path: Path, monkeypatch, name: str, more: list[str]):
    started = []
    monkeypatch.setattr(commands, "carry_out", lambda recipe, *_: started.append(recipe))
    path = tmp_path / "mine.toml"
    path.write_text(FILE + f'set = {{ "{name}" = "starry" }}\n')
    told = CliRunner().invoke(commands.sweep, [str(path), "--runs", str(tmp_path), *more])
    assert isinstance(told.exception, UnknownName | BadRecipe)
    assert name.rpartition(".")[2] in str(told.exception) or "starry" in str(told.exception)
    assert (started, told.stdout) == ([], "")


def test_two_processes_write_the_records_that_one_does(tmp_path: Path):
    path, records = written(tmp_path), []
    for jobs in (1, 2):
        runs = tmp_path / str(jobs)
        told = CliRunner().invoke(commands.sweep, [str(path), "--jobs", str(jobs), "--runs", str(runs)])
        assert told.exception is None, told.output
        assert [f"record: {record}" in told.stdout for record in sorted(runs.glob("*/record.json"))] == [True, True]
        found = {record.parent.name: read_record(record) for record in sorted(runs.glob("*/record.json"))}
        records.append({name: (r.recipe_hash, r.overrides, r.artefacts, r.environment) for name, r in found.items()})
    assert records[0] == records[1]
    assert len(records[0]) == 2
    again = CliRunner().invoke(commands.sweep, [str(path), "--jobs", "2", "--runs", str(tmp_path / "2")])
    assert again.stderr.count("done before: ") == 2
    assert "to do" not in again.stderr
    told = dry_run(path, tmp_path / "2")
    assert told.stdout.count("done before") == 2
    assert "2 of 2 runs are done" in told.stdout


def test_no_run_outlives_a_sweep_that_is_killed(tmp_path: Path):
    path = written(tmp_path, **{"training.steps": 1_000_000, "training.log_every": 1})
    command = [sys.executable, "-m", "lgbench", "sweep", str(path), "--jobs", "2", "--runs", str(tmp_path / "runs")]
    sweep = subprocess.Popen(command, stderr=subprocess.DEVNULL, env={**os.environ, "OMP_NUM_THREADS": "1"})
    while len([*tmp_path.glob("runs/*/train/log.jsonl")]) < 2 and sweep.poll() is None:  # both train
        time.sleep(0.05)
    sweep.kill()
    assert sweep.wait() == -signal.SIGKILL
    for folder in tmp_path.glob("runs/*"):
        while held(folder / ".lock"):
            time.sleep(0.05)
        assert (folder / "train" / "checkpoint.pt").exists()


def held(path: Path) -> bool:
    try:
        lock = Lock(path)
        lock.acquire()
    except Taken:
        return True
    lock.release()
    return False
