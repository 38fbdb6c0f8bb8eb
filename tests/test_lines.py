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


@pytest.mark.parametrize(
    ("count", "beside", "code"),
    [(300, "300 of 300", 0), (301, "301 of 300: over, held to 400", 0), (401, "401 of 300: over, held to 400", 1)],
)
def test_a_part_fails_over_its_ceiling_which_is_above_its_budget(
    lines, tmp_path: Path, capsys, monkeypatch, count, beside, code
):
    monkeypatch.setattr(lines, "BUDGETS", {"machine": 300})
    monkeypatch.setattr(lines, "CEILINGS", {"machine": 400})
    assert lines.main(str(written(tmp_path, "run.py", count))) == code
    assert capsys.readouterr().out.splitlines()[0].split(maxsplit=1) == ["machine", beside]


@pytest.mark.parametrize(
    ("count", "beside", "code"), [(450, "450 of 450", 0), (451, "451 of 450: over, held to 450", 1)]
)
def test_a_part_without_a_ceiling_is_held_to_its_budget(lines, tmp_path: Path, capsys, count, beside, code):
    assert lines.main(str(written(tmp_path, "capsule.py", count))) == code
    assert capsys.readouterr().out.splitlines()[2].split(maxsplit=1) == ["capsules", beside]


def written(house: Path, name: str, count: int) -> Path:
    (house / "lgbench").mkdir()
    (house / "lgbench" / name).write_text("x = 1\n" * count)
    return house
