"""The folders are the architecture: arrows point one way, public means importable, the README tells the truth."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
from pathlib import Path

import pytest

import lgbench
from lgbench import hookspecs
from lgbench.cli import COMMANDS
from lgbench.plugins import registry

ROOT = Path(__file__).parent.parent

# Each part may import parts of its own level and below; the first match names a module's level.
LEVELS = [
    ("lgbench.__main__", 7),
    ("lgbench.cli", 7),
    ("lgbench.trained", 7),
    ("lgbench.sampling", 7),
    ("lgbench.run", 6),
    ("lgbench.compare", 6),
    ("lgbench.evaluation", 5),
    ("lgbench.painting", 4),
    ("lgbench.lessons", 5),
    ("lgbench.environment", 4),
    ("lgbench.training", 4),
    ("lgbench.stages", 5),
    ("lgbench.leaderboard", 5),
    ("lgbench.benchmark", 4),
    ("lgbench.variant", 4),
    ("lgbench.data", 3),
    ("lgbench.features", 3),
    ("lgbench.matching", 3),
    ("lgbench.intervals", 3),
    ("lgbench.nn", 3),
    ("lgbench.losses", 3),
    ("lgbench.record", 3),
    ("lgbench.plugins", 3),
    ("lgbench.lookup", 4),
    ("lgbench.recipe", 2),
    ("lgbench.preset_check", 1),
    ("lgbench.game", 2),
    ("lgbench.score", 2),
    ("lgbench.runtime", 3),
    ("lgbench.layers", 1),
    ("lgbench.hookspecs", 1),
    ("lgbench.progress", 1),
    ("lgbench.offers", 1),
    ("lgbench.files", 1),
    ("lgbench.locks", 1),
    ("lgbench.permissions", 0),
    ("lgbench.plain", 0),
    ("lgbench.intervals", 1),
    ("lgbench.errors", 0),
    ("lgbench", 1),
]


def level(module: str) -> int:
    return next(height for name, height in LEVELS if module == name or module.startswith(f"{name}."))


def imports_on_loading(path: Path, package: str) -> list[str]:
    """Absolute names of the lgbench modules that a file imports when it is imported itself."""
    found = []
    for node in ast.parse(path.read_text()).body:  # only the outermost level: lazy imports are calls, not arrows
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        if isinstance(node, ast.ImportFrom):
            base = package.rsplit(".", node.level - 1)[0] if node.level else ""
            name = ".".join(filter(None, [base, node.module]))
            deeper = [f"{name}.{alias.name}" for alias in node.names]
            found += [m for m in deeper if is_module(m)] or [name]
    return [name for name in found if name.startswith("lgbench")]


def is_module(name: str) -> bool:
    path = ROOT / name.replace(".", "/")
    return path.with_suffix(".py").exists() or (path / "__init__.py").exists()


MODULES = sorted((ROOT / "lgbench").rglob("*.py"))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_arrows_point_one_way(path: Path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    module = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
    package = module if parts[-1] == "__init__" else module.rpartition(".")[0]
    for name in imports_on_loading(path, package):
        assert not name.startswith("lgbench_"), f"{module} imports the plugin {name}"
        assert level(name) <= level(module), f"{module} imports {name}, which lies above it"


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
