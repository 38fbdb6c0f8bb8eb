"""The folders are the architecture: arrows point one way, public means importable, the README tells the truth."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
from collections.abc import Collection, Mapping
from pathlib import Path

import pytest

import lgbench
from lgbench import hookspecs
from lgbench.cli import COMMANDS
from lgbench.plugins import registry

ROOT = Path(__file__).parent.parent


def sources(packages: Path, base: Path) -> dict[str, Path]:
    """Every module below a folder, by its absolute name from `base` on."""
    found = {}
    for path in sorted(packages.rglob("*.py")):
        parts = path.relative_to(base).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


LGBENCH = sources(ROOT / "lgbench", ROOT)
KNOWN = {**LGBENCH, **sources(ROOT / "plugins", ROOT / "plugins")}
MODULES = sorted(LGBENCH.values())


def imported(module: str, path: Path, known: Collection[str]) -> set[str]:
    """The known modules that a file imports: on loading, inside functions, or for types alone."""
    package = module.split(".") if path.name == "__init__.py" else module.split(".")[:-1]
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            name = ".".join([*base, *filter(None, [node.module])])
            inside = {alias.name: f"{name}.{alias.name}" for alias in node.names}
            found |= {inside[one] if inside[one] in known else name for one in inside}
    return {name for name in found if name in known and name != module}


def circle(arrows: Mapping[str, Collection[str]]) -> list[str]:
    """Modules that import each the next, and the last the first; empty where there are none."""
    done: set[str] = set()

    def walk(module: str, way: list[str]) -> list[str]:
        if module in way:
            return way[way.index(module) :]
        if module in done:
            return []
        found = next(filter(None, (walk(below, [*way, module]) for below in sorted(arrows[module]))), [])
        done.add(module)
        return found

    return next(filter(None, (walk(module, []) for module in arrows)), [])


def test_no_modules_import_one_another_in_a_circle():
    assert circle({module: imported(module, path, KNOWN) for module, path in KNOWN.items()}) == []


@pytest.mark.parametrize(
    "back",
    [
        "import p.a",
        "from p.a import x",
        "from . import a",
        "def f():\n    from .a import x",
        "if T:\n    from . import a",
    ],
)
def test_a_circle_is_found_however_it_is_closed(tmp_path: Path, back: str):
    files = {"p.a": "from .b import y", "p.b": "from p import c", "p.c": back, "p.d": "from .a import x"}
    arrows = {}
    for module, text in files.items():
        path = tmp_path / f"{module}.py"
        path.write_text(text)
        arrows[module] = imported(module, path, files)
    assert circle(arrows) == ["p.a", "p.b", "p.c"]
    assert circle({**arrows, "p.c": set()}) == []


def floors() -> tuple[dict[str, str], dict[str, set[str]]]:
    """CONTRIBUTING's table: the floor of each part of lgbench, and what each floor may import."""
    home: dict[str, str] = {}
    may: dict[str, set[str]] = {}
    for line in (ROOT / "CONTRIBUTING.md").read_text().partition("| floor |")[2].partition("\n\n")[0].splitlines()[2:]:
        floor, parts, below = (cell.strip() for cell in line.strip("|").split("|"))
        home |= dict.fromkeys(re.findall(r"`(\w+)`", parts), floor)
        named = below.removeprefix("every floor above").removeprefix(" but ")
        floors = set(filter(None, named.split(", ")))
        assert floors <= may.keys(), f"the floor {floor} names one that is not above it in the table: {floors}"
        may[floor] = {floor} | (may.keys() - floors if below.startswith("every") else floors)
    home["lgbench"], may["lgbench"] = "lgbench", {"tools", "offers", "trained", "boards"}
    may["doors"].add("lgbench")
    return home, may


def part_of(module: str) -> str:
    return module.split(".")[1] if "." in module else module


@pytest.mark.parametrize("module", LGBENCH)
def test_each_part_imports_what_contributing_allows_and_no_plugin(module: str):
    home, may = floors()
    part = part_of(module)
    assert part in home, f"CONTRIBUTING's table has no floor for {part}"
    for name in imported(module, LGBENCH[module], KNOWN):
        assert name in LGBENCH, f"{module} imports the plugin {name}"
        below = home.get(part_of(name))
        assert below in may[home[part]], f"{module} imports {name}: CONTRIBUTING lets {home[part]} not import {below}"


def parameters(function: ast.FunctionDef) -> int:
    named = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
    return len([one for one in named if one.arg not in ("self", "cls")])


FILES = [*MODULES, *sorted((ROOT / "plugins").rglob("*.py"))]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_function_but_a_command_has_more_than_six_parameters(path: Path):
    functions = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.FunctionDef)]
    commands = (ROOT / "lgbench/cli") in path.parents
    assert [function.name for function in functions if parameters(function) > 6 and not commands] == []


@pytest.mark.parametrize("info", list(pkgutil.walk_packages(lgbench.__path__, "lgbench.")), ids=lambda info: info.name)
def test_all_that_is_public_is_there(info: pkgutil.ModuleInfo):
    module = importlib.import_module(info.name)
    assert hasattr(module, "__all__"), f"{info.name} does not say what is public"
    missing = [name for name in module.__all__ if not hasattr(module, name)]
    assert not missing


def test_the_readmes_hook_table_is_the_hookspecs():
    table = re.findall(r"^\| `(\w+)` \| `(\w+)` \|", (ROOT / "README.md").read_text(), flags=re.M)
    hooks = [name for name in vars(hookspecs) if hasattr(getattr(hookspecs, name), "lgbench_spec")]
    assert sorted(hook for hook, _ in table) == sorted(hooks)
    for _, record in table:
        assert record in lgbench.__all__


def readme_names(heading: str) -> set[str]:
    """What the first column of the README's table under this heading names."""
    table = (ROOT / "README.md").read_text().partition(f"| {heading} |")[2].partition("\n\n")[0]
    rows = [line.split("|")[1] for line in table.splitlines()[2:]]
    return {name for row in rows for name in re.findall(r"`([^`]+)`", row)}


@pytest.mark.parametrize(("heading", "kind"), [("methods", "methods"), ("data set", "datasets"), ("metric", "metrics")])
def test_the_readmes_tables_are_what_is_installed(heading: str, kind: str):
    offered = set(getattr(registry(), kind))
    told = readme_names(heading) - {"folder:PATH", "folder:FILE.zip"}
    assert told == offered


def test_the_readme_names_every_regularizer():
    listed = re.search(r"^Regularizers \((.*?)\)", (ROOT / "README.md").read_text(), flags=re.M | re.S)
    assert listed
    assert set(re.findall(r"`([^`]+)`", listed[1])) == set(registry().regularizers)


def test_the_readmes_commands_exist():
    commands = re.findall(r"uv run lgbench (\S+)", (ROOT / "README.md").read_text())
    assert commands
    assert set(commands) <= set(COMMANDS)


def test_the_readmes_plugin_works():
    code = re.search(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), flags=re.S)
    assert code
    namespace: dict = {}
    exec(code[1], namespace)
    (record,) = namespace["regularizers"]()
    import torch

    from lgbench.game import Step
    from lgbench.layers import Batch, Layers

    empty = Layers.compose(torch.zeros(2, 3, 4, 4), torch.zeros(2, 1, 3, 4, 4), torch.zeros(2, 1, 1, 4, 4))
    term = record.build(record.config(), None, None)
    assert term.penalty(Step(0, Batch(empty.image), empty, empty, lambda: empty)) == 0.25
