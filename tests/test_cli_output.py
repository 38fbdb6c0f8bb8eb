"""What commands print: nothing is lost on narrow or plain outputs, and nothing that a user named is obeyed."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console
from test_record import a_record

from lgbench.cli import progress
from lgbench.cli.printing import print_table, say
from lgbench.cli.results import show_record
from lgbench.plain import plain
from lgbench.record import write_record

ROOT = Path(__file__).parent.parent
NAMES = ["birds [raw]", "x[/set]", "[/]", "[red]a[/red]", "[link=x]", "a\\[b]"]
HEAD, ROWS = ("metric", "value", "95 %"), [("iou", "0.8512", "0.840 .. 0.861"), ("fid-random", "17.28", "")]


def printed(width: int, name: str = "iou", keys: int = 0) -> str:
    console = Console(file=io.StringIO(), width=width, force_terminal=True, color_system=None)
    print_table(console, HEAD, [(name, *ROWS[0][1:]), ROWS[1]], "a title", right=(1, 2), keys=keys)
    return console.file.getvalue()  # pyright: ignore[reportAttributeAccessIssue]


@pytest.mark.parametrize("keys", [0, 1, 2])
@pytest.mark.parametrize("width", [200, 80, 40, 32, 24, 12, 5, 1])
def test_no_number_is_lost_at_any_width(width: int, keys: int):
    text = printed(width, keys=keys)
    for cell in (*HEAD, *(cell for row in ROWS for cell in row if cell), "a title"):
        assert cell in text
    assert "…" not in text


def test_below_its_width_a_table_is_one_line_a_value():
    assert printed(24).splitlines()[1:] == [
        "metric: iou",
        "  value: 0.8512",
        "  95 %: 0.840 .. 0.861",
        "metric: fid-random",
        "  value: 17.28",
    ]


def test_below_its_width_a_table_with_keys_is_several_that_begin_with_them():
    lines = printed(34, keys=1).splitlines()
    assert [line for line in lines if "fid-random" in line] == [
        "│ fid-random │  17.28 │",
        "│ fid-random │                │",
    ]
    assert sum("a title" in line for line in lines) == 1
    assert max(map(len, lines)) <= 34


@pytest.mark.parametrize("width", [200, 24])
@pytest.mark.parametrize("name", NAMES)
def test_markup_in_names_is_text(name: str, width: int):
    assert name in printed(width, name)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("a\x1b[31mred", "a\\x1b[31mred"),
        ("a\rb\x07", "a\\rb\\x07"),
        ("a\u202eb", "a\\u202eb"),
        ("a\u200bb", "a\\u200bb"),
        ("a\udcffb", "a\\udcffb"),
        ("Üñï 漢字 ± ↑", "Üñï 漢字 ± ↑"),
        ("two\nlines\tand", "two\nlines\tand"),
    ],
)
def test_what_a_terminal_would_obey_is_shown_instead(name: str, shown: str):
    assert plain(name) == shown
    console = Console(file=io.StringIO(), width=10)
    say(console, name)
    assert "\x1b" not in console.file.getvalue()  # pyright: ignore[reportAttributeAccessIssue]


@pytest.mark.parametrize("name", NAMES)
def test_a_finished_run_in_a_folder_of_any_name_shows_its_record(tmp_path: Path, capsys, monkeypatch, name: str):
    path = write_record(tmp_path / name.replace("/", "-") / "run", a_record())
    (path.parent / "train" / "grids").mkdir(parents=True)
    (path.parent / "train" / "grids" / "0000004.png").touch()
    monkeypatch.setenv("COLUMNS", "24")
    show_record(path)
    said = capsys.readouterr().out
    assert f"record: {path}\n" in said
    assert f"pictures: {path.parent / 'train/grids/0000004.png'}\n" in said
    for number in ("0.5", "0.400 .. 0.600", "+0.100"):
        assert number in said


def test_a_number_that_no_board_takes_is_told_when_the_run_ends(tmp_path: Path, capsys):
    record = a_record()
    iou = record["values"]["iou"] | {"value": 1.7, "interval": None, "details": {}, "intervals": {}}
    show_record(write_record(tmp_path, record | {"values": {"iou": iou}}))
    assert "No board takes it: values.iou: it is 1.7, which iou cannot be." in capsys.readouterr().out


def test_a_run_without_any_number_says_so_instead_of_an_empty_table(tmp_path: Path, capsys):
    record = a_record() | {"method": "m", "dataset": "d", "values": {"iou": {"not_available": "no masks"}}}
    show_record(write_record(tmp_path, record))
    said = capsys.readouterr().out
    assert "m on d, smoke, seed 0: no number, as none of the metrics is available." in said
    assert "iou: not available: no masks" in said
    assert "oracle gap" not in said


@pytest.mark.parametrize("name", NAMES)
def test_progress_says_names_as_they_are(monkeypatch, name: str):
    screen = io.StringIO()
    monkeypatch.setattr(screen, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("COLUMNS", "200")
    with progress.reporting() as reporter:
        reporter.note(f"run: {name}")
        reporter.stage(f"prepare {name}", 3)
        reporter.advance(3, {"[loss]": 1.0})
    assert screen.getvalue().count(name) >= 2
    assert "[loss] 1" in screen.getvalue()


def lgbench(*arguments: str, redirect: str = "", **environment: str) -> subprocess.CompletedProcess[bytes]:
    command = f'"$0" -m lgbench "$@" {redirect}'
    return subprocess.run(
        ["bash", "-c", command, sys.executable, *arguments], capture_output=True, env={**os.environ, **environment}
    )


@pytest.mark.parametrize(
    ("encoding", "columns"),
    [("utf-8", ""), ("utf-8", "24"), ("utf-8", "0"), ("cp1252", ""), ("cp1252", "80"), ("ascii", "40")],
)
def test_a_board_is_shown_on_any_output(encoding: str, columns: str):
    done = lgbench("leaderboard", "show", "flora-32", "--root", str(ROOT), PYTHONIOENCODING=encoding, COLUMNS=columns)
    assert done.returncode == 0, done.stderr
    said = done.stdout.decode(encoding)
    with (ROOT / "leaderboards/flora-32/board.csv").open(encoding="utf-8") as file:
        assert all(line.split(",")[5] in said for line in list(file)[1:])
    if columns:
        assert "…" not in said


@pytest.mark.parametrize(
    ("redirect", "code"), [("2>&-", 0), (">&-", 0), (">&- 2>&-", 0), ("<&-", 0), ("| head -c 1", 0), ("2>&1 | true", 0)]
)
def test_closed_streams_end_no_command_with_a_traceback(redirect: str, code: int):
    done = lgbench("list", redirect=redirect)
    assert done.returncode == code
    assert b"Traceback" not in done.stderr + done.stdout


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no device that is always full")
@pytest.mark.parametrize("command", [("list",), ("results", str(ROOT / "leaderboards/flora-32"), "--metric", "iou")])
def test_an_output_that_is_full_is_one_clear_line(command: tuple[str, ...]):
    done = lgbench(*command, redirect="> /dev/full")
    assert done.returncode == 1
    assert done.stderr.decode().splitlines() == [
        "lgbench: Cannot write the output: No space left on device. Make room and run it again."
    ]


def test_an_error_without_stderr_still_fails():
    assert lgbench("info", "nothing", redirect="2>&-").returncode == 1


def test_python_m_lgbench_is_lgbench():
    assert lgbench("--version").stdout.startswith(b"lgbench, version")


def test_a_file_that_is_cut_short_is_not_called_an_interruption(monkeypatch, capsys):
    from lgbench import cli

    def reads(*_: object) -> None:
        raise EOFError("No data left in file")

    monkeypatch.setattr(cli.LazyGroup, "invoke", reads)
    monkeypatch.setattr(sys, "argv", ["lgbench", "list"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    said = capsys.readouterr().err
    assert ended.value.code == 1
    assert "cut short (No data left in file)" in said
    assert "Interrupted" not in said


def test_ctrl_c_is_still_an_interruption(monkeypatch, capsys):
    from lgbench import cli

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli.LazyGroup, "invoke", interrupted)
    monkeypatch.setattr(sys, "argv", ["lgbench", "list"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 130
    assert "Nothing is lost" in capsys.readouterr().err


def test_archives_with_any_names_inside_are_listed(tmp_path: Path):
    home = tmp_path / "home"
    (home / "archives").mkdir(parents=True)
    (home / "archives" / "odd.zip").write_bytes(b"no [/red] zip")
    done = lgbench("data", "list", LGBENCH_HOME=str(home))
    assert done.returncode == 0, done.stderr
    assert b"odd" in done.stdout


def test_a_dry_run_refuses_unknown_metrics():
    done = lgbench(
        "run",
        "--method",
        "lrgan",
        "--dataset",
        "flora",
        "--dry-run",
        "--preset",
        "smoke",
        "--set",
        "evaluation.metrics=iou,fidd",
    )
    assert done.returncode == 1
    assert b"fidd" in done.stderr
