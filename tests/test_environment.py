"""What a record says it was made with: sources by their hashes, always; a commit only where git can tell."""

from __future__ import annotations

import subprocess
import sys
from functools import partial
from importlib.metadata import EntryPoint
from pathlib import Path
from types import ModuleType

import pytest
import torch
from test_recipe import recipe

import lgbench
from lgbench import environment
from lgbench.environment import code_state, describe, module_hash, what_ran
from lgbench.hookspecs import hookimpl
from lgbench.offers import Lazy, Metric, Part
from lgbench.plugins import GROUP, PluginInfo, load, registry
from lgbench.run import chosen_metrics
from lgbench.runtime import Runtime

CPU = Runtime(torch.device("cpu"))


def git(folder: Path, *arguments: str) -> None:
    who = ["-c", "user.name=x", "-c", "user.email=x@y"]
    subprocess.run(["git", "-C", str(folder), *who, *arguments], check=True, capture_output=True)


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository that holds an lgbench and two plugins of its own."""
    root = tmp_path / "checkout"
    for package in ("lgbench", "plugins/mine", "plugins/other"):
        (root / package).mkdir(parents=True)
        (root / package / "__init__.py").write_text("x = 1\n")
    (root / "lgbench" / "environment.py").write_text("")
    (root / "README.md").write_text("")
    git(root, "init", "-q")
    git(root, "add", "-A")
    git(root, "commit", "-qm", "first")
    found = {"lgbench": root / "lgbench", "mine": root / "plugins/mine", "other": root / "plugins/other"}

    def find_spec(name: str):
        return type("Spec", (), {"submodule_search_locations": [str(found[name])], "origin": None})

    monkeypatch.setattr(environment, "__file__", str(root / "lgbench" / "environment.py"))
    monkeypatch.setattr(environment.importlib.util, "find_spec", find_spec)
    return root


def test_a_clean_checkout_has_its_commit_and_a_hash(checkout: Path):
    state = code_state(["mine"])
    assert len(state["commit"]) == 40
    assert (state["dirty"], state["dirty_hash"]) == (False, None)
    assert len(state["sha256"]) == 64


@pytest.mark.parametrize(
    ("file", "dirty", "framework", "plugin"),
    [
        ("lgbench/__init__.py", True, True, False),
        ("lgbench/new.py", True, True, False),
        ("lgbench/weights.bin", True, True, False),
        ("plugins/mine/__init__.py", True, False, True),
        ("plugins/mine/deeper/new.py", True, False, True),
        ("plugins/other/__init__.py", False, False, False),  # a plugin that the run does not use
        ("README.md", False, False, False),
        ("lgbench/__pycache__/x.pyc", None, False, False),
    ],
)
def test_a_change_shows_where_it_is_used(checkout: Path, file: str, dirty: bool | None, framework: bool, plugin: bool):
    before, mine = code_state(["mine"]), module_hash("mine")
    (checkout / file).parent.mkdir(exist_ok=True)
    (checkout / file).write_text("# a comment\n")
    after = code_state(["mine"])
    assert dirty is None or after["dirty"] is dirty
    assert (after["sha256"] != before["sha256"]) is framework
    assert (module_hash("mine") != mine) is plugin


@pytest.mark.parametrize("variable", ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY"])
@pytest.mark.parametrize("place", ["another/.git", "nowhere"])
def test_gits_variables_do_not_lead_it_astray(
    checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, place: str
):
    (tmp_path / "another").mkdir()
    git(tmp_path / "another", "init", "-q")
    git(tmp_path / "another", "commit", "-qm", "another", "--allow-empty")
    expected = code_state()
    monkeypatch.setenv(variable, str(tmp_path / place))
    assert code_state() == expected
    assert expected["dirty"] is False


@pytest.mark.parametrize("how", ["no git", "no checkout", "another owner", "no commit", "around it", "above it"])
def test_where_git_cannot_tell_the_commit_is_unknown_and_the_sources_are_hashed(
    checkout: Path, monkeypatch: pytest.MonkeyPatch, how: str
):
    if how == "no git":
        monkeypatch.setenv("PATH", "")
    if how == "no checkout":
        (checkout / ".git").rename(checkout / "git")
    if how == "another owner":
        monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    if how == "no commit":
        git(checkout, "update-ref", "-d", "HEAD")
    if how == "around it":  # installed into a folder of somebody's project, which does not hold it
        git(checkout, "rm", "-rq", "--cached", "lgbench")
        (checkout / ".gitignore").write_text("lgbench")
        git(checkout, "add", ".gitignore")
        git(checkout, "commit", "-qm", "a project")
    if how == "above it":  # git passes over what is no repository, to the next one above
        (checkout / ".git").rename(checkout.parent / ".git")
        (checkout / ".git").mkdir()
    state = code_state()
    assert (state["commit"], state["dirty"], state["dirty_hash"]) == ("unknown", None, None)
    (checkout / "lgbench" / "__init__.py").write_text("x = 2\n")
    assert code_state()["sha256"] != state["sha256"]


def test_what_ran_does_not_depend_on_commits_but_on_sources(checkout: Path):
    plugins = [PluginInfo("mine", "mine", "mine", "1", sources=("mine",))]
    before = describe(CPU, plugins)
    (checkout / "README.md").write_text("more")
    git(checkout, "commit", "-qam", "second")
    after = describe(CPU, plugins)
    assert after["lgbench"]["commit"] != before["lgbench"]["commit"]
    assert what_ran(after) == what_ran(before)
    (checkout / "plugins/mine/__init__.py").write_text("x = 2\n")
    assert what_ran(describe(CPU, plugins)) != what_ran(before)


def test_a_plugin_is_its_whole_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "mypackage").mkdir()
    for name in ("__init__", "plugin", "model"):
        (tmp_path / "mypackage" / f"{name}.py").write_text("")
    (tmp_path / "alone_module.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    before = {name: module_hash(name) for name in ("mypackage.plugin", "mypackage.plugin:hooks", "alone_module")}
    assert before["mypackage.plugin"] == before["mypackage.plugin:hooks"]
    (tmp_path / "mypackage" / "model.py").write_text("# what the plugin imports")
    (tmp_path / "alone_module.py").write_text("# changed")
    assert all(module_hash(name) != value for name, value in before.items())
    assert module_hash("no_such_module") == module_hash("sys") == ""


def test_a_plugin_is_what_its_records_name_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    part = Part("components", Lazy("their_evidence:components"))
    compute = partial(Lazy("their_metric:compute"), said=Lazy("their_words:said"))
    metric = Metric(
        name="mine", summary="", compute=compute, needs=frozenset({"components"}), direction="up", parts=(part,)
    )

    @hookimpl
    def metrics():
        return [metric]

    adapter = ModuleType("their_adapter")
    vars(adapter)["metrics"] = metrics
    monkeypatch.setitem(sys.modules, "their_adapter", adapter)
    for name in ("their_adapter", "their_metric", "their_evidence", "their_words"):
        (tmp_path / f"{name}.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    (found,) = load([EntryPoint("mine", "their_adapter", GROUP)]).plugins
    assert (found.reason, found.sources) == (
        "",
        ("their_adapter", "their_evidence:components", "their_metric:compute", "their_words:said"),
    )
    before = describe(CPU, [found])["plugins"][0]["sha256"]
    (tmp_path / "their_evidence.py").write_text("# changed")
    assert describe(CPU, [found])["plugins"][0]["sha256"] != before
    assert module_hash("their_metric", "torch:nn", "lgbench.nn:UNet") == module_hash("their_metric")


def test_a_package_that_is_not_installed_is_unknown(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(environment, "PACKAGES", ("torch", "no-such-package"))
    assert describe(CPU, [])["packages"]["no-such-package"] == "unknown"


def test_a_run_uses_the_plugins_that_offer_its_parts():
    chosen = recipe("dscomgan", "flora", "smoke")
    metrics = chosen_metrics("iou", registry().metrics)
    used = registry().used([*chosen.records, *(("metrics", name) for name in metrics)])
    assert {plugin.name for plugin in used} == {"comgan", "regularizers", "datasets", "metrics"}
    assert {plugin.name for plugin in registry().used(recipe("lrgan", "flora", "smoke").records)} == {
        "lrgan",
        "segmenters",
        "datasets",
    }
    assert describe(CPU, used)["lgbench"]["version"] == lgbench.__version__
