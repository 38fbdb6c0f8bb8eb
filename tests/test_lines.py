"""What `.ci/lines` counts: lines that hold code, by part of the house, beside each part's budget."""

from __future__ import annotations

from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent.parent / ".ci" / "lines"
LOADER = SourceFileLoader("lines", str(SCRIPT))


@pytest.fixture
def lines():
    spec = spec_from_loader("lines", LOADER)
    assert spec
    module = module_from_spec(spec)
    LOADER.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("source", "count"),
    [
        ("", 0),
        ("\n\n# a comment\n    # another\n", 0),
        ('"""A module."""\n', 0),
        ('"""A module\n\nof several lines.\n"""\nx = 1  # told\n', 1),
        ('X = 1\n"""What X is."""\n', 1),
        ('def f():\n    """One line."""\n    return 1\n', 2),
        ('class A:\n    """Several\n    lines."""\n\n    x: int = 1\n    """Told."""\n', 2),
        ('def f(): "all on one line"\n', 1),
        ('x = """two\nlines"""\n', 2),
        ('x = f"""three\n{1 + 1}\nlines"""\n', 3),
        ('call(\n    1,\n\n    # why\n    "a",\n)\n', 4),
        ("a = 1; b = 2\n", 1),
    ],
)
def test_a_line_counts_where_it_holds_code(lines, source: str, count: int):
    assert lines.code_lines(source) == count


@pytest.mark.parametrize(
    ("path", "part"),
    [
        ("lgbench/run.py", "machine"),
        ("lgbench/__init__.py", "machine"),
        ("lgbench/training/loop.py", "machine"),
        ("lgbench/data/home.py", "data"),
        ("lgbench/features/moments.py", "features"),
        ("lgbench/leaderboard/store.py", "leaderboard"),
        ("lgbench/cli/run.py", "cli"),
        ("lgbench/capsule.py", "capsules"),
        ("plugins/lgbench_metrics/data/x.py", "plugins"),
        ("tests/test_run.py", "tests"),
    ],
)
def test_each_file_counts_for_one_part(lines, path: str, part: str):
    assert lines.part_of(Path(path)) == part


@pytest.mark.parametrize(("count", "held", "code"), [(3000, True, 0), (3001, True, 1), (3001, False, 0)])
def test_a_part_over_its_budget_fails_where_budgets_are_held(lines, tmp_path: Path, capsys, count, held, code):
    (tmp_path / "lgbench").mkdir()
    (tmp_path / "lgbench" / "run.py").write_text("x = 1\n" * count)
    assert lines.main(str(tmp_path), *(["--hold"] if held else [])) == code
    told = capsys.readouterr().out.splitlines()
    assert told[0].split(maxsplit=1) == ["machine", f"{count:,} of 3,000" + (": over" if count > 3000 else "")]
